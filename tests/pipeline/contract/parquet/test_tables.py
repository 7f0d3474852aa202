"""Tables are written completely or not at all, and read with the schema of the contract."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.manifest import Manifest, StageReport
from ssmi.pipeline.contract.parquet import schema, tables

ROWS = [{"boundary_id": 1, "word": "中国"}, {"boundary_id": 2, "word": "😀"}]


def _names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# --- tables -----------------------------------------------------------------------------------------------------------


def test_rows_read_back_and_columns_can_be_selected(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "words.parquet"
    tables.write_rows(path, schema.VOCABULARY, ROWS)
    assert tables.read_rows(path, schema.VOCABULARY) == ROWS
    assert tables.read_rows(path, schema.VOCABULARY, columns=["word"]) == [{"word": "中国"}, {"word": "😀"}]
    assert tables.count_rows([path, path]) == 4 and tables.count_rows([]) == 0
    assert _names(path.parent) == ["words.parquet"]


def test_arrow_reads_from_memory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread of Arrow that frees a Python object while Python ends would abort the process."""
    path = tmp_path / "words.parquet"
    tables.write_rows(path, schema.VOCABULARY, ROWS)
    given: list[pa.Buffer] = []
    reader = pa.BufferReader

    def read(source: pa.Buffer) -> pa.BufferReader:
        given.append(source)
        return reader(source)

    monkeypatch.setattr(pa, "BufferReader", read)
    assert tables.read_rows(path, schema.VOCABULARY) == ROWS
    assert [source.is_mutable for source in given] == [True]  # Python's bytes could not be written


@pytest.mark.parametrize("content", [b"", b"PAR1"])
def test_bytes_are_copied_into_memory_of_arrow(content: bytes) -> None:
    source = bytearray(content)
    buffer = tables.in_arrow_memory(source)
    source.extend(b"!")  # BufferError if the bytes were shared
    assert buffer.to_pybytes() == content


def test_rows_are_counted_from_the_manifest_or_the_footer(tmp_path: Path) -> None:
    finished, unfinished = (tables.part_path(tmp_path / name, "train", 0) for name in ("finished", "unfinished"))
    tables.write_rows(finished, schema.VOCABULARY, ROWS)
    tables.write_rows(unfinished, schema.VOCABULARY, ROWS[:1])
    folder = tmp_path / "finished"
    files = manifests.describe_files(folder)
    manifests.save(Manifest("pmi", "tiny", {}, {}, StageReport(2, 2), files, 1), folder)
    assert tables.row_counts([finished, unfinished, finished]) == [2, 1, 2]
    # The count of the manifest is used; the file itself is checked against it when it is read.
    finished.write_bytes(b"")
    assert tables.row_counts([finished]) == [2]


@given(numbers=st.sets(st.integers(0, 2_000_000), max_size=30))
def test_parts_are_sorted_by_number(numbers: set[int]) -> None:
    """Also from part 100,000 on, whose numbers have more digits: stages identify parts by their position."""
    paths = [tables.part_path(Path("stage"), "text", number) for number in numbers]
    assert tables.sort_parts(paths) == [tables.part_path(Path("stage"), "text", number) for number in sorted(numbers)]


def test_parts_are_listed_by_number(tmp_path: Path) -> None:
    paths = [tables.part_path(tmp_path, "text", number) for number in (0, 9, 99_999, 100_000, 100_001, 1_000_000)]
    paths[0].parent.mkdir()
    for path in paths:
        path.touch()
    assert tables.list_parts(tmp_path, "text") == paths and tables.list_parts(tmp_path, "train") == []


def test_nested_and_empty_tables_read_back(tmp_path: Path) -> None:
    rows = [
        {
            "sentence_id": 0,
            "line": 1,
            "characters": ["中", "A股"],
            "entities": [{"start": 0, "end": 1, "label": "X"}],
        },
        {"sentence_id": 1, "line": 4, "characters": [], "entities": []},
    ]
    tables.write_rows(tmp_path / "a.parquet", schema.SENTENCES, rows)
    assert tables.read_rows(tmp_path / "a.parquet", schema.SENTENCES) == rows
    tables.write_rows(tmp_path / "b.parquet", schema.SENTENCES, [])
    assert tables.read_rows(tmp_path / "b.parquet", schema.SENTENCES) == []


def test_a_missing_key_is_an_error_and_leaves_the_file_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "words.parquet"
    tables.write_rows(path, schema.VOCABULARY, ROWS)
    before = path.read_bytes()
    with pytest.raises(KeyError, match="word"):
        tables.write_rows(path, schema.VOCABULARY, [{"boundary_id": 3}])
    assert path.read_bytes() == before and _names(tmp_path) == ["words.parquet"]


def test_a_table_of_another_schema_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "words.parquet"
    with pytest.raises(StaleArtifactError, match=r"words\.parquet: table differs"):
        tables.write_table(path, schema.VOCABULARY, pa.table({"boundary_id": [1], "word": ["中国"]}))
    assert _names(tmp_path) == []


@given(st.lists(st.tuples(st.integers(0, 2**31 - 1), st.text(st.characters(exclude_categories=["Cs"]), max_size=5))))
def test_the_same_rows_give_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[int, str]]
) -> None:
    rows = [{"boundary_id": number, "word": word} for number, word in drawn]
    folders = [tmp_path_factory.mktemp("bytes") for _ in range(2)]
    for folder in folders:
        tables.write_rows(folder / "words.parquet", schema.VOCABULARY, rows)
    assert len({(folder / "words.parquet").read_bytes() for folder in folders}) == 1
    assert tables.read_rows(folders[0] / "words.parquet", schema.VOCABULARY) == rows


