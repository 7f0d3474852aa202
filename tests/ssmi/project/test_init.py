"""The Python interface: every method of a project on the tiny data, with typed results and nothing printed."""

from __future__ import annotations

import ast
import dataclasses
import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import ssmi
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, StaleArtifactError
from ssmi.pipeline.stages.running.registry import STAGE_NAMES
from tests.reporters import RecordingReporter

MAX_LINES = 160
"""Maximum lines of a file of cli/; a longer file does more than parse, call and print."""


@pytest.fixture(autouse=True)
def assert_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def opened(project: Any) -> ssmi.Project:
    """A writable built project."""
    return ssmi.open_project(project.root)


@pytest.fixture
def tagging(tagging_project: Any) -> ssmi.Project:
    """A project with a run that finds entities. Read-only."""
    return ssmi.open_project(tagging_project.root)


# --- opening --------------------------------------------------------------------------------------------------------


def test_a_project_is_found_from_a_folder_below_it(pristine_project: Any, tmp_path: Path) -> None:
    below = pristine_project.root / "data" / "tiny"
    project = ssmi.open_project(below)
    assert project.root == pristine_project.root
    assert project.dataset(None) == "tiny"
    assert project.params(["train.epochs=7"], device="cuda:1").train.epochs == 7
    assert project.params(["train.device=cpu"], device="cuda:1").train.device == "cuda:1"
    with pytest.raises(MissingResourceError, match=r"no params\.yaml"):
        ssmi.open_project(below, upward=False)
    with pytest.raises(MissingResourceError, match=r"no params\.yaml"):
        ssmi.open_project(tmp_path)


