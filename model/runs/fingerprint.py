"""What a run is made from: two runs with the same fingerprint have the same scores, but for rounding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from ssmi.model import encoder_defaults, hardware
from ssmi.model.data.shards import Shards
from ssmi.model.runs.revision import REVISION
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.text.wording import as_yaml

_SECTIONS: Mapping[str, frozenset[str]] = {
    "encoder": frozenset(),
    "model": frozenset(),
    # These change rounding alone; the precision that a device comes to is an entry of its own.
    "train": frozenset({"device", "threads"}),
}
"""Sections of params.yaml that make a run, and their keys that do not. Those of features are in the shards' digest."""
SEED, FOLD = "train.seed", "train.fold"
"""The only things in which the runs of one setting differ."""
_SHARDS, _ENCODER, _REVISION = "shards", "the shards' encoder", "the revision of the network's code"
"""How the file, and so every message, names what is not a parameter. No parameter's name lacks a dot."""
_ALWAYS: Mapping[str, frozenset[str]] = {
    "encoder": frozenset({"name", "revision"}),
    "model": frozenset(
        [
            "encoder",
            "encoder_layers",
            "fusion",
            "segment_positions",
            "can",
            "lmi",
            "mlp1",
            "gru",
            "layer_norm",
            "gmi",
            "mlp2",
            "biaffine",
            "can_window",
            "hidden_width",
            "biaffine_width",
            "character_width",
            "gmi_weight",
            "train_boundaries",
            "dropout",
            "boundary_dropout",
        ]
    ),
    "train": frozenset(
        [
            "seed",
            "epochs",
            "max_steps",
            "patience",
            "batch_size",
            "test",
            "lr_encoder",
            "lr_boundaries",
            "lr_crf",
            "lr_new",
            "weight_decay",
            "warmup",
            "clip",
            "precision",
        ]
    ),
}
"""The parameters of version 0.2. One that came later is left out of a fingerprint where it has its default, by which a
run is what it was before: so a new parameter makes no finished run unknown."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a run, or all runs of one setting, is made from.

    Attributes:
        parameters: ``section.key`` → value, with the numbers that ``auto`` came to.
        shards: sha256 of the shards' manifest.
        encoder: sha256 of the encoder that the shards were built with.
        revision: ``REVISION`` of the code.

    """

    parameters: Mapping[str, Any]
    shards: str
    encoder: str
    revision: int

    @property
    def seed(self) -> int:
        """The run's seed; 0 where the fingerprint is that of a setting."""
        return int(self.parameters.get(SEED) or 0)

    @property
    def setting(self) -> Fingerprint:
        """The fingerprint without seed and fold: what all runs of one setting are made from."""
        kept = {name: value for name, value in self.parameters.items() if name not in (SEED, FOLD)}
        return replace(self, parameters=kept)

    def differing(self, other: Fingerprint) -> list[str]:
        """The names of the entries that are not the same in both, sorted."""
        one, two = self.to_json(), other.to_json()
        return sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))

    def differences(self, now: Fingerprint, *, run: str) -> list[str]:
        """A line for each entry that is not the same now as it is here; ``run`` names the run that this is of."""
        before, after = self.to_json(), now.to_json()
        return [
            f"{name} is {short(before.get(name))} in {run}, {short(after.get(name))} now"
            for name in self.differing(now)
        ]

    def without_shards(self) -> dict[str, Any]:
        """Name → value, as ``to_json``, of all that does not say which shards: digests tell a person nothing."""
        return {**self.parameters, _REVISION: self.revision}

    def to_json(self) -> dict[str, Any]:
        """The form that files hold, and whose names messages use."""
        return {**self.parameters, _SHARDS: self.shards, _ENCODER: self.encoder, _REVISION: self.revision}

    @classmethod
    def from_json(cls, body: object) -> Fingerprint:
        """The fingerprint that ``to_json`` gave. Raises ValueError for anything else."""
        if not isinstance(body, dict):
            raise ValueError("not a fingerprint")
        parameters = dict(body)
        shards, encoder, revision = (parameters.pop(name, None) for name in (_SHARDS, _ENCODER, _REVISION))
        if not (isinstance(shards, str) and isinstance(encoder, str) and isinstance(revision, int)):
            raise ValueError(f"a fingerprint without {_SHARDS}, {_ENCODER} or {_REVISION}")
        return cls(parameters, shards, encoder, revision)


FingerprintField = Annotated[
    Fingerprint,
    BeforeValidator(lambda value: value if isinstance(value, Fingerprint) else Fingerprint.from_json(value)),
    PlainSerializer(Fingerprint.to_json, return_type=dict[str, Any]),
]
"""A fingerprint as the key of a JSON file."""


def fingerprint_of(params: Params, *, shards: Shards) -> Fingerprint:
    """What a run of these parameters on these shards is made from.

    Args:
        params: Of the run.
        shards: What it is trained on.

    Returns:
        The parameters with the numbers that ``auto`` comes to on this machine and for this encoder; the digests of the
        shards and of their encoder; the revision of the code.

    """
    defaults = Params()
    resolved = encoder_defaults.resolve(params, shards.statistics.encoder_size)
    values = {
        f"{section}.{key}": value
        for section, free in _SECTIONS.items()
        for key, value in resolved.section(section).items()
        if key not in free and (key in _ALWAYS[section] or value != defaults.section(section)[key])
    }
    precision = hardware.precision(hardware.choose_device(params.train.device), params.train.precision)
    return Fingerprint(
        {**values, "train.precision": precision}, shards.digest, shards.statistics.encoder_digest, REVISION
    )


def short(value: Any) -> str:
    """A value as params.yaml has it, a digest's beginning."""
    text = as_yaml(value)
    # The length of a sha256 in hexadecimal.
    return text[:12] if len(text) == 64 else text
