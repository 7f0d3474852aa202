"""The texts of a corpus as sentences: nothing is lost, positions are kept, and features equal those computed online."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.project.stages import STAGES
from ssmi.pipeline.features.text.blanks import visible_stretches
from ssmi.pipeline.online import FeatureStore, OnlineFeatures

Row = dict[str, Any]
SMALL = ("-S", "prepare.sentences_per_part=3")
GOLD = {"sentence_id", "tag_ids", "entities", "hidden_start"}


def rows(project: Any, stage: str, columns: Any, *, split: str = tables.TEXT) -> list[Row]:
    parts = tables.list_parts(project.root / "artifacts" / stage / "news", split)
    return [row for part in parts for row in tables.read_rows(part, columns)]


def build_news(project: Any, *options: str) -> Any:
    return project.build("--corpus", "news", *options)


def test_every_visible_character_is_stored_with_its_position(with_corpus: Any, texts: list[str]) -> None:
    assert with_corpus.ssmi("features", "prepare", "--corpus", "news", *SMALL).code == 0
    sentences = rows(with_corpus, "prepare", schema.SENTENCES)
    sources = rows(with_corpus, "prepare", schema.SOURCES, split=tables.SOURCES)
    expected = [(number, visible) for number, text in enumerate(texts) for visible in visible_stretches(text)]
    assert len(sentences) == len(sources) == len(expected) == 8
    for index, (sentence, source, (number, visible)) in enumerate(zip(sentences, sources, expected, strict=True)):
        assert sentence["sentence_id"] == source["sentence_id"] == index and source["text_id"] == number
        assert sentence["entities"] is None
        assert "".join(sentence["characters"]) == visible.text.replace("\ud800", "\ufffd")
        start = source["start"]
        assert (source["positions"] or list(range(start, start + len(visible.text)))) == list(visible.positions)
        assert sentence["line"] == source["line"] and source["file"] == ("b.jsonl" if number > 5 else "a.txt")
        assert source["line"] == (number + 1 if number < 6 else number - 5)
    assert any(source["positions"] is None for source in sources) and any(source["positions"] for source in sources)
    assert [
        len(tables.list_parts(with_corpus.root / "artifacts/prepare/news", one)) for one in ("text", "sources")
    ] == [
        3,
        3,
    ]
    report = manifests.load(with_corpus.root / "artifacts" / "prepare" / "news").report
    assert (report.rows_in, report.rows_out, report.skipped) == (8, 8, {"nothing-but-blanks": 2})
    assert report.statistics["sentences"] == {"text": 8}


@pytest.mark.parametrize(
    "switches",
    [(), ("embed.space=bert", "shards.matches=true"), ("selection.scope=sentence", "segment.engine=rjieba")],
    ids=" ".join,
)
def test_shards_contain_the_rows_computed_online(with_corpus: Any, texts: list[str], switches: tuple[str, ...]) -> None:
    overrides = [word for switch in switches for word in ("-S", switch)]
    with_corpus.build(*overrides)
    outcome = build_news(with_corpus, *overrides, *SMALL)
    assert outcome.states == {name: "current" if name == "vocab" else "built" for name in STAGES}
    artifacts = with_corpus.root / "artifacts"
    store = FeatureStore(
        artifacts / "vocab", artifacts / "embed" / "tiny", artifacts / "pmi" / "tiny", with_corpus.root / "encoder"
    )
    online = OnlineFeatures(store, shards=manifests.load(artifacts / "shards" / "tiny"))
    expected = online.rows([visible.text for text in texts for visible in visible_stretches(text)])
    written = rows(with_corpus, "shards", schema.SHARDS)
    assert online.statistics().embedded > 5
    for row, other in zip(written, expected, strict=True):
        assert row["tag_ids"] is None and row["entities"] is None
        assert {name: value for name, value in row.items() if name not in GOLD} == other
    assert not (artifacts / "shards" / "news" / "labels.json").exists()
    # Current until a file, or what was fitted on the data set, changes.
    assert set(build_news(with_corpus, *overrides, *SMALL).states.values()) == {"current"}


def test_changed_files_and_parameters_rebuild_the_dependent_stages(with_corpus: Any) -> None:
    build_news(with_corpus)
    more = with_corpus.root / "data" / "news" / "c.txt"
    more.write_text("公司董事长\n", encoding="utf-8")
    assert build_news(with_corpus).built == set(STAGES) - {"vocab"}
    assert build_news(with_corpus, "-S", "selection.threshold=0.6").built == {"selection", "shards"}
    # The text field is an input. So are prepare's parameters for data sets, as the section counts as a whole.
    outcome = with_corpus.ssmi("features", "build", "--corpus", "news", "-S", "prepare.text_field=body")
    assert outcome.code == 3 and "b.jsonl:1: no text in 'body' (there are 'text')" in outcome.stderr
    assert build_news(with_corpus).built == {"selection", "shards"}


def test_workers_write_the_same_bytes_without_paths(with_corpus: Any) -> None:
    build_news(with_corpus, *SMALL)
    serial = with_corpus.artifacts()
    paths = [str(with_corpus.root).encode(), str(Path.home()).encode() + b"/"]
    for name in serial:
        file = with_corpus.root / "artifacts" / name
        assert not file.is_file() or "news" not in name or not any(path in file.read_bytes() for path in paths)
    assert build_news(with_corpus, *SMALL, "--workers", "2", "--force").built == set(STAGES)
    assert with_corpus.artifacts() == serial


def test_statistics_and_sql_read_a_corpus(with_corpus: Any, texts: list[str]) -> None:
    build_news(with_corpus)
    for name in ["overview", "oov", "oov_words", "candidates", "cosines", "sets", "boundaries", "pmi", "local"]:
        outcome = with_corpus.ssmi("stats", name, "--dataset", "news", "--format", "csv")
        assert outcome.code == 0 and len(outcome.stdout.splitlines()) > 1, (name, outcome.stderr)
    overview = with_corpus.ssmi("stats", "overview", "--dataset", "news", "--format", "csv").stdout.splitlines()
    n_characters = sum(len(visible.text) for text in texts for visible in visible_stretches(text))
    assert overview[1].startswith(f"text,8,{n_characters},,") and overview[1].endswith(",")
    oov = with_corpus.ssmi("stats", "oov", "--dataset", "news", "--format", "csv").stdout.splitlines()
    assert oov[1].startswith("text,")
    query = "SELECT text_id, file, sources.line, len(characters) FROM sentences JOIN sources USING (sentence_id)"
    answer = with_corpus.ssmi("stats", "--dataset", "news", "--format", "csv", "--sql", f"{query} ORDER BY ALL")
    assert answer.stdout.splitlines()[1] == f"0,a.txt,1,{len(texts[0])}"
    # A data set has no sources.
    outcome = with_corpus.ssmi("stats", "--dataset", "tiny", "--sql", "FROM sources")
    assert outcome.code == 2 and "sources" in outcome.stderr


def test_blank_corpora_are_refused_and_unread_files_reported(with_corpus: Any) -> None:
    outcome = with_corpus.ssmi("features", "prepare", "--corpus", "news")
    assert "not read: notes.md" in outcome.stderr
    assert outcome.stdout == "prepare: 8 rows in, 8 out, 2 nothing-but-blanks\n"
    blank = with_corpus.root / "blank.txt"
    blank.write_text("\n \n", encoding="utf-8")
    outcome = with_corpus.ssmi("features", "build", "--corpus", "blank.txt")
    assert outcome.code == 3 and "corpus blank: holds no text" in outcome.stderr
    assert not (with_corpus.root / "artifacts" / "prepare" / "blank").exists()
    assert "prepare: texts to sentences" in outcome.stderr and "gold" not in outcome.stderr
    blank.write_bytes(b"\0\0\0")
    outcome = with_corpus.ssmi("features", "build", "--corpus", "blank.txt")
    assert outcome.code == 3 and "corpus blank: holds only NUL bytes and blanks; not a text file" in outcome.stderr
