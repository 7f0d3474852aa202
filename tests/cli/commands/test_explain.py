"""``ssmi-cli explain``: the same choices as in the features, ranked, on a terminal and as a picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi.charts.fonts import find_cjk_font
from ssmi.pipeline.contract.errors import MissingResourceError
from ssmi.pipeline.contract.parquet import schema, tables

UNKNOWN_SEGMENT = "公猫北京熊"
"""A segment that is neither in the vocabulary nor among the stored segments."""


@pytest.fixture
def explain(built_once: Any) -> Callable[..., Any]:
    return lambda *arguments: built_once.ssmi("explain", *arguments)


def as_json(outcome: Any) -> dict[str, Any]:
    assert outcome.code == 0, outcome.stderr
    body: dict[str, Any] = json.loads(outcome.stdout)
    return body


def words_with_role(body: dict[str, Any], role: str) -> list[str]:
    return [candidate["word"] for candidate in body["candidates"] if candidate[role]]


def test_a_word_is_its_own_best_candidate(explain: Callable[..., Any]) -> None:
    outcome = explain("公", "--segment", "公司", "--top", "3", "-S", "selection.n_negatives=2")
    assert outcome.code == 0, outcome.stderr
    lines = outcome.stdout.splitlines()
    assert lines[0] == "公 in 公司: a word of the vocabulary"
    first = next(line for line in lines if line.split()[:1] == ["1"])
    assert first.split() == ["1", "公司", "1.000", "█" * 24, "best,", "set"]
    assert "… 6 more" in outcome.stdout and outcome.stdout.count("negative") == 2
    assert "16 words contain 公" in outcome.stdout


def test_choices_equal_those_of_the_features(explain: Callable[..., Any], built_once: Any) -> None:
    artifacts = built_once.root / "artifacts"
    words = {
        row["boundary_id"]: row["word"]
        for row in tables.read_rows(artifacts / "vocab" / "words.parquet", schema.VOCABULARY)
    }
    known = set(words.values())
    rows = tables.read_rows(tables.part_path(artifacts / "selection" / "tiny", "selections", 0), schema.SELECTIONS)
    selected = [row for row in rows if row["n_candidates"] > 3 and row["character"] in row["segment"]]
    outside_vocabulary = [row for row in selected if row["segment"] not in known]
    assert outside_vocabulary and len(selected) > len(outside_vocabulary)
    for row in [*selected[:: len(selected) // 6], *outside_vocabulary[:: max(1, len(outside_vocabulary) // 4)]]:
        body = as_json(explain(row["character"], "--segment", row["segment"], "--top", "0", "--json"))
        assert body["vector"] == ("vocabulary" if row["segment"] in known else "stored")
        assert body["n_candidates"] == len(body["candidates"]) == row["n_candidates"]
        assert words_with_role(body, "best") == [words[row["best_id"]]]
        assert words_with_role(body, "in_set") == [words[index] for index in row["set_ids"]]
        assert words_with_role(body, "negative")[::-1] == [words[index] for index in row["negative_ids"]]
        cosines = [candidate["cosine"] for candidate in body["candidates"]]
        assert cosines == sorted(cosines, reverse=True)
        assert cosines[0] == pytest.approx(row["best_cosine"], abs=1e-6)


def test_an_unknown_segment_is_embedded(explain: Callable[..., Any]) -> None:
    body = as_json(explain("公", "--segment", UNKNOWN_SEGMENT, "--json"))
    assert body["vector"] == "encoder" and body["notes"] == []
    assert [candidate["rank"] for candidate in body["candidates"][:10]] == list(range(1, 11))
    assert "just made with BERT" in explain("公", "--segment", UNKNOWN_SEGMENT).stdout


def test_parameters_affect_the_choices(explain: Callable[..., Any]) -> None:
    strict = as_json(explain("公", "--segment", "公司", "--json", "-S", "selection.threshold=1.0"))
    assert words_with_role(strict, "in_set") == [] and words_with_role(strict, "best") == ["公司"]
    excluded = as_json(explain("公", "--segment", "公司", "--json", "-S", "selection.exclude_segment=true"))
    assert "公司" not in [candidate["word"] for candidate in excluded["candidates"]]
    sentence = as_json(explain("公", "--segment", "公司", "--json", "-S", "selection.scope=sentence"))
    assert "selection.scope is sentence" in sentence["notes"][0]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("猫", "--segment", "公司"), 2, "does not occur in the segment"),
        (("公司", "--segment", "公司"), 2, "not one character"),
        (("，", "--segment", "，"), 1, "none of the"),
        (("公",), 2, "--segment"),
        (("公", "--segment", "公司", "--dataset", "other"), 4, "data set 'other': unknown"),
        (
            ("公", "--segment", "公司", "-S", "embed.space=bert"),
            2,
            "error: embed.space=bert: explain reads selection.*",
        ),
        (("公", "--segment", "公司", "--plot", "figure.pdf"), 2, "must end in .svg or .png"),
        (("公", "--segment", "公司", "--plot", "no/such/folder/figure.svg"), 2, "no folder"),
    ],
)
def test_wrong_usage_is_refused(
    explain: Callable[..., Any], arguments: tuple[str, ...], code: int, message: str
) -> None:
    outcome = explain(*arguments)
    assert outcome.code == code and message in outcome.stderr and not outcome.stdout


def test_another_encoder_is_refused(project: Any) -> None:
    config = project.root / "encoder" / "config.json"
    config.write_text(config.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    outcome = project.ssmi("explain", "公", "--segment", UNKNOWN_SEGMENT)
    assert outcome.code == 5 and "another encoder" in outcome.stderr


@pytest.mark.parametrize(("name", "start"), [("figure.svg", b"<?xml"), ("figure.png", b"\x89PNG")])
def test_a_plot_is_written_or_the_missing_font_reported(
    explain: Callable[..., Any], built_once: Any, tmp_path: Path, name: str, start: bytes
) -> None:
    file = tmp_path / name
    outcome = explain("公", "--segment", "公司", "--plot", str(file))
    try:
        find_cjk_font("公司")
    except MissingResourceError:
        assert outcome.code == 4 and "apt-get install fonts-noto-cjk" in outcome.stderr
        assert list(tmp_path.iterdir()) == []
        return
    assert outcome.code == 0, outcome.stderr
    content = file.read_bytes()
    assert content.startswith(start) and len(content) > 5_000
    assert explain("公", "--segment", "公司", "--plot", str(file)).code == 0
    assert file.read_bytes() == content
    project = ssmi.open_project(built_once.root)
    ssmi.plot_candidates(project.explain("公", "公司"), str(tmp_path / f"same-{name}"))
    assert (tmp_path / f"same-{name}").read_bytes() == content
    explanation = project.explain("公", "公司", overrides=["selection.n_negatives=2"])
    for top in (3, 0):
        ssmi.plot_candidates(explanation, tmp_path / f"{top}-{name}", top=top)
    assert (tmp_path / f"3-{name}").read_bytes() != (tmp_path / f"0-{name}").read_bytes()
