"""The folder of an adapted encoder: written completely or not at all, and the values its record accepts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ssmi.model.adaptation.head import PREFIX, MaskedHead, head_for
from ssmi.model.adaptation.record import (
    RECORD,
    Adaptation,
    AdaptationSettings,
    AdaptedEpoch,
    HeldOut,
    write_encoder,
)
from ssmi.model.network import encoder as encoders
from ssmi.model.network.encoder import Encoder
from ssmi.model.runs import json_files
from ssmi.pipeline.contract.storage.digests import seal


@pytest.fixture
def record() -> Adaptation:
    before, after = HeldOut(loss=9.0, accuracy=0.0), HeldOut(loss=4.0, accuracy=0.25)
    return Adaptation(
        parent="北京",
        parent_digest="p",
        dataset="tiny",
        text_digest="t",
        n_sentences=19,
        n_characters=200,
        n_held_out=1,
        new_head=True,
        settings=AdaptationSettings(epochs=2, batch_size=16, seed=13, lr=2e-4, lr_head=1e-3, precision="fp32"),
        before=before,
        epochs=(AdaptedEpoch(loss=7.0, held_out=before), AdaptedEpoch(loss=5.0, held_out=after)),
    )


@pytest.fixture
def loaded(encoder_folder: Path) -> tuple[Encoder, MaskedHead]:
    encoder = encoders.load(encoder_folder)
    return encoder, head_for(encoder, encoder_folder)[0]


def test_after_is_the_last_epoch(record: Adaptation) -> None:
    assert record.after == HeldOut(loss=4.0, accuracy=0.25)


def test_written_encoder_loads_unchanged(
    tmp_path: Path, loaded: tuple[Encoder, MaskedHead], record: Adaptation
) -> None:
    encoder, head = loaded
    write_encoder(tmp_path / "below" / "e", encoder=encoder, head=head, record=record)
    folder = tmp_path / "below" / "e"
    reloaded = encoders.load(folder)
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(reloaded.state_dict()[name], tensor)
    reloaded_head, new = head_for(reloaded, folder)
    assert not new
    assert all(torch.equal(tensor, reloaded_head.state_dict()[name]) for name, tensor in head.state_dict().items())
    names = load_file(folder / "model.safetensors")
    assert sum(name.startswith(PREFIX) for name in names) == len(head.state_dict())
    assert json_files.read(folder / RECORD, Adaptation) == record
    assert "北京" in (folder / RECORD).read_text(encoding="utf-8")


def test_configuration_names_no_path(
    tmp_path: Path, loaded: tuple[Encoder, MaskedHead], record: Adaptation, encoder_folder: Path
) -> None:
    encoder, head = loaded
    write_encoder(tmp_path / "e", encoder=encoder, head=head, record=record)
    config = json.loads((tmp_path / "e" / "config.json").read_text(encoding="utf-8"))
    parent = json.loads((encoder_folder / "config.json").read_text(encoding="utf-8"))
    assert "_name_or_path" not in config and str(encoder_folder) not in json.dumps(config)
    assert config == {name: value for name, value in parent.items() if name in config}
    assert {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"} <= config.keys()


def test_failed_write_leaves_no_files(tmp_path: Path, loaded: tuple[Encoder, MaskedHead], record: Adaptation) -> None:
    encoder, head = loaded
    (tmp_path / "e").touch()  # a file takes the place of the parent folder, so the write fails
    with pytest.raises(OSError, match="e"):
        write_encoder(tmp_path / "e" / "below", encoder=encoder, head=head, record=record)
    assert [path.name for path in tmp_path.iterdir()] == ["e"]


def test_unknown_or_invalid_record_fields_are_refused(record: Adaptation, tmp_path: Path) -> None:
    body = record.model_dump(mode="json")
    for name, value in (("clock", 1), ("revision", "one")):
        (tmp_path / RECORD).write_text(json.dumps(seal({**body, name: value})), encoding="utf-8")
        with pytest.raises(ValueError, match=name):
            json_files.read(tmp_path / RECORD, Adaptation)
