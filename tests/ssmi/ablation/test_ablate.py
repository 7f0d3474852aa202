"""Cross-validation from the command line on the tiny project: real runs, parallel jobs, and repeated commands."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import ssmi
from ssmi.model.evaluation.scoring import EntityCounts, total
from ssmi.model.evaluation.sentence_counts import SentenceCounts
from ssmi.model.evaluation.significance import ALL, System, compare
from ssmi.pipeline.contract.errors import ParameterError

RATES = ("-S", "train.lr_new=0.02", "-S", "train.lr_crf=0.02", "-S", "train.epochs=2")
ABLATION = ("--folds", "2", "--only", "bert-crf,no-bert", "--seeds", "2", *RATES)
Copy = Callable[[Any, Path], Any]


@pytest.fixture(scope="module")
def folded_once(built_once: Any, copy_project: Copy, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An ablation of two rows, two seeds and two folds, with two runs in parallel."""
    project = copy_project(built_once, tmp_path_factory.mktemp("folded"))
    outcome = project.ssmi("ablate", *ABLATION, "--jobs", "2")
    assert outcome.code == 0, outcome.stderr
    (project.root / "said.txt").write_text(outcome.stderr, encoding="utf-8")
    (project.root / "shown.txt").write_text(outcome.stdout, encoding="utf-8")
    return project


@pytest.fixture
def folded(folded_once: Any, copy_project: Copy, tmp_path: Path) -> Any:
    return copy_project(folded_once, tmp_path)


def _folder(project: Any) -> Path:
    folder: Path = project.root / "artifacts" / "ablate" / "tiny" / "folds-2"
    return folder


def _table(project: Any) -> dict[str, Any]:
    table: dict[str, Any] = json.loads((_folder(project) / "table.json").read_text(encoding="utf-8"))
    return table


def _runs(project: Any, name: str) -> dict[tuple[int, int], Path]:
    found = (_folder(project) / "runs" / name).glob("*/*/*/metrics.json")
    return {(int(path.parts[-3]), int(path.parts[-2])): path.parent for path in found}


def test_every_sentence_is_scored_once_per_seed(folded_once: Any) -> None:
    for row in _table(folded_once)["rows"]:
        runs = _runs(folded_once, row["configuration"])
        assert sorted(runs) == [(seed, fold) for seed in (13, 14) for fold in (1, 2)]
        for run in row["runs"]:
            metrics = [json.loads((runs[run["seed"], fold] / "metrics.json").read_text())["dev"] for fold in (1, 2)]
            counts = total(EntityCounts(scores["gold"], scores["predicted"], scores["correct"]) for scores in metrics)
            assert run["folds"]["f1"] == pytest.approx(counts.f1)
            assert sum(scores["n_sentences"] for scores in metrics) == 72  # 60 of train and 12 of dev
            assert run["f1_by_fold"] == {str(fold): scores["f1"] for fold, scores in enumerate(metrics, start=1)}
        f1 = [run["folds"]["f1"] for run in row["runs"]]
        assert row["folds"]["f1"]["mean"] == pytest.approx(sum(f1) / 2)


def test_the_table_labels_scores_as_folds(folded_once: Any) -> None:
    table = _table(folded_once)
    assert (table["n_folds"], table["folds"], table["seeds"]) == (2, [1, 2], [13, 14])
    assert "test" not in table["rows"][0] and "fold" not in table["parameters"]["train"]
    page = (_folder(folded_once) / "table.md").read_text(encoding="utf-8")
    assert "folds F1" in page and "folds Δ BERT-CRF" in page and "test F1" not in page
    assert "2 folds of train and dev, each scored by a network trained on the others, their counts pooled" in page
    assert "the last epoch counts; test was not read." in page
    command = join_words("ssmi-cli ablate --dataset tiny --only bert-crf,no-bert --folds 2 --seeds 2", RATES)
    assert table["command"] == command and f"Made by `{command}`" in page
    assert "folds F1" in (_folder(folded_once) / "f1.svg").read_text(encoding="utf-8")
    assert "folds F1" in (folded_once.root / "shown.txt").read_text(encoding="utf-8")


def join_words(start: str, rest: tuple[str, ...]) -> str:
    """Join the words of a command line; none of them needs quotes."""
    return " ".join((start, *rest))


