from __future__ import annotations

import gzip
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.models import FastText, KeyedVectors, Word2Vec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.lexicon.word_vectors import open_vectors


@dataclass(frozen=True)
class Table:
    """The complete content of a file, which no stage holds in memory."""

    words: list[str]
    matrix: np.ndarray
    format: str
    repairs: dict[str, int]
    dropped: dict[str, int]


def read_vectors(path: Path) -> Table:
    words: list[str] = []
    matrices = []
    with open_vectors(path) as reader:
        for block, matrix in reader.blocks():
            assert len(block) == len(matrix) and matrix.shape[1] == reader.width
            words += block
            matrices.append(matrix)
    assert reader.ended and reader.n_rows == len(words) + sum(reader.dropped.values())
    matrix = np.concatenate(matrices) if matrices else np.zeros((0, reader.width), np.float32)
    return Table(words, matrix, reader.format, dict(+reader.repairs), dict(reader.dropped))


WORDS = ["中国", "语言", "南　京", "大学", "a\xa0b", "的"]
MATRIX = np.linspace(-1, 1, 6 * 8, dtype=np.float32).reshape(6, 8)


def _text(rows: list[tuple[str, list[float]]], *, header: str | None = "right") -> bytes:
    lines = [f"{word} " + " ".join(map(repr, values)) for word, values in rows]
    if header is not None:
        lines.insert(0, f"{len(rows)} {len(rows[0][1])}" if header == "right" else header)
    return ("\n".join(lines) + "\n").encode()


def _rows(n: int = 6) -> list[tuple[str, list[float]]]:
    return [(f"{WORDS[i % 6]}{i // 6 or ''}", MATRIX[i % 6].tolist()) for i in range(n)]


def _keyed() -> KeyedVectors:
    table = KeyedVectors(8)
    table.add_vectors(WORDS, MATRIX)
    return table


def _save(path: Path, kind: str) -> Path:
    if kind in ("text", "headless"):
        path.write_bytes(_text(_rows(), header="right" if kind == "text" else None))
    else:
        _keyed().save_word2vec_format(str(path), binary=True)
    return path


@pytest.mark.parametrize(
    ("kind", "form", "repairs"),
    [
        ("text", "word2vec text", {}),
        ("headless", "word2vec text", {"header missing": 1}),
        ("binary", "word2vec binary", {}),
    ],
)
def test_every_format_gives_the_same_rows(kind: str, form: str, repairs: dict[str, int], tmp_path) -> None:
    table = read_vectors(_save(tmp_path / "v.bin", kind))
    assert table.words == WORDS
    np.testing.assert_array_equal(table.matrix, MATRIX)
    assert (table.matrix.dtype, table.format, table.repairs) == (np.float32, form, repairs)


@pytest.mark.parametrize("kind", ["text", "headless", "binary"])
def test_gzip_files_give_the_same_rows(kind: str, tmp_path) -> None:
    plain = _save(tmp_path / "v", kind)
    (tmp_path / "v.gz").write_bytes(gzip.compress(plain.read_bytes()))
    table = read_vectors(tmp_path / "v.gz")
    assert table.words == WORDS
    np.testing.assert_array_equal(table.matrix, MATRIX)


_word = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters=" "), min_size=1, max_size=4)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    words=st.lists(_word, min_size=2, max_size=30),
    width=st.integers(2, 6),
    header=st.booleans(),
    line_end=st.sampled_from(["\n", "\r\n", " \n"]),
    data=st.data(),
)
def test_text_is_read_as_it_was_written(words, width, header, line_end, data, tmp_path) -> None:
    floats = st.lists(st.floats(width=32, allow_nan=False), min_size=width, max_size=width)
    vectors = [data.draw(floats) for _ in words]
    rows = [f"{word} {' '.join(map(repr, vector))}" for word, vector in zip(words, vectors, strict=True)]
    lines = ([f"{len(words)} {width}"] if header else []) + rows
    (tmp_path / "v.txt").write_bytes("".join(line + line_end for line in lines).encode())
    table = read_vectors(tmp_path / "v.txt")
    expected = ["".join(word) for word in words]
    # a byte order mark before the first word of a headless file cannot be distinguished from one that belongs to it
    if not header:
        expected[0] = expected[0].removeprefix("\ufeff")
    if expected[0]:
        assert table.words == expected
        np.testing.assert_array_equal(table.matrix, np.array(vectors, np.float32))


