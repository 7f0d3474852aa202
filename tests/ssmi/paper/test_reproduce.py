"""``Project.paper`` and ``ssmi-cli paper``: features, runs and the page, for tiny data sets with the paper's names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError

RATES = {"lr_encoder": 0.002, "lr_boundaries": 0.001, "lr_crf": 0.02, "lr_new": 0.01}
OVERRIDES = ("train.epochs=12", "train.batch_size=4", *(f"train.{name}={rate}" for name, rate in RATES.items()))
"""Settings with which SSMI learns the few sentences below, and random character embeddings without a lexicon do not."""
OPTIONS = ("--encoder", "encoder", "--only", "bert-crf,ssmi", "--seeds", "2")
SETTINGS = tuple(word for change in OVERRIDES for word in ("-S", change))


def _add_dataset(project: Any, name: str, *, groups: bool = False) -> None:
    """Add a data set of a few short sentences, the same in each split; with ``groups``, its labels are like Weibo's."""
    blocks = project.raw("train").read_text(encoding="utf-8").strip().split("\n\n")
    short = [
        block for block in sorted(blocks, key=len) if len(block.splitlines()) > 5 and re.search("-[A-Z]+$", block, re.M)
    ]
    text = "\n\n".join(short[: 16 if groups else 12]) + "\n"
    if groups:
        text = re.sub(r"^(. [BMES]-)(ORG|TITLE)$", r"\1\2.NOM", text, flags=re.M)
        text = re.sub(r"^(. [BMES]-[^.\n]+)$", r"\1.NAM", text, flags=re.M)
    folder = project.root / "data" / name
    folder.mkdir(parents=True)
    for split in ("train", "dev", "test"):
        (folder / f"{split}.bmes").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def paper_project(
    pristine_project: Any, copy_project: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """A project with two of the four data sets, and a page of two rows over two seeds."""
    project = copy_project(pristine_project, tmp_path_factory.mktemp("paper"))
    _add_dataset(project, "weibo", groups=True)
    _add_dataset(project, "ontonotes")
    outcome = project.ssmi("paper", *OPTIONS, *SETTINGS)
    assert outcome.code == 0, outcome.stderr
    return project


def _folder(project: Any) -> Path:
    folder: Path = project.root / "artifacts" / "paper" / "encoder"
    return folder


def _sections(project: Any) -> dict[str, list[list[str]]]:
    """Return the page's tables: heading → rows of cells, header first."""
    page = (_folder(project) / "paper.md").read_text(encoding="utf-8")
    sections = {}
    for part in page.split("\n## ")[1:]:
        rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("|")]
        sections[part.splitlines()[0]] = [row for row in rows if set(row) - {"---", "---:"}]
    return sections


def _tables(project: Any) -> dict[str, Mapping[str, Any]]:
    """Return data set → configuration → row of the ablation's table."""
    folder = project.root / "artifacts" / "ablate"
    tables = {path.name: json.loads((path / "table.json").read_text(encoding="utf-8")) for path in folder.iterdir()}
    return {name: {row["configuration"]: row for row in table["rows"]} for name, table in tables.items()}


