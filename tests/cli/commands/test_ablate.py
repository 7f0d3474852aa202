"""``ssmi-cli ablate`` on the tiny project: real features and runs, and what a second call repeats."""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssmi.configurations import CONFIGURATIONS
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.storage.digests import digest_file, seal, unseal
from ssmi.pipeline.stages.running.registry import affected

OPTIONS = ("--seeds", "2", "-S", "train.epochs=1", "-S", "train.lr_new=0.02", "-S", "train.lr_crf=0.02")
NAMES = ("bert-crf", "no-cosine", "no-bert")
ABLATION = ("--only", "no-cosine,no-bert", "--only", "bert-crf", *OPTIONS)
Copy = Callable[[Any, Path], Any]


@pytest.fixture(scope="module")
def ablated_once(built_once: Any, copy_project: Copy, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Three configurations, two seeds each."""
    project = copy_project(built_once, tmp_path_factory.mktemp("ablated"))
    outcome = project.ssmi("ablate", *ABLATION)
    assert outcome.code == 0, outcome.stderr
    return project


@pytest.fixture
def ablated(ablated_once: Any, copy_project: Copy, tmp_path: Path) -> Any:
    """A copy for each test; its files keep their modification times."""
    return copy_project(ablated_once, tmp_path)


def _folder(project: Any) -> Path:
    folder: Path = project.root / "artifacts" / "ablate" / "tiny"
    return folder


def _run(project: Any, name: str, seed: int) -> Path:
    """The run folder of a seed, for a configuration that was run with only one set of settings."""
    (folder,) = (_folder(project) / "runs" / name).glob(f"*/{seed}")
    return folder


def _times(folder: Path) -> dict[str, int]:
    """Modification time of each file, except links to features, which share the times of the features."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and "pinned" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in files}


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def _table(project: Any) -> dict[str, Any]:
    table: dict[str, Any] = json.loads((_folder(project) / "table.json").read_text(encoding="utf-8"))
    return table


def test_the_table_agrees_with_the_runs(ablated_once: Any) -> None:
    table = _table(ablated_once)
    assert [row["configuration"] for row in table["rows"]] == list(NAMES)
    assert (table["dataset"], table["seeds"], table["parameters"]["train"]["epochs"]) == ("tiny", [13, 14], 1)
    figures = set()
    for row in table["rows"]:
        runs = [_run(ablated_once, row["configuration"], seed) for seed in (13, 14)]
        metrics = [json.loads((run / "metrics.json").read_text(encoding="utf-8")) for run in runs]
        for split in ("dev", "test"):
            for name, keys in {"precision": ["precision"], "f1": ["f1"], "span_f1": ["span", "f1"]}.items():
                values = []
                for scores in metrics:
                    value = scores[split]
                    for key in keys:
                        value = value[key]
                    values.append(value)
                assert [run[split][name] for run in row["runs"]] == values
                assert row[split][name]["mean"] == pytest.approx(sum(values) / 2)
                assert row[split][name]["std"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
                figures |= set(values)
        for run, scores in zip(runs, row["runs"], strict=True):
            with (run / "history.csv").open(encoding="utf-8") as stream:
                assert [float(line["dev_f1"]) for line in csv.DictReader(stream)] == scores["dev_f1_by_epoch"]
            assert scores["best_epoch"] == 1
            params = json.loads((run / "checkpoint" / "params.json").read_text(encoding="utf-8"))
            assert params["train"]["seed"] == scores["seed"]
    assert len(figures) > 3  # the figures differ between rows and seeds
    f1 = {row["configuration"]: statistics.fmean(run["test"]["f1"] for run in row["runs"]) for row in table["rows"]}
    for row in table["rows"]:
        assert row["gain"]["bert-crf"]["test"] == pytest.approx(f1[row["configuration"]] - f1["bert-crf"])


def test_each_run_has_the_parameters_of_its_configuration(ablated_once: Any) -> None:
    for name, changed in (
        ("bert-crf", ("gmi", "none")),
        ("no-bert", ("encoder", "none")),
        ("no-cosine", ("lmi", True)),
    ):
        path = _run(ablated_once, name, 14) / "checkpoint" / "params.json"
        params = json.loads(path.read_text(encoding="utf-8"))
        assert params["model"][changed[0]] == changed[1]
        assert params["selection"]["choice"] == ("random" if name == "no-cosine" else "cosine")


def test_features_of_a_configuration_are_stored_separately(ablated_once: Any, built_once: Any) -> None:
    features = _folder(ablated_once) / "features" / "no-cosine"
    assert sorted(path.name for path in features.iterdir()) == ["selection", "shards"]
    assert manifests.load(features / "selection" / "tiny").parameters["selection"]["choice"] == "random"
    untouched = {name: digest for name, digest in ablated_once.artifacts().items() if not name.startswith("ablate")}
    assert untouched == built_once.artifacts()
    digests = {}
    for name, shards in (("no-cosine", features), ("bert-crf", ablated_once.root / "artifacts")):
        path = _run(ablated_once, name, 13) / "checkpoint" / "checkpoint.json"
        digests[name] = json.loads(path.read_text(encoding="utf-8"))["shards"]
        assert digests[name] == manifests.digest_file(shards / "shards" / "tiny" / "manifest.json")
    assert digests["no-cosine"] != digests["bert-crf"]


def test_parameters_affect_their_stage_and_later_ones() -> None:
    assert affected(["selection"]) == {"selection", "shards"}
    assert affected(["pmi", "model"]) == {"pmi", "shards"}
    assert affected(["model", "train"]) == set()


def test_outputs_contain_no_absolute_path(ablated_once: Any) -> None:
    written = _contents(_folder(ablated_once))
    assert sorted(written) == ["curves.svg", "f1.svg", "table.json", "table.md"]
    assert all(str(ablated_once.root).encode() not in content for content in written.values())
    command = "ssmi-cli ablate --dataset tiny --only bert-crf,no-cosine,no-bert " + " ".join(OPTIONS)
    assert f"Made by `{command}`." in written["table.md"].decode()


def test_a_second_call_repeats_no_work(ablated: Any) -> None:
    written, times = _contents(_folder(ablated)), _times(_folder(ablated) / "runs")
    features = _times(_folder(ablated) / "features")
    outcome = ablated.ssmi("ablate", *ABLATION)
    assert (outcome.code, outcome.stderr) == (0, "6 of 6 runs are already finished\n")
    assert "-Cosine" in outcome.stdout and "BERT-CRF" in outcome.stdout
    # A call for a single row finds the other rows too; the number of threads makes no difference.
    outcome = ablated.ssmi("ablate", "--only", "no-bert", *OPTIONS, "-S", "train.threads=2", "--json")
    assert (outcome.code, outcome.stderr) == (0, "2 of 2 runs are already finished\n")
    assert json.loads(outcome.stdout) == _table(ablated)
    assert [row["configuration"] for row in _table(ablated)["rows"]] == list(NAMES)
    assert ablated.ssmi("ablate", *ABLATION).code == 0
    assert _contents(_folder(ablated)) == written
    assert _times(_folder(ablated) / "runs") == times
    assert _times(_folder(ablated) / "features") == features


def test_only_missing_files_are_rebuilt(ablated: Any) -> None:
    written, times = _contents(_folder(ablated)), _times(_folder(ablated) / "runs")
    shutil.rmtree(_run(ablated, "no-cosine", 14))
    (_run(ablated, "bert-crf", 13) / "metrics.json").unlink()
    shutil.rmtree(ablated.root / "artifacts" / "shards")
    shutil.rmtree(_folder(ablated) / "features" / "no-cosine" / "shards")
    outcome = ablated.ssmi("ablate", *ABLATION)
    assert outcome.code == 0, outcome.stderr
    lines = [
        line for line in outcome.stderr.splitlines() if not line.startswith(("epoch", "learning rates", "encoder:"))
    ]
    (estimate,) = (line for line in lines if line.startswith("2 runs, about "))  # estimated from the first call
    assert [line for line in lines if line != estimate] == [
        "shards: all features to the shards that the trainer reads",
        "shards: all features to the shards that the trainer reads",
        "4 of 6 runs are already finished",
        "[5/6] bert-crf, seed 13",
        "[6/6] no-cosine, seed 14",
    ]
    after = _times(_folder(ablated) / "runs")
    assert {name for name, time in after.items() if times[name] != time} == {
        name
        for name in times
        if re.match(r"no-cosine/\w+/14/|bert-crf/\w+/13/|(no-cosine|bert-crf)/\w+/params\.json", name)
    }
    # The rebuilt features equal the earlier ones, and so do the runs.
    assert _contents(_folder(ablated)) == written


def test_a_changed_code_revision_retrains_the_run(ablated: Any) -> None:
    path = _run(ablated, "bert-crf", 13) / "checkpoint" / "checkpoint.json"
    facts = unseal(path.read_bytes())
    facts["fingerprint"]["the revision of the network's code"] -= 1
    path.write_text(json.dumps(seal(facts)), encoding="utf-8")
    listed = path.with_name("files.json")
    digests = {**json.loads(listed.read_text(encoding="utf-8")), path.name: digest_file(path)}
    listed.write_text(json.dumps(digests), encoding="utf-8")
    outcome = ablated.ssmi("ablate", "--only", "bert-crf", *OPTIONS)
    assert outcome.code == 0, outcome.stderr
    assert "[2/2] bert-crf, seed 13: retraining because the revision of the network's code is" in outcome.stderr


def test_runs_with_other_parameters_are_kept_and_listed(ablated: Any) -> None:
    times, before = _times(_folder(ablated) / "runs"), _table(ablated)
    outcome = ablated.ssmi("ablate", "--only", "bert-crf", "--seeds", "1", "-S", "train.epochs=2", *OPTIONS[4:])
    assert outcome.code == 0, outcome.stderr
    assert "[1/1] bert-crf, seed 13\n" in outcome.stderr
    table = _table(ablated)
    assert [(row["configuration"], row["n_seeds"]) for row in table["rows"]] == [("bert-crf", 1)]
    assert table["rows"][0]["test"]["f1"]["std"] is None
    assert not (_folder(ablated) / "curves.svg").exists()
    # The earlier runs are unchanged, and listed below the table.
    after = _times(_folder(ablated) / "runs")
    assert {name: after[name] for name in times} == times
    others = {other["configuration"]: other for other in table["other_settings"]}
    assert list(others) == list(NAMES)
    first = next(row for row in before["rows"] if row["configuration"] == "bert-crf")
    (settings,) = (path for path in (_folder(ablated) / "runs" / "bert-crf").iterdir() if (path / "14").is_dir())
    assert others["bert-crf"] == {
        "configuration": "bert-crf",
        "settings": settings.name,
        "differs": ["train.epochs 1 (now 2)"],
        "seeds": [13, 14],
        "dev_f1": first["dev"]["f1"]["mean"],
        "test_f1": first["test"]["f1"]["mean"],
    }
    params = json.loads((settings / "params.json").read_text(encoding="utf-8"))
    assert (params["fingerprint"]["train.epochs"], params["features"]["selection"]["choice"]) == (1, "cosine")
    assert "train.seed" not in params["fingerprint"]
    page = (_folder(ablated) / "table.md").read_text(encoding="utf-8")
    assert "## Other settings" in page and f"| bert-crf | {settings.name} | 2 |" in page
    assert "other settings" in outcome.stdout and "train.epochs 1 (now 2)" in outcome.stdout
    # With the first parameters no run is pending, and the table is unchanged except for the other settings.
    outcome = ablated.ssmi("ablate", *ABLATION)
    assert (outcome.code, outcome.stderr) == (0, "6 of 6 runs are already finished\n")
    repeated = _table(ablated)
    assert [other["differs"] for other in repeated.pop("other_settings")] == [["train.epochs 2 (now 1)"]]
    assert before.pop("other_settings") == [] and repeated == before


def test_changed_features_are_other_settings(ablated: Any) -> None:
    changed = ("-S", "selection.threshold=0.9")
    outcome = ablated.ssmi("ablate", "--only", "no-bert", "--seeds", "1", *changed, *OPTIONS[2:])
    assert outcome.code == 0, outcome.stderr
    others = {settings["configuration"]: settings["differs"] for settings in _table(ablated)["other_settings"]}
    (difference,) = others["no-bert"]
    assert difference.startswith("selection.threshold ") and difference.endswith("(now 0.9)")
    assert set(others) == set(NAMES)  # including the configuration whose own features were not rebuilt


def test_gains_have_the_same_intervals_as_compare(ablated: Any) -> None:
    row = _table(ablated)["rows"][1]
    name = row["configuration"]
    (settings,) = (_folder(ablated) / "runs" / name).iterdir()
    base = _run(ablated, "bert-crf", 13).parent
    for split in ("dev", "test"):
        outcome = ablated.ssmi("compare", str(settings), str(base), "--split", split, "--json")
        assert (outcome.code, outcome.stderr) == (0, "")
        printed = json.loads(outcome.stdout)
        assert (printed["seeds"], printed["base_seeds"], printed["n_sentences"]) == ([13, 14], [13, 14], 12)
        overall = printed["overall"]
        assert overall["gain"] == pytest.approx(row["gain"]["bert-crf"][split])
        assert {key: overall[key] for key in ("low", "high", "opposite_sign_share", "significant")} == row["interval"][
            "bert-crf"
        ][split]
        assert overall["low"] <= overall["gain"] <= overall["high"]
    page = (_folder(ablated) / "table.md").read_text(encoding="utf-8")
    ends = "[" + ", ".join(f"{100 * overall[end]:+.2f}" for end in ("low", "high")) + "]"
    assert f"{100 * overall['gain']:+.2f} {ends} |" in page
    # A configuration's folder may be given if it has only one set of settings; runs without counts are scored again,
    # with the same result.
    shutil.rmtree(_run(ablated, name, 14) / "counts")
    outcome = ablated.ssmi("compare", str(settings.parent), str(base), "--split", "test", "--json")
    assert outcome.code == 0 and json.loads(outcome.stdout) == printed
    assert "no counts of test kept" in outcome.stderr
    # With such a run, the table omits the interval and gives the reason.
    outcome = ablated.ssmi("ablate", *ABLATION)
    assert outcome.code == 0, outcome.stderr
    assert _table(ablated)["rows"][1]["interval"]["bert-crf"] == {"dev": None, "test": None}
    assert f"No interval for {name}: " in outcome.stdout


def test_a_diverged_run_does_not_stop_the_others(project: Any) -> None:
    rate = ("-S", "train.lr_encoder=1e37", "-S", "train.clip=1e30", "-S", "train.batch_size=2")
    outcome = project.ssmi("ablate", "--only", "bert-crf,no-bert", *OPTIONS, *rate)
    assert outcome.code == 1
    assert "2 runs failed: bert-crf, seed 13: epoch 1, step" in outcome.stderr
    assert [row["configuration"] for row in _table(project)["rows"]] == ["no-bert"]
    assert "-BERT" in outcome.stdout
    outcome = project.ssmi("ablate", "--only", "bert-crf", "--seeds", "1", *rate)
    assert (outcome.code, outcome.stdout) == (1, "")


def test_contradictory_parameters_are_refused_before_features_are_built(project: Any) -> None:
    outcome = project.ssmi("ablate", "--only", "ssmi", "-S", "model.encoder=frozen", "-S", "selection.threshold=0.7")
    assert outcome.code == 2
    assert "model.fusion: input" in outcome.stderr and "selection:" not in outcome.stderr


def test_an_interrupted_run_is_resumed(project: Any) -> None:
    command = ("ablate", "--only", "bert-crf", "--seeds", "1", "-S", "train.epochs=6")
    with project.start(*command) as process:
        message = ""
        while not message.startswith("epoch 1:"):
            message = process.stderr.readline()
            assert message, "ended too early"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=1200)
    assert process.returncode == 130
    assert "interrupted: stopped" in stderr and "next: run the same command again" in stderr
    assert not (_folder(project) / "table.json").exists()
    outcome = project.ssmi(*command)
    assert outcome.code == 0, outcome.stderr
    assert "resuming" in outcome.stderr and "again" not in outcome.stderr
    epochs = [line.partition(":")[0] for line in outcome.stderr.splitlines() if line.startswith("epoch")]
    assert "epoch 1" not in epochs and epochs[-1] == "epoch 6"
    assert len(_table(project)["rows"][0]["runs"][0]["dev_f1_by_epoch"]) == 6


def test_seeds_that_run_out_of_patience_are_drawn(project: Any) -> None:
    """Which epoch each seed stops after depends on the processor; where it was written, two of them differ."""
    settings = ("model.encoder=none", "train.batch_size=4", "train.lr_new=0.05", "train.lr_crf=0.05", "train.epochs=12")
    changes = [word for setting in (*settings, "train.patience=1") for word in ("-S", setting)]
    outcome = project.ssmi("ablate", "--only", "ssmi", "--seeds", "2", *changes)
    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr.count("(train.patience)") == 2
    assert {"curves.svg", "f1.svg", "table.json", "table.md"} <= set(_contents(_folder(project)))


def test_configurations_are_listed(project: Any) -> None:
    outcome = project.ssmi("ablate", "--list")
    assert outcome.code == 0
    for configuration in CONFIGURATIONS.values():
        assert f" {configuration.name} " in outcome.stdout and configuration.summary in outcome.stdout
    assert not _folder(project).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ablate", "--only", "ssmi,no-cosin"], "did you mean 'no-cosine'?"),
        (["ablate", "--seeds", "0"], "0 is not in the range"),
        (["train", "--config", "bert_crf"], "did you mean 'bert-crf'?"),
    ],
)
def test_wrong_usage_is_refused(project: Any, arguments: list[str], message: str) -> None:
    outcome = project.ssmi(*arguments)
    assert outcome.code == 2
    assert message in outcome.stderr


