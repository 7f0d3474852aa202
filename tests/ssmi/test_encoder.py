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


def test_an_encoder_is_adapted(opened: ssmi.Project, capfd: pytest.CaptureFixture[str]) -> None:
    out = opened.root / "encoders" / "adapted"
    made = opened.adapt_encoder("tiny", out=out, epochs=1, lr=3e-3, device="cpu")
    assert capfd.readouterr().out == ""
    assert (made.folder, made.name) == (out.resolve(), "encoders/adapted")
    found = find_encoder(made.name, revision=None, root=opened.root, reporter=Silent())
    before = find_encoder("encoder", revision=None, root=opened.root, reporter=Silent())
    assert (found.path.resolve(), found.shape) == (made.folder, before.shape)
    assert found.digest != before.digest == made.adaptation.parent_digest
    assert made.adaptation.after.loss < made.adaptation.before.loss
    # features built with the adapted encoder can be trained on
    chosen = [f"encoder.name={made.name}"]
    opened.build_features("tiny", overrides=chosen)
    assert opened.train("tiny", overrides=[*chosen, "train.epochs=1"], run=opened.root / "run").best_epoch == 1


def test_elsewhere_it_is_named_by_its_whole_path(opened: ssmi.Project, tmp_path: Path) -> None:
    made = opened.adapt_encoder(out=tmp_path / "e", epochs=1, device="cpu")
    assert made.name == str((tmp_path / "e").resolve())
    assert made.adaptation.settings.lr == 2e-4  # the rate for the narrow encoder's width
    assert made.adaptation.dataset == "tiny"  # the first data set in params.yaml


def test_the_projects_network_does_not_matter(project: Any, opened: ssmi.Project) -> None:
    """All layers are adapted, even if the project trains only some of them or none."""
    made = []
    for name, chosen in (("a", ["model.encoder_layers=1"]), ("b", ["model.encoder=none"]), ("c", ["train.epochs=9"])):
        opened.adapt_encoder("tiny", out=opened.root / name, epochs=1, overrides=chosen, device="cpu")
        made.append((opened.root / name / "model.safetensors").read_bytes())
    assert made[0] == made[1] == made[2]


def test_refusals(opened: ssmi.Project, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        with pytest.raises(ssmi.ParameterError, match="already exists"):
            opened.adapt_encoder("tiny", out=tmp_path / name)
    with pytest.raises(ssmi.ParameterError, match="epochs"):
        opened.adapt_encoder("tiny", out=tmp_path / "e", epochs=0)
    with pytest.raises(ssmi.MissingResourceError, match="tinny"):
        opened.adapt_encoder("tinny", out=tmp_path / "e")
    with pytest.raises(ssmi.StaleArtifactError, match=r"pmi\.estimator"):
        opened.adapt_encoder("tiny", out=tmp_path / "e", overrides=["pmi.estimator=paper"])
    assert not (tmp_path / "e").exists()
