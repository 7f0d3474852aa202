"""``ssmi-cli report``: the page has the right content, needs no other file, and works in Chromium."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssmi.model.evaluation.error_analysis import KINDS
from ssmi.pipeline.contract.parquet import schema, tables


@pytest.fixture(scope="module")
def page_path(tagging_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the test split, which contains an entity type unknown to the tagger."""
    out = tmp_path_factory.mktemp("report") / "page.html"
    outcome = tagging_project.ssmi("report", "--split", "test", "--device", "cpu", "--out", str(out))
    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout.splitlines()[-1] == str(out)
    return out


@pytest.fixture(scope="module")
def data(page_path: Path, read_page: Callable[[str], Any]) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(read_page(page_path.read_text(encoding="utf-8")).data)
    return body


# --- content ----------------------------------------------------------------------------------------------------------


def test_every_wrong_entity_is_listed_once(tagging_project: Any, data: dict[str, Any]) -> None:
    outcome = tagging_project.ssmi("evaluate", "--split", "test", "--device", "cpu", "--json")
    scores = json.loads(outcome.stdout)["test"]
    listed = Counter(side for error in data["errors"] for side in ("gold", "predicted") for _ in error[side])
    assert data["errors"]
    assert listed["gold"] == scores["gold"] - scores["correct"] > 0
    assert listed["predicted"] == scores["predicted"] - scores["correct"]
    assert {error["kind"] for error in data["errors"]} <= set(KINDS) == set(data["kinds"])


def test_the_calibration_equals_that_of_evaluate(
    tagging_project: Any, page_path: Path, read_page: Callable[[str], Any]
) -> None:
    outcome = tagging_project.ssmi("evaluate", "--split", "test", "--device", "cpu", "--json")
    calibration = json.loads(outcome.stdout)["test"]["calibration"]
    reader = read_page(page_path.read_text(encoding="utf-8"))
    assert f"Expected calibration error {calibration['ece']:.2%} (10 bins of equal width)" in reader.text
    assert f"Brier score {calibration['brier']:.4f}" in reader.text
    for bin_ in calibration["bins"]:
        tooltip = (
            f"{bin_['n']:,} entities of mean probability {bin_['mean_probability']:.2%}: "
            f"{bin_['precision']:.2%} are right"
        )
        assert (tooltip in reader.text) == (bin_["n"] > 0)


def test_an_entity_of_unknown_type_is_listed_as_missed(data: dict[str, Any]) -> None:
    label = data["labels"].index("TESTED")
    (sentence,) = (
        index for index, candidate in enumerate(data["sentences"]) if "".join(candidate["text"]) == "只有测试集见过这个"
    )
    assert [2, 5, label] in data["sentences"][sentence]["gold"]
    assert any(error["sentence"] == sentence and error["gold"] for error in data["errors"])


def test_the_features_equal_those_of_the_shards(tagging_project: Any, data: dict[str, Any]) -> None:
    folder = tagging_project.root / "artifacts" / "shards" / "tiny"
    shards = {
        row["sentence_id"]: row for row in tables.read_rows(folder / "test" / "part-00000.parquet", schema.SHARDS)
    }
    width = 8
    words = {
        row["boundary_id"]: row["word"]
        for row in tables.read_rows(folder / "boundaries.parquet", schema.boundaries(width))
    }
    checked = 0
    for error in data["errors"]:
        sentence = data["sentences"][error["sentence"]]
        row = shards[sentence["id"]]
        assert sentence["text"] == row["characters"]
        positions = [features[0] for features in error["rows"]]
        assert positions == list(range(max(0, error["start"] - 2), min(len(row["characters"]), error["end"] + 2)))
        for position, segment, best, cosine, boundary_set, local in error["rows"]:
            begin = max(start for start in row["segment_starts"] if start <= position)
            assert "".join(row["characters"][begin:]).startswith(segment) and row["characters"][position] in segment
            assert best == words.get(row["best_ids"][position], "")
            assert boundary_set == [words[index] for index in row["set_ids"][position]]
            assert local == words.get(row["local_ids"][position], "")
            assert (cosine is None) == (best == "")
            checked += bool(best)
    assert checked


def test_scores_charts_and_facts_are_on_the_page(page_path: Path, read_page: Callable[[str], Any]) -> None:
    reader = read_page(page_path.read_text(encoding="utf-8"))
    assert [tag for tag, _ in reader.tags].count("svg") == 5
    assert "Not shown" not in reader.text
    charts = {attributes["aria-label"] for tag, attributes in reader.tags if tag == "svg"}
    assert charts == {
        "dev scores over epochs", "training loss over epochs", "histogram of cosines", "candidates of a character",
        "reliability of probabilities",
    }  # fmt: skip
    for text in ("tiny, test", "artifacts/train/tiny", "TESTED", "Dev scores, whatever split"):
        assert text in reader.text


