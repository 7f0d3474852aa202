"""params.yaml, typed and frozen. Unknown keys are refused with the nearest name; all mistakes are reported together.

Sections are named after the stages that read them, so that DVC can track whole sections. ``load`` is the only place
that applies ``-S section.key=value``, for training and features alike.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from ssmi.pipeline.contract.arguments import list_of
from ssmi.pipeline.contract.errors import InputDataError, ParameterError, closest_name, name_hint
from ssmi.pipeline.contract.parameters.feature_sections import (
    EmbedParams,
    EncoderParams,
    PmiParams,
    PrepareParams,
    SegmentParams,
    SelectionParams,
    ShardsParams,
    VocabParams,
)
from ssmi.pipeline.contract.parameters.section import Section
from ssmi.pipeline.contract.parameters.training_sections import ModelParams, TrainParams
from ssmi.pipeline.contract.project.dataset_names import check_dataset_name
from ssmi.pipeline.contract.text.encodings import not_utf8
from ssmi.pipeline.contract.text.yaml_text import NOT_YAML, not_yaml, parse_yaml, value_fault, yaml_step
from ssmi.pipeline.contract.user_files import read_bytes
from ssmi.pipeline.contract.wrong_values import distinct_mistakes, placed

__all__ = [
    "EmbedParams",
    "EncoderParams",
    "ModelParams",
    "Params",
    "PmiParams",
    "PrepareParams",
    "Section",
    "SegmentParams",
    "SelectionParams",
    "ShardsParams",
    "TrainParams",
    "VocabParams",
    "check_params",
    "dump",
    "load",
    "other_sections",
]

_LONGEST_SHOWN = 200
RENAMED_KEYS = {"embed.ahead": "precompute_words", "model.segment_places": "segment_positions"}
RENAMED_VALUES = {("pmi.estimator", "printed"): "paper", ("model.gmi", "printed"): "paper"}
"""Names from version 0.1.0, which are refused with the current name."""


class Params(Section):
    """All parameters of params.yaml."""

    datasets: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        default=("sample",),
        description="Data sets that `dvc repro` builds and trains on. The first is the default of every command.",
    )
    corpora: tuple[str, ...] = Field(
        default=(),
        description="Corpora, text without labels: paths of folders or files, relative to the project. `--corpus NAME` "
        "finds one by the name of its folder, or of its file without endings.",
    )
    encoder: EncoderParams = EncoderParams()
    prepare: PrepareParams = PrepareParams()
    vocab: VocabParams = VocabParams()
    segment: SegmentParams = SegmentParams()
    embed: EmbedParams = EmbedParams()
    selection: SelectionParams = SelectionParams()
    pmi: PmiParams = PmiParams()
    shards: ShardsParams = ShardsParams()
    model: ModelParams = ModelParams()
    train: TrainParams = TrainParams()

    @field_validator("datasets")
    @classmethod
    def _plain_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            try:
                check_dataset_name(name)
            except ParameterError as error:
                raise ValueError(error.message) from None
        return names

    def section(self, name: str) -> dict[str, Any]:
        """Return one section as plain JSON values, for manifests and digests."""
        value: dict[str, Any] = getattr(self, name).model_dump(mode="json")
        return value


def load(path: Path, *, overrides: Iterable[str] = ()) -> Params:
    """Read params.yaml and apply ``section.key=value`` overrides.

    Raises:
        ParameterError: The file or an override is invalid; wrong values are all named, as
            ``section.key: what is wrong``.
        MissingResourceError: The file does not exist.
        InputDataError: The file cannot be read or is not UTF-8.
    """
    try:
        # YAML reads an empty file as None; it means that every parameter has its default.
        tree = parse_yaml(read_bytes(path).decode("utf-8")) or {}
    except UnicodeDecodeError as error:
        raise InputDataError(not_utf8(path, error), next_step="save it as UTF-8") from error
    except NOT_YAML as error:
        raise ParameterError(not_yaml(path, error), next_step=yaml_step(error, usual="fix the file")) from error
    if not isinstance(tree, dict):
        raise ParameterError(f"{path}: holds no sections", next_step="see the project's params.yaml for every section")
    given = list_of("overrides", overrides)
    for text in given:
        _override(tree, text)
    return check_params(tree, source=f"{path} with {', '.join(given)}" if given else str(path))


def check_params(tree: Mapping[str, Any], *, source: str) -> Params:
    """Validate a plain tree of sections; ``source`` names the tree in the message of a ParameterError."""
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        lines = [_explain(item) for item in distinct_mistakes(error)]
        raise ParameterError(f"{source}: {'; '.join(lines)}", next_step="correct these and run again") from None


def dump(params: Params) -> str:
    """Serialise all values, defaults included, as sorted JSON, which run folders contain."""
    return json.dumps(params.model_dump(mode="json"), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def other_sections(overrides: Iterable[str], *, read: Container[str]) -> list[str]:
    """Return the overrides of sections that are not among those read, which would change nothing."""
    return [text for text in overrides if text.partition(".")[0].strip() not in read]


def _override(tree: dict[str, Any], text: str) -> None:
    path, equals, raw = text.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ParameterError(f"{text}: not section.key=value", next_step="for example selection.threshold=0.6")
    try:
        # Parsed like the file, so that 0.6 is a number, null is None and [a, b] is a list.
        value = parse_yaml(raw)
    except NOT_YAML as error:
        raise ParameterError(
            f"{text[:_LONGEST_SHOWN]}: the value is {value_fault(error)}", next_step=yaml_step(error, usual="quote it")
        ) from None
    node = tree
    for key in keys[:-1]:
        child = node.setdefault(key, {})
        if not isinstance(child, dict):
            raise ParameterError(f"{text}: {key} holds a value, not a section", next_step="see params.yaml")
        node = child
    node[keys[-1]] = value


def _explain(error: ErrorDetails) -> str:
    """Format one mistake as ``section.key: what is wrong``."""
    path = tuple(map(str, error["loc"]))
    where, value = ".".join(path), error["input"]
    if where in RENAMED_KEYS:
        return f"{where}: renamed, write {path[0]}.{RENAMED_KEYS[where]}"
    if isinstance(value, str) and (where, value) in RENAMED_VALUES:
        return f"{where}: {value} was renamed, write {RENAMED_VALUES[where, value]}"
    if error["type"] == "extra_forbidden":
        known: type[BaseModel] = Params
        for name in path[:-1]:
            annotation = known.model_fields[name].annotation
            known = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else known
        return f"{where}: unknown key, {_nearest_key(path[-1], known)}"
    return placed(error)


def _nearest_key(name: str, section: type[BaseModel]) -> str:
    """Return a hint: the most similar key here or, if none is similar, the key of this name in another section."""
    others = [
        f"{other}.{name}"
        for other, about in Params.model_fields.items()
        if isinstance(about.annotation, type)
        and issubclass(about.annotation, BaseModel)
        and name in about.annotation.model_fields
    ]
    if others and closest_name(name, section.model_fields) is None:
        return f"did you mean {' or '.join(map(repr, others))}?"
    return name_hint(name, section.model_fields)
