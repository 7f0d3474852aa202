"""Adapting an encoder from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi.pipeline.assets.resolve import find_encoder
from ssmi.pipeline.contract.progress import Silent


@pytest.fixture
def opened(project: Any) -> ssmi.Project:
    return ssmi.open_project(project.root)


def test_an_encoder_can_be_adapted(opened: ssmi.Project, capfd: pytest.CaptureFixture[str]) -> None:
    out = opened.root / "encoders" / "adapted"
    adapted = opened.adapt_encoder("tiny", out=out, epochs=1, lr=3e-3, device="cpu")
    assert capfd.readouterr().out == ""
    assert (adapted.folder, adapted.name) == (out.resolve(), "encoders/adapted")
    found = find_encoder(adapted.name, revision=None, root=opened.root, reporter=Silent())
    before = find_encoder("encoder", revision=None, root=opened.root, reporter=Silent())
    assert (found.path.resolve(), found.shape) == (adapted.folder, before.shape)
    assert found.digest != before.digest == adapted.adaptation.parent_digest
    assert adapted.adaptation.after.loss < adapted.adaptation.before.loss
    # features built with the adapted encoder can be trained on
    overrides = [f"encoder.name={adapted.name}"]
    opened.build_features("tiny", overrides=overrides)
    assert opened.train("tiny", overrides=[*overrides, "train.epochs=1"], run=opened.root / "run").best_epoch == 1


def test_an_encoder_outside_the_project_is_named_by_its_absolute_path(opened: ssmi.Project, tmp_path: Path) -> None:
    adapted = opened.adapt_encoder(out=tmp_path / "e", epochs=1, device="cpu")
    assert adapted.name == str((tmp_path / "e").resolve())
    assert adapted.adaptation.settings.lr == 2e-4  # the rate for the narrow encoder's width
    assert adapted.adaptation.dataset == "tiny"  # the first data set in params.yaml


def test_adaptation_ignores_the_network_parameters(project: Any, opened: ssmi.Project) -> None:
    """All layers are adapted, even if the project trains only some of them or none."""
    weights = []
    for name, overrides in (
        ("a", ["model.encoder_layers=1"]),
        ("b", ["model.encoder=none"]),
        ("c", ["train.epochs=9"]),
    ):
        opened.adapt_encoder("tiny", out=opened.root / name, epochs=1, overrides=overrides, device="cpu")
        weights.append((opened.root / name / "model.safetensors").read_bytes())
    assert weights[0] == weights[1] == weights[2]


def test_invalid_arguments_are_refused(opened: ssmi.Project, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        with pytest.raises(ssmi.ParameterError, match="already exists"):
            opened.adapt_encoder("tiny", out=tmp_path / name)
    with pytest.raises(ssmi.ParameterError, match="batch_size=0 is not an int of at least 1"):
        opened.adapt_encoder("tiny", out=tmp_path / "e", batch_size=0)
    with pytest.raises(ssmi.ParameterError, match=r"params\.yaml with train\.clip=0: train\.clip: "):
        opened.adapt_encoder("tiny", out=tmp_path / "e", overrides=["train.clip=0"])
    with pytest.raises(ssmi.MissingResourceError, match="tinny"):
        opened.adapt_encoder("tinny", out=tmp_path / "e")
    with pytest.raises(ssmi.StaleArtifactError, match=r"pmi\.estimator"):
        opened.adapt_encoder("tiny", out=tmp_path / "e", overrides=["pmi.estimator=paper"])
    assert not (tmp_path / "e").exists()
