"""Errors of YAML in one line, with the line of the file if the parser gives one."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ssmi.pipeline.contract.text.yaml_text import NOT_YAML, not_yaml


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
        ("a: 2020-13-45", "p.yaml: not YAML (month must be in 1..12"),
        ("a: \x00", "p.yaml: not YAML ("),
    ],
)
def test_a_message_has_the_line_and_the_reason(text: str, message: str) -> None:
    with pytest.raises(NOT_YAML) as caught:
        YAML(typ="safe").load(text)
    result = not_yaml(Path("p.yaml"), caught.value)
    assert result.startswith(message) and "\n" not in result


def test_bytes_that_are_not_utf8_are_placed(tmp_path: Path) -> None:
    with pytest.raises(NOT_YAML) as caught:
        "a: 1\nb: 中".encode("gb18030").decode("utf-8")
    message = not_yaml(tmp_path / "p.yaml", caught.value)
    assert message.startswith(f"{tmp_path / 'p.yaml'}:2: not UTF-8 (byte 4 of the line is 0xd6: ")
