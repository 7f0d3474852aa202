"""Named networks: SSMI, the baseline, each ablation of the paper's Tables 2 and 3, and the peers SSMI is compared with.

Each is params.yaml with a few values changed, so a row of a table differs from its neighbour by those values and
nothing else: all share the same text, encoder, vectors and schedule.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ssmi.pipeline.contract.arguments import list_of
from ssmi.pipeline.contract.errors import ParameterError, closest_name
from ssmi.pipeline.contract.parameters import params as parameters
from ssmi.pipeline.contract.parameters.params import Params

Value = str | bool | int | float | None
BASELINE = "bert-crf"
"""The configuration over which a table shows the gains of the other rows, unless a row names another."""
_PARTS: Mapping[str, Value] = {
    "model.fusion": "none",
    "model.boundary_roles": False,
    "model.cosine_gate": False,
    "model.can": False,
    "model.lmi": False,
    "model.mlp1": False,
    "model.gru": False,
    "model.layer_norm": False,
    "model.gmi": "none",
    "model.mlp2": False,
    "model.biaffine": False,
    "model.lexicon": "none",
    "model.head": "crf",
}
"""The network without any of its optional parts."""
_PAPER: Mapping[str, Value] = {
    "model.fusion": "input",
    "model.segment_positions": False,
    "model.boundary_roles": False,
    "model.cosine_gate": False,
    "model.can": True,
    "model.lmi": True,
    "model.mlp1": True,
    "model.gru": True,
    "model.layer_norm": True,
    "model.gmi": "paper",
    "model.mlp2": True,
    "model.biaffine": True,
    "model.lexicon": "none",
    "model.recurrent_cell": "gru",
    "model.head": "crf",
    "selection.scope": "vocabulary",
    "selection.exclude_segment": False,
    "selection.choice": "cosine",
}
"""Every part of the network and of the selection as in the paper; widths, sizes and encoder are left unchanged."""
_NO_ENCODER: Mapping[str, Value] = {"model.encoder": "none", "model.encoder_layers": None}
_SPAN: Mapping[str, Value] = {"model.head": "span"}
_BILSTM: Mapping[str, Value] = {"model.gru": True, "model.recurrent_cell": "lstm"}


@dataclass(frozen=True, slots=True)
class Configuration:
    """A named network."""

    name: str
    title: str
    """The row's name in the paper's tables."""
    changes: Mapping[str, Value]
    """The values that differ from params.yaml, ``section.key`` → value."""
    summary: str
    against: str = BASELINE
    """The row over which an ablation's table shows this row's gain."""

    def apply(self, params: Params) -> Params:
        """Return ``params`` with the changes applied."""
        tree = params.model_dump(mode="json")
        for path, value in self.changes.items():
            section, _, key = path.partition(".")
            tree.setdefault(section, {})[key] = value  # check_params rejects an unknown section
        return parameters.check_params(tree, source=f"configuration {self.name}")

    @property
    def overrides(self) -> tuple[str, ...]:
        """The changes as arguments of ``-S``."""
        return tuple(f"{path}={value}" for path, value in zip(self.changes, self.values_as_yaml, strict=True))

    @property
    def values_as_yaml(self) -> tuple[str, ...]:
        """The values of the changes as YAML, in the form that ``-S`` and ``--variant`` accept after ``=``."""
        return tuple(json.dumps(value) for value in self.changes.values())

    @property
    def feature_changes(self) -> Mapping[str, Value]:
        """The changes that affect the shards."""
        return {path: value for path, value in self.changes.items() if not path.startswith(("model.", "train."))}

    def changed_sections(self, params: Params) -> frozenset[str]:
        """Return the feature sections that it changes in ``params``; if there are any, it needs its own shards."""
        changed = self.apply(params)
        sections = {path.partition(".")[0] for path in self.feature_changes}
        return frozenset(name for name in sections if changed.section(name) != params.section(name))


def _peer(name: str, title: str, summary: str, *parts: Mapping[str, Value]) -> Configuration:
    """Return a published network for comparison, made of the given parts only."""
    changes = dict(_PARTS)
    for part in parts:
        changes.update(part)
    return Configuration(name, title, changes, summary)


def _lexicon(kind: str) -> Mapping[str, Value]:
    # The network reads the matches in the shards; check_shards rejects shards without matches.
    return {"model.lexicon": kind, "shards.matches": True}


def _without(name: str, title: str, summary: str, **parts: Value) -> Configuration:
    return Configuration(name, title, {f"model.{part}": value for part, value in parts.items()}, summary)


_ALL = (
    Configuration("ssmi", "SSMI", {}, "the parameters as they are"),
    Configuration(
        "paper", "Paper", _PAPER, "the paper's network and selection, whatever the parameters say of their parts"
    ),
    Configuration("bert-crf", "BERT-CRF", _PARTS, "encoder → linear → CRF: the baseline"),
    Configuration("no-cosine", "-Cosine", {"selection.choice": "random"}, "boundaries drawn at random"),
    _without("no-gmi", "-GMI", "no global enhancement, nor its loss", gmi="none"),
    _without("no-lmi", "-LMI", "no local boundary", lmi=False),
    _without("char-max", "Char+Max", "the best boundary only: neither -GMI nor -LMI", gmi="none", lmi=False),
    _without("no-bert", "-BERT", "learned character embeddings", encoder="none", encoder_layers=None),
    _without("no-can", "-CAN", "no convolutional attention", can=False),
    _without("no-gru", "-GRU", "no GRU", gru=False),
    _without("no-mlp1", "-MLP1", "no perceptron before the GRU", mlp1=False),
    _without("no-mlp2", "-MLP2", "no perceptron over the global enhancement", mlp2=False),
    _without("no-layer-norm", "-LNorm", "no layer norm", layer_norm=False),
    _without("no-biaffine", "-Biaffine", "no second view of the encoder's output", biaffine=False),
    _peer(
        "softlexicon",
        "SoftLexicon",
        "encoder → word sets by B, M, E, S → BiLSTM → CRF",
        _lexicon("softlexicon"),
        _BILSTM,
    ),
    _peer(
        "softlexicon-no-encoder",
        "SoftLexicon -BERT",
        "the same over learned character embeddings",
        _lexicon("softlexicon"),
        _BILSTM,
        _NO_ENCODER,
    ),
    _peer("lebert", "LEBERT", "words are added after an encoder layer → CRF", _lexicon("lebert")),
    _peer(
        "segment-only",
        "Segment only",
        "the segment's own vector and the position in it at the encoder's input, no selection",
        {"model.fusion": "input", "model.segment_positions": True, "selection.choice": "segment"},
    ),
    _peer(
        "span", "Span", "encoder → BiLSTM → biaffine scores of spans, trained with boundary smoothing", _BILSTM, _SPAN
    ),
    Configuration("span-ssmi", "SSMI, spans", _SPAN, "SSMI with the span head in place of the CRF"),
    _peer("bilstm-crf", "BiLSTM-CRF", "learned character embeddings → BiLSTM → CRF", _BILSTM, _NO_ENCODER),
    _peer("char-crf", "Char-CRF", "learned character embeddings → CRF", _NO_ENCODER),
)
CONFIGURATIONS: Mapping[str, Configuration] = MappingProxyType({each.name: each for each in _ALL})
"""All configurations by name: SSMI, the paper's network, the baseline, ablations in the paper's order, then peers."""


def first_with_features_of(configuration: Configuration) -> Configuration:
    """Return the first configuration with the same feature changes; later ones train on its shards."""
    return next(
        (each for each in CONFIGURATIONS.values() if each.feature_changes == configuration.feature_changes),
        configuration,
    )


CURVES = ("ssmi", "no-cosine", "no-gmi", "no-lmi", "char-max")
"""The rows of the paper's Figure 3."""

