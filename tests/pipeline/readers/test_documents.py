"""Office files, PDFs and archives are refused by every reader, with what to save them as."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.readers import read_sentences
from ssmi.pipeline.readers.texts import read_texts


@pytest.mark.parametrize("name", ["a.xlsx", "a.DOCX", "a.pdf", "a.rtf.gz"])
def test_documents_are_refused_by_their_names_as_texts_and_as_labelled_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("京 B-LOC\n", encoding="utf-8")
    with pytest.raises(InputDataError, match=r"by its name (Office|PDF), not plain text") as caught:
        list(read_texts(path, field="text"))
    assert "text" in caught.value.next_step
    with pytest.raises(InputDataError, match=r"by its name (Office|PDF), not a text format") as caught:
        list(read_sentences(path)[0])
    assert caught.value.next_step.startswith(f"save {name} as a.")


def test_a_spreadsheet_becomes_csv_and_a_document_plain_text(tmp_path: Path) -> None:
    for name, expected in (("t.ods", "save t.ods as t.csv"), ("t.odt", "save t.odt as t.bmes")):
        with pytest.raises(InputDataError) as caught:
            read_sentences(tmp_path / name)
        assert caught.value.next_step.startswith(expected)


def _zipped(text: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("train.bio", text)
    return packed.getvalue()


def _zstd(text: bytes) -> bytes:
    return bytes(pa.compress(text, codec="zstd", asbytes=True))


def _tar(text: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        info = tarfile.TarInfo("train.bio")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))
    return packed.getvalue()


ROWS = "京 B-LOC\n城 I-LOC\n".encode()
PACKED = [
    pytest.param(_zipped(ROWS), "a zip archive", "unpack a .zip first", id="zip"),
    pytest.param(_tar(ROWS), "a tar archive", "unpack it first", id="tar"),
    pytest.param(gzip.compress(_tar(ROWS)), "a tar archive", "unpack it first", id="tar.gz"),
    pytest.param(lzma.compress(ROWS), "packed with xz", "unpack it first", id="xz"),
    pytest.param(bz2.compress(ROWS), "packed with bzip2", "unpack it first", id="bzip2"),
    pytest.param(bz2.compress(b"", 1), "packed with bzip2", "unpack it first", id="bzip2-empty"),
]


@pytest.mark.parametrize(
    ("data", "what", "step"), [*PACKED, pytest.param(_zstd(ROWS), "packed with zstd", "unpack it")]
)
@pytest.mark.parametrize("name", ["train.bio", "train.json", "train.csv", "train.txt"])
def test_archives_are_named_and_not_taken_for_text_in_another_encoding(
    tmp_path: Path, data: bytes, what: str, step: str, name: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputDataError) as caught:
        list(read_sentences(tmp_path / name)[0])
    assert caught.value.message.startswith(f"{tmp_path / name}: {what}") and caught.value.next_step.startswith(step)


@pytest.mark.parametrize(("data", "what", "step"), PACKED)
def test_archives_are_no_texts(tmp_path: Path, data: bytes, what: str, step: str) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(InputDataError, match=what) as caught:
        list(read_texts(tmp_path / "a.txt", field="text"))
    assert caught.value.next_step.startswith(step)


@pytest.mark.parametrize("name", ["train.bio", "train.json", "train.csv", "train.parquet", "a.txt", "a.parquet"])
def test_git_lfs_pointers_are_named(tmp_path: Path, lfs_pointer: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(lfs_pointer)
    with pytest.raises(InputDataError, match=f"{name}: a Git LFS pointer") as caught:
        list(read_texts(tmp_path / name, field="text") if name.startswith("a.") else read_sentences(tmp_path / name)[0])
    assert caught.value.next_step.endswith("git lfs pull")


def test_a_text_may_begin_with_the_letters_of_an_archive(tmp_path: Path) -> None:
    for text in ("BZh91 B-ORG\n", "Rar! O\n", "PAR1 B-GENE\n", "%PDF O\n"):
        (tmp_path / "train.bio").write_text(text * 2)
        assert len(list(read_sentences(tmp_path / "train.bio")[0])) == 1
    for text in ("PAR1受体\n", "%PDF格式\n"):
        (tmp_path / "a.txt").write_text(text, encoding="utf-8")
        assert [one.text for one in read_texts(tmp_path / "a.txt", field="text")] == [text.strip()]