def test_the_stored_counts_give_the_same_interval(folded_once: Any) -> None:
    rows = pq.read_table(_folder(folded_once) / "counts.parquet").to_pylist()
    assert len(rows) == 2 * 2 * 72
    systems = {}
    for name in ("bert-crf", "no-bert"):
        runs = {}
        for seed in (13, 14):
            rows_of_run = [row for row in rows if (row["configuration"], row["seed"]) == (name, seed)]
            counts = [
                {
                    entry["label"]: EntityCounts(entry["gold"], entry["predicted"], entry["correct"])
                    for entry in row["counts"]
                }
                for row in rows_of_run
            ]
            runs[seed] = SentenceCounts([row["sentence"] for row in rows_of_run], counts)
        systems[name] = System(runs)
    found = compare(systems["no-bert"], systems["bert-crf"])[ALL]
    (row,) = (row for row in _table(folded_once)["rows"] if row["configuration"] == "no-bert")
    assert row["gain"]["bert-crf"]["folds"] == pytest.approx(found.gain)
    interval = row["interval"]["bert-crf"]["folds"]
    assert (interval["low"], interval["high"], interval["significant"]) == (found.low, found.high, found.significant)


def test_the_expected_time_is_reported_before_and_after_each_run(folded_once: Any) -> None:
    lines = (folded_once.root / "said.txt").read_text(encoding="utf-8").splitlines()
    estimate = next(index for index, line in enumerate(lines) if line.startswith("8 runs, about "))
    assert " with 2 jobs (a run: bert-crf " in lines[estimate] and ", no-bert " in lines[estimate]
    started = [line for line in lines if re.fullmatch(r"\[\d/8\] [a-z-]+, seed \d+, fold \d", line)]
    assert lines.index(started[0]) > estimate
    # Ordered by seed, then fold, then row.
    assert started == [
        f"[{number}/8] {name}, seed {seed}, fold {fold}"
        for number, (seed, fold, name) in enumerate(
            [(seed, fold, name) for seed in (13, 14) for fold in (1, 2) for name in ("bert-crf", "no-bert")], start=1
        )
    ]
    finished = [line for line in lines if ": F1 " in line]
    assert len(finished) == 8 and all(re.search(r"F1 \d+\.\d\d over its folds so far, \d+ ", line) for line in finished)
    assert re.search(r"; 7 left, about \d+ ", finished[0]) and "left" not in finished[-1]


def test_logs_are_kept_and_weights_are_not(folded_once: Any) -> None:
    for name in ("bert-crf", "no-bert"):
        for (_, fold), run in _runs(folded_once, name).items():
            assert sorted(path.name for path in run.iterdir()) == [
                "counts",
                "files.json",
                "headline.json",
                "history.csv",
                "made-from.json",
                "metrics.json",
            ]
            assert "epoch 2:" in run.with_name(f"{fold}.log").read_text(encoding="utf-8")
    assert not list((folded_once.root / ".ssmi" / "scratch").glob("speed/*"))


def test_a_second_call_with_one_process_repeats_no_work(folded: Any) -> None:
    table = (_folder(folded) / "table.json").read_bytes()
    times = {path: path.stat().st_mtime_ns for path in (_folder(folded) / "runs").rglob("*")}
    outcome = folded.ssmi("ablate", *ABLATION)
    assert (outcome.code, outcome.stderr) == (0, "8 of 8 runs are already finished\n")
    assert (_folder(folded) / "table.json").read_bytes() == table
    assert {path: path.stat().st_mtime_ns for path in (_folder(folded) / "runs").rglob("*")} == times


def test_one_process_and_two_give_the_same_runs(folded: Any) -> None:
    before = _table(folded)
    run = _runs(folded, "no-bert")[13, 2]
    shutil.rmtree(run)
    outcome = folded.ssmi("ablate", *ABLATION, "--keep-checkpoints")
    assert outcome.code == 0, outcome.stderr
    assert "1 run, about " in outcome.stderr and "[8/8] no-bert, seed 13, fold 2\n" in outcome.stderr
    assert _table(folded) == before  # each uses one thread, so results are identical to the bit
    # Its weights were kept, so it can be scored, on its dev fold only.
    outcome = folded.ssmi("evaluate", "--run", str(run), "--json")
    assert outcome.code == 0, outcome.stderr
    metrics = json.loads((run / "metrics.json").read_text())["dev"]
    scores = json.loads(outcome.stdout)["dev"]
    assert {key: scores[key] for key in ("f1", "gold", "n_sentences")} == {
        key: metrics[key] for key in ("f1", "gold", "n_sentences")
    }
    text = folded.root / "text.txt"
    text.write_text("王小明在北京\n", encoding="utf-8")
    predicted = folded.ssmi("predict", "--run", str(run), str(text))
    assert predicted.code == 0 and json.loads(predicted.stdout)["text"] == "王小明在北京"
    outcome = folded.ssmi("report", "--run", str(run))
    assert outcome.code == 2 and "a run of one fold" in outcome.stderr
    shutil.rmtree(run / "counts")
    compared = folded.ssmi("compare", str(run), str(run), "--json")
    assert compared.code == 0 and json.loads(compared.stdout)["n_sentences"] == metrics["n_sentences"]


