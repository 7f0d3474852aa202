"""Which run folders can be used, decided before torch is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ssmi.model.runs.files import CHECKPOINT_FORMAT, require_checkpoint
from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError


def _run(folder: Path, text: str) -> Path:
    (folder / "checkpoint").mkdir(parents=True)
    (folder / "checkpoint" / "checkpoint.json").write_text(text, encoding="utf-8")
    return folder


def test_current_and_unreadable_checkpoints_pass(tmp_path: Path) -> None:
    require_checkpoint(_run(tmp_path / "now", json.dumps({"format": CHECKPOINT_FORMAT})))
    for number, text in enumerate(("{", "[]", "{}", "")):
        require_checkpoint(_run(tmp_path / str(number), text))


@pytest.mark.parametrize("written", [1, 2, CHECKPOINT_FORMAT + 1])
def test_a_run_of_another_version_is_refused_with_the_next_step(tmp_path: Path, written: int) -> None:
    with pytest.raises(StaleArtifactError, match=f"another version of ssmi .format {written}") as refused:
        require_checkpoint(_run(tmp_path / "run", json.dumps({"format": written, "made_from": {}})))
    assert "train again with this version" in refused.value.next_step


def test_missing_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError, match="no such folder"):
        require_checkpoint(tmp_path / "none")


def test_the_next_step_names_the_run_that_has_no_checkpoint(tmp_path: Path) -> None:
    run = tmp_path / "my run"
    (run / "state").mkdir(parents=True)
    with pytest.raises(MissingResourceError, match="no checkpoint") as refused:
        require_checkpoint(run)
    assert f"ssmi-cli train --run '{run}', with" in refused.value.next_step
    (run / "state" / "state.json").write_text("{}")
    with pytest.raises(MissingResourceError, match="no checkpoint") as refused:
        require_checkpoint(run)
    assert refused.value.next_step.endswith(f"ssmi-cli train --run '{run}' --resume")


def test_run_name_suggests_its_folder(tmp_path: Path) -> None:
    run = _run(tmp_path / "artifacts" / "train" / "tiny", "{}")
    with pytest.raises(MissingResourceError) as refused:
        require_checkpoint(tmp_path / "tiny")
    assert refused.value.message.endswith(f"tiny: no such folder; did you mean '{run}'?")


def test_heavy_modules_are_not_loaded() -> None:
    code = "import sys, ssmi.model.runs.files; assert not {'torch', 'numpy', 'pyarrow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
