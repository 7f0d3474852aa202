"""``ssmi-cli stats`` on the command line: formats, list of reports, limits, errors."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ssmi.cli.main import cli, main
from ssmi.pipeline.contract import manifest
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError
from ssmi.pipeline.contract.parquet import schema, tables

TEXTS = ["北京大学", '他说,"好"', "　a\n[b]:smile:"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two data sets: ``tiny`` with three sentences, ``other`` with one; only prepare is built."""
    root = tmp_path_factory.mktemp("it's a project")
    (root / "params.yaml").write_text("datasets: [tiny, other]\n", encoding="utf-8")
    for dataset, texts in (("tiny", TEXTS), ("other", TEXTS[:1])):
        folder = root / "artifacts" / "prepare" / dataset
        rows = [
            {"sentence_id": number, "line": 1, "characters": list(text), "entities": []}
            for number, text in enumerate(texts)
        ]
        rows[0]["entities"] = [{"start": 0, "end": 4, "label": "ORG"}]
        tables.write_rows(tables.part_path(folder, "train", 0), schema.SENTENCES, rows)
        report = manifest.StageReport(rows_in=0, rows_out=0)
        files = manifest.describe_files(folder)
        manifest.save(manifest.Manifest("prepare", dataset, {}, {}, report, files, version=1), folder)
    return root