def test_torchrun_is_refused(project: Any) -> None:
    started = type(project)(project.root, {**project.environment, "WORLD_SIZE": "2", "RANK": "0"})
    outcome = started.ssmi("ablate", "--only", "bert-crf")
    assert outcome.code == 2
    assert "without torchrun" in outcome.stderr


def test_a_configuration_can_be_trained(project: Any) -> None:
    outcome = project.ssmi("train", "--config", "bert-crf", "-S", "train.max_steps=1", "-S", "model.mlp1=true")
    assert outcome.code == 0, outcome.stderr
    path = project.root / "artifacts" / "train" / "tiny+bert-crf" / "checkpoint" / "params.json"
    model = json.loads(path.read_text(encoding="utf-8"))["model"]
    assert (model["fusion"], model["can"], model["mlp1"]) == ("none", False, True)  # -S overrides the configuration
    # This configuration needs separate features, which are not built.
    outcome = project.ssmi("train", "--config", "no-cosine")
    assert outcome.code == 5
    assert "selection.choice is cosine in the shards, random in the parameters" in outcome.stderr
    assert "ssmi-cli ablate --dataset tiny --only no-cosine" in outcome.stderr


def test_peers_that_need_matches_share_separate_shards(project: Any) -> None:
    command = ("ablate", "--only", "lebert,softlexicon-no-encoder", "--seeds", "1", "-S", "train.max_steps=2")
    outcome = project.ssmi(*command)
    assert outcome.code == 0, outcome.stderr
    features = _folder(project) / "features"
    assert [path.name for path in features.iterdir()] == ["softlexicon"]
    assert [path.name for path in (features / "softlexicon").iterdir()] == ["shards"]
    assert outcome.stderr.count("shards: all features to the shards") == 1
    digests = {
        json.loads((_run(project, name, 13) / "checkpoint" / "checkpoint.json").read_text(encoding="utf-8"))["shards"]
        for name in ("lebert", "softlexicon-no-encoder")
    }
    assert digests == {manifests.digest_file(features / "softlexicon" / "shards" / "tiny" / "manifest.json")}


def test_all_configurations_use_shards_that_have_matches(project: Any) -> None:
    options = ("--seeds", "1", "-S", "train.max_steps=2", "-S", "shards.matches=true")
    outcome = project.ssmi("ablate", "--only", "bert-crf,lebert", *options)
    assert outcome.code == 0, outcome.stderr
    assert not (_folder(project) / "features").exists()
    # Parameters that need no matches accept these shards too.
    plain = project.ssmi("train", "--config", "bert-crf", "-S", "train.max_steps=1")
    assert plain.code == 0, plain.stderr
    peer = project.ssmi("train", "--config", "lebert", "-S", "train.max_steps=1")
    assert peer.code == 0, peer.stderr


def test_training_a_peer_on_shards_without_matches_is_refused(project: Any) -> None:
    outcome = project.ssmi("train", "--config", "softlexicon")
    assert outcome.code == 5
    assert "hold no matches, which model.lexicon: softlexicon reads" in outcome.stderr
    assert "ssmi-cli features build --dataset tiny -S shards.matches=true" in outcome.stderr