def test_a_dry_run_reports_the_time_and_trains_nothing(folded: Any) -> None:
    before = sorted(_folder(folded).rglob("*"))
    variant = ("--variant", "tiny-bert:base=bert-crf,model.encoder_layers=1,against=no-bert")
    outcome = folded.ssmi("ablate", *ABLATION, *variant, "--dry-run")
    assert (outcome.code, outcome.stdout) == (0, "")
    assert "8 of 12 runs are already finished\n" in outcome.stderr
    assert re.search(r"^4 runs, about .* \(a run: tiny-bert ", outcome.stderr, re.M)
    assert sorted(_folder(folded).rglob("*")) == before


def test_variants_are_listed_with_configurations(folded: Any) -> None:
    (folded.root / "v.yaml").write_text("shallow: {base: bert-crf, model.encoder_layers: 1, against: no-bert}\n")
    options = ("--folds", "2", "--seeds", "1", *RATES, "--variants", str(folded.root / "v.yaml"))
    outcome = folded.ssmi("ablate", *options)
    assert outcome.code == 0, outcome.stderr
    assert "[2/2] shallow, seed 13, fold 2" in outcome.stderr
    table = _table(folded)
    rows = {row["configuration"]: row for row in table["rows"]}
    assert list(rows) == ["bert-crf", "no-bert", "shallow"]
    assert rows["shallow"]["changes"]["model.encoder_layers"] == 1
    assert set(rows["shallow"]["gain"]) == set(rows)
    assert rows["shallow"]["interval"]["no-bert"]["folds"] is not None
    assert "] over no-bert |" in (_folder(folded) / "table.md").read_text(encoding="utf-8")
    words = table["command"].split()
    assert words[words.index("--variant") + 1] == "shallow:base=bert-crf,against=no-bert,model.encoder_layers=1"
    # Without the variants, the table has only the configurations.
    assert folded.ssmi("ablate", *ABLATION).code == 0
    assert [row["configuration"] for row in _table(folded)["rows"]] == ["bert-crf", "no-bert"]


def test_other_settings_are_listed_once_all_folds_are_finished(folded: Any) -> None:
    shutil.rmtree(_runs(folded, "no-bert")[14, 1])
    options = ("--folds", "2", "--only", "bert-crf", "--seeds", "1", *RATES[:4], "-S", "train.max_steps=1")
    outcome = folded.ssmi("ablate", *options)
    assert outcome.code == 0, outcome.stderr
    others = {settings["configuration"]: settings for settings in _table(folded)["other_settings"]}
    assert others["bert-crf"]["seeds"] == [13, 14] and others["no-bert"]["seeds"] == [13]
    assert set(others["bert-crf"]) >= {"folds_f1"} and "folds F1" in outcome.stdout
    assert others["bert-crf"]["differs"] == ["train.max_steps null (now 1)"]


def test_interrupted_runs_are_resumed(project: Any) -> None:
    options = ("--folds", "2", "--jobs", "2", "--only", "no-bert", "--seeds", "1", "-S", "train.epochs=40")
    with project.start("ablate", *options) as process:
        message = ""
        while "no-bert, seed 13, fold 2" not in message:
            message = process.stderr.readline()
            assert message, "ended too early"
        folder = _folder(project) / "runs" / "no-bert"
        while not all("epoch 1:" in log.read_text() for log in folder.glob("*/13/*.log")) or not list(
            folder.glob("*/13/*.log")
        ):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=600)
    assert process.returncode == 130
    assert "interrupted: stopped with 2 runs unfinished" in stderr and "next: run the same command again" in stderr
    assert len(list(folder.glob("*/13/*/state/state.json"))) == 2
    outcome = project.ssmi("ablate", *options)
    assert outcome.code == 0, outcome.stderr
    logs = [log.read_text(encoding="utf-8") for log in folder.glob("*/13/*.log")]
    assert len(logs) == 2 and all("resuming in epoch" in log and log.count("epoch 1:") == 1 for log in logs)


