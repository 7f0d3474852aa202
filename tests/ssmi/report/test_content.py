"""Counts are arranged in rows."""

from __future__ import annotations

from collections import Counter

import pytest

from ssmi.report.content import UnknownRow, confusion_table, unknown_entities
from ssmi.report.feature_statistics import FeatureStatistics, QueryResult, Recall, SplitRecall

EMPTY = QueryResult()


def statistics(*, segments: QueryResult = EMPTY, in_train: QueryResult = EMPTY) -> FeatureStatistics:
    return FeatureStatistics(EMPTY, EMPTY, EMPTY, segments, in_vocabulary=EMPTY, in_train=in_train)


def test_cells_show_their_share_of_the_row() -> None:
    table = confusion_table(Counter({("PER", "PER"): 3, ("PER", None): 1, (None, "LOC"): 2}))
    assert table.labels == ["LOC", "PER", None]
    assert [row.label for row in table.rows] == table.labels
    per = table.rows[1].cells
    assert [(cell.count, cell.share, cell.is_correct) for cell in per] == [
        (0, 0, False),
        (3, 0.75, True),
        (1, 0.25, False),
    ]
    assert [cell.share for cell in table.rows[0].cells] == [0, 0, 0]


def test_without_entities_the_table_is_empty() -> None:
    assert confusion_table(Counter()).rows == []


def test_both_recalls_of_a_type_are_in_one_row() -> None:
    in_vocabulary, in_train = SplitRecall(Recall(2, 1), Recall()), SplitRecall(Recall(1, 1), Recall(1, 0))
    unknown = unknown_entities(
        statistics(segments=QueryResult([(8, 2)])), in_vocabulary={"PER": in_vocabulary}, in_train={"PER": in_train}
    )
    assert unknown.rows == [UnknownRow("PER", in_vocabulary, in_train)]
    assert (unknown.n_segments, unknown.outside_share, unknown.why_omitted) == (8, 0.25, "")


@pytest.mark.parametrize("segments", [EMPTY, QueryResult([(None, 0)])])
def test_unknown_segments_have_no_share(segments: QueryResult) -> None:
    unknown = unknown_entities(statistics(segments=segments), in_vocabulary={}, in_train={})
    assert (unknown.n_segments, unknown.outside_share) == (0, 0.0)


def test_a_missing_stage_omits_the_table() -> None:
    unknown = unknown_entities(
        statistics(in_train=QueryResult(why_omitted="Not built.")), in_vocabulary={}, in_train={}
    )
    assert unknown.why_omitted == "Not built." and not unknown.rows
