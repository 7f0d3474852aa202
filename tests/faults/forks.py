"""Run commands in forks of a process that has imported their modules but has run none of them.

A command that is killed fifty times then costs its work fifty times, but not its imports. It is killed (SIGKILL) at its
n-th file operation below a folder; so is a command that a ``dvc`` starts, together with the ``dvc``.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Listener
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

EVENTS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.link", "shutil.rmtree"})
_READING = ("r", "rb")
_IMPORTED = (
    *("ssmi.project", "ssmi.cli.commands.features", "ssmi.cli.commands.predict", "ssmi.ablation.ablate"),
    *("ssmi.pipeline.frozen_encoder", "ssmi.model.training.train", "ssmi.predict.tagger", "ssmi.report.build"),
    *("ssmi.predict.corpus.tagging", "transformers.models.bert.modeling_bert", "safetensors.torch", "duckdb"),
    *("rich.progress", "rich.table", "filelock", "scipy.sparse.linalg", "dvc.cli", "dvc.repo.reproduce"),
)
"""Modules that commands import as they run and that take long to import."""
_SECONDS = 1200.0
_WRAPPER = """#!{python} -SE
import os, sys
from multiprocessing.connection import Client
with Client({address!r}) as other:
    other.send((os.getcwd(), sys.argv[1:]))
    sys.exit(other.recv())
"""
"""``ssmi-cli`` for a ``dvc``: requests a fork that runs the command, and exits with its code."""

Program = Callable[[Path, Sequence[str]], None]


def ssmi_cli(folder: Path, arguments: Sequence[str]) -> None:
    """Run ``ssmi-cli``."""
    from ssmi.cli.main import main

    sys.argv = ["ssmi-cli", *arguments]
    main()


def dvc(folder: Path, arguments: Sequence[str]) -> None:
    """Run ``dvc``."""
    from dvc.cli import main

    sys.exit(main(list(arguments)))


@dataclass(frozen=True)
class Command:
    """A command in a project's folder, killed at its ``nth`` operation there; 0 for not at all."""

    program: Program
    arguments: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    nth: int = 0


@dataclass(frozen=True)
class Finished:
    """Result of a command: its exit code (-9: killed), number of operations until then, and output."""

    code: int
    n_operations: int
    output: str


@dataclass
class Forks:
    """Runs commands, one at a time; their output goes into the folder ``home``."""

    home: Path
    _running: list[tuple[Command, BaseProcess]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start to serve the commands that a ``dvc`` requests."""
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__, *_IMPORTED])
        self._counter = self._context.Value("q", 0)
        self._listener = Listener(str(self.home / "socket"))
        wrapper = self.home / "programs" / "ssmi-cli"
        wrapper.parent.mkdir()
        wrapper.write_text(_WRAPPER.format(python=sys.executable, address=self._listener.address), encoding="utf-8")
        wrapper.chmod(0o755)
        threading.Thread(target=self._serve, daemon=True).start()

    def run(self, command: Command) -> Finished:
        """Run a command to its end."""
        self._counter.value = 0
        output = self.home / "output"
        process = self._start(command, output)
        self._running[:] = [(command, process)]
        return Finished(_code_of(process), self._counter.value, output.read_text(encoding="utf-8", errors="replace"))

    def _start(self, command: Command, output: Path, *, killing: Sequence[int] = ()) -> BaseProcess:
        path_prefix = f"{self.home / 'programs'}{os.pathsep}"
        process = self._context.Process(
            target=_live, args=(command, self._counter, tuple(killing), path_prefix, output)
        )
        process.start()
        return process

    def _serve(self) -> None:
        """Run the commands that a ``dvc`` starts, until the tests end."""
        while True:
            with suppress(EOFError, OSError), self._listener.accept() as connection:  # the client may be killed
                folder, arguments = connection.recv()
                current, process = self._running[0]
                command = Command(ssmi_cli, arguments, Path(folder), current.environment, current.nth)
                assert process.pid is not None
                stage = self._start(command, self.home / "output of stages", killing=[process.pid])
                connection.send(_code_of(stage))


def _code_of(process: BaseProcess) -> int:
    process.join(_SECONDS)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"a command ran for over {_SECONDS:.0f} seconds")
    return process.exitcode


def _live(command: Command, counter: Any, killing: Sequence[int], path_prefix: str, output: Path) -> None:
    """Run one command in a fork, from start to end."""
    os.chdir(command.folder)
    os.environ.clear()
    os.environ.update({**command.environment, "PATH": path_prefix + command.environment["PATH"]})
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", buffering=1, closefd=False)
    process, folder = os.getpid(), str(command.folder)

    def kill_at_nth(event: str, details: tuple[Any, ...]) -> None:
        if os.getpid() != process or not _is_counted(event, details, folder):
            return
        counter.value += 1
        if counter.value == command.nth:
            for pid in (*killing, process):
                os.kill(pid, signal.SIGKILL)

    sys.addaudithook(kill_at_nth)
    command.program(command.folder, command.arguments)


def _is_counted(event: str, details: tuple[Any, ...], folder: str) -> bool:
    if event not in EVENTS or not details or (event == "open" and details[1] in _READING):
        return False
    place = details[0]
    # A file opened by descriptor has no name in the folder.
    return isinstance(place, str | os.PathLike) and str(Path.cwd() / os.fsdecode(place)).startswith(folder)