def test_a_diverged_run_does_not_stop_the_others(project: Any) -> None:
    rate = ("-S", "train.lr_encoder=1e37", "-S", "train.clip=1e30", "-S", "train.batch_size=2")
    options = ("--only", "bert-crf,no-bert", "--folds", "2", "--jobs", "2", "--seeds", "1", *RATES, *rate)
    outcome = project.ssmi("ablate", *options)
    assert outcome.code == 1
    assert "2 runs failed: bert-crf, seed 13, fold 1: epoch 1, step" in outcome.stderr
    assert [row["configuration"] for row in _table(project)["rows"]] == ["no-bert"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--folds", "1"], "1 is not in the range"),
        (["--jobs", "0"], "neither auto nor a whole number"),
        (["--jobs", "two"], "neither auto nor a whole number"),
        (["--folds", "2", "-S", "train.test=true"], "with folds test is never read"),
        (["--folds", "2", "-S", "train.folds=3"], "train.folds is 3, of 2 folds"),
        (
            ["-S", "train.folds=3", "-S", "train.fold=1", "-S", "train.test=false"],
            "train.folds is 3, but a table has no runs of a single fold\n  next: take train.folds and train.fold out",
        ),
        (["--variant", "late:train.seed=99"], "variant late: train.seed is the same in all rows of a table"),
        (["--variant", "some:train.folds=3", "--folds", "2"], "variant some: train.folds is the same in all rows"),
        (["-S", "train.fgm=1.0", "--variant", "still:model.encoder=frozen,model.fusion=none"], "train.fgm: 1 moves"),
        (["--folds", "2", "-S", "train.patience=2"], "patience lets dev choose the epoch"),
        (["--variant", "a:b"], "not NAME:key=value"),
        (["--variant", "a:model.encoder_layers=9x"], "configuration a: model.encoder_layers"),
    ],
)
def test_wrong_usage_is_refused(project: Any, arguments: list[str], message: str) -> None:
    outcome = project.ssmi("ablate", "--only", "no-bert", *arguments)
    assert outcome.code == 2
    assert message in outcome.stderr
    assert not (project.root / "artifacts" / "ablate").exists()


def test_an_invalid_variant_is_refused_before_the_first_run(project: Any) -> None:
    variant = ("--variant", "deep:model.encoder=finetune,model.fusion=layer,model.fusion_layer=5")
    outcome = project.ssmi("ablate", "--only", "no-bert", *variant)
    assert outcome.code == 2
    assert "model.fusion_layer: 5, but" in outcome.stderr
    assert not (project.root / "artifacts" / "ablate").exists()


@pytest.mark.parametrize("arguments", [{"n_seeds": 0}, {"folds": 1}, {"jobs": -1}])
def test_invalid_numbers_are_refused_in_python(project: Any, arguments: dict[str, int]) -> None:
    with pytest.raises(ParameterError, match=next(iter(arguments))):
        ssmi.open_project(project.root).ablate(only=["no-bert"], **arguments)


@pytest.mark.parametrize(("argument", "option"), [("n_seeds", "--seeds"), ("folds", "--folds")])
@pytest.mark.parametrize("number", [0, 1_001])
def test_python_and_the_command_line_refuse_a_number_in_the_same_words(
    project: Any, argument: str, option: str, number: int
) -> None:
    with pytest.raises(ParameterError) as refused:
        ssmi.open_project(project.root).ablate(only=["no-bert"], **{argument: number})
    outcome = project.ssmi("ablate", "--only", "no-bert", option, str(number))
    (said,) = re.findall(rf"{option}: (.*)", outcome.stderr)
    assert refused.value.message == f"{argument}: {said}"
    with pytest.raises(ParameterError, match=r"train\.folds: expected a number of at most 1000"):
        ssmi.open_project(project.root).params(["train.folds=1001", "train.fold=1", "train.test=false"])


def test_a_row_without_test_scores_has_dashes(project: Any) -> None:
    options = ("--only", "char-crf", "--variant", "unread:base=char-crf,against=char-crf,train.test=false")
    outcome = project.ssmi("ablate", *options, "--seeds", "1", "-S", "train.epochs=1")
    assert outcome.code == 0, outcome.stderr
    page = (project.root / "artifacts" / "ablate" / "tiny" / "table.md").read_text(encoding="utf-8")
    header, _, full, without = ([cell.strip() for cell in line.split("|")] for line in page.splitlines()[2:6])
    rows = [dict(zip(header, cells, strict=True)) for cells in (full, without)]
    assert [row["configuration"] for row in rows] == ["char-crf", "unread"]
    assert rows[0]["dev F1"] == rows[1]["dev F1"]
    assert rows[0]["test F1"] != "-" and rows[1]["test F1"] == rows[1]["test P"] == rows[1]["type acc."] == "-"
    assert rows[1]["dev Δ BERT-CRF"].startswith("+0.00 [") and rows[1]["test Δ BERT-CRF"] == "-"
