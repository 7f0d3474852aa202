"""Two processes started by torchrun train like a single process."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ssmi.model.training.distributed import is_main_process, join
from ssmi.model.training.train import train
from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.progress import Silent

Make = Callable[..., Any]

WORKER = '''
"""What each process runs: the jobs of a JSON file in order; each process writes its results to its own file."""
import json, os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from ssmi.model.training.interrupts import Interrupted
from ssmi.model.training.train import train
from ssmi.pipeline.contract.parameters import params as parameters

class Stops:
    def __init__(self, label):
        self.label, self.notes = label, []

    @contextmanager
    def task(self, label, *, total, unit):
        def advance(count):
            if label == self.label and count:
                self.label = None
                os.kill(os.getpid(), signal.SIGTERM)
        yield advance

    def note(self, message):
        self.notes.append(message)

folder = Path(sys.argv[1])
jobs = json.loads((folder / "jobs.json").read_text())
done = []
for job in jobs:
    reporter = Stops(job["stop"])
    try:
        result = train(
            shards=folder / "shards", encoder=Path(job["encoder"]), run=folder / job["run"], reporter=reporter,
            params=parameters.check_params(job["params"], source="test"), resume=job["resume"],
        )
        scores = [result.dev.to_json(), result.test.to_json()]
        done.append({"losses": list(result.step_losses), "scores": scores, "best": result.best_epoch})
    except Interrupted as interrupted:
        done.append(interrupted.message)
    done[-1] = [done[-1], reporter.notes]
(folder / f"rank-{os.environ['RANK']}.json").write_text(json.dumps(done))
'''


def _losses(run: Path) -> list[float]:
    rows = csv.DictReader((run / "history.csv").read_text(encoding="utf-8").splitlines())
    return [float(row["train_loss"]) for row in rows]


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _assert_same_weights(run: Path, other: Path) -> None:
    one, two = (load_file(folder / "checkpoint" / "model.safetensors") for folder in (run, other))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, two[name], atol=1e-4, rtol=1e-3)


def _run_two_processes(folder: Path, jobs: list[dict[str, Any]]) -> list[Any]:
    """Run the jobs under torchrun and return the results of its first and second process."""
    (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    (folder / "worker.py").write_text(WORKER, encoding="utf-8")
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    with subprocess.Popen(
        [*command, str(folder / "worker.py"), str(folder)],
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            _, stderr = process.communicate(timeout=1200)
        except subprocess.TimeoutExpired:
            process.terminate()  # terminate, not kill, so that torchrun stops its processes
            raise
    assert process.returncode == 0, stderr
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(2)]


def test_two_processes_train_as_one(
    tmp_path: Path, write_shards: Make, sentences: list[Any], encoder_folder: Path, make_params: Make
) -> None:
    shards = write_shards(tmp_path / "shards", {"train": sentences, "dev": sentences[:4], "test": sentences[4:]})
    # Ten sentences in batches of three: the last batch has one sentence, so one process has no sentence of its own.
    rates = {"train__lr_encoder": 1e-4, "train__lr_new": 1e-3, "train__lr_crf": 1e-3}
    plain = make_params(train__epochs=2, train__batch_size=3, **rates)
    small: dict[str, Any] = dict.fromkeys(("model__can", "model__mlp1", "model__gru", "model__biaffine"), False)
    small |= {"model__encoder": "none", "model__dropout": 0.3}
    # Averages and perturbations must be equal in all processes, and each process must resume them.
    more = {"train__ema": 0.8, "train__fgm": 0.5}
    perturbed_params = make_params(train__epochs=2, train__batch_size=3, **rates, **more)
    random = make_params(train__epochs=2, train__batch_size=3, **small, **more)
    common = {"encoder": str(encoder_folder), "stop": None, "resume": False}
    jobs = [
        {**common, "run": "plain", "params": plain.model_dump(mode="json")},
        {**common, "run": "whole", "params": random.model_dump(mode="json")},
        {**common, "run": "stopped", "params": random.model_dump(mode="json"), "stop": "epoch 2/2"},
        {**common, "run": "stopped", "params": random.model_dump(mode="json"), "resume": True},
        {**common, "run": "twice", "params": perturbed_params.model_dump(mode="json")},
    ]
    first, second = _run_two_processes(tmp_path, jobs)

    single = train(shards=shards, encoder=encoder_folder, run=tmp_path / "single", params=plain, reporter=Silent())
    assert _losses(tmp_path / "plain") == pytest.approx(_losses(tmp_path / "single"), abs=1e-4)
    assert single.step_losses == pytest.approx(first[0][0]["losses"], abs=1e-4)
    assert len(single.step_losses) == 8
    perturbed = train(
        shards=shards, encoder=encoder_folder, run=tmp_path / "also", params=perturbed_params, reporter=Silent()
    )
    assert perturbed.step_losses == pytest.approx(first[4][0]["losses"], abs=1e-4)
    assert perturbed.step_losses != pytest.approx(single.step_losses, abs=1e-3)
    _assert_same_weights(tmp_path / "also", tmp_path / "twice")
    # both processes reach the same results, and only the first reports
    assert [result for result, _ in first] == [result for result, _ in second]
    assert [len(notes) for _, notes in first] == [3, 3, 2, 3, 3]  # the rates, then one note per epoch
    assert [notes for _, notes in second] == [[], [], [], [], []]
    metrics = json.loads((tmp_path / "plain" / "metrics.json").read_text(encoding="utf-8"))
    assert [metrics["dev"], metrics["test"]] == first[0][0]["scores"]
    # stopped by a signal to one process, and resumed with each process's own random generator
    assert first[2][0].startswith("stopped in epoch 2 of 2, after step 2 of 4")
    assert _bytes(tmp_path / "stopped") == _bytes(tmp_path / "whole")


def test_incomplete_torchrun_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SsmiError, match=r"RANK, MASTER_ADDR, MASTER_PORT not set.*torchrun"), join("cpu"):
        pytest.fail("joined")
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(SsmiError, match="WORLD_SIZE is 'two'"), join("cpu"):
        pytest.fail("joined")


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join("cpu") as workers:
        assert (workers.is_main, workers.world_size, workers.device.type) == (True, 1, "cpu")
    assert is_main_process()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert not is_main_process()
