"""``ssmi-cli report``: what the page holds, that it is whole and safe, and, in a Chromium, that it works."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ssmi.model.evaluation.error_analysis import KINDS, confusion
from ssmi.model.evaluation.scoring import score
from ssmi.pipeline.contract import schema, tables
from ssmi.pipeline.contract.labels import Span
from ssmi.report import page, sections
from ssmi.report.charts import nice_ticks
from ssmi.report.error_list import list_errors

HOSTILE = (
    "</script><img src=x onerror=\"document.body.dataset.hacked='1'\">",
    "<!--",
    "&amp;'\"",
    "\u2028",
    "{{data}}",
)


class Reader(HTMLParser):
    """The page as a browser splits it: tags with their attributes, and the text of the data element."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data = ""
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == ("script", {"id": "data", "type": "application/json"}):
            self.data += data
        elif self.tags and self.tags[-1][0] not in ("script", "style"):
            self.text += data


@pytest.fixture(scope="module")
def written(tagging_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the test split, which holds an entity type that the tagger cannot know."""
    out = tmp_path_factory.mktemp("report") / "page.html"
    outcome = tagging_project.ssmi("report", "--split", "test", "--device", "cpu", "--out", str(out))
    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout.splitlines()[-1] == str(out)
    return out


@pytest.fixture(scope="module")
def data(written: Path) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(Reader(written.read_text(encoding="utf-8")).data)
    return body


# --- what it holds ----------------------------------------------------------------------------------------------------


def test_every_wrong_entity_is_listed_once(tagging_project: Any, data: dict[str, Any]) -> None:
    outcome = tagging_project.ssmi("evaluate", "--split", "test", "--device", "cpu", "--json")
    scores = json.loads(outcome.stdout)["test"]
    listed = Counter(side for error in data["errors"] for side in ("gold", "predicted") for _ in error[side])
    assert data["errors"]
    assert listed["gold"] == scores["gold"] - scores["correct"] > 0
    assert listed["predicted"] == scores["predicted"] - scores["correct"]
    assert {error["kind"] for error in data["errors"]} <= set(KINDS) == set(data["kinds"])


def test_the_calibration_is_that_of_evaluate(tagging_project: Any, written: Path) -> None:
    outcome = tagging_project.ssmi("evaluate", "--split", "test", "--device", "cpu", "--json")
    found = json.loads(outcome.stdout)["test"]["calibration"]
    reader = Reader(written.read_text(encoding="utf-8"))
    assert f"Expected calibration error {100 * found['ece']:.2f} (10 bins of equal width)" in reader.text
    assert f"Brier score {found['brier']:.4f}" in reader.text
    for own in found["bins"]:
        words = (
            f"{own['n']:,} entities of mean probability {own['mean_probability']:.2%}: {own['precision']:.2%} are right"
        )
        assert (words in reader.text) == (own["n"] > 0)


def test_the_unknown_type_is_missed_with_its_sentence(data: dict[str, Any]) -> None:
    place = data["labels"].index("TESTED")
    (sentence,) = (index for index, one in enumerate(data["sentences"]) if "".join(one["text"]) == "只有测试集见过这个")
    assert [2, 5, place] in data["sentences"][sentence]["gold"]
    assert any(error["sentence"] == sentence and error["gold"] for error in data["errors"])


def test_the_features_are_those_of_the_shards(tagging_project: Any, data: dict[str, Any]) -> None:
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
        positions = [said[0] for said in error["rows"]]
        assert positions == list(range(max(0, error["start"] - 2), min(len(row["characters"]), error["end"] + 2)))
        for position, segment, best, cosine, set_, local in error["rows"]:
            begin = max(start for start in row["segment_starts"] if start <= position)
            assert "".join(row["characters"][begin:]).startswith(segment) and row["characters"][position] in segment
            assert best == words.get(row["best_ids"][position], "")
            assert set_ == [words[index] for index in row["set_ids"][position]]
            assert local == words.get(row["local_ids"][position], "")
            assert (cosine is None) == (best == "")
            checked += bool(best)
    assert checked


def test_scores_charts_and_facts_are_on_the_page(written: Path, tagging_project: Any) -> None:
    reader = Reader(written.read_text(encoding="utf-8"))
    assert [tag for tag, _ in reader.tags].count("svg") == 5
    assert "Not shown" not in reader.text
    charts = {attributes["aria-label"] for tag, attributes in reader.tags if tag == "svg"}
    assert charts == {
        "dev scores over epochs", "training loss over epochs", "histogram of cosines", "candidates of a character",
        "reliability of probabilities",
    }  # fmt: skip
    for text in ("tiny, test", "artifacts/train/tiny", "TESTED", "Dev scores, whatever split"):
        assert text in reader.text


def test_the_page_is_whole_and_tells_nothing_of_this_machine(written: Path, tagging_project: Any) -> None:
    html = written.read_text(encoding="utf-8")
    reader = Reader(html)
    assert str(tagging_project.root) not in html and str(Path.home()) not in html
    assert "://" not in html and "@import" not in html and "url(" not in html
    assert not [tag for tag, attributes in reader.tags if tag in ("link", "img", "iframe") or "src" in attributes]
    policy = next(a["content"] for tag, a in reader.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and "default-src 'none'" in policy


def test_the_same_run_gives_the_same_bytes_in_the_run_folder(
    tagging_project: Any, copy_project: Callable[..., Any], tmp_path: Path, written: Path
) -> None:
    project = copy_project(tagging_project, tmp_path)
    run = project.root / "artifacts" / "train" / "tiny"
    outcome = project.ssmi("report", "--run", str(run), "--split", "test", "--device", "cpu")
    assert outcome.code == 0, outcome.stderr
    assert (run / "report-test.html").read_bytes() == written.read_bytes()


# --- what is not there ------------------------------------------------------------------------------------------------


def test_charts_without_their_stages_are_left_out_with_a_reason(
    tagging_project: Any, copy_project: Callable[..., Any], tmp_path: Path
) -> None:
    project = copy_project(tagging_project, tmp_path)
    artifacts = project.root / "artifacts"
    shutil.rmtree(artifacts / "selection")
    manifest = artifacts / "vocab" / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    (artifacts / "train" / "tiny" / "history.csv").unlink()
    (artifacts / "train" / "tiny" / "metrics.json").unlink()
    outcome = project.ssmi("report", "--device", "cpu")
    assert outcome.code == 0, outcome.stderr
    html = (artifacts / "train" / "tiny" / "report-dev.html").read_text(encoding="utf-8")
    assert html.count("<svg") == 1 and "reliability of probabilities" in html and str(project.root) not in html
    text = Reader(html).text
    assert text.count("not every stage that this is about is built here") == 2
    assert "the stage vocab was built anew since the shards" in text
    assert "no history.csv" in text and "unfinished run" in text


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--run", "nowhere"), 4, "no checkpoint"),
        (("--out", "no/such/folder/page.html"), 2, "no folder"),
        (("--dataset", "other"), 4, "other: no such folder, so no checkpoint"),
        (("--dataset", "other", "--run", "RUN"), 4, "not built"),
        (("--split", "third"), 2, "third"),
    ],
)
def test_mistakes_are_named(tagging_project: Any, arguments: tuple[str, ...], code: int, said: str) -> None:
    run = str(tagging_project.root / "artifacts" / "train" / "tiny")
    given = (run if word == "RUN" else word for word in arguments)
    outcome = tagging_project.ssmi("report", "--device", "cpu", *given)
    assert outcome.code == code and said in outcome.stderr


def test_a_history_of_another_kind_is_refused(
    tagging_project: Any, copy_project: Callable[..., Any], tmp_path: Path
) -> None:
    project = copy_project(tagging_project, tmp_path)
    (project.root / "artifacts" / "train" / "tiny" / "history.csv").write_text("epoch\n1\n", encoding="utf-8")
    outcome = project.ssmi("report", "--device", "cpu")
    assert outcome.code == 5 and "history.csv" in outcome.stderr


def test_a_long_list_is_cut_and_its_counts_are_not(tagging_project: Any) -> None:
    folder = tagging_project.root / "artifacts" / "shards" / "tiny"
    rows = tables.read_rows(folder / "dev" / "part-00000.parquet", schema.SHARDS)
    gold = [[Span(one["start"], one["end"], one["label"]) for one in row["entities"]] for row in rows]
    labels = sorted({span.label for own in gold for span in own})
    nothing: list[list[Span]] = [[] for _ in rows]
    cut = list_errors(shards=folder, split="dev", labels=labels, gold=gold, predicted=nothing, most=3)
    assert len(cut.document["errors"]) == 3
    assert cut.counts["missed"] == sum(map(len, gold)) > 3
    assert cut.n_sentences == sum(map(bool, gold))


# --- hostile text -----------------------------------------------------------------------------------------------------


@given(st.lists(st.text(), max_size=4))
def test_any_text_survives_in_the_data_element(texts: list[str]) -> None:
    value = [*texts, *HOSTILE]
    assert json.loads(page.embedded(value)) == value
    found = Reader(f'<script id="data" type="application/json">{page.embedded(value)}</script><p>after</p>')
    assert [tag for tag, _ in found.tags] == ["script", "p"]
    assert json.loads(found.data) == value


def hostile_page() -> str:
    """A page of which every text wants to be a tag."""
    label = HOSTILE[0]
    gold, predicted = [[Span(0, 2, label)], [Span(1, 3, "ORG")]], [[Span(0, 2, "ORG")], [Span(2, 4, label)]]
    scores = score(gold, predicted)
    html = {
        "facts": "", "calibration": "", "epochs": "", "features": "", "unknown": "", "note": "",
        "tiles": sections.tiles(scores, dict.fromkeys(KINDS, 0)),
        "scores": sections.scores_by_type(scores),
        "confusion": sections.confusion_table(confusion(zip(gold, predicted, strict=True))),
    }  # fmt: skip
    sentences = [{"id": n, "text": list(HOSTILE), "gold": [[0, 2, 1]], "predicted": [[0, 2, 0]]} for n in range(60)]
    errors = [
        {
            "kind": KINDS[number % 4],
            "sentence": number,
            "start": 0,
            "end": 2,
            "gold": [0],
            "predicted": [0],
            "rows": [[0, HOSTILE[0], HOSTILE[0], 0.5, list(HOSTILE), ""]],
        }
        for number in range(60)
    ]
    reads = {"best": True, "set": False, "local": True}
    body = {
        "labels": ["ORG", label],
        "sentences": sentences,
        "errors": errors,
        "kinds": sections.KIND_NAMES,
        "reads": reads,
    }
    return page.fill(title=HOSTILE[0], html=html, data=body)


def test_text_of_the_data_never_becomes_a_tag() -> None:
    reader = Reader(hostile_page())
    assert not [tag for tag, _ in reader.tags if tag == "img"]
    assert [tag for tag, _ in reader.tags].count("script") == 2
    assert json.loads(reader.data)["sentences"][0]["text"] == list(HOSTILE)


@given(low=st.floats(-1e6, 1e6), size=st.floats(0, 1e6))
@example(low=0.0, size=5e-324)
@example(low=1e6, size=1e-9)
def test_ticks_are_few_round_and_enclose_the_values(low: float, size: float) -> None:
    ticks = nice_ticks(low, low + size)
    slack = 1e-6 * max(1.0, abs(low), size)
    assert ticks[0] <= low + slack and low + size <= ticks[-1] + slack
    assert 2 <= len(ticks) <= 8
    steps = [right - left for left, right in pairwise(ticks)]
    assert all(math.isclose(step, steps[0], rel_tol=1e-3, abs_tol=1e-9) for step in steps)


# --- in a browser -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browse(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Open a page at an address with a hash; give the document after its script ran."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        assert "CI" not in os.environ, ".ci/run brings a browser"
        pytest.skip("no chromium, chromium-browser or google-chrome on PATH")
    profile = tmp_path_factory.mktemp("profile")
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []

    def call(file: Path, hash_: str = "", *arguments: str) -> str:
        options = ["--headless", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}", *root]
        done = subprocess.run(
            [found, *options, "--virtual-time-budget=3000", *(arguments or ("--dump-dom",)), f"{file.as_uri()}{hash_}"],
            capture_output=True,
            timeout=1200,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout.decode("utf-8")

    return call


def shown(document: str) -> tuple[int, int]:
    """(errors that pass the filter, cards on the page), as the script counted them; and the cards are really there."""
    body = re.search(r'<body data-errors="(\d+)"(?: data-cards="(\d+)")?', document)
    assert body is not None
    cards = int(body[2] or 0)
    assert document.count('<article class="card">') == cards
    return int(body[1]), cards


def test_the_script_lists_and_filters(browse: Callable[..., str], written: Path, data: dict[str, Any]) -> None:
    n = len(data["errors"])
    assert shown(browse(written)) == (n, min(n, 40))
    missed = sum(error["kind"] == "missed" for error in data["errors"])
    assert shown(browse(written, "#kind=missed"))[0] == missed
    assert shown(browse(written, "#type=TESTED&text=测试集"))[0] == 1
    document = browse(written, "#text=nowhere+in+it")
    assert shown(document) == (0, 0) and "No error is like that." in document


def test_hostile_text_stays_text_in_a_browser(browse: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "hostile.html"
    file.write_text(hostile_page(), encoding="utf-8")
    document = browse(file)
    assert shown(document) == (60, 40)
    assert "data-hacked" not in document.replace("dataset.hacked", "")
    assert "<img" not in document


def test_a_picture_can_be_taken(browse: Callable[..., str], written: Path, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    browse(written, "", f"--screenshot={picture}", "--window-size=1100,900")
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG") and len(content) > 20_000  # a blank page is some kilobytes
