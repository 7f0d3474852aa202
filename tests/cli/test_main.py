"""The command line from a user's point of view: quick help, exit codes, and a clear message for every error."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from ssmi.cli.main import COMMANDS
from ssmi.pipeline.contract.parquet import schema

HEAVY = {"torch", "pyarrow", "transformers", "gensim", "dask", "distributed", "duckdb", "polars", "numpy", "pydantic"}


# --- help ---------------------------------------------------------------------------------------------------------


def _cpu_seconds(arguments: list[str], environment: dict[str, str]) -> float:
    def cpu_seconds_of_children() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = cpu_seconds_of_children()
    subprocess.run([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, check=True)
    return cpu_seconds_of_children() - before


def test_help_is_quick_and_loads_nothing_heavy(environment: dict[str, str]) -> None:
    code = "import sys; from ssmi.cli.main import cli; cli.main(['--help'], standalone_mode=False); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    *lines, modules = result.stdout.splitlines()
    assert not HEAVY & {name.partition(".")[0] for name in modules.split()}
    assert [line.split()[0] for line in lines if re.match(r"  [a-z]+  +[A-Z]", line)] == list(COMMANDS)
    quickest = {
        name: min(_cpu_seconds(arguments, environment) for _ in range(5))
        for name, arguments in {"help": ["-m", "ssmi.cli.main", "--help"], "python": ["-c", "pass"]}.items()
    }
    assert quickest["help"] < 9 * quickest["python"]  # usually about four times; importing numpy alone makes it eight


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_listed_command_has_help(project: Any, command: str) -> None:
    outcome = project.ssmi(command, "--help")
    assert outcome.code == 0
    usage, *rest = outcome.stdout.splitlines()
    assert f"ssmi-cli {command} [OPTIONS]" in usage
    assert any(line.strip().endswith(".") for line in rest)


def test_the_version_is_printed(project: Any) -> None:
    assert re.fullmatch(r"ssmi-cli, version \d+\.\d+\.\d+\n", project.ssmi("--version").stdout)


# --- wrong usage --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message", "advice"),
    [
        (["trian"], "ssmi-cli: no command 'trian'", "did you mean 'train'?"),
        (["features", "bild"], "ssmi-cli features: no command 'bild'", "did you mean 'build'?"),
        (["features", "zzz"], "ssmi-cli features: no command 'zzz'", "known: build, embed, "),
        (["--projct", "x", "train"], "no option --projct", "did you mean --project?"),
        (["train", "--datset", "tiny"], "no option --datset", "did you mean --dataset?"),
        (["train", "--epochs", "3"], "no option --epochs", "set a parameter with -S: -S train.epochs=VALUE"),
        (
            ["train", "--batch-size", "3"],
            "no option --batch-size",
            "set a parameter with -S: -S train.batch_size=VALUE",
        ),
        (["evaluate", "--epochs", "3"], "no option --epochs", "ssmi-cli evaluate --help lists what it takes"),
        (
            ["train", "--zzz"],
            "no option --zzz",
            "ssmi-cli train --help lists what it takes; parameters are set with -S",
        ),
        (["train", "--run"], "option '--run' requires an argument", "ssmi-cli --help lists what it takes"),
        (["evaluate", "--split", "tests"], "--split: 'tests' is not one of", "did you mean 'test'?"),
        (["evaluate", "--split", "x"], "--split: 'x' is not one of", "choose one of train, dev, test"),
        (["features", "build", "--workers", "many"], "--workers: 'many' is not a valid integer", "ssmi-cli features"),
        (["explain"], "CHARACTER is missing", "usage: ssmi-cli explain [OPTIONS] CHARACTER; "),
        (["explain", "京"], "--segment is missing", "usage: ssmi-cli explain [OPTIONS] CHARACTER; "),
        (["data", "convert", "a", "b"], "--format is missing", "give --format and one of jsonl, conll, "),
        (
            ["explain", "京", "语", "--segment", "京"],
            "got unexpected extra argument (语)",
            "ssmi-cli explain --help lists what it takes",
        ),
        (["stats", "entitys"], "entitys: no such report, did you mean 'entities'?", "ssmi-cli stats lists them"),
        ([], "missing command", "ssmi-cli --help lists what it takes"),
    ],
)
def test_wrong_usage_is_refused_with_a_suggestion(
    project: Any, arguments: list[str], message: str, advice: str
) -> None:
    outcome = project.ssmi(*arguments)
    error, next_step = outcome.stderr.splitlines()
    assert outcome.code == 2 and not outcome.stdout
    assert error.startswith(f"error: {message}"), outcome.stderr
    assert next_step.startswith(f"  next: {advice}"), outcome.stderr


def test_a_group_without_a_command_prints_its_help(project: Any) -> None:
    outcome = project.ssmi("data")
    assert outcome.code == 2 and "Usage: ssmi-cli data" in outcome.stderr and "Commands:" in outcome.stderr


# --- errors in params.yaml, data, vectors and encoders ----------------------------------------------------------------


def _edit(name: str, change: Callable[[str], str]) -> Callable[[Any], None]:
    def edit(project: Any) -> None:
        path = project.root / name
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")

    return edit


def _unchanged(project: Any) -> None:
    pass


def _set(section: str, **values: Any) -> Callable[[Any], None]:
    return lambda project: project.set(section, **values)


def _mix_schemes(project: Any) -> None:
    project.raw("train").write_text("张 B-NAME\n三 E-NAME\n在 O\n\n北 B-LOC\n京 M-LOC\n市 I-LOC\n", encoding="utf-8")


def _wrong_width(project: Any) -> None:
    """Shorten every twentieth row; a single bad row would only be dropped and counted."""
    path = project.root / "vectors.txt"
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[2::20] = [line.rpartition(" ")[0] for line in lines[2::20]]
    path.write_text("\n".join(lines), encoding="utf-8")


def _no_weights(project: Any) -> None:
    (project.root / "encoder" / "model.safetensors").unlink()


def _pickled_weights(project: Any) -> None:
    _no_weights(project)
    (project.root / "encoder" / "pytorch_model.bin").write_bytes(b"\x80\x04.")


def _other_weights(project: Any) -> None:
    path = project.root / "encoder" / "model.safetensors"
    save_file({f"other.{name}": tensor for name, tensor in load_file(path).items()}, path)


def _short_vocabulary(project: Any) -> None:
    path = project.root / "encoder" / "vocab.txt"
    path.write_text("\n".join(path.read_text(encoding="utf-8").splitlines()[:50]) + "\n", encoding="utf-8")


BUILD = ["features", "build"]
BAD_INPUT: dict[str, tuple[Callable[[Any], None], list[str], int, list[str]]] = {
    "missing data set": (lambda p: shutil.rmtree(p.raw("train").parent), BUILD, 4, ["'tiny'", "train.bmes"]),
    "data set without a train split": (
        lambda p: p.raw("train").unlink(),
        BUILD,
        4,
        ["no train file, only dev and test", "evaluate"],
    ),
    "data set misspelt": (_unchanged, [*BUILD, "--dataset", "resum"], 4, ["'resum'", "did you mean 'resume'?"]),
    "licensed data set": (_unchanged, [*BUILD, "--dataset", "ontonotes4"], 4, ["never fetched", "LDC2011T03", "bmes"]),
    "empty data set": (_edit("data/tiny/train.bmes", lambda _: ""), BUILD, 3, ["train.bmes: holds no sentence"]),
    "row without a tag": (
        _edit("data/tiny/dev.bmes", lambda text: "好\n" + text),
        BUILD,
        3,
        ["dev.bmes:1: one column", "京 B-LOC"],
    ),
    "mixed tag schemes": (_mix_schemes, BUILD, 3, ["train.bmes:6 has M-", "train.bmes:7 has I-", "mixed"]),
    "vectors misspelt": (_set("vocab", vectors="synonym"), BUILD, 4, ["'synonym'", "did you mean 'synonyms'?"]),
    "vectors that are not text": (
        lambda p: (p.root / "vectors.txt").write_bytes(bytes(range(256)) * 9),
        BUILD,
        3,
        ["vectors.txt: no vectors", "word2vec"],
    ),
    "vectors of uneven width": (_wrong_width, BUILD, 3, ["vectors.txt:3: not 8 numbers", "17 of 338 rows are wrong"]),
    "vectors without a Chinese word": (
        _edit("vectors.txt", lambda _: "hello 1 2\nworld 3 4\n"),
        BUILD,
        3,
        ["vectors.txt: no word of 2 to 10 characters", "vocab.vectors"],
    ),
    "missing encoder folder": (_set("encoder", name="./bert"), BUILD, 4, ["'./bert': no such folder", "vocab.txt"]),
    "unknown encoder": (
        _set("encoder", name="nobody/nothing"),
        BUILD,
        4,
        ["nobody/nothing: not a folder, not a listed encoder", "e5-small-zh"],
    ),
    "encoder without weights": (_no_weights, BUILD, 4, ["lacks model.safetensors"]),
    "encoder with pickled weights": (_pickled_weights, BUILD, 3, ["contains tensors only", "pickle"]),
    "encoder with weights of another network": (_other_weights, BUILD, 5, ["missing", "encoder.name"]),
    "encoder with damaged weights": (
        lambda p: (p.root / "encoder" / "model.safetensors").write_bytes(b"\x00" * 99),
        BUILD,
        5,
        ["no usable safetensors weights", "encoder.name"],
    ),
    "encoder with another vocabulary": (_short_vocabulary, BUILD, 3, ["are unknown to it", "encoder.name"]),
    "data set by path": (
        _unchanged,
        [*BUILD, "--dataset", "/tmp/raw"],
        2,
        ["'/tmp/raw': not a plain name", "data/NAME"],
    ),
    "data set above the folder": (_unchanged, [*BUILD, "--dataset", "../tiny"], 2, ["not a plain name"]),
    "data set without a name": (_unchanged, ["stats", "--dataset", ""], 2, ["not a plain name"]),
    "unknown parameter": (
        _edit("params.yaml", lambda text: text.replace("threshold:", "treshold:")),
        BUILD,
        2,
        ["selection.treshold: unknown key, did you mean 'threshold'?"],
    ),
    "two bad parameters": (
        _unchanged,
        [*BUILD, "-S", "selection.max_set=0", "-S", "pmi.estimator=best"],
        2,
        ["selection.max_set:", "pmi.estimator:", "joint or paper"],
    ),
    "params.yaml that is not YAML": (
        _edit("params.yaml", lambda _: "a: [1\nb: }"),
        BUILD,
        2,
        ["params.yaml:2: not YAML"],
    ),
    "override without a value": (_unchanged, [*BUILD, "-S", "selection.threshold"], 2, ["not section.key=value"]),
    "override of an unknown key": (
        _unchanged,
        [*BUILD, "-S", "selecton.threshold=1"],
        2,
        ["selecton: unknown key, did you mean 'selection'?"],
    ),
}


def _assert_clear(outcome: Any, code: int, expected: list[str]) -> None:
    """Check for one line with the error and its place, one with the next step, and no traceback."""
    assert outcome.code == code, outcome.stderr
    assert "Traceback" not in outcome.stderr and "Error:" not in outcome.stderr
    *_, message, advice = outcome.stderr.splitlines()
    assert message.startswith("error: ") and len(message) < 400
    assert advice.startswith("  next: ") and len(advice) > 12
    assert [text for text in expected if text not in message + advice] == []


@pytest.mark.parametrize("case", sorted(BAD_INPUT))
def test_bad_input_is_refused_clearly_and_changes_nothing(project: Any, case: str) -> None:
    damage, arguments, code, expected = BAD_INPUT[case]
    before = project.artifacts()
    damage(project)
    _assert_clear(project.ssmi(*arguments), code, expected)
    assert project.artifacts() == before


def test_commands_outside_a_project_are_refused(tmp_path: Path, built_once: Any) -> None:
    project = type(built_once)(tmp_path, built_once.environment)
    _assert_clear(project.ssmi("features", "build"), 4, ["no params.yaml in", "--project FOLDER"])


# --- training and evaluation ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained_once(built_once: Any, copy_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tiny project with a run, trained for one epoch."""
    project = copy_project(built_once, tmp_path_factory.mktemp("trained"))
    outcome = project.ssmi("train", "-S", "train.epochs=1")
    assert outcome.code == 0, outcome.stderr
    return project


