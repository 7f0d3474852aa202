"""``vocab.extra_words``: words without vectors in the file join the lexicon, from the trie to a packed tagger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.features.alignment import fit_alignment, isolated_vectors
from ssmi.pipeline.lexicon.trie_file import open_trie
from ssmi.pipeline.lexicon.vocabulary_files import open_vocabulary
from ssmi.pipeline.stages.running.encoding import open_encoder

LISTED = "\ufeff# mine\n只有测试集见过\n\n上海人民\nabc\n疫苗\n上海人民\n单\n  测试集见  \n"
"""Lines 2, 4 and 9 join the vocabulary; 疫苗 already has a vector."""
ADDED = ["只有测试集见过", "上海人民", "测试集见"]


def _manifest(project: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((project.root / "artifacts" / "vocab" / "manifest.json").read_text("utf-8"))
    return body


@pytest.fixture(scope="module")
def extended(pristine_project: Any, copy_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tiny project built with extra words; the command's messages are checked here."""
    project = copy_project(pristine_project, tmp_path_factory.mktemp("extended"))
    (project.root / "own.txt").write_text(LISTED, encoding="utf-8")
    project.set("vocab", extra_words="own.txt")
    outcome = project.build()
    assert "3 of 7 extra words added" in outcome.stderr
    for line, reason in (
        (5, "'abc' no-cjk"),
        (6, "'疫苗' has a vector"),
        (7, "'上海人民' duplicate"),
        (8, "'单' too-short"),
    ):
        assert f"own.txt:{line} {reason}" in outcome.stderr
    return project


def test_extra_words_follow_all_others_with_mapped_vectors(extended: Any, built_once: Any) -> None:
    folder = extended.root / "artifacts" / "vocab"
    words = tables.read_table(folder / "words.parquet", schema.VOCABULARY)["word"].to_pylist()
    before = tables.read_table(built_once.root / "artifacts" / "vocab" / "words.parquet", schema.VOCABULARY)[
        "word"
    ].to_pylist()
    assert words == before + ADDED
    vectors = np.load(folder / "vectors.npy")
    expected = np.load(built_once.root / "artifacts" / "vocab" / "vectors.npy")
    np.testing.assert_array_equal(vectors[: len(expected)], expected)
    fit_on = before[:100]  # embed.fit_words of the tiny project
    encode = open_encoder(extended.root / "encoder", "extra words").states
    states = isolated_vectors([*fit_on, *ADDED], encode)
    alignment = fit_alignment(states[: len(fit_on)], expected[1 : len(fit_on) + 1], ridge=1.0, seed=13)
    np.testing.assert_allclose(vectors[len(expected) :], alignment.apply(states[len(fit_on) :]), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors[len(expected) :], axis=1), 1, atol=1e-6)


def test_the_manifest_records_the_extra_words(extended: Any, built_once: Any) -> None:
    manifest, plain = _manifest(extended), _manifest(built_once)
    facts = manifest["report"]["statistics"]["extra_words"]
    assert (facts["listed"], facts["added"]) == (7, 3)
    assert facts["left_out"] == {"duplicate": 1, "has a vector": 1, "no-cjk": 1, "too-short": 1}
    assert facts["alignment"]["fitted_words"] == 90
    report = manifest["report"]
    assert report["rows_in"] == report["rows_out"] + sum(report["skipped"].values())
    assert set(manifest["inputs"]) - set(plain["inputs"]) == {"extra_words/own.txt", "encoder/encoder", "embed"}
    assert plain["report"]["statistics"]["extra_words"] is None


def test_the_trie_and_the_selection_use_extra_words(extended: Any) -> None:
    folder = extended.root / "artifacts"
    vocabulary = open_vocabulary(folder / "vocab", digest="extended")
    number = vocabulary["只有测试集见过"]
    assert (0, 7, number) in open_trie(folder / "vocab" / "trie.bin").matches("只有测试集见过这个")
    assert number in vocabulary.boundaries_of("过").tolist()
    answers = tables.read_rows(tables.part_path(folder / "selection" / "tiny", "selections", 0), schema.SELECTIONS)
    selected = {n for one in answers for n in [*one["set_ids"], *one["negative_ids"], one["best_id"]]}
    assert selected & {vocabulary[word] for word in ADDED}
    matches = tables.read_rows(folder / "pmi" / "tiny" / "test" / "part-00000.parquet", schema.MATCHES)
    assert any(number in row["match_ids"] for row in matches)


def test_the_alignment_of_a_data_set_is_not_fitted_on_extra_words(extended: Any, built_once: Any) -> None:
    def fitted(project: Any) -> int:
        body = json.loads((project.root / "artifacts" / "embed" / "tiny" / "manifest.json").read_text("utf-8"))
        return int(body["report"]["statistics"]["alignment"]["fitted_words"])

    assert fitted(extended) == fitted(built_once)


def test_the_vocabulary_is_rebuilt_if_the_list_or_the_alignment_changes(
    extended: Any, copy_project: Any, tmp_path: Path
) -> None:
    project = copy_project(extended, tmp_path)
    assert project.build().built == set()
    assert "vocab" not in project.build("-S", "embed.precompute_words=20").built
    assert "vocab" in project.build("-S", "embed.ridge=2.0").built
    assert "vocab" in project.build().built
    (project.root / "own.txt").write_text("上海人民\n", encoding="utf-8")
    assert "vocab" in project.build().built
    assert _manifest(project)["report"]["statistics"]["extra_words"]["added"] == 1


def test_without_extra_words_the_vocabulary_ignores_the_encoder(project: Any) -> None:
    assert "vocab" not in project.build("-S", "embed.ridge=2.0").built


def test_a_trained_tagger_and_its_export_know_extra_words(extended: Any, copy_project: Any, tmp_path: Path) -> None:
    project = copy_project(extended, tmp_path)
    assert project.ssmi("train", "-S", "train.epochs=1").code == 0
    run, packed = project.root / "artifacts" / "train" / "tiny", tmp_path / "packed"
    assert project.ssmi("export", "--run", str(run), "--out", str(packed)).code == 0
    words = tables.read_table(packed / "features" / "vocab" / "words.parquet", schema.VOCABULARY)["word"].to_pylist()
    assert words[-3:] == ADDED
    import ssmi

    text = "只有测试集见过这个"
    tagger, other = ssmi.open_run(run), ssmi.open_run(packed)
    assert tagger(text) == other(text)
    row = project.ssmi("explain", "过", "--segment", "只有测试集见过")
    assert row.code == 0 and "a word of the vocabulary" in row.stdout


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [(None, 4, "own.txt: no such file"), ("上海\n人民".encode("gb18030"), 3, "own.txt:1: not UTF-8")],
)
def test_an_unreadable_list_changes_nothing(project: Any, body: bytes | None, code: int, message: str) -> None:
    if body is not None:
        (project.root / "own.txt").write_bytes(body)
    before = project.artifacts()
    outcome = project.ssmi("features", "vocab", "-S", "vocab.extra_words=own.txt")
    assert outcome.code == code and message in outcome.stderr and "next:" in outcome.stderr
    assert project.artifacts() == before


def test_a_vocabulary_too_small_for_an_alignment_is_refused(project: Any) -> None:
    (project.root / "own.txt").write_text("上海人民\n", encoding="utf-8")
    outcome = project.ssmi("features", "vocab", "-S", "vocab.extra_words=own.txt", "-S", "vocab.max_words=10")
    assert outcome.code == 1 and "vocab.extra_words: the vocabulary holds 10 words; a map needs 20" in outcome.stderr
