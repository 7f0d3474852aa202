"""JSON files of a run: contents are read back unchanged, and every mistake is reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ssmi.model.runs import json_files
from ssmi.model.runs.json_files import JsonBody
from ssmi.pipeline.contract.storage.digests import seal


class Body(JsonBody):
    name: str
    loss: float
    steps: tuple[int, ...] = ()


def test_content_is_read_back_exactly(tmp_path: Path) -> None:
    body = Body(name="甲", loss=0.1 + 0.2, steps=(1, 2))
    json_files.write(tmp_path / "a.json", body)
    assert json_files.read(tmp_path / "a.json", Body) == body
    assert "甲" in (tmp_path / "a.json").read_text(encoding="utf-8")


def _sealed(**body: object) -> str:
    return json.dumps(seal(body))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_sealed(name="a", loss=1, extra=2), "extra: unknown key"),
        (_sealed(name="a"), "loss: missing"),
        (_sealed(name="a", loss="much", steps=["x"]), "loss: .*; steps, entry 1: "),
        (_sealed(name="a", loss=1).replace('"a"', '"b"'), "its content does not match its digest"),
        ('{"name": "a", "loss": 1}', "its digest is missing"),
        ("[]", "not an object"),
        ("{", "Expecting property name"),
    ],
)
def test_mistakes_are_reported(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        json_files.read(tmp_path / "a.json", Body)