@pytest.fixture
def trained(trained_once: Any, copy_project: Any, tmp_path: Path) -> Any:
    return copy_project(trained_once, tmp_path)


def test_evaluation_agrees_with_training(trained: Any) -> None:
    metrics = json.loads((trained.root / "artifacts/train/tiny/metrics.json").read_text(encoding="utf-8"))
    for split in ("dev", "test"):
        outcome = trained.ssmi("evaluate", "--split", split, "--json")
        assert outcome.code == 0
        printed = json.loads(outcome.stdout)
        assert printed[split].pop("calibration")["n"] == metrics[split]["predicted"]
        assert printed == {split: metrics[split]}


def test_training_without_features_is_refused(fresh_project: Any) -> None:
    outcome = fresh_project.ssmi("train")
    _assert_clear(outcome, 4, ["artifacts/shards/tiny: not built", "ssmi-cli features build --dataset tiny"])
    assert fresh_project.artifacts() == {}


def test_evaluating_without_a_run_is_refused(project: Any) -> None:
    _assert_clear(project.ssmi("evaluate"), 4, ["no such folder", "ssmi-cli train"])


def test_a_data_set_named_by_path_is_refused_and_its_files_are_kept(project: Any) -> None:
    raw = project.raw("train").parent
    before = {path.name: path.read_bytes() for path in raw.iterdir()}
    for name in (str(raw), f"{raw}/", "./tiny", "..", "a\\b"):
        for command in ("build", "prepare"):
            _assert_clear(project.ssmi("features", command, "--dataset", name), 2, ["not a plain name"])
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == before


