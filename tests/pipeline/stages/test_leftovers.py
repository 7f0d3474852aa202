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
from ssmi.pipeline.stages.running.stage import Stage, StageContext
from ssmi.pipeline.stages.running.up_to_date import run, run_share, sweep

REFUSED_PARAMS = check_params({"prepare": {"sentences_per_part": 7}}, source="test")


def _work(context: StageContext, folder: Path) -> StageReport:
    if context.params == REFUSED_PARAMS:
        raise InputDataError("a.txt:1: no", next_step="correct it")
    (folder / "lines.txt").write_text("中国\n", encoding="utf-8")
    return StageReport(rows_in=1, rows_out=1)


STAGE = Stage("prepare", 1, ("prepare",), (), lambda context: {}, _work)
HOLD_FOLDER = """
import sys
from pathlib import Path
from ssmi.pipeline.contract.storage.replacing import held
with held(Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.readline()
"""


def _context(root: Path, params: Params) -> StageContext:
    return StageContext(root, "tiny", params, Serial(), Silent())


def _leftovers(root: Path) -> list[Path]:
    return sorted((root / ".ssmi" / "scratch" / "stages").glob("*/*"))


def test_leftovers_of_a_refused_run_are_removed_by_the_next_sweep(tmp_path: Path) -> None:
    run(STAGE, _context(tmp_path, Params()))
    sweep(STAGE, _context(tmp_path, Params()))  # there is nothing to remove
    with pytest.raises(InputDataError):
        run(STAGE, _context(tmp_path, REFUSED_PARAMS))
    assert len(_leftovers(tmp_path)) == 1
    sweep(STAGE, _context(tmp_path, Params()))
    assert not list((tmp_path / ".ssmi" / "scratch" / "stages").iterdir())


def test_the_folder_of_a_live_process_is_kept_until_it_ends(tmp_path: Path) -> None:
    run(STAGE, _context(tmp_path, Params()))
    with pytest.raises(InputDataError):
        run(STAGE, _context(tmp_path, REFUSED_PARAMS))
    (leftover,) = _leftovers(tmp_path)
    command = [sys.executable, "-c", HOLD_FOLDER, str(leftover)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        sweep(STAGE, _context(tmp_path, Params()))
        assert _leftovers(tmp_path) == [leftover]
        process.kill()
    sweep(STAGE, _context(tmp_path, Params()))
    assert _leftovers(tmp_path) == []


def test_the_folder_of_a_running_share_is_kept(tmp_path: Path) -> None:
    found = []

    def sweep_and_list(context: StageContext, folder: Path) -> StageReport:
        sweep(STAGE, context)
        found.extend(_leftovers(tmp_path))
        return StageReport(rows_in=0, rows_out=0)

    run_share(
        Stage("prepare", 1, ("prepare",), (), lambda context: {}, sweep_and_list),
        _context(tmp_path, REFUSED_PARAMS),
        Share(1, 2),
    )
    assert len(found) == 1
    sweep(STAGE, _context(tmp_path, Params()))
    assert _leftovers(tmp_path) == []


def test_a_build_with_nothing_to_do_removes_leftovers(project: Any) -> None:
    original = project.raw("train").read_bytes()
    project.raw("train").write_bytes(original + "\n坏 X-NAME\n".encode())
    assert project.ssmi("features", "build").code == 3
    assert len(_leftovers(project.root)) == 1
    project.raw("train").write_bytes(original)
    assert project.build().built == set()
    assert _leftovers(project.root) == []
