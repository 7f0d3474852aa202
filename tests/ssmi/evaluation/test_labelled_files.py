"""Scores on a labelled file, compared with direct counts of the tagger's entities per sentence."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi import score_file
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, ParameterError
from ssmi.pipeline.readers import read_sentences
from tests.reporters import RecordingReporter


@pytest.fixture(scope="module")
def tagger(tagging_project: Any) -> ssmi.Tagger:
    return ssmi.open_run(tagging_project.root / "artifacts" / "train" / "tiny", device="cpu", threads=1)


def _jsonl(path: Path, rows: list[tuple[str, list[tuple[int, int, str]]]]) -> Path:
    lines = (
        json.dumps({"text": text, "entities": [{"start": s, "end": e, "label": label} for s, e, label in entities]})
        for text, entities in rows
    )
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("split", ["dev", "test"])
def test_scores_are_computed_from_the_predicted_entities(
    tagger: ssmi.Tagger, tagging_project: Any, tmp_path: Path, split: str
) -> None:
    sentences = [
        sentence
        for sentence in read_sentences(tagging_project.raw(split))[0]
        if not any(map(str.isspace, sentence.text))
    ]
    assert len(sentences) > 8
    path = _jsonl(
        tmp_path / "some.jsonl",
        [(sentence.text, [(span.start, span.end, span.label) for span in sentence.entities]) for sentence in sentences],
    )
    reporter = RecordingReporter()
    scored = score_file(tagger, path, reporter=reporter)
    predictions = [tagger(sentence.text) for sentence in sentences]
    overall = scored.scores.overall
    assert repr(scored) == repr(scored.scores).replace("<Scores", "<FileScores of some.jsonl")
    assert f"F1 {100 * overall.f1:.2f} (precision {100 * overall.precision:.2f}" in repr(scored)
    assert f"{overall.gold} gold entities of" in repr(scored) and f"in {len(sentences)} sentences>" in repr(scored)
    assert f"ECE {scored.calibration.ece:.4f}" in repr(scored.calibration)
    gold = {(n, span.start, span.end, span.label) for n, sentence in enumerate(sentences) for span in sentence.entities}
    predicted = {
        (n, entity.start, entity.end, entity.label): entity.score
        for n, entities in enumerate(predictions)
        for entity in entities
    }
    correct = gold & predicted.keys()
    overall = scored.scores.overall
    assert (overall.gold, overall.predicted, overall.correct) == (len(gold), len(predicted), len(correct))
    assert {label: scores.correct for label, scores in scored.scores.by_type.items() if scores.correct} == Counter(
        label for *_, label in correct
    )
    spans = {key[:3] for key in gold} & {key[:3] for key in predicted}
    assert scored.scores.spans.correct == len(spans) and scored.scores.n_sentences == len(sentences)
    assert scored.calibration.n == len(predicted) > 0
    assert scored.calibration.mean_probability == pytest.approx(sum(predicted.values()) / len(predicted))
    assert scored.calibration.precision == pytest.approx(len(correct) / len(predicted))
    brier = sum((score - (key in correct)) ** 2 for key, score in predicted.items()) / len(predicted)
    assert scored.calibration.brier == pytest.approx(brier)
    assert {label: task.done for label, task in reporter.tasks.items()} == {
        "evaluate some.jsonl": sum(len(sentence.text) for sentence in sentences)
    }
    assert not reporter.notes


def test_blanks_do_not_change_the_scores(tagger: ssmi.Tagger, tmp_path: Path) -> None:
    """Entities are compared by their positions among the seen characters, without blanks at their edges."""
    text = "吴重阳先生毕业于北京大学，任公司董事长。"
    (entity, *others) = tagger(text)
    plain = [(found.start, found.end, found.label) for found in (entity, *others)]
    spaced = [(2 * start, 2 * end, label) for start, end, label in plain]  # with the blank after each character
    files = [
        _jsonl(tmp_path / "plain.jsonl", [(text, plain)]),
        _jsonl(tmp_path / "spaced.jsonl", [("".join(f"{character}\u3000" for character in text), spaced)]),
    ]
    scores = [score_file(tagger, path) for path in files]
    assert [score.scores.overall.f1 for score in scores] == [1.0, 1.0]
    assert scores[0].scores == scores[1].scores and scores[0].calibration == scores[1].calibration
    assert not scores[0].report.repairs and scores[1].report.repairs["entity-with-blank-at-edge"] == len(plain)


def test_unknown_types_count_as_missed_and_are_listed(tagger: ssmi.Tagger, tmp_path: Path) -> None:
    assert {"船舶", "AIRPORT"}.isdisjoint(tagger.labels.entity_types)
    rows = [("北京号", [(0, 3, "船舶")]), ("到首都机场", [(1, 5, "AIRPORT")]), ("上海号", [(0, 3, "船舶")])]
    scored = score_file(tagger, _jsonl(tmp_path / "a.jsonl", rows))
    assert scored.unknown_types == {"AIRPORT": 1, "船舶": 2} and list(scored.unknown_types) == ["AIRPORT", "船舶"]
    assert (scored.scores.by_type["船舶"].gold, scored.scores.by_type["船舶"].recall) == (2, 0.0)
    body = scored.to_json()
    assert body["unknown_types"] == {"AIRPORT": 1, "船舶": 2} and body["f1"] == scored.scores.overall.f1
    json.dumps(body)


def test_a_file_without_gold_or_predicted_entities(tagger: ssmi.Tagger, tagging_project: Any, tmp_path: Path) -> None:
    texts = [sentence.text for sentence in read_sentences(tagging_project.raw("train"))[0] if not tagger(sentence.text)]
    scored = score_file(tagger, _jsonl(tmp_path / "a.jsonl", [(text, []) for text in texts[:2]]))
    assert (scored.scores.n_sentences, scored.calibration.n, scored.scores.overall.f1) == (2, 0, 0.0)
    assert scored.unknown_types == {} and scored.to_json()["skipped"] == {}


def test_options_determine_how_a_file_is_read(tagger: ssmi.Tagger, tmp_path: Path) -> None:
    text, emoji = "😀吴重阳先生毕业于北京大学", 1
    (entity, *_) = [entity for entity in tagger(text) if entity.start >= emoji]
    row = {"text": text, "entities": [{"start": entity.start + 1, "end": entity.end + 1, "label": entity.label}]}
    path = tmp_path / "a.jsonl"
    path.write_bytes(json.dumps(row, ensure_ascii=False).encode("gb18030"))
    scored = score_file(tagger, path, encoding="gb18030", offsets="utf-16")
    assert scored.scores.overall.correct == 1
    with pytest.raises(InputDataError, match=r"a\.jsonl:1: "):
        score_file(tagger, path)
    with pytest.raises(MissingResourceError, match="nowhere"):
        score_file(tagger, tmp_path / "nowhere.jsonl")
    with pytest.raises(ParameterError, match="options: encoding: encoding 'gb18031' is not known, did you mean"):
        score_file(tagger, path, encoding="gb18031")


def test_tags_of_a_file_are_named_as_the_run_knows_them(tagger: ssmi.Tagger, tmp_path: Path) -> None:
    """A format, numeric tags and a tag map are plain arguments, as for ``ssmi.convert``."""
    text = "吴重阳先生毕业于北京大学，任公司董事长。"
    (entity, *_) = tagger(text)
    path = tmp_path / "a.txt"
    numbers = [0] * len(text)
    numbers[entity.start : entity.end] = [1] + [2] * (entity.end - entity.start - 1)
    path.write_text("".join(f"{character} {number}\n" for character, number in zip(text, numbers, strict=True)))
    tag_map = tmp_path / "map.yaml"
    tag_map.write_text(json.dumps({"X": entity.label}), encoding="utf-8")
    names = ["O", "B-X", "I-X"]
    scored = score_file(tagger, path, input_format="columns", labels=names, tag_map=tag_map)
    assert (scored.report.format, scored.unknown_types) == ("columns", {})
    assert (scored.scores.overall.gold, scored.scores.overall.correct) == (1, 1)
    assert score_file(tagger, path, labels=names, tag_map={"X": entity.label}).scores == scored.scores
    assert score_file(tagger, path, input_format="columns", labels=names).unknown_types == {"X": 1}
