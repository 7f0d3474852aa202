"""Memory and CPU time of a command and its child processes, read from Linux's ``/proc`` while it runs."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SECONDS_BETWEEN = 0.02
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Process:
    """The last known state of a process. ``peak``: its peak resident memory in MiB; ``cpu``: its CPU seconds."""

    command: str
    peak: float = 0.0
    cpu: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """A finished command: its own process, and its workers."""

    driver: Process
    workers: tuple[Process, ...]

    @property
    def cpu(self) -> float:
        """CPU seconds of all processes."""
        return self.driver.cpu + sum(worker.cpu for worker in self.workers)

    @property
    def critical_path(self) -> float:
        """Seconds it would take with one core per process: those of the driver plus those of the busiest worker."""
        return self.driver.cpu + max((worker.cpu for worker in self.workers), default=0.0)


def run(command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], least_cpu: float = 0.3) -> Run:
    """Run a command to its end.

    Args:
        command: The command line.
        cwd: Working folder.
        environment: Environment variables.
        least_cpu: A process with fewer CPU seconds does not count as a worker, such as Python's pool helpers.

    Raises:
        CalledProcessError: The command failed.
    """
    processes: dict[int, Process] = {}
    with subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        output = b""
        while child.returncode is None:
            try:
                output, _ = child.communicate(timeout=SECONDS_BETWEEN)
            except subprocess.TimeoutExpired:
                _update(child.pid, processes)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, list(command), output=output)
    driver = processes.pop(child.pid)
    return Run(driver, tuple(one for one in processes.values() if one.cpu >= least_cpu))


def _update(root: int, processes: dict[int, Process]) -> None:
    for pid in _descendants(root):
        try:
            status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except (OSError, UnicodeDecodeError):
            continue  # the process has ended
        peak = re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)
        if peak is None:
            continue
        process = processes.setdefault(pid, Process(re.findall(r"^Name:\s+(.+)$", status, re.M)[0]))
        process.peak = max(process.peak, int(peak[1]) / 1024)
        process.cpu = (int(fields[11]) + int(fields[12])) / _TICKS


def _descendants(root: int) -> list[int]:
    found = [root]
    for pid in found:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found += map(int, task.read_text(encoding="utf-8").split())
            except OSError:
                continue
    return found
