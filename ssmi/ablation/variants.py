"""Variants: configurations defined by the caller of ``ablate``, with a name, a base configuration, and changes.

On the command line, a variant is ``NAME:key=value,key=value``; in a file, variants are a mapping from names to
mappings. ``base`` names the configuration that is changed (by default ``ssmi``, the parameters as they are), and
``against`` the row over which the gain is shown (by default ``bert-crf``); all other keys are parameters, as for
``-S``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ssmi.configurations import BASELINE, CONFIGURATIONS, Configuration, find
from ssmi.pipeline.contract.errors import InputDataError, ParameterError, name_hint
from ssmi.pipeline.contract.text.encodings import not_utf8
from ssmi.pipeline.contract.text.yaml_text import NOT_YAML, not_yaml, parse_yaml, value_fault, yaml_step
from ssmi.pipeline.contract.user_files import read_bytes

_NAME = re.compile(r"[\w][\w.+-]*")
_NEXT_KEY = re.compile(r",(?=[a-z]\w*(?:\.[a-z]\w*)?=)")
"""A comma between changes; a comma within a value is not followed by a key."""
_LONGEST_SHOWN = 200
_EXAMPLE = "for example small:base=bert-crf,model.encoder_layers=2"


def parse(text: str) -> Configuration:
    """Parse a variant of the command line; raise ParameterError if it is malformed."""
    name, colon, changes = text.partition(":")
    pairs = [part.partition("=") for part in _NEXT_KEY.split(changes)] if changes else []
    if not colon or not all(equals for _, equals, _ in pairs):
        is_file = text.endswith((".yaml", ".yml"))
        raise ParameterError(
            f"variant {text}: not NAME:key=value,key=value",
            next_step=f"give a file with --variants (in Python: Path({text!r}))" if is_file else _EXAMPLE,
        )
    return _make(name.strip(), {key.strip(): _value(raw, text) for key, _, raw in pairs}, source=f"variant {text}")


def read(path: Path) -> list[Configuration]:
    """Read the variants of a YAML file, in the order of the file.

    Raises:
        ParameterError: The content is not YAML, or not a mapping of valid variants.
        MissingResourceError: The file does not exist.
        InputDataError: The file cannot be read or is not UTF-8.

    """
    try:
        tree = parse_yaml(read_bytes(path).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputDataError(not_utf8(path, error), next_step="save it as UTF-8") from error
    except NOT_YAML as error:
        raise ParameterError(
            not_yaml(path, error), next_step=yaml_step(error, usual="give a YAML file of variants")
        ) from error
    if not isinstance(tree, dict) or not all(isinstance(changes, dict | None) for changes in tree.values()):
        raise ParameterError(
            f"{path}: not a mapping from names to changes",
            next_step='lines such as "small: {base: bert-crf, model.encoder_layers: 2}"',
        )
    # A name without a value is null in YAML, and stands for the unchanged base.
    return [_make(str(name), changes or {}, source=str(path)) for name, changes in tree.items()]


def named(variants: Iterable[Configuration]) -> dict[str, Configuration]:
    """Return the built-in configurations and the variants by name.

    Raises:
        ParameterError: A name is given twice, or ``against`` names no configuration.

    """
    every = dict(CONFIGURATIONS)
    for variant in variants:
        if variant.name in every:
            raise ParameterError(
                f"variant {variant.name}: there is a configuration of this name already", next_step="choose another"
            )
        every[variant.name] = variant
    # Checked when all names are known, because ``against`` may name a later variant.
    for variant in every.values():
        if variant.against not in every:
            raise ParameterError(
                f"variant {variant.name}: against={variant.against}: {name_hint(variant.against, every)}",
                next_step="name a configuration or another variant",
            )
    return every


def _make(name: str, given: Mapping[str, Any], *, source: str) -> Configuration:
    if not _NAME.fullmatch(name):
        raise ParameterError(
            f"{source}: {name!r} is not a valid variant name",
            next_step="use letters, digits, - _ + . and do not begin with - + .",
        )
    base = find(str(given.get("base", "ssmi")))
    own = {key: value for key, value in given.items() if key not in ("base", "against")}
    wrong = [key for key in own if not isinstance(key, str) or "." not in key]  # YAML has keys of other types
    if wrong:
        raise ParameterError(
            f"{source}: {wrong[0]}: neither base, against nor section.key", next_step=f"write it so: {_EXAMPLE}"
        )
    said = ", ".join([base.name, *(f"{key}={value}" for key, value in own.items())])
    return Configuration(name, name, {**base.changes, **own}, said, against=str(given.get("against", BASELINE)))


def _value(raw: str, text: str) -> Any:
    try:
        return parse_yaml(raw)
    except NOT_YAML as error:
        raise ParameterError(
            f"variant {text[:_LONGEST_SHOWN]}: the value {raw[:_LONGEST_SHOWN]} is {value_fault(error)}",
            next_step=yaml_step(error, usual="quote it"),
        ) from error


def as_option(variant: Configuration) -> str:
    """Return the argument of ``--variant`` that gives this configuration."""
    written = dict(zip(variant.changes, variant.values_as_yaml, strict=True))
    within = [each for each in CONFIGURATIONS.values() if each.changes.items() <= variant.changes.items()]
    base = max(within, key=lambda each: len(each.changes))  # ssmi changes nothing, so there is one
    words = [] if base.name == "ssmi" else [f"base={base.name}"]
    words += [] if variant.against == BASELINE else [f"against={variant.against}"]
    words += [f"{path}={value}" for path, value in written.items() if path not in base.changes]
    return f"{variant.name}:{','.join(words)}"
