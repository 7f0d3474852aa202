"""The fingerprint of a run: two runs with the same fingerprint have the same scores, except for rounding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from ssmi.model import encoder_defaults, hardware
from ssmi.model.data.shards import Shards
from ssmi.model.runs.revision import REVISION
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.storage.digests import short_digest
from ssmi.pipeline.contract.text.wording import as_yaml

_SECTIONS: Mapping[str, frozenset[str]] = {
    "encoder": frozenset(),
    "model": frozenset(),
    # These only affect rounding; the precision used on a device is a separate entry.
    "train": frozenset({"device", "threads"}),
}
"""Sections of params.yaml that affect a run → their keys that do not. The shards' digest covers feature sections."""
SEED, FOLD = "train.seed", "train.fold"
"""The only parameters in which the runs of one setting differ."""
_SHARDS, _ENCODER, _REVISION = "shards", "the shards' encoder", "the revision of the network's code"
"""Names of the entries that are not parameters, in files and messages; names of parameters always contain a dot."""
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
"""The parameters of version 0.2, which are always in a fingerprint.

A later parameter is left out if it has its default, with which a run is what it was before the parameter existed. A new
parameter therefore does not change the fingerprint of finished runs.
"""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The inputs that determine a run, or all runs of one setting.

    Attributes:
        parameters: ``section.key`` → value, with ``auto`` resolved.
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
        """The seed of the run; 0 for the fingerprint of a setting."""
        return int(self.parameters.get(SEED) or 0)

    @property
    def setting(self) -> Fingerprint:
        """The fingerprint without seed and fold, which all runs of one setting share."""
        kept = {name: value for name, value in self.parameters.items() if name not in (SEED, FOLD)}
        return replace(self, parameters=kept)

    def differing(self, other: Fingerprint) -> list[str]:
        """Return the names of the entries that differ, sorted."""
        one, two = self.to_json(), other.to_json()
        return sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))

    def differences(self, now: Fingerprint, *, run: str) -> list[str]:
        """Return a line for each entry that differs from ``now``; ``run`` names the run of this fingerprint."""
        before, after = self.to_json(), now.to_json()
        return [
            f"{name} is {short(before.get(name))} in {run}, {short(after.get(name))} now"
            for name in self.differing(now)
        ]

    def without_shards(self) -> dict[str, Any]:
        """Return ``to_json`` without the digests of shards and encoder, which mean nothing to a reader."""
        return {**self.parameters, _REVISION: self.revision}

    def to_json(self) -> dict[str, Any]:
        """Return name → value, as stored in files; messages use the same names."""
        return {**self.parameters, _SHARDS: self.shards, _ENCODER: self.encoder, _REVISION: self.revision}

    @classmethod
    def from_json(cls, body: object) -> Fingerprint:
        """Parse the result of ``to_json``. Raises ValueError for anything else."""
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
"""A fingerprint as a field of a JSON file."""


def fingerprint_of(params: Params, *, shards: Shards) -> Fingerprint:
    """Compute the fingerprint of a run with these parameters on these shards.

    Args:
        params: The parameters of the run.
        shards: The shards to train on.

    Returns:
        The parameters, with ``auto`` resolved for this machine and this encoder, the digests of the shards and of their
        encoder, and the revision of the code.

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
    """Format a value as in params.yaml, with digests shortened."""
    text = as_yaml(value)
    # 64 is the length of a sha256 in hexadecimal.
    return short_digest(text) if len(text) == 64 else text
