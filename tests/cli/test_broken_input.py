"""Kinds of broken input, for every command that reads files: each is refused in one line or read, and no command hangs.

``test_exit_codes.py`` covers files that are missing, unreadable or in another encoding.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_exit_codes import COMMANDS_WITH_FILE

LONG_LINE_BYTES = 10 << 20
TEXTS = "王小明在北京大学任教授。\n疫苗在上海\n"


@dataclass(frozen=True)
class Reader:
    """A command line that reads a file, either as ``{file}`` or from a fixed path in the project."""

    command: tuple[str, ...]
    path: str = "given.txt"
    """Path of the file, relative to the project's folder."""


READERS: Mapping[str, Reader] = {
    **{name: Reader(tuple(command)) for name, command in COMMANDS_WITH_FILE.items()},
    "a split, built": Reader(("features", "build"), "data/tiny/dev.bmes"),
    "a split, checked": Reader(("data", "check"), "data/tiny/dev.bmes"),
    "a corpus": Reader(("features", "build", "--corpus", "given.txt")),
    "a user dictionary": Reader(("features", "build", "-S", "segment.user_dict=given.txt")),
    "extra words": Reader(("features", "build", "-S", "vocab.extra_words=given.txt")),
    "word vectors": Reader(("features", "build", "-S", "vocab.vectors=given.txt")),
    "parameters": Reader(("stats", "coverage"), "params.yaml"),
}


def _nul(path: Path) -> None:
    path.write_bytes(b"\0" * 4096)


def _long(path: Path) -> None:
    path.write_bytes("京".encode() * (LONG_LINE_BYTES // 3))


def _invalid(path: Path) -> None:
    path.write_bytes("京 S-LOC\n".encode() + b"\xff\xfe\xc3\x28 O\n")


def _utf_16(path: Path) -> None:
    path.write_bytes("京 S-LOC\n北 O\n".encode("utf-16-le"))  # without a byte order mark


def _dev_full(path: Path) -> None:
    path.symlink_to("/dev/full")


KINDS: Mapping[str, Callable[[Path], None]] = {
    "NUL bytes": _nul,
    "a line of 10 MB": _long,
    "invalid UTF-8": _invalid,
    "UTF-16": _utf_16,
    "a folder": Path.mkdir,
    "a pipe without a writer": os.mkfifo,
    "/dev/full": _dev_full,
}
NOT_ERRORS = {
    ("predict files", "a line of 10 MB"): "it is a long text",
    ("predict files", "a pipe without a writer"): "the command waits for it; see below",
    ("a corpus", "a line of 10 MB"): "it is text",
    ("extra words", "a line of 10 MB"): "it is a word that matches nothing",
    ("a corpus", "NUL bytes"): "they are text",
    ("extra words", "NUL bytes"): "they are a word that matches nothing",
    ("a split, built", "a folder"): "it is not one of the data set's files; test_exit_codes.py tests one that is",
    ("a split, checked", "a folder"): "the same",
}
"""Combinations that are not errors, with the reason."""
CASES = [(reader, kind) for reader in READERS for kind in KINDS if (reader, kind) not in NOT_ERRORS]


def _assert_refused(outcome: Any, name: str) -> None:
    assert outcome.code in (2, 3, 4), outcome.stderr
    lines = outcome.stderr.splitlines()
    (error,) = [line for line in lines if line.startswith("error: ")]
    (advice,) = [line for line in lines if line.startswith("  next: ")]
    assert name in error and len(advice) > len("  next: "), outcome.stderr
    assert len(error) < 2_000, "an error about 10 MB of text is a short line"
    assert "Traceback" not in outcome.stderr and "--debug" not in outcome.stderr


@pytest.fixture(scope="module")
def shared(tagging_project: Any, copy_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project with a run; tests may share it because every command fails before it writes."""
    return copy_project(tagging_project, tmp_path_factory.mktemp("shared"))


@pytest.mark.parametrize(("reader", "kind"), CASES)
def test_broken_input_is_refused_in_one_line(shared: Any, tmp_path: Path, reader: str, kind: str) -> None:
    path, text, out = shared.root / READERS[reader].path, tmp_path / "text.bmes", tmp_path / "out"
    text.write_text("京 S-LOC\n", encoding="utf-8")
    original = path.read_bytes() if path.exists() else None
    before = shared.artifacts()
    path.unlink(missing_ok=True)
    KINDS[kind](path)
    try:
        command = [word.format(file=path, text=text, out=out) for word in READERS[reader].command]
        _assert_refused(shared.ssmi(*command), path.name)
        assert not out.exists() and shared.artifacts() == before
    finally:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        if original is not None:
            path.write_bytes(original)


def test_predict_reports_the_pipe_that_it_waits_for_and_reads_it(tagging_project: Any, tmp_path: Path) -> None:
    pipe, file = tmp_path / "pipe", tmp_path / "file"
    os.mkfifo(pipe)
    file.write_text(TEXTS, encoding="utf-8")
    message = f"{pipe}: waiting for data on the pipe"
    with tagging_project.start("predict", str(pipe)) as process:
        assert any(message in line for line in process.stderr), "the message appears before anything is written"
        pipe.write_text(TEXTS, encoding="utf-8")
        stdout, _ = process.communicate(timeout=1200)
    assert process.returncode == 0
    assert stdout == tagging_project.ssmi("predict", str(file)).stdout
