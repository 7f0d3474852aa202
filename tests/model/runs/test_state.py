"""Runs that are stopped and resumed, and the files they leave."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ssmi.model.split_tagging import tag_split
from ssmi.model.training.interrupts import Interrupted
from ssmi.model.training.train import TrainResult, train
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, SsmiError, StaleArtifactError
from ssmi.pipeline.contract.progress import Advance, Silent
from ssmi.pipeline.contract.storage.digests import SEAL, seal
from ssmi.pipeline.contract.storage.replacing import sweep_below

Make = Callable[..., Any]
RunTraining = Callable[..., TrainResult]
DROPOUT = {"model__dropout": 0.3, "model__boundary_dropout": 0.3}
PARTS = ("can", "lmi", "mlp1", "gru", "layer_norm", "mlp2", "biaffine")
PLAIN = {"model__encoder": "none", "model__gmi": "none", **{f"model__{part}": False for part in PARTS}}
"""A fast network of embeddings and a CRF."""
FINISHED_FILES = ["checkpoint", "counts", "files.json", "headline.json", "history.csv", "metrics.json"]


class Signals:
    """A reporter that sends ``times`` signals at once to this process, at the ``nth`` step of a task."""

    def __init__(self, label: str, nth: int, *, number: signal.Signals = signal.SIGINT, times: int = 1) -> None:
        self.label, self.nth, self.number, self.times = label, nth, number, times
        self.notes: list[str] = []

    @contextmanager
    def task(self, label: str, *, total: int, unit: str) -> Iterator[Advance]:
        calls = 0

        def advance(count: int) -> None:
            nonlocal calls
            calls += count > 0
            if label == self.label and calls == self.nth and count:
                for _ in range(self.times):
                    os.kill(os.getpid(), self.number)

        yield advance

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Install Python's default handlers (``nohup`` ignores SIGINT) and check that training restores them."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, signal.default_int_handler)
    yield
    assert {signal.getsignal(number) for number in before} == {signal.default_int_handler}
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def run(shards: Path, encoder_folder: Path, tmp_path: Path, make_params: Make) -> RunTraining:
    """Train in a named folder; keywords change parameters."""

    def start(name: str, *, reporter: Any = None, resume: bool = False, **changes: Any) -> TrainResult:
        params = make_params(**{"train__epochs": 3, **PLAIN, **DROPOUT, **changes})
        return train(
            shards=shards,
            encoder=encoder_folder,
            run=tmp_path / name,
            params=params,
            reporter=reporter or Silent(),
            resume=resume,
        )

    return start


def _bytes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _state(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "state" / "state.json").read_text(encoding="utf-8"))
    assert _names(folder / "state") == sorted(["state.json", facts["file"]])
    return facts


STOPS = {
    "first step": ("epoch 1/3", 1),
    "second-to-last step of an epoch": ("epoch 1/3", 2),
    "last step of an epoch": ("epoch 2/3", 3),
    "middle of an epoch": ("epoch 2/3", 1),
    "scoring dev": ("dev", 1),
    "last step of the run": ("epoch 3/3", 3),
    "scoring test": ("test", 1),
}


@pytest.mark.parametrize("stop", STOPS)
def test_resuming_equals_an_uninterrupted_run(run: RunTraining, tmp_path: Path, shards: Path, stop: str) -> None:
    uninterrupted = run("whole")
    with pytest.raises(Interrupted, match=r"in epoch \d of 3|before the test"):
        run("stopped", reporter=Signals(*STOPS[stop]))
    folder = tmp_path / "stopped"
    assert _names(folder) == ["checkpoint", "history.csv", "state"]
    assert tag_split(run=folder, shards=shards, split="dev", device="cpu", reporter=Silent()).scores.n_sentences == 4
    resumed = run("stopped", resume=True)
    assert _bytes(folder) == _bytes(tmp_path / "whole")
    assert (resumed.history, resumed.best_epoch, resumed.dev, resumed.test) == (
        uninterrupted.history,
        uninterrupted.best_epoch,
        uninterrupted.dev,
        uninterrupted.test,
    )
    assert (
        list(resumed.step_losses)
        == list(uninterrupted.step_losses)[len(uninterrupted.step_losses) - len(resumed.step_losses) :]
    )


def test_full_network_is_resumed_repeatedly(run: RunTraining, tmp_path: Path) -> None:
    changes = {"model__encoder": "finetune", "model__gmi": "paper", **{f"model__{part}": True for part in PARTS}}
    run("whole", **changes)
    stops = [("epoch 1/3", 2), ("epoch 2/3", 1), ("epoch 2/3", 1), ("dev", 1), ("epoch 3/3", 1), ("test", 1)]
    for resume, (label, nth) in enumerate(stops):
        reporter = Signals(label, nth, number=signal.SIGTERM)
        with pytest.raises(Interrupted):
            run("stopped", reporter=reporter, resume=bool(resume), **changes)
        assert len([note for note in reporter.notes if note.startswith("resuming ")]) == bool(resume)
    run("stopped", resume=True, **changes)
    assert _bytes(tmp_path / "stopped") == _bytes(tmp_path / "whole")


@pytest.mark.parametrize(
    "changes",
    [
        {"train__ema": 0.9},
        {"train__fgm": 0.5},
        {"train__ema": 0.5, "train__fgm": 1.0},
        {"train__stream": True, "train__stream_buffer": 4},
    ],
)
def test_training_options_are_resumed(run: RunTraining, tmp_path: Path, changes: dict[str, Any]) -> None:
    run("whole", **changes)
    for resume, (label, nth) in enumerate(
        [("epoch 1/3", 1), ("epoch 2/3", 2), ("dev", 1), ("epoch 3/3", 3), ("test", 1)]
    ):
        with pytest.raises(Interrupted):
            run("stopped", reporter=Signals(label, nth), resume=bool(resume), **changes)
    run("stopped", resume=True, **changes)
    assert _bytes(tmp_path / "stopped") == _bytes(tmp_path / "whole")


def test_closed_terminal_stops_a_run_as_ctrl_c_does(run: RunTraining, tmp_path: Path) -> None:
    run("whole")
    with pytest.raises(Interrupted):
        run("stopped", reporter=Signals("epoch 2/3", 2, number=signal.SIGHUP))
    run("stopped", resume=True)
    assert _bytes(tmp_path / "stopped") == _bytes(tmp_path / "whole")


def test_changed_batch_order_is_refused_on_resume(run: RunTraining) -> None:
    with pytest.raises(Interrupted):
        run("stopped", reporter=Signals("epoch 2/3", 2), train__stream=True)
    with pytest.raises(StaleArtifactError, match=r"train\.stream is true in the unfinished run, null now"):
        run("stopped", resume=True)
    with pytest.raises(StaleArtifactError, match=r"train\.stream_buffer is null in the unfinished run, 4 now"):
        run("stopped", resume=True, train__stream=True, train__stream_buffer=4)


def test_average_cannot_be_added_on_resume(run: RunTraining) -> None:
    with pytest.raises(Interrupted):
        run("stopped", reporter=Signals("epoch 2/3", 2))
    with pytest.raises(StaleArtifactError, match=r"train\.ema is null in the unfinished run, 0\.9 now"):
        run("stopped", resume=True, train__ema=0.9)


def test_run_limited_by_max_steps_is_resumed(run: RunTraining, tmp_path: Path) -> None:
    changes = {"train__max_steps": 9, "train__batch_size": 2}
    run("whole", **changes)
    with pytest.raises(Interrupted, match="in epoch 2 of 2, after step 2 of 4"):
        run("stopped", reporter=Signals("epoch 2/2", 1), **changes)
    run("stopped", resume=True, **changes)
    assert _bytes(tmp_path / "stopped") == _bytes(tmp_path / "whole")


def test_aborted_run_continues_from_its_last_epoch(run: RunTraining, tmp_path: Path) -> None:
    """A second signal ends the run immediately, before it can save."""
    run("whole")
    with pytest.raises(KeyboardInterrupt) as raised:
        run("broken", reporter=Signals("epoch 3/3", 2, times=2))
    assert not isinstance(raised.value, Interrupted)
    facts = _state(tmp_path / "broken")
    assert (facts["epoch"], facts["step"], len(facts["history"])) == (3, 0, 2)
    run("broken", resume=True)
    assert _bytes(tmp_path / "broken") == _bytes(tmp_path / "whole")


def test_run_killed_before_its_checkpoint_is_resumed(run: RunTraining, tmp_path: Path) -> None:
    """The state is written first; the other files are written when the run is resumed."""
    run("whole", train__epochs=1)
    folder = tmp_path / "stopped"
    with pytest.raises(Interrupted):
        run("stopped", reporter=Signals("test", 1), train__epochs=1)
    shutil.rmtree(folder / "checkpoint")
    (folder / "history.csv").unlink()
    (folder / "metrics.json").write_text("{}", encoding="utf-8")  # left by an earlier run
    (folder / "state" / ".b.safetensors.1.tmp").write_bytes(b"half")
    run("stopped", resume=True, train__epochs=1)
    assert _bytes(folder) == _bytes(tmp_path / "whole")


def test_run_killed_before_its_last_history_row_is_resumed(run: RunTraining, tmp_path: Path) -> None:
    for seed in range(20):
        changes = {"train__lr_encoder": 3e-2, "train__warmup": 0.0, "train__clip": 100.0, "train__seed": seed}
        if run(f"whole-{seed}", **changes).best_epoch == 3:
            continue
        with pytest.raises(Interrupted):
            run("stopped", reporter=Signals("test", 1), **changes)
        history = tmp_path / "stopped" / "history.csv"
        history.write_text(
            "".join(history.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8"
        )
        run("stopped", resume=True, **changes)
        assert _bytes(tmp_path / "stopped") == _bytes(tmp_path / f"whole-{seed}")
        return
    pytest.fail("the last epoch was always the best")


def test_state_file_records_the_position(run: RunTraining, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run("run", reporter=Signals("epoch 2/3", 1))
    facts = _state(tmp_path / "run")
    assert (facts["format"], facts["epoch"], facts["step"], facts["steps"]) == (3, 2, 2, 5)
    assert [record["epoch"] for record in facts["history"]] == [1]
    assert facts["fingerprint"]["model.dropout"] == 0.3 and "train.device" not in facts["fingerprint"]
    assert str(tmp_path) not in (tmp_path / "run" / "state" / "state.json").read_text(encoding="utf-8")


def test_a_second_signal_interrupts_at_once(run: RunTraining, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt) as raised:
        run("run", reporter=Signals("epoch 1/3", 1, times=2))
    assert not isinstance(raised.value, Interrupted)
    assert not (tmp_path / "run").exists()


def test_a_signal_before_the_first_step_ends_training_with_nothing_saved(run: RunTraining, tmp_path: Path) -> None:
    """Many epochs: their steps are counted before the first one begins."""
    with pytest.raises(KeyboardInterrupt) as raised:
        run("run", reporter=Signals("counting steps", 3), train__epochs=10_000)
    assert not isinstance(raised.value, Interrupted)
    assert not (tmp_path / "run").exists()


def test_training_in_a_thread_does_not_change_signal_handlers(run: RunTraining, tmp_path: Path) -> None:
    thread = threading.Thread(target=run, args=("thread",))
    thread.start()
    thread.join()
    run("main")
    assert _bytes(tmp_path / "thread") == _bytes(tmp_path / "main")


def test_a_state_that_is_being_written_is_not_taken_for_that_of_a_dead_process(
    run: RunTraining, tmp_path: Path
) -> None:
    done = threading.Event()

    def open_the_project_again_and_again() -> None:
        while not done.is_set():
            sweep_below(tmp_path / "run")

    thread = threading.Thread(target=open_the_project_again_and_again)
    thread.start()
    try:
        run("run", train__epochs=12)
    finally:
        done.set()
        thread.join()
    assert _names(tmp_path / "run") == FINISHED_FILES


def test_the_tensors_of_a_state_and_of_a_checkpoint_have_the_permissions_of_other_files(
    run: RunTraining, tmp_path: Path
) -> None:
    with pytest.raises(Interrupted):
        run("run", reporter=Signals("epoch 2/3", 1))
    folder = tmp_path / "run"
    for others in ("checkpoint", "state"):
        modes = {path.name: path.stat().st_mode for path in (folder / others).iterdir() if path.is_file()}
        assert len(set(modes.values())) == 1, modes


def test_finished_run_is_kept_until_the_first_new_epoch(run: RunTraining, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run("run", train__seed=1)
    finished = _bytes(folder)
    reporter = Signals("epoch 1/3", 1)
    with pytest.raises(Interrupted):
        run("run", reporter=reporter)
    assert "a finished run, replaced once the first epoch is done" in reporter.notes[0]
    after_stop = _bytes(folder)
    assert {name: digest for name, digest in after_stop.items() if not name.startswith("state/")} == finished
    with pytest.raises(Interrupted):
        run("run", reporter=Signals("epoch 2/3", 1), resume=True)
    assert _names(folder) == ["checkpoint", "history.csv", "state"]
    assert len((folder / "history.csv").read_text(encoding="utf-8").splitlines()) == 2
    run("run", resume=True)
    run("fresh")
    assert _bytes(folder) == _bytes(tmp_path / "fresh")


def test_reports_of_replaced_weights_are_removed(run: RunTraining, tmp_path: Path) -> None:
    page = tmp_path / "run" / "report-dev.html"
    stop = {"reporter": Signals("epoch 1/3", 1)}
    with pytest.raises(Interrupted):
        run("run", **stop)
    page.write_text("of the weights so far", encoding="utf-8")
    with pytest.raises(Interrupted):
        run("run", train__seed=1, reporter=Signals("epoch 1/3", 1))  # other weights, stopped at the same step
    assert _names(tmp_path / "run") == ["checkpoint", "history.csv", "state"]
    run("run", train__seed=1, resume=True)
    page.write_text("of the finished run", encoding="utf-8")
    with pytest.raises(Interrupted):
        run("run", reporter=Signals("epoch 1/3", 1))
    assert page.exists()  # the finished run's weights are still there
    with pytest.raises(Interrupted):
        run("run", reporter=Signals("epoch 2/3", 1), resume=True)
    assert not page.exists()


def test_restart_reports_what_it_replaces(run: RunTraining, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run("run", reporter=Signals("epoch 2/3", 1))
    reporter = Signals("", 0)
    run("run", reporter=reporter)
    assert "1 of 3 epochs done" in reporter.notes[0] and "--resume" in reporter.notes[0]
    assert _names(tmp_path / "run") == FINISHED_FILES
    run("fresh")
    assert _bytes(tmp_path / "run") == _bytes(tmp_path / "fresh")


def test_restart_replaces_an_unreadable_state(run: RunTraining, tmp_path: Path) -> None:
    (tmp_path / "run" / "state").mkdir(parents=True)
    (tmp_path / "run" / "state" / "state.json").write_text('{"format": 99, "file": "a"}', encoding="utf-8")
    with pytest.raises(StaleArtifactError, match=r"of another version of ssmi \(state\.json: format 99"):
        run("run", resume=True)
    reporter = Signals("", 0)
    run("run", reporter=reporter)
    assert "of another version" in reporter.notes[0]
    assert _names(tmp_path / "run") == FINISHED_FILES


def test_resuming_needs_an_unfinished_run_with_equal_settings(
    run: RunTraining, tmp_path: Path, write_shards: Make, sentences: list[Any], encoder_folder: Path, make_params: Make
) -> None:
    with pytest.raises(MissingResourceError, match=r"no unfinished run.*without resuming"):
        run("run", resume=True)
    with pytest.raises(Interrupted):
        run("run", reporter=Signals("epoch 2/3", 1))
    before = _bytes(tmp_path / "run")
    other: dict[str, Any] = {"model__dropout": 0.2, "train__epochs": 4, "encoder__name": "another"}
    with pytest.raises(StaleArtifactError) as refused:
        run("run", resume=True, **other)
    for message in ("model.dropout is 0.3 in the unfinished run, 0.2 now", "train.epochs is 3 ", "encoder.name is e5"):
        assert message in refused.value.message
    other_shards = write_shards(tmp_path / "other", {"train": sentences, "dev": sentences})
    params = make_params(**{"train__epochs": 3, **PLAIN, **DROPOUT})
    with pytest.raises(StaleArtifactError, match=r"shards is \w{12} in the unfinished run, \w{12} now"):
        train(
            shards=other_shards,
            encoder=encoder_folder,
            run=tmp_path / "run",
            params=params,
            reporter=Silent(),
            resume=True,
        )
    assert _bytes(tmp_path / "run") == before
    run("run", resume=True, train__threads=2, train__device="auto")  # the device and the number of threads may change
    with pytest.raises(ParameterError, match="already finished"):
        run("run", resume=True)


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda folder: (folder / "checkpoint" / "checkpoint.json").unlink(), MissingResourceError, "no checkpoint"),
        (
            lambda folder: _change_checkpoint_epoch(folder),
            StaleArtifactError,
            "of epoch 9 of another run, not of epoch",
        ),
        (lambda folder: (folder / "state" / "a.safetensors").write_bytes(b"torn"), StaleArtifactError, "a.safetensors"),
        (lambda folder: (folder / "state" / "a.safetensors").unlink(), StaleArtifactError, "a.safetensors"),
        (lambda folder: (folder / "state" / "state.json").write_text("{"), StaleArtifactError, "state.json"),
    ],
    ids=["missing checkpoint", "other checkpoint", "truncated weights", "missing weights", "invalid json"],
)
def test_a_damaged_run_is_refused(
    run: RunTraining, tmp_path: Path, damage: Callable[[Path], object], error: type[SsmiError], message: str
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(Interrupted):
        run("run", reporter=Signals("epoch 3/3", 1))
    facts = _state(folder)
    (folder / "state" / facts["file"]).rename(folder / "state" / "a.safetensors")
    del facts[SEAL]
    sealed = seal({**facts, "file": "a.safetensors"})
    (folder / "state" / "state.json").write_text(json.dumps(sealed), encoding="utf-8")
    damage(folder)
    with pytest.raises(error, match=message) as refused:
        run("run", resume=True)
    assert refused.value.next_step


def _change_checkpoint_epoch(folder: Path) -> None:
    path = folder / "checkpoint" / "checkpoint.json"
    body = json.loads(path.read_text(encoding="utf-8"))
    del body[SEAL]
    path.write_text(json.dumps(seal({**body, "best_epoch": 9})), encoding="utf-8")
