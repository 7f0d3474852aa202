"""Views and reports against figures counted by hand, unusual paths, missing stages, and the limits on free SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from ssmi.pipeline.contract import manifest
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, SsmiError, StaleArtifactError
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.inspect import named_reports, warehouse

WORDS = ["", "南京", "南京市", "长江", "大桥", "北京"]  # a word's index is its boundary id
TRAIN = [
    ("南京市长江", [(0, 3, "LOC"), (3, 5, "LOC")], ["南京市", "长江"], [0, 1, 2, 3, 4], [1, 1, 2, 3, 3]),
    ("李明在北京", [(0, 2, "PER"), (3, 5, "LOC")], ["李明", "在", "北京"], [7, 8, 9, 5, 6], [0, 0, 0, 5, 5]),
    ("好", [], ["好"], [10], [0]),
]
TEST = [("北京大桥", [(0, 2, "LOC"), (2, 4, "LOC")], ["北京", "大桥"], [5, 6, 11, 12], [5, 5, 0, 4])]
# character, segment, number of candidates, best, cosine of best, set
SELECTIONS: list[tuple[str, str, int, int, float | None, list[int]]] = [
    ("南", "南京市", 2, 2, 1.0, [2, 1]),
    ("京", "南京市", 3, 2, 1.0, [2, 1]),
    ("市", "南京市", 1, 2, 1.0, [2]),
    ("长", "长江", 1, 3, 1.0, [3]),
    ("江", "长江", 1, 3, 1.0, [3]),
    ("北", "北京", 1, 5, 1.0, [5]),
    ("京", "北京", 3, 1, 0.8, [1]),
    ("李", "李明", 0, 0, None, []),
    ("明", "李明", 0, 0, None, []),
    ("在", "在", 0, 0, None, []),
    ("好", "好", 0, 0, None, []),
    ("大", "大桥", 1, 4, 1.0, [4]),
    ("桥", "大桥", 1, 4, 0.4, []),
]
SEGMENT_COUNTS = {
    "南京市": (1, 0),
    "长江": (1, 0),
    "李明": (1, 0),
    "在": (1, 0),
    "北京": (1, 1),
    "好": (1, 0),
    "大桥": (0, 1),
}


def _finish(folder: Path) -> None:
    report = manifest.StageReport(rows_in=0, rows_out=0)
    made = manifest.Manifest(folder.name, None, {}, {}, report, manifest.describe_files(folder), version=1)
    manifest.save(made, folder)


def _split_rows(sentences: Sequence[tuple[Any, ...]]) -> dict[str, tuple[pa.Schema, list[dict[str, Any]]]]:
    rows: dict[str, tuple[pa.Schema, list[dict[str, Any]]]] = {
        "prepare": (schema.SENTENCES, []),
        "segment": (schema.SEGMENTS, []),
        "selection": (schema.SELECTION_IDS, []),
        "pmi": (schema.MATCHES, []),
        "shards": (schema.SHARDS, []),
    }
    for number, (text, spans, segments, selection_ids, local_ids) in enumerate(sentences):
        entities = [{"start": start, "end": end, "label": label} for start, end, label in spans]
        starts = [sum(map(len, segments[:index])) for index in range(len(segments))]
        selections = [SELECTIONS[index] for index in selection_ids]
        row: dict[str, Any] = {
            "sentence_id": number,
            "line": 1,
            "characters": list(text),
            "entities": entities,
            "segments": segments,
            "segment_starts": starts,
            "selection_ids": selection_ids,
            "match_starts": [],
            "match_ends": [],
            "match_ids": [],
            "local_ids": local_ids,
            "token_ids": [1] * len(text),
            "tag_ids": [0] * len(text),
            "best_ids": [selection[3] for selection in selections],
            "best_cosines": [selection[4] or 0.0 for selection in selections],
            "set_ids": [selection[5] for selection in selections],
            "negative_ids": [[] for _ in selections],
            "window_starts": [0],
            "hidden_start": None,
        }
        for _, stage_rows in rows.values():
            stage_rows.append(row)
    return rows


def build(
    artifacts: Path, *, stages: Sequence[str] = ("prepare", "segment", "embed", "selection", "pmi", "shards")
) -> None:
    """Build a data set ``tiny`` with two parts of train, no dev, and one sentence of test."""
    words = [{"boundary_id": index, "word": word} for index, word in enumerate(WORDS) if index]
    tables.write_rows(artifacts / "vocab" / "words.parquet", schema.VOCABULARY, words)
    _finish(artifacts / "vocab")
    for split, part, sentences in (("train", 0, TRAIN[:2]), ("train", 1, TRAIN[2:]), ("test", 0, TEST)):
        for stage, (columns, rows) in _split_rows(sentences).items():
            if stage in stages:
                shifted = [{**row, "sentence_id": row["sentence_id"] + 2 * part} for row in rows]
                tables.write_rows(tables.part_path(artifacts / stage / "tiny", split, part), columns, shifted)
    for stage, (name, columns, rows) in _whole_tables().items():
        if stage in stages:
            tables.write_rows(artifacts / stage / "tiny" / name, columns, rows)
    if "selection" in stages:
        histogram = [(-0.2, 0), (0.4, 5), (0.8, 5), (0.98, 10)]
        bins = [{"cosine_from": edge, "n_candidates": count} for edge, count in histogram]
        tables.write_rows(artifacts / "selection" / "tiny" / "cosines.parquet", schema.COSINES, bins)
    for stage in stages:
        _finish(artifacts / stage / "tiny")


def _whole_tables() -> dict[str, tuple[str, pa.Schema, list[dict[str, Any]]]]:
    segments = [
        {
            "segment_id": index,
            "segment": segment,
            "boundary_id": WORDS.index(segment) if segment in WORDS else 0,
            "n_train": n_train,
            "n_dev": 0,
            "n_test": n_test,
        }
        for index, (segment, (n_train, n_test)) in enumerate(SEGMENT_COUNTS.items())
    ]
    selections = [
        {
            "selection_id": index,
            "character": character,
            "segment": segment,
            "candidates": None,
            "n_candidates": count,
            "best_id": best,
            "best_cosine": cosine,
            "set_ids": chosen,
            "set_cosines": [0.9] * len(chosen),
            "negative_ids": [],
        }
        for index, (character, segment, count, best, cosine, chosen) in enumerate(SELECTIONS)
    ]
    pairs = [
        {"character": character, "boundary_id": boundary, "n_events": events, "pmi": 1.5, "weight": weight}
        for character, boundary, events, weight in (("南", 1, 7, 0.1), ("京", 5, 9, 0.3), ("江", 3, 2, 0.2))
    ]
    boundaries = [{"boundary_id": 1, "word": "南京", "vector": [0.6, 0.8]}]
    return {
        "embed": ("segments.parquet", schema.DISTINCT_SEGMENTS, segments),
        "selection": ("selections/part-00000.parquet", schema.SELECTIONS, selections),
        "pmi": ("pairs.parquet", schema.PMI_PAIRS, pairs),
        "shards": ("boundaries.parquet", schema.boundaries(2), boundaries),
    }


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project") / "artifacts"
    build(folder)
    return folder


def query(artifacts: Path, sql: str) -> list[dict[str, Any]]:
    with warehouse.connect(artifacts, "tiny") as connection:
        result = connection.run(sql)
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def report(artifacts: Path, name: str) -> list[dict[str, Any]]:
    return query(artifacts, named_reports.find_report(name).sql)


def figures(row: Mapping[str, Any], *names: str) -> list[Any]:
    return [row[name] for name in names]


def test_every_view_has_the_columns_of_the_contract(artifacts: Path) -> None:
    contract = {
        "sentences": schema.SENTENCES,
        "vocabulary": schema.VOCABULARY,
        "segments": schema.SEGMENTS,
        "distinct_segments": schema.DISTINCT_SEGMENTS,
        "selections": schema.SELECTIONS,
        "selection_ids": schema.SELECTION_IDS,
        "cosines": schema.COSINES,
        "pmi_pairs": schema.PMI_PAIRS,
        "matches": schema.MATCHES,
        "shards": schema.SHARDS,
        "boundaries": schema.boundaries(2),
    }
    assert set(warehouse.VIEWS) - {warehouse.CORPUS_ONLY_VIEW} == set(contract)
    assert {row["name"] for row in query(artifacts, "SHOW TABLES")} == set(contract)
    for name, columns in contract.items():
        names = [row["column_name"] for row in query(artifacts, f"DESCRIBE {name}")]
        assert names == ["split"] * ("{split}" in warehouse.VIEWS[name]) + columns.names
        assert query(artifacts, f"FROM {name}")


def test_split_comes_from_the_folder_and_parts_are_joined(artifacts: Path) -> None:
    rows = query(artifacts, "SELECT split, list(sentence_id ORDER BY sentence_id) AS ids FROM sentences GROUP BY ALL")
    assert {row["split"]: row["ids"] for row in rows} == {"train": [0, 1, 2], "test": [0]}


def test_overview(artifacts: Path) -> None:
    train, test, everything = report(artifacts, "overview")
    assert figures(train, "split", "sentences", "characters", "entities", "max_length") == ["train", 3, 11, 4, 5]
    assert figures(train, "mean_length", "share_without_entity") == pytest.approx([11 / 3, 1 / 3])
    assert figures(test, "split", "sentences", "characters", "entities", "max_length") == ["test", 1, 4, 2, 4]
    assert figures(everything, "split", "sentences", "characters", "entities", "max_length") == ["all", 4, 15, 6, 5]


def test_entities(artifacts: Path) -> None:
    rows = report(artifacts, "entities")
    names = ("split", "type", "entities", "share", "distinct_texts", "max_length", "share_not_in_train")
    assert [figures(row, *names) for row in rows] == [
        ["train", "LOC", 3, 0.75, 3, 3, 0.0],
        ["train", "PER", 1, 0.25, 1, 2, 0.0],
        ["train", "all", 4, 1.0, 4, 3, 0.0],
        ["test", "LOC", 2, 1.0, 2, 2, 0.5],
        ["test", "all", 2, 1.0, 2, 2, 0.5],
    ]
    assert rows[0]["mean_length"] == pytest.approx(7 / 3)


def test_oov(artifacts: Path) -> None:
    names = ("split", "distinct_segments", "distinct_oov", "occurrences", "occurrences_oov", "share_single_characters")
    assert [figures(row, *names) for row in report(artifacts, "oov")] == [
        ["train", 6, 3, 6, 3, pytest.approx(2 / 6)],
        ["test", 2, 0, 2, 0, 0.0],
        ["all", 7, 3, 8, 3, 0.25],
    ]
    assert report(artifacts, "oov")[2]["share_distinct_oov"] == pytest.approx(3 / 7)
    assert report(artifacts, "oov")[2]["share_occurrences_oov"] == pytest.approx(3 / 8)
    assert report(artifacts, "oov_words") == [{"segment": "李明", "occurrences": 1, "train": 1, "dev": 0, "test": 0}]


def test_candidates_and_sets_count_positions_not_distinct_queries(artifacts: Path) -> None:
    train, test = report(artifacts, "candidates")
    assert figures(train, "split", "positions", "min", "median", "p75", "p90", "max") == ["train", 11, 0, 1, 2, 3, 3]
    assert figures(train, "share_none", "mean") == pytest.approx([4 / 11, 12 / 11])
    assert figures(test, "split", "positions", "median", "mean", "share_none") == ["test", 4, 1, 1.5, 0.0]
    train, test = report(artifacts, "sets")
    assert figures(train, "positions", "median", "max") == [11, 1, 2]
    assert figures(train, "share_empty", "mean", "share_largest") == pytest.approx([4 / 11, 9 / 11, 2 / 11])
    assert figures(test, "positions", "share_empty", "mean", "max") == [4, 0.25, 0.75, 1]


def test_a_best_cosine_of_one_is_in_the_last_bin(artifacts: Path) -> None:
    names = ("cosine_from", "candidates", "candidates_from_here", "best", "best_from_here")
    assert [figures(row, *names) for row in report(artifacts, "cosines")] == [
        [0.4, 5, 1.0, 1, 1.0],
        [0.8, 5, 0.75, 1, pytest.approx(8 / 9)],
        [0.9, 10, 0.5, 7, pytest.approx(7 / 9)],
    ]


def test_boundaries(artifacts: Path) -> None:
    train, test = report(artifacts, "boundaries")
    assert figures(train, "split", "positions", "distinct_boundaries") == ["train", 11, 4]
    shares = figures(train, "share_with_best", "share_best_is_segment", "mean_cosine", "mean_cosine_of_others")
    assert shares == pytest.approx([7 / 11, 6 / 11, 6.8 / 7, 0.8])
    assert figures(test, "share_with_best", "share_best_is_segment") == [1.0, 0.75]


def test_coverage_of_gold_entities(artifacts: Path) -> None:
    shares = ("share_in_vocabulary", "share_in_a_set", "share_best_of_one", "share_best_of_all")
    rows = [figures(row, "split", "type", "entities", *shares) for row in report(artifacts, "coverage")]
    assert rows == [
        ["train", "LOC", 3, 1.0, 1.0, 1.0, pytest.approx(2 / 3)],  # 京 of 北京 selected 南京
        ["train", "PER", 1, 0.0, 0.0, 0.0, 0.0],
        ["train", "all", 4, 0.75, 0.75, 0.75, 0.5],
        ["test", "LOC", 2, 1.0, 1.0, 1.0, 0.5],
        ["test", "all", 2, 1.0, 1.0, 1.0, 0.5],
    ]


def test_pmi_and_local(artifacts: Path) -> None:
    names = ("word", "character", "events", "weight")
    assert [figures(row, *names) for row in report(artifacts, "pmi")] == [
        ["北京", "京", 9, 0.3],
        ["长江", "江", 2, 0.2],
        ["南京", "南", 7, 0.1],
    ]
    train, test = report(artifacts, "local")
    assert figures(train, "positions", "share_best_without_local", "share_local_without_best") == [11, 0.0, 0.0]
    assert figures(train, "share_with_local", "share_local_is_best") == pytest.approx([7 / 11, 4 / 7])
    assert figures(test, "share_with_local", "share_best_without_local") == [0.75, 0.25]
    assert test["share_local_is_best"] == pytest.approx(2 / 3)


def test_every_report_has_a_description_and_rows(artifacts: Path) -> None:
    reports = named_reports.list_reports()
    assert named_reports.DEFAULT_REPORT in reports
    for name, named_report in reports.items():
        assert named_report.sql.startswith("-- ") and named_report.description
        assert report(artifacts, name)


def test_an_unknown_report_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ParameterError, match="did you mean 'coverage'"):
        named_reports.find_report("covrage")


def test_a_printed_report_runs_in_a_plain_shell(artifacts: Path) -> None:
    for name in named_reports.list_reports():
        script = warehouse.shell_script(artifacts, "tiny", name)
        with duckdb.connect() as shell:
            rows = shell.execute(script).fetchall()
        with warehouse.connect(artifacts, "tiny") as connection:
            assert rows == connection.run(named_reports.find_report(name).sql).rows
    assert "CREATE VIEW shards" in warehouse.shell_script(artifacts, "tiny", "local")
    assert "CREATE VIEW cosines" not in warehouse.shell_script(artifacts, "tiny", "local")


@pytest.mark.parametrize("name", ["it's", 'a "b" c', "a b [xy]*?", "split=dev", "{x}", "南 京"])
def test_unusual_paths(tmp_path: Path, name: str) -> None:
    build(tmp_path / "a b xyz" / "artifacts", stages=["prepare"])  # "a b [xy]*?" would match this folder as a pattern
    folder = tmp_path / name / "artifacts"
    build(folder, stages=["prepare", "segment"])
    joined = "SELECT split, count(*) AS n FROM sentences JOIN segments USING (split, sentence_id) GROUP BY split"
    rows = query(folder, joined)
    assert {row["split"]: row["n"] for row in rows} == {"train": 3, "test": 1}
    with duckdb.connect() as shell:
        fetched = shell.execute(warehouse.shell_script(folder, "tiny", "overview")).fetchall()
    assert [row[:2] for row in fetched] == [("train", 3), ("test", 1), ("all", 4)]


def test_a_relative_path_is_made_absolute(artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(artifacts.parent)
    with warehouse.connect(Path("artifacts"), "tiny") as connection:
        monkeypatch.chdir("/")
        assert connection.run("SELECT count(*) FROM sentences").rows == [(4,)]


def test_an_unbuilt_stage_is_an_error_only_if_queried(tmp_path: Path) -> None:
    build(tmp_path / "artifacts", stages=["prepare"])
    assert report(tmp_path / "artifacts", "overview")
    for sql in ("FROM shards", 'SELECT count(*) FROM "Shards"', "WITH x AS (FROM shards) FROM x"):
        with pytest.raises(MissingResourceError, match="stage 'shards' is not built for 'tiny'") as caught:
            query(tmp_path / "artifacts", sql)
        assert caught.value.next_step == "ssmi-cli features build --dataset tiny"
    with pytest.raises(MissingResourceError, match=r"'prepare' is not built for 'tyni' \(built for: tiny\)"):
        warehouse.shell_script(tmp_path / "artifacts", "tyni", "overview")
    assert query(tmp_path / "artifacts", "WITH shards AS (SELECT 1 AS i) FROM shards") == [{"i": 1}]


def test_tables_of_another_version_and_broken_tables_are_stale(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    build(folder, stages=["prepare", "segment"])
    path = folder / "prepare" / "tiny" / manifest.MANIFEST_NAME
    now = f'"schema_version": {schema.SCHEMA_VERSION}'
    path.write_text(path.read_text().replace(now, '"schema_version": 0'))
    with pytest.raises(StaleArtifactError, match="schema version 0"):
        query(folder, "FROM sentences")
    for part in (folder / "segment" / "tiny").rglob("*.parquet"):
        part.write_bytes(b"PAR1 nothing")
    with pytest.raises(StaleArtifactError, match="segment/tiny"):
        query(folder, "FROM segments")
    assert query(folder, "SELECT count(*) AS n FROM vocabulary") == [{"n": 5}]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT splt FROM sentences", 'Candidate bindings: "split"'),
        ("FROM sentnces", 'Did you mean "sentences'),
        ("SELEC 1", "syntax error"),
        ("SELECT 'a'::INT", "Could not convert"),
        ("SELECT ?", "parameter"),
        ("SELECT '\udce9'", "surrogates"),
    ],
)
def test_errors_of_duckdb_are_reported_on_one_line(artifacts: Path, sql: str, message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        query(artifacts, sql)
    assert message in caught.value.message
    assert "\n" not in str(caught.value)
    assert "LINE 1" not in str(caught.value)


def test_limit_counts_the_rows_left_out(artifacts: Path) -> None:
    with warehouse.connect(artifacts, "tiny") as connection:
        cut = connection.run("SELECT boundary_id FROM vocabulary ORDER BY 1; -- a comment", limit=2)
        assert (cut.rows, cut.n_left_out, cut.types) == ([(1,), (2,)], 3, ["INTEGER"])
        assert connection.run("FROM vocabulary", limit=5).n_left_out == 0
        # One view is shown; the view sources exists only for a corpus.
        assert connection.run("SHOW TABLES", limit=1).n_left_out == len(warehouse.VIEWS) - 2


OTHER = "other.parquet"
INSIDE = "INSIDE"
FORBIDDEN = [
    f"FROM '{OTHER}'",
    f"FROM read_parquet('{OTHER}')",
    f"FROM read_text('{INSIDE}')",
    "FROM glob('*')",
    "FROM read_csv('/etc/hosts')",
    "COPY (SELECT 1) TO 'new.csv'",
    f"COPY (SELECT 1 AS i) TO '{INSIDE}' (FORMAT parquet, USE_TMP_FILE false)",
    f"WITH x AS (COPY (SELECT 1 AS i) TO '{INSIDE}' (FORMAT parquet, USE_TMP_FILE false)) FROM x",
    f"FROM (WITH x AS (COPY (SELECT 1 AS i) TO '{INSIDE}' (FORMAT parquet, USE_TMP_FILE false)) FROM x)",
    f"FROM query('WITH x AS (COPY (SELECT 1) TO ''{INSIDE}'' (FORMAT parquet, USE_TMP_FILE false)) FROM x')",
    "FROM json_execute_serialized_sql('{}')",
    "FROM enable_profiling(save_location = 'profile.json')",
    "WITH x AS (INSERT INTO sentences VALUES (1)) SELECT 1",
    "CREATE TABLE t AS SELECT 1",
    "DROP VIEW sentences",
    "SET enable_external_access = true",
    "ATTACH 'new.db'",
    "INSTALL httpfs",
    "EXPORT DATABASE 'new'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO 'new.csv'",
    "SELECT 1; SELECT 2",
    "",
]


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_free_sql_reads_the_views_and_nothing_else(
    artifacts: Path, sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tables.write_rows(tmp_path / OTHER, schema.VOCABULARY, [])
    inside = artifacts / "vocab" / "words.parquet"
    before = inside.read_bytes()
    with pytest.raises(SsmiError), warehouse.connect(artifacts, "tiny") as connection:
        connection.run(sql.replace(INSIDE, inside.as_posix()))
    assert inside.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [OTHER]


def test_python_variables_are_not_tables(artifacts: Path) -> None:
    secret = pa.table({"i": [1]})
    with pytest.raises(SsmiError, match="secret does not exist"):
        query(artifacts, "FROM secret")
    assert secret.num_rows == 1
