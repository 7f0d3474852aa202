"""Reports add up, and types that differ only in case are found."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.readers.sentence import LINES_KEPT, ReadReport, Sentence, types_alike

EVENTS = st.lists(
    st.tuples(st.booleans(), st.sampled_from(["orphan", "overlap", "blank-line"]), st.integers(1, 99)), max_size=30
)


@given(EVENTS)
def test_a_report_counts_by_reason_and_keeps_the_first_few_lines(events: list[tuple[bool, str, int]]) -> None:
    report = ReadReport(Path("raw.txt"), "columns")
    for repaired, reason, line in events:
        (report.repair if repaired else report.skip)(reason, line)
    reasons = {reason for _, reason, _ in events}
    for reason in reasons:
        lines = [line for _, other, line in events if other == reason]
        assert report.first_lines[reason] == lines[:LINES_KEPT]
        assert report.repairs.get(reason, 0) + report.skipped.get(reason, 0) == len(lines)
        assert report.repairs.get(reason, 0) == sum(repaired for repaired, other, _ in events if other == reason)
    assert set(report.first_lines) == reasons
    summary = report.summary()
    assert bool(summary) == bool(events)
    for reason in report.repairs:
        first = next(line for _, other, line in events if other == reason)
        assert f"{report.repairs[reason]} {reason} (first in line {first})" in summary


@given(
    st.lists(
        st.builds(
            lambda text, label: Sentence(tuple(text), (Span(0, 1, label),) if label else (), 1),
            st.text("中国😀", min_size=1, max_size=5),
            st.sampled_from(["", "PER", "LOC"]),
        ),
        max_size=8,
    )
)
def test_sentences_are_counted(sentences: list[Sentence]) -> None:
    report = ReadReport(Path("raw.txt"), "columns")
    for sentence in sentences:
        report.count(sentence)
    assert report.n_sentences == len(sentences)
    assert report.n_characters == sum(len(sentence.text) for sentence in sentences)
    assert report.n_entities == sum(bool(sentence.entities) for sentence in sentences)
    assert report.types == {entity.label for sentence in sentences for entity in sentence.entities}


@given(st.lists(st.text("aAbBßSs", max_size=3), max_size=10))
def test_types_that_differ_only_in_case_are_grouped(types: list[str]) -> None:
    groups = types_alike(types)
    group_of = {name: group for group in groups for name in group}
    for one in types:
        expected = sorted({other for other in types if other.casefold() == one.casefold()})
        assert group_of.get(one, [one]) == expected
    assert sum(map(len, groups)) == len(group_of), "no type is in two groups"
    assert types_alike(reversed(types)) == groups


def test_types_with_one_spelling_are_not_grouped() -> None:
    assert types_alike(["PER", "PER", "LOC", "ORG"]) == []
    assert types_alike(["Per", "ORG", "PER", "org", "LOC"]) == [["ORG", "org"], ["PER", "Per"]]