_RENAMED = {"no-places": "paper", "no-segment-positions": "paper"}
"""Configuration names of earlier versions → the name that the error message suggests."""


def list_configurations() -> list[Configuration]:
    """Return the named networks that ``train`` and ``ablate`` take, in the table's order."""
    return list(CONFIGURATIONS.values())


def find(name: str) -> Configuration:
    """Return the configuration called ``name``.

    Raises:
        ParameterError: The name is unknown; the message suggests the closest one.

    """
    if name in _RENAMED:
        raise ParameterError(f"configuration {name!r} was renamed", next_step=f"write {_RENAMED[name]}")
    try:
        return CONFIGURATIONS[name]
    except KeyError:
        close = closest_name(name, CONFIGURATIONS)
        raise ParameterError(
            f"configuration {name!r}: unknown{f', did you mean {close!r}?' if close else ''}",
            next_step=f"one of {', '.join(CONFIGURATIONS)}",
        ) from None


def select(names: Iterable[str]) -> list[Configuration]:
    """Return the named configurations in the table's order, or all of them if no name is given.

    Args:
        names: The argument ``only`` of ``ablate``.

    Raises:
        ParameterError: A name is unknown.

    """
    # Sorted, so that the error names the same unknown name each time, also if the names come from a set.
    wanted = {find(name).name for name in sorted(list_of("only", names))} or set(CONFIGURATIONS)
    return [configuration for name, configuration in CONFIGURATIONS.items() if name in wanted]
