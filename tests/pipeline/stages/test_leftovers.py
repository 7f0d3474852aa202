"""Leftovers of stopped runs are removed once a stage is current; a live process's files stay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.manifest import StageReport
from ssmi.pipeline.contract.parameters.params import Params, check_params
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.executor import Serial
from ssmi.pipeline.parts.share import Share
from ssmi.pipeline.stages.stage import Stage, StageContext
from ssmi.pipeline.stages.up_to_date import run, run_share, sweep

OTHERS = check_params({"prepare": {"sentences_per_part": 7}}, source="test")


def _work(context: StageContext, folder: Path) -> StageReport:
    if context.params == OTHERS:
        raise InputDataError("a.txt:1: no", next_step="correct it")
    (folder / "lines.txt").write_text("中国\n", encoding="utf-8")
    return StageReport(rows_in=1, rows_out=1)


STAGE = Stage("prepare", 1, ("prepare",), (), lambda context: {}, _work)
HOLDING = """
import sys
from pathlib import Path
from ssmi.pipeline.contract.storage.replacing import held
with held(Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.readline()
"""


def _context(root: Path, params: Params) -> StageContext:
    return StageContext(root, "tiny", params, Serial(), Silent())


def _left(root: Path) -> list[Path]:
    return sorted((root / ".ssmi" / "scratch" / "stages").glob("*/*"))


def test_what_a_refused_run_left_goes_with_the_next_look_at_the_stage(tmp_path: Path) -> None:
    run(STAGE, _context(tmp_path, Params()))
    sweep(STAGE, _context(tmp_path, Params()))  # there is nothing to remove
    with pytest.raises(InputDataError):
        run(STAGE, _context(tmp_path, OTHERS))
    assert len(_left(tmp_path)) == 1
    sweep(STAGE, _context(tmp_path, Params()))
    assert not list((tmp_path / ".ssmi" / "scratch" / "stages").iterdir())


def test_what_a_living_process_works_on_stays_and_goes_when_it_has_ended(tmp_path: Path) -> None:
    run(STAGE, _context(tmp_path, Params()))
    with pytest.raises(InputDataError):
        run(STAGE, _context(tmp_path, OTHERS))
    (left,) = _left(tmp_path)
    command = [sys.executable, "-c", HOLDING, str(left)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        sweep(STAGE, _context(tmp_path, Params()))
        assert _left(tmp_path) == [left]
        process.kill()
    sweep(STAGE, _context(tmp_path, Params()))
    assert _left(tmp_path) == []


def test_a_share_at_work_holds_its_folder(tmp_path: Path) -> None:
    seen = []

    def look(context: StageContext, folder: Path) -> StageReport:
        sweep(STAGE, context)
        seen.extend(_left(tmp_path))
        return StageReport(rows_in=0, rows_out=0)

    run_share(Stage("prepare", 1, ("prepare",), (), lambda context: {}, look), _context(tmp_path, OTHERS), Share(1, 2))
    assert len(seen) == 1
    sweep(STAGE, _context(tmp_path, Params()))
    assert _left(tmp_path) == []


def test_a_build_that_finds_all_current_sweeps(project: Any) -> None:
    whole = project.raw("train").read_bytes()
    project.raw("train").write_bytes(whole + "\n坏 X-NAME\n".encode())
    assert project.ssmi("features", "build").code == 3
    assert len(_left(project.root)) == 1
    project.raw("train").write_bytes(whole)
    assert project.build().built == set()
    assert _left(project.root) == []