def test_many_rows_are_read_in_blocks(tmp_path) -> None:
    rows = _rows(5000)
    (tmp_path / "v.txt").write_bytes(_text(rows, header="10 8"))
    table = read_vectors(tmp_path / "v.txt")
    assert table.words == [word for word, _ in rows]
    np.testing.assert_array_equal(table.matrix, np.array([vector for _, vector in rows], np.float32))
    assert table.repairs == {"header counts other rows": 1}


def test_repairs_are_counted_by_reason(tmp_path) -> None:
    lines = _text(_rows(1000), header="999 9").split(b"\n")
    lines[5] += b" 0.5"
    lines[6] = b"New York 1 2 3 4 5 6 7 8"
    lines[7] = lines[7][: lines[7].rindex(b" ")]
    lines[8] = lines[8].replace(b" ", b" x", 1)
    lines[9] = b" 1 2 3 4 5 6 7 8"
    lines[10] = b"\xe4\xb8" + lines[10]
    lines[11] = b""
    (tmp_path / "v.txt").write_bytes(b"\xef\xbb\xbf" + b"\n".join(lines))
    table = read_vectors(tmp_path / "v.txt")
    assert table.repairs == {
        "bad bytes": 1,
        "byte order mark": 1,
        "header names another width": 1,
        "words with blanks": 1,
    }
    assert table.dropped == {"empty word": 1, "not a number": 1, "wrong width": 2}
    assert "New York" in table.words
    assert len(table.words) == len(table.matrix) == 1000 - 5
    assert table.words[5].startswith("\ufffd")


def test_duplicate_rows_of_text_are_kept(tmp_path) -> None:
    (tmp_path / "v.txt").write_bytes(_text([*_rows(), *_rows()]))
    assert read_vectors(tmp_path / "v.txt").words == WORDS * 2


def test_duplicate_rows_of_a_binary_file_are_kept(tmp_path, capfd) -> None:
    body = _save(tmp_path / "v.bin", "binary").read_bytes()
    row = body[body.index(b"\n") + 1 :][: len("中国".encode()) + 1 + 4 * 8]
    (tmp_path / "v.bin").write_bytes(body.replace(b"6 8", b"7 8", 1) + row)
    table = read_vectors(tmp_path / "v.bin")
    assert table.words == [*WORDS, "中国"] and table.repairs == {}
    np.testing.assert_array_equal(table.matrix, [*MATRIX, MATRIX[0]])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("n", [1023, 1024, 1025, 3000])
def test_binary_files_are_read_row_by_row_with_or_without_newlines(n: int, tmp_path) -> None:
    words = [f"词{number}" * (1 + number % 40) for number in range(n)]
    matrix = np.arange(n * 150, dtype=np.float32).reshape(n, 150)  # 150 numbers: rows cross the limits of read blocks
    for row_end in (b"", b"\n"):
        rows = [word.encode() + b" " + row.tobytes() + row_end for word, row in zip(words, matrix, strict=True)]
        (tmp_path / "v.bin").write_bytes(f"{n} 150\n".encode() + b"".join(rows))
        table = read_vectors(tmp_path / "v.bin")
        assert table.words == words
        np.testing.assert_array_equal(table.matrix, matrix)


def test_bad_bytes_in_binary_words_are_replaced_and_counted(tmp_path) -> None:
    body = _save(tmp_path / "v.bin", "binary").read_bytes()
    (tmp_path / "v.bin").write_bytes(body.replace("语言".encode(), "语言".encode()[:-1] + b"\xff"))
    table = read_vectors(tmp_path / "v.bin")
    assert len(table.words) == 6 and "\ufffd" in table.words[1]
    assert table.repairs == {"bad bytes": 1}


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b"2 3\na 1 2 3\nb 1 2\n", 3),
        (b"2 3\na 1 2\nb 1 2 3\n", 2),
        (b"a 1 2 3\nb 1 2\nc 1 2 3\n", 2),
        (b"1 3\na 1 2\n", 2),
        (b"a 1 2\n" * 50 + b"b 1\n" + b"a 1 2\n" * 20, 51),
        (b"a 1 2\n" * 50 + b"b 1 x\n" + b"a 1 2\n" * 20, 51),
        (b"2 0\na\nb\n", 2),
        (b"just words\nin a file\n", 1),
        ("一些文字。\n更多\n".encode(), 1),
        (b"word,1,2\nother,3,4\n", 1),
    ],
)
def test_invalid_files_are_refused_with_the_line_number(body: bytes, line: int, tmp_path) -> None:
    (tmp_path / "v.txt").write_bytes(body)
    with pytest.raises(InputDataError, match=rf"v\.txt:{line}: "):
        read_vectors(tmp_path / "v.txt")


