"""Recall of known and of unknown entities."""

from __future__ import annotations

from ssmi.pipeline.contract.labels import Span
from ssmi.report.feature_statistics import recall_by_type


def test_recall_is_counted_by_type_and_text() -> None:
    gold = [[Span(0, 2, "LOC"), Span(2, 4, "LOC")], [Span(0, 2, "ORG")]]
    predicted = [[Span(0, 2, "LOC")], [Span(0, 2, "LOC")]]
    recall = recall_by_type({("LOC", "北京")}, characters=["北京上海", "北京"], gold=gold, predicted=predicted)
    assert list(recall) == ["LOC", "ORG"]
    location, organisation = recall["LOC"], recall["ORG"]
    assert (location.known.ratio, location.unknown.ratio, location.unknown_share, location.n) == (1.0, 0.0, 0.5, 2)
    # The same text with another type counts as unknown.
    assert (organisation.known.ratio, organisation.unknown.ratio, organisation.unknown_share) == (None, 0.0, 1.0)
