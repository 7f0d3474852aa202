"""word2vec text: how the width is determined, and how numbers and words are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.lexicon.word_vectors import VectorReader, open_vectors


def _read(path: Path) -> tuple[VectorReader, list[str], np.ndarray]:
    words: list[str] = []
    blocks = []
    with open_vectors(path) as reader:
        for block, matrix in reader.blocks():
            words += block
            blocks.append(matrix)
    return reader, words, np.concatenate(blocks)


@pytest.mark.parametrize(
    ("header", "widths", "expected_width"),
    [
        ("4 3", [3, 3, 3, 3], 3),
        ("4 9", [3, 3, 3, 3], 3),  # no row has the width of the header
        ("1 9", [3], None),  # a single row: the header is trusted and the row is wrong
        (None, [2, 3, 3, 3], 3),
        ("300 3", [3] * 200 + [2] * 2, 3),
        ("810 3", [4] * 8 + [3] * 802, 3),  # two of the first ten rows suffice to confirm the header
    ],
)
def test_the_width_is_that_of_the_header_or_of_most_rows(
    tmp_path: Path, header: str | None, widths: list[int], expected_width: int | None
) -> None:
    lines = [header] if header else []
    lines += [f"词{n} " + " ".join(["0.5"] * width) for n, width in enumerate(widths)]
    (tmp_path / "v.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    n_wrong = sum(width != expected_width for width in widths)
    if expected_width is None or n_wrong > len(widths) / 100:
        with pytest.raises(InputDataError, match=f"{n_wrong} of {len(widths)} rows (is|are) wrong") as caught:
            _read(tmp_path / "v.txt")
        assert f"not {expected_width or 9} numbers" in caught.value.message
    else:
        reader, words, matrix = _read(tmp_path / "v.txt")
        assert reader.width == expected_width and matrix.shape == (len(words), expected_width)
        assert len(words) == len(widths) - n_wrong and reader.dropped.total() == n_wrong
        assert reader.repairs["header names another width"] == (header == "4 9")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=12), min_size=2, max_size=6))
def test_numbers_are_rounded_from_double_to_float32(tmp_path: Path, numbers: list[object]) -> None:
    (tmp_path / "v.txt").write_text(f"1 {len(numbers)}\n词 {' '.join(map(str, numbers))}\n", encoding="utf-8")
    matrix = _read(tmp_path / "v.txt")[2]
    with np.errstate(over="ignore"):
        expected = np.array([float(str(number)) for number in numbers], np.float64).astype(np.float32)
    assert matrix.tobytes() == expected.tobytes()


def test_numbers_beyond_float32_and_nan_are_passed_to_the_vocabulary(tmp_path: Path) -> None:
    """No warning is issued, as warnings are errors in tests."""
    (tmp_path / "v.txt").write_text("3 2\n大 1e39 1\n小 1e-60 1\n无 nan -inf\n", encoding="utf-8")
    reader, words, matrix = _read(tmp_path / "v.txt")
    assert words == ["大", "小", "无"] and not +reader.dropped
    np.testing.assert_array_equal(matrix, np.array([[np.inf, 1], [0, 1], [np.nan, -np.inf]], np.float32))


@pytest.mark.parametrize("blank", ["\u3000", "\xa0", "\u2003", "\x85", "\u2028"])
def test_wide_blanks_belong_to_the_word(tmp_path: Path, blank: str) -> None:
    rows = [f"南{blank}京 1 2", f"{blank} 3 4", f"京{blank} 5 6"]
    (tmp_path / "v.txt").write_text("3 2\n" + "\n".join(rows) + "\n", encoding="utf-8", newline="")
    reader, words, matrix = _read(tmp_path / "v.txt")
    assert words == [f"南{blank}京", blank, f"京{blank}"]
    assert matrix.tolist() == [[1, 2], [3, 4], [5, 6]] and not +reader.repairs


def test_a_first_row_with_a_numeric_word_is_not_a_header(tmp_path: Path) -> None:
    """A word that is a number, with one number after it, is taken for a header; with two it is a row."""
    (tmp_path / "v.txt").write_text("2019 1 2\n2020 3 4\n", encoding="utf-8")
    reader, words, matrix = _read(tmp_path / "v.txt")
    assert words == ["2019", "2020"] and matrix.tolist() == [[1, 2], [3, 4]]
    assert (reader.n_in_header, reader.repairs["header missing"]) == (None, 1)


def test_blank_lines_count_in_line_numbers(tmp_path: Path) -> None:
    """Blank lines are not rows, but they are counted as lines."""
    (tmp_path / "v.txt").write_text(
        "\n".join(["300 2", "", *["词 1 2"] * 100, "", "坏 1 x", "坏 1 x", "坏 1"]), "utf-8"
    )
    with pytest.raises(InputDataError, match=r"v\.txt:104: not 2 numbers; 3 of 103 rows are wrong"):
        _read(tmp_path / "v.txt")


@pytest.mark.parametrize("n_rows", [3, 1 << 18])
@pytest.mark.parametrize("header", ["", "9 2\r"])
def test_lines_that_end_in_carriage_returns_alone_are_refused(tmp_path: Path, n_rows: int, header: str) -> None:
    (tmp_path / "v.txt").write_bytes((header + "词 1 2\r" * n_rows).encode())
    with pytest.raises(InputDataError, match=r"v\.txt: its lines end in carriage returns"):
        _read(tmp_path / "v.txt")


def test_rows_with_a_carriage_return_inside_are_counted_as_wrong(tmp_path: Path) -> None:
    wrong = "词 1 2\r字 3 4\r好 1 2\n"
    (tmp_path / "v.txt").write_text(wrong + "甲 1 2\n" * 500, encoding="utf-8", newline="")
    reader, words, _ = _read(tmp_path / "v.txt")
    assert words == ["甲"] * 500 and reader.dropped == {"carriage return": 1}
    (tmp_path / "v.txt").write_text(wrong, encoding="utf-8", newline="")
    with pytest.raises(
        InputDataError, match=r"v\.txt:1: a carriage return \(CR\) inside the row; 1 of 1 rows is"
    ) as caught:
        _read(tmp_path / "v.txt")
    assert caught.value.next_step.endswith("every row ends in a line feed (LF)")


def test_the_last_of_one_row_may_be_a_carriage_return(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_bytes("词 1 2\r".encode())
    assert _read(tmp_path / "v.txt")[1] == ["词"]


def test_a_git_lfs_pointer_is_named(tmp_path: Path, lfs_pointer: bytes) -> None:
    (tmp_path / "v.txt").write_bytes(lfs_pointer)
    with pytest.raises(InputDataError, match=r"v\.txt: a Git LFS pointer"):
        _read(tmp_path / "v.txt")
