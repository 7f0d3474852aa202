"""Worker processes without ports: order, lost workers, interrupts, exit with their parent, and no outside access."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

# A separate script, because a spawned worker imports the program that started it.
VISIT_PROGRAM = '''
import os, signal, sys, time
from pathlib import Path

from ssmi.pipeline.contract.errors import InputDataError, SsmiError
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.executor import Work, open_executor


def visit(task):
    """Leave a mark, then do what the script was told of task 3."""
    folder, number, what = task
    mark = Path(folder) / str(number)
    first = not mark.exists()
    mark.write_text(str(os.getpid()))
    if number == 3:
        if what == "always" or (what == "once" and first):
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "refuses":
            raise InputDataError("a.txt:7: no", next_step="correct it")
        if what == "waits":
            time.sleep(600)
    return number * number


if __name__ == "__main__":
    folder, what = sys.argv[1:]
    tasks = [(folder, number, what) for number in range(20)]
    try:
        with open_executor(workers=2) as executor:
            work = Work(function=visit, tasks=tasks, sizes=[1] * 20, label="visits", unit="tasks")
            done = executor.map(work, Silent())
            print(list(done) == [number * number for number in range(20)])
    except SsmiError as error:
        print(type(error).__name__, error.message, "|", error.next_step)
    except KeyboardInterrupt:
        print("interrupted")
'''


@pytest.fixture
def script(tmp_path: Path, environment: dict[str, str]) -> Callable[[str], subprocess.Popen[str]]:
    path = tmp_path / "visits.py"
    path.write_text(VISIT_PROGRAM, encoding="utf-8")
    (tmp_path / "marks").mkdir()

    def start(behaviour: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(path), str(tmp_path / "marks"), behaviour],
            cwd=tmp_path, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    return start


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.stderr
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        ("nothing", "True"),
        ("once", "True"),
        ("always", "SsmiError visits: part "),  # the named part varies, as other parts are lost with it
        ("refuses", "InputDataError a.txt:7: no | correct it"),
    ],
)
def test_lost_and_failing_workers(script: Any, tmp_path: Path, behaviour: str, expected: str) -> None:
    stdout, stderr = script(behaviour).communicate()
    assert stdout.startswith(expected), stderr
    assert (tmp_path / "marks" / "3").exists()


def _waiting(script: Any, tmp_path: Path) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """Start the script, wait until a worker is in its endless task, and return the process and its children."""
    process = script("waits")
    mark = tmp_path / "marks" / "3"
    _wait_for(lambda: mark.exists() and bool(mark.read_text()), process)
    children = psutil.Process(process.pid).children(recursive=True)
    assert int(mark.read_text()) in {child.pid for child in children}
    return process, children


def test_ctrl_c_ends_the_workers(script: Any, tmp_path: Path) -> None:
    process, children = _waiting(script, tmp_path)
    os.killpg(process.pid, signal.SIGINT)  # to the whole process group, as a terminal sends it
    stdout, stderr = process.communicate()
    assert (stdout, stderr) == ("interrupted\n", "")
    gone, alive = psutil.wait_procs(children, timeout=60)
    assert len(gone) >= 2 and not alive


def test_workers_end_when_their_parent_is_killed(script: Any, tmp_path: Path) -> None:
    process, children = _waiting(script, tmp_path)
    process.kill()
    # Output ends when the process that removes the semaphores exits; it must not warn, as a kill is not a fault.
    assert process.communicate() == ("", "")
    gone, alive = psutil.wait_procs(children, timeout=60)
    assert len(gone) >= 2 and not alive


def test_workers_cannot_be_reached_from_outside(script: Any, tmp_path: Path) -> None:
    """No process listens on a port or on a named Unix socket."""
    process, children = _waiting(script, tmp_path)
    sockets = [each for one in (psutil.Process(process.pid), *children) for each in one.net_connections("all")]
    os.killpg(process.pid, signal.SIGINT)
    process.communicate()
    assert len(children) >= 2
    assert [each for each in sockets if each.status == psutil.CONN_LISTEN or each.laddr] == []