def test_training_on_features_with_other_parameters_is_refused(trained: Any) -> None:
    before = trained.artifacts("train")
    expected = ["selection.threshold is", "in the shards, 0.9 in the parameters", "features build --dataset tiny"]
    _assert_clear(trained.ssmi("train", "-S", "selection.threshold=0.9"), 5, expected)
    trained.set("vocab", max_words=7)
    _assert_clear(trained.ssmi("train"), 5, ["vocab.max_words is null in the shards, 7 in the parameters"])
    assert trained.artifacts("train") == before


def test_a_closed_pipe_is_not_an_error(trained: Any) -> None:
    query = "SELECT unnest(range(200000)) AS n"
    process = trained.start("stats", "--sql", query, "--format", "csv")
    assert process.stdout.readline() == "n\n"
    process.stdout.close()
    assert process.wait(600) == 0
    assert process.stderr.read() == ""
    process.stderr.close()


def test_shards_with_another_vocabulary_are_refused(trained: Any) -> None:
    before = trained.artifacts("train")
    trained.build("-S", "vocab.max_words=100")
    expected = ["do not belong together", "vocabulary", "train on these"]
    _assert_clear(trained.ssmi("evaluate"), 5, expected)
    assert trained.artifacts("train") == before


def test_shards_with_another_label_set_are_refused(trained: Any) -> None:
    trained.build("-S", "shards.tag_scheme=BIO")
    _assert_clear(trained.ssmi("evaluate"), 5, ["do not belong together", "labels BMES", "BIO"])


