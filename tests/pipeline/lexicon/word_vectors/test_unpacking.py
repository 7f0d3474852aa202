"""Compressed and archived vectors, recognised by their first bytes; ambiguous and unsupported archives are refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.lexicon.word_vectors import open_vectors
from ssmi.pipeline.lexicon.word_vectors.unpacking import MAX_RATIO, RATIO_FROM

WORDS = ["中国", "语言", "大学"]
TEXT = "3 4\n中国 1 2 3 4\n语言 5 6 7 8\n大学 9 10 11 12\n".encode()
MATRIX = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
BINARY = b"3 4\n" + b"".join(word.encode() + b" " + row.tobytes() for word, row in zip(WORDS, MATRIX, strict=True))
README = b"Chinese word vectors, version 2\nSee http://example.org\n"

Files = dict[str, bytes]


def zipped(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return out.getvalue()


def tarred(files: Files) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return out.getvalue()


def tar_gz(files: Files) -> bytes:
    return gzip.compress(tarred(files))


def tar_xz(files: Files) -> bytes:
    return lzma.compress(tarred(files))


ARCHIVES: dict[str, Callable[[Files], bytes]] = {
    "zip": zipped,
    "tar": tarred,
    "tar in gzip": tar_gz,
    "tar in xz": tar_xz,
}


def read(path: Path) -> tuple[list[str], str, str, str]:
    words: list[str] = []
    with open_vectors(path) as reader:
        for block, matrix in reader.blocks():
            words += block
            np.testing.assert_array_equal(matrix, MATRIX)
    return words, reader.format, reader.file.container, reader.file.member


@pytest.mark.parametrize("body", [TEXT, BINARY], ids=["text", "binary"])
@pytest.mark.parametrize(
    ("container", "pack"),
    [
        ("gzip", gzip.compress),
        ("bzip2", bz2.compress),
        ("xz", lzma.compress),
        ("bzip2 in gzip", lambda body: gzip.compress(bz2.compress(body))),
    ],
)
def test_compressed_files_are_read_regardless_of_their_name(container: str, pack, body: bytes, tmp_path) -> None:
    (tmp_path / "vectors.txt").write_bytes(pack(body))
    form = "word2vec text" if body is TEXT else "word2vec binary"
    assert read(tmp_path / "vectors.txt") == (WORDS, form, container, "")


@pytest.mark.parametrize("body", [TEXT, BINARY], ids=["text", "binary"])
@pytest.mark.parametrize("container", ARCHIVES)
def test_the_only_archive_member_with_vectors_is_read(container: str, body: bytes, tmp_path) -> None:
    files = {
        "./README.txt": README,
        "./zh/vectors": body,
        "__MACOSX/._vectors": TEXT,
        ".DS_Store": b"\0\1",
        "empty": b"",
    }
    (tmp_path / "v").write_bytes(ARCHIVES[container](files))
    assert read(tmp_path / "v")[2:] == (container, "./zh/vectors")
    with open_vectors(tmp_path / "v") as reader:
        assert reader.file.passed_over == ("./README.txt",)


def test_a_compressed_member_is_read(tmp_path) -> None:
    (tmp_path / "v.zip").write_bytes(zipped({"v.bz2": bz2.compress(TEXT), "LICENSE": README}))
    assert read(tmp_path / "v.zip") == (WORDS, "word2vec text", "bzip2 in zip", "v.bz2")


def test_a_member_without_a_name_is_skipped(tmp_path) -> None:
    body = zipped({"x": README, "words.txt": TEXT})
    body = body.replace(b"x" + README, b"\0" + README)
    entry = body.index(b"PK\x01\x02")
    (tmp_path / "v.zip").write_bytes(body[: entry + 46] + b"\0" + body[entry + 47 :])
    assert read(tmp_path / "v.zip")[3] == "words.txt"


@pytest.mark.parametrize("container", ARCHIVES)
@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"wiki.vec": TEXT, "wiki.bin": BINARY, "README": README},
            r"2 files in it may hold vectors \(wiki.bin, wiki.vec\)",
        ),
        ({"a.txt": README, "b.md": README}, r"no file in it holds vectors \(a.txt, b.md\)"),
        ({"empty": b""}, r"no file in it holds vectors \(nothing\)"),
        ({f"{number}.txt": TEXT for number in range(1001)}, "over 1000 files in it"),
    ],
)
def test_archives_without_exactly_one_vector_file_are_refused(
    container: str, files: Files, message: str, tmp_path
) -> None:
    (tmp_path / "v").write_bytes(ARCHIVES[container](files))
    with pytest.raises(InputDataError, match=message) as caught:
        read(tmp_path / "v")
    assert "unpack it" in caught.value.next_step


def test_messages_name_the_member_and_the_line(tmp_path) -> None:
    (tmp_path / "v.zip").write_bytes(zipped({"zh.txt": TEXT + b"a 1 2\n"}))
    with pytest.raises(InputDataError, match=r"v\.zip/zh\.txt:5: not 4 numbers"):
        read(tmp_path / "v.zip")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\x28\xb5\x2f\xfd" + bytes(99), "zstd"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(99), "7z"),
        (b"Rar!\x1a\x07" + bytes(99), "rar"),
        (gzip.compress(zipped({"v": TEXT})), "a zip in gzip"),
    ],
)
def test_unsupported_containers_are_refused_by_name(body: bytes, message: str, tmp_path) -> None:
    (tmp_path / "v").write_bytes(body)
    with pytest.raises(InputDataError, match=message) as caught:
        read(tmp_path / "v")
    assert "unpack it" in caught.value.next_step


@pytest.mark.parametrize("index", [0, 1])  # in the local header, in the central directory
def test_a_member_name_with_a_false_utf_8_flag_is_refused(index: int, tmp_path) -> None:
    path = tmp_path / "v.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("词.txt", "词语 0.5 0.5\n语词 0.5 0.25\n")
    first, between, last = path.read_bytes().split("词.txt".encode())
    names = ["词.txt".encode(), "词.txt".encode()]
    names[index] = b"\x80\xa0\x80.txt"
    path.write_bytes(first + names[0] + between + names[1] + last)
    with pytest.raises(InputDataError, match=r"v\.zip"):
        read(path)


def test_an_encrypted_member_is_refused(tmp_path) -> None:
    body = bytearray(zipped({"v": TEXT}))
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        body[body.index(mark) + flags] |= 1
    (tmp_path / "v.zip").write_bytes(body)
    with pytest.raises(InputDataError, match="v in it needs a password"):
        read(tmp_path / "v.zip")


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, *(lambda b, p=p: p({"v": b}) for p in ARCHIVES.values())]
)
@pytest.mark.parametrize("fraction", [0.3, 0.6])
def test_truncated_containers_are_refused(pack, fraction: float, tmp_path) -> None:
    rows = np.random.default_rng(3).normal(size=(400, 4))
    body = pack("".join(f"词{n} {' '.join(map(str, row))}\n" for n, row in enumerate(rows)).encode())
    (tmp_path / "v").write_bytes(body[: int(len(body) * fraction)])
    with pytest.raises(InputDataError, match="/v"):
        read(tmp_path / "v")


def test_decompression_bombs_are_refused(tmp_path) -> None:
    row = b"w " + bytes(4 * 1000)
    n = RATIO_FROM // len(row) + 100
    body = gzip.compress(f"{n} 1000\n".encode() + row * n, 1)
    assert len(body) * MAX_RATIO < RATIO_FROM
    (tmp_path / "v.gz").write_bytes(body)
    with open_vectors(tmp_path / "v.gz") as reader, pytest.raises(InputDataError, match="unpacks to over 200 times"):
        for _ in reader.blocks():
            pass


def test_reading_an_archive_writes_no_files(tmp_path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "v.tar").write_bytes(tarred({"../../out.txt": TEXT, "/tmp/x": README}))
    assert read(tmp_path / "in" / "v.tar")[3] == "../../out.txt"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["in", "v.tar"]
