"""``predict --entities`` and ``--min-score``; ``explain --entities``."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ssmi

SENTENCE = "吴重阳先生毕业于北京大学，任公司董事长。"


@pytest.fixture
def entities_file(tmp_path: Path) -> Path:
    path = tmp_path / "own.tsv"
    path.write_text("先生\tPERSON\n毕业于北京\tEVENT\tforce\n", encoding="utf-8")
    return path


@pytest.fixture
def predict(tagging_project: Any, tmp_path: Path) -> Callable[..., Any]:
    texts = tmp_path / "texts.txt"
    texts.write_text(f"{SENTENCE}\n毕业于 北京\n", encoding="utf-8")

    def call(*arguments: object) -> Any:
        return tagging_project.ssmi("predict", "--device", "cpu", str(texts), *map(str, arguments))

    return call


def parse_rows(outcome: Any) -> list[dict[str, Any]]:
    assert outcome.code == 0, outcome.stderr
    return [json.loads(line) for line in outcome.stdout.splitlines()]


def test_user_entities_are_written_in_every_format(predict: Callable[..., Any], entities_file: Path) -> None:
    plain = parse_rows(predict())
    outcome = predict("--entities", entities_file)
    assert "own.tsv:1: PERSON is not a type of the run" in outcome.stderr
    assert "own.tsv:2: EVENT is not a type of the run" in outcome.stderr
    rows = parse_rows(outcome)
    assert all("source" not in entity for row in plain for entity in row["entities"])
    assert {entity["source"] for row in rows for entity in row["entities"]} == {"file", "model"}
    forced = {"start": 5, "end": 10, "label": "EVENT", "text": "毕业于北京", "score": 0.0, "source": "file"}
    assert forced in rows[0]["entities"]
    assert [entity["text"] for entity in rows[1]["entities"]] == ["毕业于 北京"]
    for entity in plain[0]["entities"]:  # entities that do not touch it are kept
        if entity["end"] <= 5 or entity["start"] >= 10:
            assert {**entity, "source": "model"} in rows[0]["entities"]
    assert "毕\tB-EVENT" in predict("--entities", entities_file, "--format", "conll").stdout
    assert [5, 10, "EVENT"] in parse_rows(predict("--entities", entities_file, "--format", "doccano"))[0]["label"]
    tasks = json.loads(predict("--entities", entities_file, "--format", "label-studio").stdout)
    scores = [entity["score"] for entity in rows[0]["entities"] if entity["source"] == "model"]
    assert tasks[0]["predictions"][0]["score"] == min(scores)
    assert "score" not in tasks[1]["predictions"][0]


def test_an_invalid_file_of_entities_is_refused(
    predict: Callable[..., Any], entities_file: Path, tmp_path: Path
) -> None:
    entities_file.write_text("先生 PERSON\n北京\n", encoding="utf-8")
    outcome = predict("--entities", entities_file)
    assert outcome.code == 3 and "own.tsv:2: no word, or no label" in outcome.stderr and not outcome.stdout
    assert predict("--entities", tmp_path / "none").code == 4


def test_entities_below_the_minimum_score_are_omitted(predict: Callable[..., Any]) -> None:
    rows = parse_rows(predict())
    threshold = sorted(entity["score"] for row in rows for entity in row["entities"])[-1]
    kept = parse_rows(predict("--min-score", threshold - 1e-6))
    assert (
        kept[0]["entities"] == [entity for entity in rows[0]["entities"] if entity["score"] >= threshold - 1e-6] != []
    )
    for value in ("1.5", "-1", "nan"):
        outcome = predict("--min-score", value)
        assert outcome.code == 2 and "not a probability" in outcome.stderr


def test_user_entities_are_marked_interactively(
    tagging_project: Any, entities_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{SENTENCE}\n".encode()), encoding="utf-8"))
    outcome = tagging_project.ssmi(
        "predict", "--device", "cpu", "--interactive", "--entities", str(entities_file), "--min-score", "1"
    )
    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout.startswith("吴重阳[先生 PERSON][毕业于北京 EVENT]大学")


def test_explain_reports_whether_a_segment_is_a_user_entity(built_once: Any, entities_file: Path) -> None:
    entities_file.write_text("公 司\tORG\tforce\n", encoding="utf-8")
    command = ("explain", "公", "--segment", "公司")
    outcome = built_once.ssmi(*command, "--entities", str(entities_file))
    assert outcome.code == 0, outcome.stderr
    assert f"公司 is an entity of {entities_file}:1: ORG, force" in outcome.stdout
    body = json.loads(built_once.ssmi(*command, "--entities", str(entities_file), "--json").stdout)
    assert body["entity"] == {"label": "ORG", "mode": "force", "where": f"{entities_file}:1"}
    entities_file.write_text("董事长\tTITLE\n", encoding="utf-8")
    assert f"公司 is no entity of {entities_file}" in built_once.ssmi(*command, "--entities", str(entities_file)).stdout
    assert ssmi.find_user_entity("公司", entities_file) is None
    entity = ssmi.find_user_entity("董事长", str(entities_file))
    assert entity is not None and (entity.label, entity.mode, entity.where) == ("TITLE", "add", f"{entities_file}:1")
    assert "entity" not in json.loads(built_once.ssmi(*command, "--json").stdout)