def test_figures_are_those_of_the_runs_and_of_the_paper(paper_project: Any) -> None:
    tables, sections = _tables(paper_project), _sections(paper_project)
    assert sorted(tables) == ["ontonotes", "weibo"]
    assert list(sections) == ["F1", "OntoNotes 4.0", "Weibo", "Spans and types", "Data sets not found"]

    def measured(dataset: str, configuration: str, name: str) -> str:
        figure = tables[dataset][configuration]["test"][name]
        return f"{100 * figure['mean']:.2f} ± {100 * figure['std']:.2f}"

    header, *rows = sections["F1"]
    assert header[2:] == ["OntoNotes 4.0", "OntoNotes 4.0, paper", "Weibo", "Weibo, paper"]
    printed = {"ssmi": ("83.52", "72.83"), "bert-crf": ("79.95", "67.30")}
    assert [row[0] for row in rows] == ["ssmi", "bert-crf"]
    for name, _, *cells in rows:
        assert cells[0::2] == [measured(dataset, name, "f1") for dataset in ("ontonotes", "weibo")]
        assert tuple(cells[1::2]) == printed[name]
    shown = {cell for row in rows for cell in row[2::2]}
    assert len(shown) > 2  # scores differ between rows and data sets
    header, *rows = sections["Weibo"]
    assert header[3:9] == ["named F1", "nominal F1", "F1", "named F1, paper", "nominal F1, paper", "F1, paper"]
    for name, _, n_seeds, *cells in rows:
        assert n_seeds == "2"
        assert cells[:3] == [measured("weibo", name, figure) for figure in ("named_f1", "nominal_f1", "f1")]
    assert rows[0][6:9] == ["71.53", "73.18", "72.83"] and rows[0][-1] == "+5.53"
    assert rows[1][-2:] == ["-", "-"]  # the baseline has no gain over itself
    gain = tables["weibo"]["ssmi"]["gain"]["bert-crf"]["test"]
    assert rows[0][-2].startswith(f"{100 * gain:+.2f} [")
    header, *rows = sections["OntoNotes 4.0"]
    assert header[3:9] == ["P", "R", "F1", "P, paper", "R, paper", "F1, paper"]
    assert rows[0][6:9] == ["82.46", "84.61", "83.52"]
    spans = {(row[0], row[1]): row[2:] for row in sections["Spans and types"][1:]}
    assert spans["OntoNotes 4.0", "ssmi"][1::2] == ["83.22", "98.73"]
    assert spans["Weibo", "ssmi"][1::2] == ["-", "-"]
    assert spans["Weibo", "ssmi"][0] == measured("weibo", "ssmi", "span_f1")


def test_the_page_states_how_it_was_made_and_what_is_missing(paper_project: Any) -> None:
    page = (_folder(paper_project) / "paper.md").read_text(encoding="utf-8")
    command = "ssmi-cli paper --encoder encoder --only ssmi,bert-crf --seeds 2 -S train.epochs=12"
    assert page.startswith("# The paper's tables with encoder\n") and command in page
    assert "- MSRA (bring your own): " in page and "- Resume (not fetched): " in page
    body = json.loads((_folder(paper_project) / "paper.json").read_text(encoding="utf-8"))
    assert list(body["tables"]) == ["ontonotes", "weibo"] and body["encoder"] == "encoder"
    assert body["paper"]["table_1"]["SSMI"]["resume"]["f1"] == 97.33


def test_a_second_call_trains_nothing_and_a_new_data_set_is_added(
    paper_project: Any, copy_project: Callable[..., Any], tmp_path: Path
) -> None:
    project = copy_project(paper_project, tmp_path)
    before = project.artifacts()
    outcome = project.ssmi("paper", *OPTIONS, *SETTINGS, "--json")
    assert outcome.code == 0, outcome.stderr
    assert project.artifacts() == before
    assert outcome.stderr.count("4 of 4 runs are already finished") == 2
    body = json.loads(outcome.stdout)
    assert body["datasets"] == ["ontonotes", "weibo"] and len(body["missing"]) == 2
    assert Path(body["page"]) == _folder(project) / "paper.md"

    _add_dataset(project, "resume")
    result = ssmi.open_project(project.root).paper(
        "encoder", only=["bert-crf"], n_seeds=1, jobs=2, overrides=OVERRIDES, device="cpu"
    )
    assert list(result.tables) == ["ontonotes", "weibo", "resume"]
    assert [line.split(" ")[0] for line in result.missing] == ["MSRA"] and not result.diverged
    result.raise_if_diverged()
    # rows of the previous call are kept if their runs have these parameters
    assert [row.name for row in result.tables["weibo"].rows] == ["ssmi", "bert-crf"]
    assert [row.name for row in result.tables["resume"].rows] == ["bert-crf"]
    header, *rows = _sections(project)["F1"]
    assert header[-2:] == ["Resume", "Resume, paper"]
    assert {row[0]: row[-2:] == ["-", "97.33"] for row in rows if row[0] == "ssmi"} == {"ssmi": True}


