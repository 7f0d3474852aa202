"""``ssmi-cli evaluate`` on files and on data sets without built features, and the calibration that it reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ssmi

Copy = Callable[[Any, Path], Any]
RUN = Path("artifacts") / "train" / "tiny"


def evaluate(project: Any, *arguments: object) -> tuple[dict[str, Any], str]:
    """Return the scores of the only split or file, and the text on stderr."""
    outcome = project.ssmi("evaluate", *map(str, arguments), "--device", "cpu", "--json")
    assert outcome.code == 0, outcome.stderr
    (scores,) = json.loads(outcome.stdout).values()
    return scores, outcome.stderr


def rows(marked: list[tuple[str, str]]) -> str:
    return "".join(f"{token} {tag}\n" for token, tag in marked) + "\n"


def without(scores: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in scores.items() if name not in names}


def test_a_file_is_scored_like_its_split(tagging_project: Any) -> None:
    run = tagging_project.root / RUN
    of_split, _ = evaluate(tagging_project, "--split", "test")
    of_file, stderr = evaluate(tagging_project, "--run", run, "--file", tagging_project.raw("test"))
    assert stderr == ""
    assert (of_file["unknown_types"], of_file["repairs"], of_file["skipped"]) == ({}, {}, {})
    assert without(of_file, "calibration", "unknown_types", "repairs", "skipped") == without(of_split, "calibration")
    assert 0 < of_file["correct"] < of_file["gold"]
    split_calibration, file_calibration = of_split["calibration"], of_file["calibration"]
    assert [bin_["n"] for bin_ in split_calibration["bins"]] == [bin_["n"] for bin_ in file_calibration["bins"]]
    assert split_calibration["ece"] == pytest.approx(file_calibration["ece"], abs=1e-4)


def test_an_unfinished_run_is_noted(tagging_project: Any, copy_project: Copy, tmp_path: Path) -> None:
    project = copy_project(tagging_project, tmp_path)
    (project.root / "artifacts" / "train" / "tiny" / "metrics.json").unlink()
    file = tagging_project.raw("dev")
    for arguments in ((), ("--file", str(file))):
        outcome = project.ssmi("evaluate", "--device", "cpu", *arguments)
        assert outcome.code == 0, outcome.stderr
        assert outcome.stderr.count("an unfinished run (no metrics.json)") == 1


def test_calibration_covers_all_predicted_entities(tagging_project: Any, tmp_path: Path) -> None:
    scores, _ = evaluate(tagging_project, "--split", "test")
    calibration = scores["calibration"]
    assert calibration["n"] == scores["predicted"] == sum(bin_["n"] for bin_ in calibration["bins"])
    assert calibration["precision"] == pytest.approx(scores["precision"])
    n_correct = sum(bin_["n"] * bin_["precision"] for bin_ in calibration["bins"])
    assert n_correct == pytest.approx(scores["correct"])
    gaps = sum(bin_["n"] * abs(bin_["precision"] - bin_["mean_probability"]) for bin_ in calibration["bins"])
    assert calibration["ece"] == pytest.approx(gaps / calibration["n"])
    pictures = []
    for name in ("one.svg", "two.svg"):
        outcome = tagging_project.ssmi("evaluate", "--split", "test", "--plot", str(tmp_path / name))
        assert outcome.code == 0, outcome.stderr
        assert f"calibration: {calibration['n']} predicted entities" in outcome.stdout
        assert f"expected calibration error {calibration['ece']:.2%} (10 bins of equal width)" in outcome.stdout
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1] and b"<svg" in pictures[0]


def test_unknown_types_are_reported(tagging_project: Any, tmp_path: Path) -> None:
    file = tmp_path / "new.bio"
    file.write_text(rows([("北", "B-PLANET"), ("京", "I-PLANET"), ("好", "O"), ("的", "I-PLANET")]), encoding="utf-8")
    scores, stderr = evaluate(tagging_project, "--file", file)
    assert scores["unknown_types"] == {"PLANET": 2}
    assert scores["by_type"]["PLANET"]["gold"] == 2 and scores["by_type"]["PLANET"]["correct"] == 0
    assert "types that the run does not know count as missed: PLANET (2)" in stderr
    assert "new.bio: repaired: " in stderr and sum(scores["repairs"].values()) == 1


def test_the_encoding_of_a_file_is_set_by_option_or_dataset_yaml(tagging_project: Any, tmp_path: Path) -> None:
    utf8_file, gb18030_file = tmp_path / "plain.bio", tmp_path / "other" / "gbk.bio"
    gb18030_file.parent.mkdir()
    text = rows([("北", "B-LOC"), ("京", "I-LOC"), ("好", "O")])
    utf8_file.write_text(text, encoding="utf-8")
    gb18030_file.write_text(text, encoding="gb18030")
    expected = evaluate(tagging_project, "--file", utf8_file)[0]
    assert evaluate(tagging_project, "--file", gb18030_file, "--encoding", "gb18030")[0] == expected
    (gb18030_file.parent / "dataset.yaml").write_text("encoding: gb18030\n", encoding="utf-8")
    assert evaluate(tagging_project, "--file", gb18030_file)[0] == expected


def test_tokens_of_several_characters_are_scored_by_their_position(tagging_project: Any, tmp_path: Path) -> None:
    """Score tokens of several characters, then the same text with entity offsets in code points."""
    tagger = ssmi.open_run(tagging_project.root / RUN, project=tagging_project.root, device="cpu")
    tokens = ["COVID", "-19", *"王小明，男，汉族，大学本科，任公司董事长。"]
    text = "".join(tokens)
    entities = tagger(text)
    assert entities
    tags = ["O"] * len(tokens)
    shift = len("COVID-19") - 2
    for entity in entities:
        assert entity.start >= len("COVID-19")
        for index in range(entity.start - shift, entity.end - shift):
            tags[index] = f"{'B' if index == entity.start - shift else 'I'}-{entity.label}"
    (tmp_path / "tokens.bio").write_text(rows(list(zip(tokens, tags, strict=True))), encoding="utf-8")
    scored = ssmi.score_file(tagger, tmp_path / "tokens.bio")
    assert scored.scores.overall.f1 == 1.0 and scored.scores.overall.gold == len(entities)


@pytest.fixture
def later_project(tagging_project: Any, copy_project: Copy, tmp_path: Path) -> Any:
    """A project with a run, and with a data set that has only a test file."""
    project = copy_project(tagging_project, tmp_path)
    (project.root / "data" / "later").mkdir()
    (project.root / "data" / "later" / "test.bmes").write_bytes(project.raw("test").read_bytes())
    return project


def test_a_data_set_without_train_can_be_scored(later_project: Any) -> None:
    outcome = later_project.ssmi("features", "prepare", "--dataset", "later")
    assert outcome.code == 0, outcome.stderr
    run = later_project.root / RUN
    scores, stderr = evaluate(later_project, "--run", run, "--dataset", "later", "--split", "test")
    assert "later: no shards; " in stderr and "test.bmes is tagged as `predict` does" in stderr
    prepared, _ = evaluate(later_project, "--split", "test")
    assert scores["f1"] == prepared["f1"]
    outcome = later_project.ssmi("evaluate", "--run", str(run), "--dataset", "later")
    assert outcome.code == 4
    assert "no shards; nor has the data set a dev file" in outcome.stderr and "choose the split test" in outcome.stderr
    outcome = later_project.ssmi("features", "build", "--dataset", "later")
    assert outcome.code == 4
    assert "data set later: no train file, only test" in outcome.stderr and "ssmi-cli evaluate" in outcome.stderr


def test_shards_with_other_features_are_ignored(later_project: Any) -> None:
    (later_project.root / "data" / "later" / "train.bmes").write_bytes(later_project.raw("train").read_bytes())
    later_project.build("--dataset", "later", "-S", "selection.choice=random")
    scores, stderr = evaluate(later_project, "--run", later_project.root / RUN, "--dataset", "later", "--split", "test")
    assert "selection.choice is cosine in the run, random in the shards" in stderr
    assert "is tagged as `predict` does" in stderr
    from_shards, _ = evaluate(later_project, "--split", "test")
    assert scores["f1"] == from_shards["f1"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--file", "FILE", "--split", "test"], 2, "--split has no meaning with --file"),
        (["--encoding", "gb18030"], 2, "--encoding without --file"),
        (["--file", "FILE", "--encoding", "nope"], 2, "nope"),
        (["--plot", "picture.gif"], 2, "must end in .svg or .png"),
        (["--plot", "nowhere/picture.svg"], 2, "no folder"),
        (["--file", "nowhere.bio"], 4, "nowhere.bio"),
    ],
)
def test_wrong_usage_is_refused(tagging_project: Any, arguments: list[str], code: int, message: str) -> None:
    words = [str(tagging_project.raw("test")) if word == "FILE" else word for word in arguments]
    outcome = tagging_project.ssmi("evaluate", *words)
    assert (outcome.code, message in outcome.stderr) == (code, True), outcome.stderr
