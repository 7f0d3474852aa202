"""Output to a file, which appears when it is complete, or directly to stdout; always UTF-8, whatever the locale."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.cli.terminal.progress import Lines
from ssmi.cli.terminal.streams import open_output, utf8_stdout


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(pieces=st.lists(st.text(st.characters(codec="utf-8"))))
def test_pieces_are_written_byte_for_byte(tmp_path: Path, pieces: list[str]) -> None:
    out = tmp_path / "out.txt"
    with open_output(out, Lines()) as write:
        for piece in pieces:
            write(piece)
    assert out.read_bytes() == "".join(pieces).encode("utf-8")


def test_a_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("yesterday's\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="half way"), open_output(out, Lines()) as write:
        write("half of today's\n")
        assert out.read_text(encoding="utf-8") == "yesterday's\n"
        raise RuntimeError("half way")
    assert out.read_text(encoding="utf-8") == "yesterday's\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_stdout_is_written_immediately(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", newline="\r\n"))
    with open_output(None, Lines()) as write:
        write("北京\n")
        assert raw.getvalue() == "北京\n".encode()
        write("上海\r\n")
    assert raw.getvalue() == "北京\n上海\r\n".encode()


def test_a_replaced_stdout_is_used_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    captured = io.StringIO()
    monkeypatch.setattr(sys, "stdout", captured)
    assert utf8_stdout() is captured
    with open_output(None, Lines()) as write:
        write("𠮷")
    assert captured.getvalue() == "𠮷"


def test_chinese_is_printed_in_any_locale() -> None:
    code = f"from ssmi.cli.terminal.streams import utf8_stdout; utf8_stdout().write({'陈思远'!a} + '\\n')"
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0", "LC_ALL": "C"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert done.stdout == "陈思远\n".encode()