def stats(project: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--project", str(project), "stats", *arguments])


def output_of(project: Path, *arguments: str) -> str:
    result = stats(project, *arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def as_json(project: Path, *arguments: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(output_of(project, *arguments, "--format", "json"))
    return rows


def test_without_a_report_the_list_and_the_overview_are_shown(project: Path) -> None:
    text = output_of(project)
    assert "coverage    Gold entities" in text
    assert "sentences" in text and "share_without_entity" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["train", "3", "23", "1", "7.667", "13", "0.6667"] in lines


def test_the_first_data_set_of_the_parameters_is_the_default(project: Path) -> None:
    assert as_json(project, "overview")[0]["sentences"] == 3
    assert as_json(project, "overview", "--dataset", "other")[0]["sentences"] == 1


def test_json_is_a_list_of_objects(project: Path) -> None:
    assert as_json(project, "entities")[0]["type"] == "ORG"
    rows = as_json(
        project,
        "--sql",
        "SELECT characters AS c, entities[1] AS e, NULL AS n, 1.50 AS d, 'nan'::DOUBLE AS x, DATE '2020-01-02' AS day,"
        " sum(1) OVER () AS s, 1 AS i, 2 AS i, 'ab'::BLOB AS b, true AS t FROM sentences ORDER BY sentence_id LIMIT 1",
    )
    assert rows == [
        {
            "c": list("北京大学"),
            "e": {"start": 0, "end": 4, "label": "ORG"},
            "n": None,
            "d": 1.5,
            "x": None,
            "day": "2020-01-02",
            "s": 3,
            "i": 1,
            "i_2": 2,
            "b": "6162",
            "t": True,
        }
    ]
    assert as_json(project, "--sql", "FROM sentences WHERE false") == []


def test_csv_has_a_header_and_quotes(project: Path) -> None:
    sql = "SELECT array_to_string(characters, '') AS text, entities, NULL AS none FROM sentences ORDER BY sentence_id"
    rows = list(csv.reader(io.StringIO(output_of(project, "--sql", sql, "--format", "csv"))))
    assert rows[0] == ["text", "entities", "none"]
    assert [row[0] for row in rows[1:]] == TEXTS
    assert json.loads(rows[1][1]) == [{"start": 0, "end": 4, "label": "ORG"}]
    assert rows[1][2] == ""


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
@example(text="\r")
@example(text="\n")
@example(text='a"b,\r\n')
def test_any_text_survives_json_and_csv(project: Path, text: str) -> None:
    sql = "SELECT '" + text.replace("'", "''") + "' AS text, 1 AS one"
    assert as_json(project, "--sql", sql) == [{"text": text, "one": 1}]
    raw = stats(project, "--sql", sql, "--format", "csv").stdout_bytes.decode("utf-8")
    is_formula = len(text) > 1 and text.startswith(("=", "+", "-", "@", "\t", "\r"))  # a formula in a spreadsheet
    assert list(csv.reader(io.StringIO(raw, newline="")))[1] == [f"'{text}" if is_formula else text, "1"]


def test_tables_align_numbers_right_and_count_cjk_widths(project: Path) -> None:
    sql = "SELECT * FROM (VALUES ('北京', 5, 0.123456), ('abcdef', 12345, 12345.678)) AS t (word, n, x)"
    lines = [line.rstrip() for line in output_of(project, "--sql", sql).splitlines() if line.strip()]
    assert lines[2].split() == ["北京", "5", "0.1235"]
    assert lines[3].split() == ["abcdef", "12,345", "12,346"]
    columns = [len(line) + sum(letter in "北京" for letter in line) for line in lines]
    assert columns[0] == columns[2] == columns[3]


def test_a_wide_table_is_not_truncated_without_a_terminal(project: Path) -> None:
    sql = "SELECT " + ", ".join(f"repeat('x', 30) AS column_{index}" for index in range(20))
    lines = output_of(project, "--sql", sql).splitlines()
    assert any(line.count("x" * 30) == 20 for line in lines)


def test_cells_escape_control_characters_and_truncate_long_lists(project: Path) -> None:
    text = output_of(
        project, "--sql", "SELECT characters[1] || characters[3] AS c FROM sentences WHERE sentence_id = 2"
    )
    assert "\\u3000\\n" in text
    assert "[b]" in output_of(project, "--sql", "SELECT '[b]' AS c")
    truncated = output_of(project, "--sql", "SELECT range(20) AS numbers")
    assert "10, 11, … 8 more]" in truncated


def test_tables_are_limited_by_default_and_omitted_rows_are_counted(project: Path) -> None:
    result = stats(project, "--sql", "SELECT 'row' AS c FROM range(120)")
    assert result.stdout.count("row") == 50
    assert "70 more rows" in result.stderr and "more rows" not in result.stdout
    assert output_of(project, "--sql", "SELECT 'row' AS c FROM range(120)", "--limit", "0").count("row") == 120
    assert len(as_json(project, "--sql", "FROM range(120)")) == 120
    truncated = stats(project, "--sql", "FROM range(120)", "--format", "json", "--limit", "7")
    assert len(json.loads(truncated.stdout)) == 7 and "113 more rows" in truncated.stderr


def test_print_sql_runs_in_a_plain_shell(project: Path) -> None:
    script = output_of(project, "overview", "--print-sql")
    with duckdb.connect() as shell:
        assert shell.execute(script).fetchall()[0][:3] == ("train", 3, 23)
    assert output_of(project, "--print-sql") == script


def test_wrong_usage_is_refused(project: Path) -> None:
    unknown = stats(project, "overveiw").exception
    assert isinstance(unknown, ParameterError) and "did you mean 'overview'?" in unknown.message
    missing = stats(project, "pmi").exception
    assert isinstance(missing, MissingResourceError)
    assert missing.next_step == "ssmi-cli features build --dataset tiny"
    column = stats(project, "--sql", "SELECT sentense_id FROM sentences").exception
    assert isinstance(column, ParameterError) and "sentence_id" in column.message
    broken = stats(project, "--sql", "SELEC 1").exception
    assert isinstance(broken, ParameterError) and broken.exit_code == 2 and "syntax error" in broken.message
    assert isinstance(stats(project, "--sql", "COPY sentences TO 'x.csv'").exception, ParameterError)
    both = stats(project, "overview", "--sql", "SELECT 1")
    assert isinstance(both.exception, ParameterError) and "REPORT" in both.exception.message


def test_an_unknown_report_exits_with_2_and_no_traceback(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ssmi-cli", "--project", str(project), "stats", "overveiw"])
    with pytest.raises(SystemExit) as raised:
        main()
    assert raised.value.code == ParameterError.exit_code == 2
    assert "did you mean 'overview'?" in capsys.readouterr().err


def test_report_names_are_completed() -> None:
    from click.shell_completion import BashComplete

    from ssmi.cli.commands.stats import stats as command

    complete = BashComplete(command, {}, "stats", "_STATS_COMPLETE")
    assert [item.value for item in complete.get_completions([], "co")] == ["cosines", "coverage"]