def test_shards_of_another_encoder_are_refused(trained: Any) -> None:
    config = trained.root / "encoder" / "config.json"
    body = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps({**body, "layer_norm_eps": 1e-6}), encoding="utf-8")
    before = trained.artifacts("train")
    _assert_clear(trained.ssmi("train"), 5, ["encoder", "features build"])
    assert trained.artifacts("train") == before
    trained.build()
    _assert_clear(trained.ssmi("evaluate"), 5, ["do not belong together", "encoder"])


def _older_manifest(shards: Path) -> None:
    path = shards / "manifest.json"
    body = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**body, "schema_version": 0}), encoding="utf-8")


def _other_columns(shards: Path) -> None:
    path = shards / "dev" / "part-00000.parquet"
    table = pq.read_table(path).rename_columns(["id" if n == "sentence_id" else n for n in schema.SHARDS.names])
    pq.write_table(table, path)


def _other_types(shards: Path) -> None:
    path = shards / "dev" / "part-00000.parquet"
    table = pq.read_table(path)
    index = table.schema.get_field_index("token_ids")
    pq.write_table(table.set_column(index, "token_ids", table["token_ids"].cast(pa.list_(pa.int64()))), path)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (_older_manifest, [f"version 0, this program writes {schema.SCHEMA_VERSION}", "build the features again"]),
        (_other_columns, ["not what manifest.json says", "dev/part-00000.parquet"]),
        (_other_types, ["not what manifest.json says", "dev/part-00000.parquet"]),
    ],
)
def test_shards_with_another_schema_are_refused_and_rebuilt(
    trained: Any, damage: Callable[[Path], None], expected: list[str]
) -> None:
    damage(trained.root / "artifacts" / "shards" / "tiny")
    before = trained.artifacts("train")
    _assert_clear(trained.ssmi("train"), 5, expected)
    assert trained.artifacts("train") == before
    # Building repairs the shards.
    assert trained.build().built == {"shards"}
    assert trained.ssmi("evaluate", "--split", "dev").code == 0