def test_large_tables_have_several_row_groups(tmp_path: Path) -> None:
    rows = [{"boundary_id": number, "word": "x"} for number in range(tables.ROWS_PER_GROUP + 1)]
    tables.write_rows(tmp_path / "words.parquet", schema.VOCABULARY, rows)
    metadata = pq.read_metadata(tmp_path / "words.parquet")
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [4096, 1]


@pytest.mark.parametrize("n", [0, 1, tables.ROWS_PER_GROUP, 2 * tables.ROWS_PER_GROUP + 7])
def test_a_table_written_and_read_in_pieces_is_the_same_table(tmp_path: Path, n: int) -> None:
    columns = [pa.array(range(1, n + 1), pa.int32()), pa.array([f"词{index % 50}" for index in range(n)])]
    table = pa.table(columns, schema=schema.VOCABULARY)
    single, pieces = tmp_path / "whole.parquet", tmp_path / "pieces.parquet"
    tables.write_table(single, schema.VOCABULARY, table)
    starts = range(0, n, tables.ROWS_PER_GROUP)
    tables.write_tables(pieces, schema.VOCABULARY, (table.slice(start, tables.ROWS_PER_GROUP) for start in starts))
    assert pieces.read_bytes() == single.read_bytes()
    read = list(tables.read_tables(pieces, schema.VOCABULARY, columns=["word", "boundary_id"]))
    assert max(map(len, read), default=0) <= tables.ROWS_PER_GROUP
    assert [row for piece in read for row in piece.to_pylist()] == table.to_pylist()


def test_pieces_of_another_schema_and_broken_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.parquet"
    other = pa.table({"boundary_id": [1], "word": ["中国"]})
    with pytest.raises(StaleArtifactError, match=r"words\.parquet: table differs"):
        tables.write_tables(path, schema.VOCABULARY, [other])
    with pytest.raises(MissingResourceError, match=r"words\.parquet: does not exist"):
        list(tables.read_tables(path, schema.VOCABULARY, columns=["word"]))
    path.write_bytes(b"PAR1 but nothing more")
    with pytest.raises(StaleArtifactError, match="not a Parquet table"):
        list(tables.read_tables(path, schema.VOCABULARY, columns=["word"]))
    pq.write_table(other, path)
    with pytest.raises(StaleArtifactError, match="another schema version"):
        list(tables.read_tables(path, schema.VOCABULARY, columns=["word"]))


def test_only_texts_are_dictionary_encoded(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    entities = [{"start": 0, "end": 1, "label": "X"}]
    row = {"sentence_id": 0, "line": 1, "characters": ["中", "国"], "entities": entities}
    tables.write_rows(path, schema.SENTENCES, [row] * 20)
    group = pq.read_metadata(path).row_group(0)
    with_dictionary = {
        group.column(index).path_in_schema
        for index in range(group.num_columns)
        if group.column(index).has_dictionary_page
    }
    assert with_dictionary == {"characters.list.element", "entities.list.element.label"}


@pytest.mark.parametrize(
    ("table", "differing"),
    [
        ({"boundary_id": pa.array([1], pa.int32())}, "word"),
        (
            {"boundary_id": pa.array([1], pa.int32()), "word": ["x"], "zeal": [1]},
            "zeal",
        ),
        ({"boundary_id": pa.array([1], pa.int64()), "word": ["x"]}, "boundary_id"),
        ({"word": ["x"], "boundary_id": pa.array([1], pa.int32())}, "their order"),
    ],
)
def test_a_file_of_another_schema_is_refused_with_the_differing_columns(
    tmp_path: Path, table: dict[str, object], differing: str
) -> None:
    pq.write_table(pa.table(table), tmp_path / "words.parquet")
    with pytest.raises(StaleArtifactError, match=rf"words\.parquet: .*\(differing: {differing}\)"):
        tables.read_table(tmp_path / "words.parquet", schema.VOCABULARY)


def test_missing_and_damaged_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError, match=r"words\.parquet: does not exist"):
        tables.read_table(tmp_path / "words.parquet", schema.VOCABULARY)
    tables.write_rows(tmp_path / "words.parquet", schema.VOCABULARY, ROWS)
    content = (tmp_path / "words.parquet").read_bytes()
    for damaged in (b"", b"nonsense", content[:-1], content[:100]):
        (tmp_path / "words.parquet").write_bytes(damaged)
        with pytest.raises(StaleArtifactError, match=r"words\.parquet: not a Parquet table"):
            tables.read_table(tmp_path / "words.parquet", schema.VOCABULARY)


def test_the_boundary_table_has_vectors_of_one_width(tmp_path: Path) -> None:
    rows = [{"boundary_id": 3, "word": "中国", "vector": [0.5, -0.5]}]
    tables.write_rows(tmp_path / "b.parquet", schema.boundaries(2), rows)
    assert tables.read_rows(tmp_path / "b.parquet", schema.boundaries(2)) == rows
    with pytest.raises(StaleArtifactError, match="differing: vector"):
        tables.read_table(tmp_path / "b.parquet", schema.boundaries(3))