def test_the_page_needs_no_network_and_reveals_no_local_path(
    page_path: Path, tagging_project: Any, read_page: Callable[[str], Any]
) -> None:
    html = page_path.read_text(encoding="utf-8")
    reader = read_page(html)
    assert str(tagging_project.root) not in html and str(Path.home()) not in html
    assert "://" not in html and "@import" not in html and "url(" not in html
    assert not [tag for tag, attributes in reader.tags if tag in ("link", "img", "iframe") or "src" in attributes]
    policy = next(a["content"] for tag, a in reader.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and "default-src 'none'" in policy


def test_the_report_is_reproducible_and_written_into_the_run_folder(
    tagging_project: Any, copy_project: Callable[..., Any], tmp_path: Path, page_path: Path
) -> None:
    project = copy_project(tagging_project, tmp_path)
    run = project.root / "artifacts" / "train" / "tiny"
    outcome = project.ssmi("report", "--run", str(run), "--split", "test", "--device", "cpu")
    assert outcome.code == 0, outcome.stderr
    assert (run / "report-test.html").read_bytes() == page_path.read_bytes()


# --- missing inputs ---------------------------------------------------------------------------------------------------


def test_charts_with_missing_stages_are_omitted_with_a_reason(
    tagging_project: Any, copy_project: Callable[..., Any], tmp_path: Path, read_page: Callable[[str], Any]
) -> None:
    project = copy_project(tagging_project, tmp_path)
    artifacts = project.root / "artifacts"
    shutil.rmtree(artifacts / "selection")
    manifest = artifacts / "vocab" / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    (artifacts / "train" / "tiny" / "history.csv").unlink()
    (artifacts / "train" / "tiny" / "metrics.json").unlink()
    outcome = project.ssmi("report", "--device", "cpu")
    assert outcome.code == 0 and "an unfinished run (no metrics.json)" in outcome.stderr
    html = (artifacts / "train" / "tiny" / "report-dev.html").read_text(encoding="utf-8")
    assert html.count("<svg") == 1 and "reliability of probabilities" in html and str(project.root) not in html
    text = read_page(html).text
    assert text.count("not every stage that this needs is built") == 2
    assert "the stage vocab was built again since the shards" in text
    assert "no history.csv" in text and "unfinished run" in text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--run", "nowhere"), 4, "no such folder"),
        (("--out", "no/such/folder/page.html"), 2, "no folder"),
        (("--dataset", "other"), 4, "data set 'other': unknown"),
        (("--dataset", "other", "--run", "RUN"), 4, "data set 'other': unknown"),
        (("--split", "third"), 2, "third"),
    ],
)
def test_wrong_usage_is_refused(tagging_project: Any, arguments: tuple[str, ...], code: int, message: str) -> None:
    run = str(tagging_project.root / "artifacts" / "train" / "tiny")
    words = (run if word == "RUN" else word for word in arguments)
    outcome = tagging_project.ssmi("report", "--device", "cpu", *words)
    assert outcome.code == code and message in outcome.stderr


def test_an_invalid_history_is_refused(tagging_project: Any, copy_project: Callable[..., Any], tmp_path: Path) -> None:
    project = copy_project(tagging_project, tmp_path)
    (project.root / "artifacts" / "train" / "tiny" / "history.csv").write_text("epoch\n1\n", encoding="utf-8")
    outcome = project.ssmi("report", "--device", "cpu")
    assert outcome.code == 5 and "history.csv" in outcome.stderr


# --- in a browser -----------------------------------------------------------------------------------------------------


def counts_in(document: str) -> tuple[int, int]:
    """Return the script's counts of errors that pass the filter and of cards; check that the page has these cards."""
    body = re.search(r'<body data-errors="(\d+)"(?: data-cards="(\d+)")?', document)
    assert body is not None
    cards = int(body[2] or 0)
    assert document.count('<article class="card">') == cards
    return int(body[1]), cards


def test_the_script_lists_and_filters(browse: Callable[..., str], page_path: Path, data: dict[str, Any]) -> None:
    n = len(data["errors"])
    assert counts_in(browse(page_path)) == (n, min(n, 40))
    missed = sum(error["kind"] == "missed" for error in data["errors"])
    assert counts_in(browse(page_path, "#kind=missed"))[0] == missed
    assert counts_in(browse(page_path, "#type=TESTED&text=测试集"))[0] == 1
    document = browse(page_path, "#text=nowhere+in+it")
    assert counts_in(document) == (0, 0) and "No error matches the filter." in document


def test_a_screenshot_can_be_taken(browse: Callable[..., str], page_path: Path, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    browse(page_path, "", f"--screenshot={picture}", "--window-size=1100,900")
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG") and len(content) > 20_000  # a blank page takes only a few kilobytes