def test_any_data_set_can_be_named(paper_project: Any, copy_project: Callable[..., Any], tmp_path: Path) -> None:
    project = ssmi.open_project(copy_project(paper_project, tmp_path).root)
    result = project.paper(datasets=["tiny", "tiny"], only=["bert-crf"], n_seeds=1, overrides=OVERRIDES)
    assert list(result.tables) == ["tiny"] and result.missing == ()
    assert result.page == project.root / "artifacts" / "paper" / "encoder" / "paper.md"
    assert "## tiny\n" in result.page.read_text(encoding="utf-8")


def test_several_names_are_accepted_on_the_command_line(
    paper_project: Any, copy_project: Callable[..., Any], tmp_path: Path
) -> None:
    project = copy_project(paper_project, tmp_path)
    only = ("--only", "bert-crf", "--only", "ssmi", "--seeds", "1", "--jobs", "auto")
    outcome = project.ssmi("paper", "--encoder", "encoder", "--datasets", "weibo, ontonotes", *only, *SETTINGS)
    assert outcome.code == 0, outcome.stderr
    page = (_folder(project) / "paper.md").read_text(encoding="utf-8")
    assert outcome.stdout.startswith(page) and outcome.stdout.endswith(f"{_folder(project) / 'paper.md'}\n")
    command = "ssmi-cli paper --encoder encoder --datasets weibo,ontonotes --only ssmi,bert-crf --seeds 1 -S"
    assert command in page
    assert list(_sections(project)) == ["F1", "Weibo", "OntoNotes 4.0", "Spans and types"]
    assert outcome.stderr.count("2 of 2 runs are already finished") == 2
    outcome = project.ssmi("paper", "--jobs", "0")
    assert outcome.code == 2 and "neither auto nor a whole number" in outcome.stderr


def test_a_diverged_run_is_reported_at_the_end(
    paper_project: Any, copy_project: Callable[..., Any], tmp_path: Path
) -> None:
    project = ssmi.open_project(copy_project(paper_project, tmp_path).root)
    result = project.paper(
        datasets=["weibo"],
        only=["bert-crf"],
        n_seeds=1,
        overrides=[*OVERRIDES, "train.lr_encoder=1e30", "train.epochs=1"],
    )
    assert len(result.diverged) == 1 and result.diverged[0].startswith("weibo: bert-crf, seed 13")
    assert not result.tables and result.page.is_file()  # the page of the previous call is unchanged
    with pytest.raises(ssmi.SsmiError, match="1 run failed"):
        result.raise_if_diverged()


def test_invalid_arguments_are_refused_before_anything_is_built(fresh_project: Any) -> None:
    project = ssmi.open_project(fresh_project.root)
    with pytest.raises(MissingResourceError, match="none of the paper's data sets is here") as raised:
        project.paper()
    assert "SSMI_DATA" in raised.value.next_step
    with pytest.raises(ParameterError, match="n_seeds: 0"):
        project.paper(n_seeds=0)
    with pytest.raises(ParameterError, match="bert-crv"):
        project.paper(only=["bert-crv"])
    with pytest.raises(ParameterError, match="not a plain name"):
        project.paper(datasets=["../other"])
    with pytest.raises(ParameterError, match="encoder"):
        project.paper(overrides=["encoder.nam=x"])
    assert not (fresh_project.root / "artifacts").exists()
    assert fresh_project.ssmi("paper").code == 4


def test_the_page_of_another_encoder_is_not_replaced(fresh_project: Any) -> None:
    project = ssmi.open_project(fresh_project.root)
    page = project.paths.paper("a-b") / "paper.json"
    page.parent.mkdir(parents=True)
    page.write_text('{"encoder": "a-b"}', encoding="utf-8")
    with pytest.raises(ssmi.ParameterError, match="holds the page of encoder a-b, and that of a/b would replace it"):
        project.paper("a/b", datasets=["tiny"])
    assert page.read_text(encoding="utf-8") == '{"encoder": "a-b"}'
