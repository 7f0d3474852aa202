"""Tagging files from Python gives what the command line writes for the same files."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, ParameterError

SENTENCE = "吴重阳先生毕业于北京大学，任公司董事长。"


@pytest.fixture(scope="module")
def tagger(tagging_project: Any) -> ssmi.Tagger:
    return ssmi.open_project(tagging_project.root).open_run(device="cpu")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"id": n, "content": SENTENCE[n:]}) + "\n" for n in range(3)), encoding="utf-8")
    return path


@pytest.mark.parametrize("form", ["jsonl", "conll", "doccano", "label-studio"])
def test_rows_equal_those_of_the_command(tagging_project: Any, tagger: ssmi.Tagger, file: Path, form: str) -> None:
    outcome = tagging_project.ssmi(
        "predict", str(file), "--field", "content", "--format", form, "--min-score", "0.3", "--device", "cpu"
    )
    assert outcome.code == 0, outcome.stderr
    pieces = ssmi.predict_files(tagger, [file], field="content", format=form, min_score=0.3)
    assert "".join(pieces) == outcome.stdout


def test_entities_equal_those_of_the_tagger(tagger: ssmi.Tagger, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"{SENTENCE}\n\n{SENTENCE[3:]}\n", encoding="gb18030")
    rows = [json.loads(piece) for piece in ssmi.predict_files(tagger, [str(path)], encoding="gbk", batch_characters=1)]
    assert [row["text"] for row in rows] == [SENTENCE, "", SENTENCE[3:]]
    assert [[entity["text"] for entity in row["entities"]] for row in rows] == [
        [entity.text for entity in tagger(row["text"])] for row in rows
    ]
    assert "source" not in rows[0]["entities"][0]


def test_a_pipe_is_read_as_a_file_is(tagger: ssmi.Tagger, tmp_path: Path) -> None:
    pipe, file = tmp_path / "pipe", tmp_path / "file"
    os.mkfifo(pipe)
    file.write_text(f"{SENTENCE}\n{SENTENCE[3:]}\n", encoding="utf-8")
    with ThreadPoolExecutor(1) as pool:
        pieces = ssmi.predict_files(tagger, [pipe, file])
        writing = pool.submit(pipe.write_bytes, file.read_bytes())  # waits for the reader
        assert "".join(pieces) == 2 * "".join(ssmi.predict_files(tagger, [file]))
        assert writing.result() == file.stat().st_size


def test_rows_have_a_source_with_user_entities(tagging_project: Any, tagger: ssmi.Tagger, file: Path) -> None:
    # What the tests' small network finds differs slightly between processors, and its entities take precedence.
    taken_text = "".join(entity.text for entity in tagger(SENTENCE))
    free_character = next(character for character in SENTENCE if character not in taken_text)
    tagger_with_entities = ssmi.open_project(tagging_project.root).open_run(
        device="cpu", entities={free_character: "TITLE"}
    )
    row, *_ = (json.loads(piece) for piece in ssmi.predict_files(tagger_with_entities, [file], field="content"))
    assert {entity["text"] for entity in row["entities"] if entity["source"] == "file"} == {free_character}
    assert {entity["source"] for entity in row["entities"]} == {"model", "file"}


def test_invalid_arguments_are_refused_before_anything_is_read(tagger: ssmi.Tagger, file: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"format 'jsonll': did you mean 'jsonl'"):
        ssmi.predict_files(tagger, [file], format="jsonll")
    with pytest.raises(ParameterError, match="not a probability"):
        ssmi.predict_files(tagger, [file], min_score=1.5)
    for name in ("a.txt", "a.pdf"):
        (tmp_path / name).write_text(SENTENCE, encoding="utf-8")
    with pytest.raises(ParameterError, match=r"^field: plain text has no fields"):
        ssmi.predict_files(tagger, [tmp_path / "a.txt"], field="content")
    with pytest.raises(ParameterError, match="encoding 'nonsense'"):
        ssmi.predict_files(tagger, [file], encoding="nonsense")
    with pytest.raises(InputDataError, match="PDF"):
        ssmi.predict_files(tagger, [tmp_path / "a.pdf"], field="content")
    with pytest.raises(MissingResourceError):
        ssmi.predict_files(tagger, [tmp_path / "nowhere.txt"])


def test_a_run_can_be_packed_from_python(tagging_project: Any, tmp_path: Path) -> None:
    project = ssmi.open_project(tagging_project.root)
    files = project.export(out=tmp_path / "pack")
    assert files == {name: (tmp_path / "pack" / name).stat().st_size for name in files} and len(files) > 5
    tagger = ssmi.open_run(tmp_path / "pack", device="cpu")
    assert tagger(SENTENCE) == project.open_run(device="cpu")(SENTENCE)
    assert tagger.run == tmp_path / "pack"
    with pytest.raises(ParameterError, match="already exists"):
        project.export(out=tmp_path / "pack")
