"""Errors of YAML in one line, with the line of the file if the parser gives one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ssmi.pipeline.contract.text.yaml_text import NOT_YAML, commented_yaml, not_yaml, parse_yaml, value_fault, yaml_step


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: 1\nb: [1,\n",
            "p.yaml:3: not YAML (expected the node content, but found '<stream end>')",
        ),
        (
            "a: {}\nb: 2\na: {}\n",
            'p.yaml:3: not YAML (found duplicate key "a" while constructing a mapping that begins in line 1)',
        ),
        (
            'a: "x\nb: 1\n',
            "p.yaml:3: not YAML (found unexpected end of stream while scanning a quoted scalar that begins in line 1)",
        ),
        ("a: 1\nb: !!python/object:os.system {}", "p.yaml:2: not YAML (could not determine a constructor for the tag"),
        ("a: 1\nb: 2020-13-45", "p.yaml:2: not YAML (2020-13-45 is not of type timestamp: month must be in 1..12"),
        ("a:\n  - !!bool maybe", "p.yaml:2: not YAML (maybe is not of type bool)"),
        ("a: !!int x", "p.yaml:1: not YAML (x is not of type int: "),
        ("a: 1\nb: !!set {x, y}", "p.yaml:2: a set, which has no order"),
        ("a: \x00", "p.yaml: not YAML ("),
        (f"a: 1\nb: {'9' * 5000}", "p.yaml:2: a number of thousands of digits"),
    ],
)
def test_a_message_has_the_line_and_the_reason(text: str, message: str) -> None:
    with pytest.raises(NOT_YAML) as caught:
        parse_yaml(text)
    result = not_yaml(Path("p.yaml"), caught.value)
    assert result.startswith(message) and "\n" not in result


@pytest.mark.parametrize("parse", [parse_yaml, lambda text: commented_yaml().load(text)], ids=["plain", "commented"])
def test_a_value_that_is_not_of_its_type_has_its_line(parse: Callable[[str], object]) -> None:
    with pytest.raises(NOT_YAML) as caught:
        parse("a: 1\nb:\n  - 2020-13-45\n")
    assert not_yaml(Path("p.yaml"), caught.value).startswith("p.yaml:3: not YAML (2020-13-45 is not of type timestamp")


@pytest.mark.parametrize("parse", [parse_yaml, lambda text: commented_yaml().load(text)], ids=["plain", "commented"])
@pytest.mark.parametrize("text", ["a: !!set {x, y}", "a: !!set x", "a:\n  - !!set {x}"])
def test_sets_are_refused_because_they_have_no_order(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(NOT_YAML) as caught:
        parse(text)
    assert value_fault(caught.value) == "a set, which has no order"
    assert yaml_step(caught.value, usual="quote it") == "write a list"


def test_bytes_that_are_not_utf8_are_placed(tmp_path: Path) -> None:
    with pytest.raises(NOT_YAML) as caught:
        "a: 1\nb: 中".encode("gb18030").decode("utf-8")
    message = not_yaml(tmp_path / "p.yaml", caught.value)
    assert message.startswith(f"{tmp_path / 'p.yaml'}:2: not UTF-8 (byte 4 of the line is 0xd6: ")
