"""Dask processes on loopback that simulate separate machines: each has its own folder and cache."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.dask_scheduler import address_in


def wait_until(condition: Callable[[], bool], description: str, *, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"timed out waiting for {description}"
        time.sleep(0.02)


@dataclass
class Machine:
    """A dask process with its own working folder and cache."""

    folder: Path
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Send SIGKILL to the process and its children (a worker has a nanny)."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def has_logged(self, text: str) -> bool:
        return text in (self.folder / "log").read_text(encoding="utf-8", errors="replace")


@dataclass
class Machines:
    """A scheduler and its workers, each in its own folder."""

    folder: Path
    environment: dict[str, str]
    started: list[Machine] = field(default_factory=list)

    @property
    def address(self) -> str:
        return address_in(self.folder / "scheduler.json")

    def start(self, *arguments: str) -> Machine:
        folder = self.folder / f"machine-{len(self.started)}"
        folder.mkdir()
        command = [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1", "--no-dashboard"]
        environment = {**self.environment, "SSMI_CACHE": str(folder / "cache"), "TMPDIR": str(folder)}
        with (folder / "log").open("wb") as stream:
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=stream, stderr=stream, start_new_session=True
            )
        self.started.append(Machine(folder, process))
        return self.started[-1]

    def start_scheduler(self) -> Machine:
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        return self.start("scheduler", "--port", "0", "--scheduler-file", str(file))

    def start_workers(self, n: int) -> list[Machine]:
        workers = [self.start("worker", self.address, "--nworkers", "1", "--nthreads", "1") for _ in range(n)]
        for worker in workers:
            wait_until(lambda worker=worker: worker.has_logged("Registered to"), "a worker")  # type: ignore[misc]
        return workers
