"""Losses of 30 training steps on the embedded data set, compared with those in git, which ``make golden`` rewrites."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ssmi.model.runs.revision import REVISION
from ssmi.model.training.train import train
from ssmi.pipeline.assets.resolve import find_encoder
from ssmi.pipeline.contract.parameters import params as parameters
from ssmi.pipeline.contract.progress import Silent

REPO = Path(__file__).resolve().parent.parent
GOLDEN = Path(__file__).parent / "golden" / "sample-losses.json"
STEPS = 30
# All layers, regardless of the default, so that the upper ones are checked too.
ALL_LAYERS = "model.encoder_layers=null"
OVERRIDES = (ALL_LAYERS, "train.threads=1", "train.device=cpu", "train.precision=fp32", f"train.max_steps={STEPS}")

pytestmark = [pytest.mark.assets, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    shutil.copy(REPO / "params.yaml", folder)
    command = [
        sys.executable,
        "-m",
        "ssmi.cli.main",
        "--project",
        str(folder),
        "features",
        "build",
        "--dataset",
        "sample",
    ]
    subprocess.run(command, check=True, cwd=REPO, capture_output=True)
    return folder


def losses(project: Path, run: str) -> list[float]:
    params = parameters.load(project / "params.yaml", overrides=OVERRIDES)
    result = train(
        shards=project / "artifacts" / "shards" / "sample",
        encoder=find_encoder(params.encoder.name, revision=None, root=project, reporter=Silent()).path,
        run=project / run,
        params=params,
        reporter=Silent(),
    )
    return list(result.step_losses)


def test_losses_equal_the_golden_ones_and_are_reproducible(project: Path, request: pytest.FixtureRequest) -> None:
    current_losses = losses(project, "first")
    assert len(current_losses) == STEPS
    assert GOLDEN.is_file(), "golden losses are missing: restore them from git"
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    # Other processors sum floats in another order.
    equal = current_losses == pytest.approx(golden["losses"], rel=1e-3, abs=1e-3)
    if request.config.getoption("--write-golden"):
        assert equal or golden["revision"] < REVISION, (
            "losses have changed: raise REVISION in model/runs/revision.py first"
        )
        body = {"revision": REVISION, "losses": current_losses}
        GOLDEN.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    else:
        assert equal, "losses have changed: a mistake, or a change of the method (see CONTRIBUTING.md, golden losses)"
        assert golden["revision"] == REVISION, "REVISION was raised: make golden"
    assert losses(project, "second") == current_losses