ROW = " 1 2 3 4 5 6 7 8"


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("place", [0, 1, 7, 19])
@pytest.mark.parametrize("phrase", ["New York", "电子 商务", "a  b c", "iPhone 4", "iPhone 4 5"])
def test_words_with_blanks_are_read_at_any_position(header: bool, place: int, phrase: str, tmp_path) -> None:
    words = [f"词{number}" for number in range(18)]
    words[place:place] = [phrase, phrase]
    lines = ([f"{len(words)} 8"] if header else []) + [word + ROW for word in words]
    (tmp_path / "v.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = read_vectors(tmp_path / "v.txt")
    assert table.words == words and table.dropped == {}
    assert table.repairs == {"words with blanks": 2} | ({} if header else {"header missing": 1})


def test_an_extra_number_does_not_become_part_of_the_word(tmp_path) -> None:
    lines = ["".join((f"词{number}", ROW)) for number in range(400)]
    lines[200] = "北京 0.25" + ROW
    (tmp_path / "v.txt").write_text("\n".join(["400 8", *lines]), encoding="utf-8")
    table = read_vectors(tmp_path / "v.txt")
    assert table.dropped == {"wrong width": 1} and not any("北京" in word for word in table.words)


def test_tabs_may_separate_the_fields(tmp_path) -> None:
    (tmp_path / "v.tsv").write_text("中国\t1\t2\n北京\t3\t4\n", encoding="utf-8")
    table = read_vectors(tmp_path / "v.tsv")
    assert table.words == ["中国", "北京"] and table.matrix.tolist() == [[1, 2], [3, 4]]
    assert table.repairs == {"header missing": 1}


def test_only_the_rows_that_were_read_are_checked(tmp_path) -> None:
    lines = ["中国" + ROW] * 2000 + ["no numbers at all"] * 5000
    (tmp_path / "v.txt").write_text("\n".join(["7000 8", *lines]), encoding="utf-8")
    with open_vectors(tmp_path / "v.txt") as reader:
        words, _ = next(iter(reader.blocks()))
    assert (len(words), reader.n_rows, reader.n_in_header, reader.ended) == (1024, 1024, 7000, False)
    with pytest.raises(InputDataError, match=r"v\.txt:2002: not 8 numbers; 5000 of 7000 rows are wrong"):
        read_vectors(tmp_path / "v.txt")


def test_an_overlong_line_is_refused(tmp_path) -> None:
    (tmp_path / "v.txt").write_bytes(b"a 1 2\nb 1 2\nc" + b" 1" * (1 << 19) + b" 1\n")
    with pytest.raises(InputDataError, match=r"v\.txt:3: over"):
        read_vectors(tmp_path / "v.txt")


@pytest.mark.parametrize("body", [b"", b"\n\n", b"100 8\n", b"\x7fELF\x02\x01\x01" + bytes(99), b"0 8\n\x00\x01"])
def test_a_file_without_vectors_is_refused(body: bytes, tmp_path) -> None:
    (tmp_path / "v.txt").write_bytes(body)
    with pytest.raises(InputDataError, match=r"v\.txt: .*no vectors"):
        read_vectors(tmp_path / "v.txt")


def test_a_missing_file_is_refused(tmp_path) -> None:
    with pytest.raises(InputDataError, match="no such file"):
        read_vectors(tmp_path / "v.txt")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("fraction", [0.5, 0.9, 0.99])
def test_a_truncated_binary_is_refused(fraction: float, packed: bool, tmp_path) -> None:
    body = _save(tmp_path / "whole", "binary").read_bytes()
    body = body[: int(len(body) * fraction)]
    path = tmp_path / ("v.bin.gz" if packed else "v.bin")
    path.write_bytes(gzip.compress(body) if packed else body)
    with pytest.raises(InputDataError, match=rf"{path.name}: ends at byte {path.stat().st_size}"):
        read_vectors(path)


def test_a_header_with_too_many_rows_allocates_no_memory(tmp_path) -> None:
    body = _save(tmp_path / "v.bin", "binary").read_bytes()
    for name, pack in (("v.bin", bytes), ("v.bin.gz", gzip.compress)):
        (tmp_path / name).write_bytes(pack(body.replace(b"6 8", b"99999999999 8", 1)))
        with pytest.raises(InputDataError, match="ends at byte"):
            read_vectors(tmp_path / name)


def test_more_rows_than_in_the_header_are_refused(tmp_path) -> None:
    body = _save(tmp_path / "v.bin", "binary").read_bytes()
    (tmp_path / "v.bin").write_bytes(body.replace(b"6 8", b"5 8", 1))
    with pytest.raises(InputDataError, match="bytes after byte"):
        read_vectors(tmp_path / "v.bin")


@pytest.mark.parametrize("kind", ["text", "binary"])
def test_a_truncated_gzip_stream_is_refused(kind: str, tmp_path) -> None:
    body = gzip.compress(_save(tmp_path / "v", kind).read_bytes())
    (tmp_path / "v.gz").write_bytes(body[:-30])
    with pytest.raises(InputDataError, match=r"v\.gz"):
        read_vectors(tmp_path / "v.gz")


# --- pickles ----------------------------------------------------------------------------------------------------------


class _Attack:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.target),))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("packed", [False, True])
def test_a_pickle_is_refused_unopened_with_a_way_to_convert_it(tmp_path, protocol: int, packed: bool) -> None:
    body = pickle.dumps({"vectors": _Attack(tmp_path / "ran")}, protocol)
    (tmp_path / "v.kv").write_bytes(gzip.compress(body) if packed else body)
    with pytest.raises(InputDataError, match=r"v\.kv: a pickle") as refused:
        read_vectors(tmp_path / "v.kv")
    assert "KeyedVectors.load('v.kv').save_word2vec_format" in refused.value.next_step
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["vectors", "model", "fastText"])
def test_converting_gensim_files_as_suggested_works(tmp_path, kind: str) -> None:
    table = _keyed()
    if kind == "vectors":
        table.save(str(tmp_path / "v.kv"), sep_limit=0, separately=["vectors"])
    else:
        model = {"model": Word2Vec, "fastText": FastText}[kind](
            [WORDS], vector_size=8, min_count=1, epochs=1, workers=1
        )
        table = model.wv
        model.save(str(tmp_path / "v.kv"))
    with pytest.raises(InputDataError, match=r"v\.kv: a pickle"):
        read_vectors(tmp_path / "v.kv")
    if kind == "vectors":
        table = KeyedVectors.load(str(tmp_path / "v.kv"))
    table.save_word2vec_format(str(tmp_path / "words.bin"), binary=True)
    read = read_vectors(tmp_path / "words.bin")
    np.testing.assert_array_equal(read.matrix, table.vectors)
    assert read.words == table.index_to_key


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    kind=st.sampled_from(["binary", "text"]),
    position=st.floats(0, 1),
    truncated=st.booleans(),
    value=st.binary(max_size=3),
)
def test_damaged_files_never_end_in_a_traceback(
    kind: str, position: float, truncated: bool, value: bytes, tmp_path
) -> None:
    path = _save(tmp_path / "v.bin", kind)
    body = path.read_bytes()
    place = int(position * (len(body) - 1))
    path.write_bytes(body[:place] + value + (b"" if truncated else body[place + len(value) :]))
    try:
        table = read_vectors(path)
    except InputDataError as error:
        assert str(path) in error.message
    else:
        assert len(table.words) == len(table.matrix)


# --- real files -------------------------------------------------------------------------------------------------------


@pytest.mark.assets
def test_the_default_vectors_are_read_completely() -> None:
    from ssmi.pipeline.assets.resolve import find_vectors
    from ssmi.pipeline.contract.progress import Silent

    file = find_vectors("synonyms", root=Path(), reporter=Silent())
    table = read_vectors(file.path)
    assert file.sha256 == "b5eaa5e6e807ddfc4f63df5ddec5653e36da582ad13e254218524404e6e1ee31"
    assert table.matrix.shape == (125_796, 100) and len(table.words) == 125_796
    assert (table.format, table.repairs) == ("word2vec binary", {})
    assert "语言学" in table.words
