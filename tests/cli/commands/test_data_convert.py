"""``ssmi-cli data convert``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ssmi.cli.commands.data_convert import READ, WRITTEN
from ssmi.cli.main import cli
from ssmi.pipeline.contract.errors import InputDataError, SsmiError
from ssmi.pipeline.readers.registry import FORMATS as READERS
from ssmi.pipeline.writers import FORMATS as WRITERS


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["data", "convert", *map(str, arguments)])


def test_all_formats_are_offered() -> None:
    assert set(READ) == {entry.name for entry in READERS}
    assert set(WRITTEN) == set(WRITERS)


def test_a_summary_of_the_conversion_is_printed(tmp_path: Path) -> None:
    source, target = tmp_path / "in.json", tmp_path / "out.bio"
    tokens = list("东海银行的胃和食管癌")
    entities = [
        {"index": [0, 1, 2, 3], "type": "ORG"},
        {"index": [0, 1], "type": "LOC"},
        {"index": [5, 9], "type": "DIS"},
    ]
    source.write_text(json.dumps([{"sentence": tokens, "ner": entities}]), encoding="utf-8")
    result = run(source, target, "--format", "conll", "--scheme", "BMES")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == f"{target}: 1 sentence, 1 entity (read as w2ner)"
    assert "1 discontinuous-entity" in lines[1]
    assert "1 overlapping-entity" in lines[1]
    rows = target.read_text(encoding="utf-8").splitlines()
    assert rows[:5] == ["东\tB-ORG", "海\tM-ORG", "银\tM-ORG", "行\tE-ORG", "的\tO"]


def test_options_determine_how_the_source_is_read(tmp_path: Path) -> None:
    source, target = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_bytes("李/nr 明/nr 在/p 京/ns\n".encode("gb18030"))
    with pytest.raises(InputDataError, match="not UTF-8"):
        raise run(source, target, "--format", "jsonl").exception or AssertionError
    assert not target.exists()
    options = ("--format", "doccano", "--encoding", "gb18030", "--input-format", "slash")
    assert run(source, target, *options, "--tag-map", "nr=PER").exit_code == 0
    assert target.read_text(encoding="utf-8") == '{"text": "李明在京", "label": [[0, 2, "PER"]]}\n'
    tag_map = tmp_path / "map.yaml"
    tag_map.write_text("nr: PER\nns: LOC\n", encoding="utf-8")
    assert run(source, target, *options, "--tag-map", tag_map).exit_code == 0
    assert target.read_text(encoding="utf-8") == '{"text": "李明在京", "label": [[0, 2, "PER"], [3, 4, "LOC"]]}\n'


def test_numeric_tags_are_named_by_labels(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.txt"
    source.write_text('{"tokens": ["李", "明"], "ner_tags": [1, 2]}\n', encoding="utf-8")
    assert run(source, target, "--format", "bracket", "--labels", "O, B-PER, I-PER").exit_code == 0
    assert target.read_text(encoding="utf-8") == "[李明|PER]\n"


def test_offsets_can_count_utf16_units(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.txt"
    source.write_text('{"text": "😀李明在", "label": [[2, 4, "PER"]]}\n', encoding="utf-8")
    assert run(source, target, "--format", "bracket", "--offsets", "utf16").exit_code == 0
    assert target.read_text(encoding="utf-8") == "😀[李明|PER]在\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tag-map", "nr=,ns=LOC"], "'nr=,ns=LOC': not a file, and not pairs of types"),
        (["--encoding", "gb18031"], "encoding 'gb18031' is not known, did you mean 'gb18030'?"),
        (["--encoding", "unicode_escape"], "encoding 'unicode_escape' is not known"),
        (["--offsets", "bytes"], "offsets"),
        (["--tag-map", "PER=A\nB"], "tag_map.PER: 'A\\nB' is empty or holds a control character"),
        (["--labels", "O,,B-PER"], "labels, entry 2: '' is empty"),
    ],
)
def test_invalid_options_are_refused(tmp_path: Path, arguments: list[str], message: str) -> None:
    source = tmp_path / "in.txt"
    source.write_text("京 B-LOC\n", encoding="utf-8")
    result = run(source, tmp_path / "out", "--format", "jsonl", *arguments)
    code = result.exception.exit_code if isinstance(result.exception, SsmiError) else result.exit_code
    assert code == 2
    assert message in result.output + str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]