def test_opening_loads_nothing_heavy(pristine_project: Any) -> None:
    code = (
        "import sys, ssmi\n"
        "ssmi.open_project('.').params()\n"
        "print(sorted({'torch', 'transformers', 'duckdb', 'polars', 'dask', 'matplotlib', 'click', 'rich'}"
        " & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=pristine_project.root, capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


# --- features and training ------------------------------------------------------------------------------------------


def test_features_are_built_and_a_run_is_trained(fresh_project: Any) -> None:
    reporter = RecordingReporter()
    project = ssmi.open_project(fresh_project.root, reporter=reporter)
    built = project.build_features("tiny")
    assert built.dataset == "tiny"
    assert [(stage.name, stage.state) for stage in built.stages] == [(name, "built") for name in STAGE_NAMES]
    assert all(stage.folder == project.paths.stage(stage.name, "tiny") for stage in built.stages)
    assert all((stage.folder / "manifest.json").is_file() for stage in built.stages)
    assert list(dict.fromkeys(note.partition(":")[0] for note in reporter.notes)) == list(STAGE_NAMES)
    assert {stage.state for stage in project.build_features().stages} == {"current"}
    changed = project.build_features(overrides=["pmi.estimator=paper"])
    assert [stage.name for stage in changed.stages if stage.state == "built"] == ["pmi", "shards"]
    assert {stage.state for stage in project.build_features(force=True).stages} == {"built"}

    report = project.run_stage("prepare", "tiny")
    assert report.rows_out == sum(report.statistics["sentences"].values()) > 0

    result = project.train(overrides=["train.epochs=1"])
    assert result.run == project.paths.run("tiny")
    assert result.best_epoch == len(result.history) == 1
    metrics = json.loads((result.run / "metrics.json").read_text(encoding="utf-8"))
    assert result.test is not None
    assert metrics == {"dev": result.dev.to_json(), "test": result.test.to_json()}
    assert "loading torch" in reporter.tasks
    with pytest.raises(ParameterError, match="already finished"):
        project.train(resume=True, overrides=["train.epochs=1"])

    baseline = project.train(configuration="bert-crf", overrides=["train.epochs=1"], device="cpu")
    assert baseline.run == project.paths.run("tiny", configuration="bert-crf")
    elsewhere = project.train(run=fresh_project.root / "mine", overrides=["train.epochs=1"])
    assert elsewhere.dev == result.dev


def test_training_with_invalid_arguments_is_refused(opened: ssmi.Project) -> None:
    with pytest.raises(StaleArtifactError, match="selection"):
        opened.train(overrides=["selection.threshold=0.9"])
    with pytest.raises(ParameterError, match="bert-crf"):
        opened.train(configuration="bert-crv")
    with pytest.raises(MissingResourceError):
        opened.train("weibo")


def test_invalid_arguments_are_refused(pristine_project: Any) -> None:
    project = ssmi.open_project(pristine_project.root)
    for call in (project.evaluate, project.report):
        with pytest.raises(ParameterError, match="split 'foo'") as raised:
            call(split="foo")
        assert raised.value.next_step == "one of train, dev, test"
    with pytest.raises(ParameterError, match="split 'foo'"):
        project.compare("one", "two", split="foo")
    with pytest.raises(ParameterError, match="n_seeds: 0"):
        project.ablate(n_seeds=0)
    with pytest.raises(ParameterError, match="limit -1"):
        project.stats(limit=-1)
    with pytest.raises(ParameterError, match="limit -1"):
        project.sql("SELECT 1", limit=-1)
    for method in (project.build_features, project.train, project.ablate, project.params):
        with pytest.raises(ParameterError, match="a list of strings is expected") as raised:
            method(overrides="train.epochs=1")
        assert raised.value.next_step == "write overrides=['train.epochs=1']"
    with pytest.raises(ParameterError, match="only='bert-crf': a string") as raised:
        project.ablate(only="bert-crf")
    assert raised.value.next_step == "write only=['bert-crf']"
    for name in ("only", "datasets"):
        with pytest.raises(ParameterError, match=f"{name}='msra': a string"):
            project.paper(**{name: "msra"})


def test_the_package_exports_its_version_and_errors() -> None:
    assert ssmi.__version__ == importlib.metadata.version("ssmi")
    assert {kind.__name__ for kind in ssmi.SsmiError.__subclasses__()} <= set(ssmi.__all__)
    with pytest.raises(ssmi.MissingResourceError):
        ssmi.open_project("/", upward=False)


# --- scores ---------------------------------------------------------------------------------------------------------


def test_a_split_and_a_file_have_the_same_scores(tagging: ssmi.Project) -> None:
    split = tagging.evaluate(split="test")
    file = tagging.evaluate(file=tagging.root / "data" / "tiny" / "test.bmes")
    assert (split.title, file.title) == ("test", "test.bmes")
    assert split.scores.overall.f1 > 0
    assert split.scores.overall == file.scores.overall
    assert split.calibration.n == split.scores.overall.predicted
    assert split.file is None and file.file is not None and file.file.report.n_sentences == 12
    assert set(split.to_json()) < set(file.to_json())
    with pytest.raises(ParameterError, match="klingon"):
        tagging.evaluate(file=tagging.root / "data" / "tiny" / "test.bmes", encoding="klingon")
    with pytest.raises(ParameterError, match="and data set tiny are given"):
        tagging.evaluate("tiny", run=tagging.paths.run("tiny"), file=tagging.root / "data" / "tiny" / "test.bmes")


def test_runs_can_be_compared(opened: ssmi.Project) -> None:
    first = opened.train(overrides=["train.epochs=1"], run=opened.root / "one")
    second = opened.train(overrides=["train.epochs=2"], run=opened.root / "two")
    comparison = opened.compare(first.run, second.run, n_resamples=100)
    assert (comparison.split, comparison.n_resamples) == ("dev", 100)
    assert comparison.overall.gain == pytest.approx(first.dev.overall.f1 - second.dev.overall.f1)
    assert comparison.overall.low <= comparison.overall.gain <= comparison.overall.high
    assert repr(comparison).startswith(f"<Comparison on dev: F1 {100 * first.dev.overall.f1:.2f} against ")
    assert str(first.run) in repr(first) and "<Scores: F1 " in repr(first) and "step_losses" not in repr(first)


def test_an_ablation_with_one_seed(opened: ssmi.Project) -> None:
    result = opened.ablate(only=["ssmi", "bert-crf"], n_seeds=1, overrides=["train.epochs=1"])
    assert result.folder == opened.paths.ablation("tiny")
    assert result.diverged == ()
    assert result.table is not None
    assert [row.name for row in result.table.rows] == ["ssmi", "bert-crf"]
    first = result.table.rows[0]
    assert [run.seed for run in first.runs] == [opened.params().train.seed]
    assert first.figures["dev"]["f1"].std is None and 0 <= first.figures["dev"]["f1"].mean <= 1
    assert first.gains["ssmi"].f1["dev"] == 0.0
    interval = first.gains["bert-crf"].interval["test"]
    assert interval is not None and interval.low <= first.gains["bert-crf"].f1["test"] <= interval.high
    written = json.loads((result.folder / "table.json").read_text(encoding="utf-8"))
    assert written == result.table.to_json()
    result.raise_if_diverged()
    with pytest.raises(ParameterError, match="bert-crf"):
        opened.ablate(only=["bert-crv"])


# --- inspecting -----------------------------------------------------------------------------------------------------


def test_statistics_can_be_read_as_rows_and_as_a_frame(tagging: ssmi.Project) -> None:
    coverage = tagging.stats("coverage")
    frame = coverage.pl()
    assert frame.shape == (len(coverage.rows), len(coverage.columns))
    assert frame.columns == list(coverage.columns)
    assert frame.rows() == list(coverage.rows)
    counted = tagging.sql("SELECT split, count(*) AS n FROM sentences GROUP BY split ORDER BY n DESC", limit=1)
    assert counted.rows == [("train", 60)] and counted.n_left_out == 2
    assert counted.pl().schema == {"split": pl.String, "n": pl.Int64}
    empty = tagging.sql("SELECT split, sentence_id FROM sentences WHERE false").pl()
    assert empty.shape == (0, 2) and empty.schema["split"] == pl.String
    duplicates = tagging.sql("SELECT 1 AS n, 2 AS n, [1, 2] AS both, NULL AS none")
    assert duplicates.columns == ("n", "n", "both", "none")
    assert duplicates.pl().to_dicts() == [{"n": 1, "n_2": 2, "both": [1, 2], "none": None}]
    with pytest.raises(ParameterError, match="coverage"):
        tagging.stats("coverrage")
    with pytest.raises(ParameterError, match="only SELECT"):
        tagging.sql("DROP VIEW sentences")


def test_a_named_report_is_given_as_sql(tagging: ssmi.Project) -> None:
    """The views that the script creates are those that the report reads."""
    reports = {report.name: report for report in ssmi.list_reports()}
    script = tagging.stats_sql("local", dataset="tiny")
    assert script.endswith(f"{reports['local'].sql.strip().removesuffix(';')};\n")
    assert "CREATE VIEW shards" in script and "CREATE VIEW cosines" not in script
    assert str(tagging.root) in script
    with pytest.raises(ParameterError, match="did you mean 'coverage'"):
        tagging.stats_sql("coverege")


def test_dvc_yaml_is_written_when_it_is_out_of_date(pristine_project: Any, copy_project: Any, tmp_path: Path) -> None:
    project = ssmi.open_project(copy_project(pristine_project, tmp_path).root)
    with pytest.raises(StaleArtifactError, match=r"dvc\.yaml is out of date: vocab, prepare"):
        project.write_dvc(check=True)
    assert not (project.root / "dvc.yaml").exists()
    assert project.write_dvc() == [*STAGE_NAMES, "train"]
    written = (project.root / "dvc.yaml").read_text(encoding="utf-8")
    assert project.write_dvc() == project.write_dvc(check=True) == []
    (project.root / "dvc.yaml").write_text(written.replace("features pmi", "features old"), encoding="utf-8")
    assert project.write_dvc() == ["pmi"]
    assert (project.root / "dvc.yaml").read_text(encoding="utf-8") == written


def test_a_character_is_explained(tagging: ssmi.Project) -> None:
    explanation = tagging.explain("公", "公司", overrides=["selection.threshold=0.5"])
    assert explanation.source == "vocabulary"
    cosines = [candidate.cosine for candidate in explanation.candidates]
    assert cosines == sorted(cosines, reverse=True)
    assert sum(candidate.best for candidate in explanation.candidates) == 1
    assert explanation.n_over_threshold == sum(cosine > 0.5 for cosine in cosines)
    assert [candidate.rank for candidate in explanation.nearest(1) if not candidate.chosen] == []
    assert explanation.nearest(0) == list(explanation.candidates)
    with pytest.raises(ParameterError, match="explain reads selection"):
        tagging.explain("公", "公司", overrides=["train.epochs=3"])


def test_a_report_is_written(tagging: ssmi.Project, tmp_path: Path) -> None:
    report = tagging.report(split="dev", out=tmp_path / "page.html")
    assert report.path == tmp_path / "page.html"
    assert "<html" in report.path.read_text(encoding="utf-8")
    assert report.f1 == tagging.evaluate(split="dev").scores.overall.f1
    assert report.errors.n_sentences == 12 >= report.errors.n_with_errors
    assert report.errors.total == sum(report.errors.by_kind.values())
    assert str(report.errors).startswith(f"{report.errors.total} errors in {report.errors.n_with_errors} of 12")


def test_a_data_set_is_checked(tagging: ssmi.Project) -> None:
    checked = tagging.check_data("tiny")
    assert checked.files.name == "tiny"
    assert {split: statistics.sentences for split, statistics in checked.check.splits.items()} == {
        "train": 60,
        "dev": 12,
        "test": 12,
    }
    assert checked.user_dictionary is None
    assert checked.check.splits["train"].vocabulary is not None


def test_a_run_is_opened_by_its_data_set(tagging: ssmi.Project) -> None:
    text = "吴中先生任公司董事长。"
    tagger = tagging.open_run(dataset="tiny", device="cpu", threads=1)
    assert tagger(text) == ssmi.open_run(tagging.paths.run("tiny"), device="cpu", threads=1)(text)
    with pytest.raises(MissingResourceError):
        tagging.open_run(dataset="weibo")


# --- properties of the interface ------------------------------------------------------------------------------------


def test_repr_of_results_is_one_line_with_the_main_figures(tagging: ssmi.Project) -> None:
    evaluation = tagging.evaluate(split="dev", device="cpu")
    f1 = f"F1 {100 * evaluation.scores.overall.f1:.2f}"
    shown = {
        repr(evaluation): ["Evaluation of dev", f1, "12 sentences"],
        repr(tagging.stats("coverage")): ["Statistics", "columns", ".pl()"],
        repr(tagging.check_data()): ["DatasetReport of tiny", "train of 60 sentences", "dev of 12 sentences"],
        repr(tagging.explain("长", "董事长")): ["Explanation of 长 in 董事长", "candidate"],
        repr(tagging.open_run(device="cpu")): ["Tagger of", "artifacts/train/tiny", "on cpu"],
    }
    for text, expected in shown.items():
        assert "\n" not in text and len(text) < 400, text
        assert [part for part in expected if part not in text] == []


def test_results_are_frozen(tagging: ssmi.Project) -> None:
    for result in (tagging.stats(), tagging.explain("公", "公司"), tagging.build_features()):
        assert dataclasses.is_dataclass(result)
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(result, dataclasses.fields(result)[0].name, None)


def test_every_method_is_documented() -> None:
    for name, method in vars(ssmi.Project).items():
        if name.startswith("_") or not callable(method):
            continue
        docstring = method.__doc__ or ""
        arguments = [argument for argument in method.__annotations__ if argument != "return"]
        assert "Raises:" in docstring, name
        assert not arguments or ("Args:" in docstring and "Returns:" in docstring), name
        assert [argument for argument in arguments if f"            {argument}: " not in docstring] == [], name


def test_files_of_the_command_line_are_short(repository: Path) -> None:
    lines = {path.name: len(path.read_text("utf-8").splitlines()) for path in (repository / "cli").rglob("*.py")}
    assert {name: n for name, n in lines.items() if n > MAX_LINES} == {}


def test_the_command_line_calls_every_method(repository: Path) -> None:
    """Every method of a project is called by a file of cli/, so both interfaces have the same features."""
    called = {
        node.attr
        for path in (repository / "cli").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
    }
    bases = [base for base in ssmi.Project.__mro__ if base.__module__.startswith("ssmi.project")]
    methods = {name: method for group in bases for name, method in vars(group).items()}
    public_methods = {name for name, method in methods.items() if callable(method) and not name.startswith("_")}
    assert len(public_methods) > 10
    # Runs can also be opened and compared outside projects, by the functions that the methods call.
    assert public_methods - called == {"open_run", "compare", "export"}