# --- interruption ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_an_interrupted_build_is_reported_and_leaves_no_partial_output(project: Any, options: tuple[str, ...]) -> None:
    """Press Ctrl-C, which reaches every process, once prepare has written part-00003 of thousands of parts."""
    project.set("prepare", sentences_per_part=1)
    project.raw("train").write_text("好 O\n\n" * 20_000, encoding="utf-8")
    before = project.artifacts()
    with project.start("features", "build", *options, start_new_session=True) as process:
        end = time.monotonic() + 600
        while not list(project.root.glob(".ssmi/scratch/stages/*/*/output/train/part-00003.parquet")):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=600)
    assert process.returncode == 130, stderr
    assert [line for line in stderr.splitlines() if line] == [
        "prepare: raw files to sentences with gold entities",
        "interrupted",
        "  next: run the same command again; what is finished is kept",
    ]
    assert project.artifacts() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["features", "build", "--dataset", "tinny"],
        ["features", "build", "--corpus", "params.yaml", "--like", "tinny"],
        ["train", "--dataset", "tinny"],
        ["evaluate", "--dataset", "tinny"],
        ["predict", "--dataset", "tinny", "params.yaml"],
        ["stats", "coverage", "--dataset", "tinny"],
        ["report", "--dataset", "tinny"],
        ["explain", "学", "--segment", "大学", "--dataset", "tinny"],
        ["export", "--dataset", "tinny", "--out", "pack"],
        ["ablate", "--dataset", "tinny"],
        ["encoder", "adapt", "--dataset", "tinny", "--out", "adapted"],
        ["data", "check", "--dataset", "tinny"],
    ],
    ids=lambda arguments: arguments[0] + arguments[1],
)
def test_misspelt_data_sets_get_a_suggestion(tagging_project: Any, arguments: list[str]) -> None:
    outcome = tagging_project.ssmi(*arguments)
    assert outcome.code == 4, outcome.stderr
    assert "data set 'tinny': unknown" in outcome.stderr and "did you mean 'tiny'?" in outcome.stderr


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs=3", "epochs: unknown key, did you mean 'train.epochs'?"),
        ("model.epochs=3", "model.epochs: unknown key, did you mean 'train.epochs'?"),
        ("train.epoch=3", "train.epoch: unknown key, did you mean 'epochs'?"),
        ("train.epochs=three", "train.epochs: expected a whole number, got three"),
        ("train.epochs=", "train.epochs: expected a whole number, got null"),
        ("train.epochs=2.5", "train.epochs: expected a whole number, got 2.5"),
        ("train.stream=maybe", "train.stream: expected true or false, got maybe"),
        ("selection.threshold=high", "selection.threshold: expected a number, got high"),
        ("train.epochs=2020-01-01", "train.epochs: expected a whole number, got 2020-01-01"),
        ("encoder.name=3", "encoder.name: expected a text, got 3"),
    ],
)
def test_invalid_parameters_are_reported_with_key_and_value(pristine_project: Any, override: str, message: str) -> None:
    outcome = pristine_project.ssmi("train", "-S", override)
    assert outcome.code == 2 and message in outcome.stderr


def test_an_option_that_resembles_a_parameter_suggests_setting_it(pristine_project: Any) -> None:
    outcome = pristine_project.ssmi("train", "--epoch", "3")
    assert outcome.code == 2 and "set a parameter with -S: -S train.epochs=VALUE" in outcome.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "--shards", "tinny"],
        ["features", "build", "--corpus", "tinny"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_misspelt_corpora_get_a_suggestion(tagging_project: Any, arguments: list[str]) -> None:
    outcome = tagging_project.ssmi(*arguments)
    assert outcome.code == 4 and "did you mean 'tiny'?" in outcome.stderr, outcome.stderr


def test_a_misspelt_run_gets_a_suggestion(tagging_project: Any) -> None:
    run = tagging_project.root / "artifacts" / "train" / "tinny"
    outcome = tagging_project.ssmi("evaluate", "--run", str(run))
    assert outcome.code == 4 and f"did you mean '{run.with_name('tiny')}'?" in outcome.stderr
