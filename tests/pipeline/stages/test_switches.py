"""The effect of every option of the stages on the tables that they write."""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import BertModel

from ssmi.pipeline.contract.label_files import load_labels
from ssmi.pipeline.contract.labels import Span, strict_spans
from ssmi.pipeline.contract.parquet import schema, tables

Row = dict[str, Any]
Matrix = np.ndarray[Any, np.dtype[np.float32]]


def folder(project: Any, stage: str) -> Path:
    path: Path = project.root / "artifacts" / stage / "tiny"
    return path


def rows(project: Any, stage: str, columns: pa.Schema, *, splits: tuple[str, ...] = tables.SPLITS) -> list[Row]:
    parts = [path for split in splits for path in tables.list_parts(folder(project, stage), split)]
    return [row for path in parts for row in tables.read_rows(path, columns)]


def selections(project: Any) -> list[Row]:
    parts = tables.list_parts(folder(project, "selection"), "selections")
    return [row for path in parts for row in tables.read_rows(path, schema.SELECTIONS)]


def vocabulary(project: Any) -> dict[str, int]:
    words = tables.read_rows(project.root / "artifacts" / "vocab" / "words.parquet", schema.VOCABULARY)
    return {row["word"]: row["boundary_id"] for row in words}


def statistics(project: Any, stage: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((folder(project, stage) / "manifest.json").read_text(encoding="utf-8"))
    body_of: dict[str, Any] = body["report"]["statistics"]
    return body_of


def matches_over(characters: list[str], words: dict[str, int]) -> list[set[int]]:
    """Ids of all vocabulary words over each position, found by trying every substring."""
    over: list[set[int]] = [set() for _ in characters]
    for start in range(len(characters)):
        for end in range(start + 1, min(start + 10, len(characters)) + 1):
            number = words.get("".join(characters[start:end]))
            for place in range(start, end) if number else ():
                over[place].add(number or 0)
    return over


class Encoder:
    """The tiny BERT, applied to one text at a time."""

    def __init__(self, root: Path) -> None:
        torch.set_num_threads(1)
        self.bert = BertModel.from_pretrained(root / "encoder", add_pooling_layer=False, local_files_only=True).eval()
        lines = (root / "encoder" / "vocab.txt").read_text(encoding="utf-8").split("\n")
        self.token_of = {token: number for number, token in enumerate(lines)}

    def states(self, characters: list[str], *, layers: int = -1) -> Matrix:
        """States after ``layers`` layers; -1 for the last layer."""
        states: Matrix = self.cells(characters, layers=layers)[1:-1]
        return states

    def cells(self, characters: list[str], *, layers: int) -> Matrix:
        """States as in ``states``, with those of [CLS] in front and [SEP] at the end."""
        ids = [self.token_of.get(one.lower(), self.token_of["[UNK]"]) for one in characters]
        with torch.no_grad():
            row = torch.tensor([[self.token_of["[CLS]"], *ids, self.token_of["[SEP]"]]])
            output = self.bert(input_ids=row, output_hidden_states=True)
        states: Matrix = output.hidden_states[layers][0].numpy()
        return states

    def unit_mean(self, characters: list[str]) -> Matrix:
        mean = self.states(characters).mean(axis=0)
        result: Matrix = mean / np.linalg.norm(mean)
        return result


@pytest.fixture(scope="module")
def encoder(built_once: Any) -> Encoder:
    return Encoder(built_once.root)


# --- vocab, prepare -----------------------------------------------------------------------------------------------


def test_max_words_keeps_the_first_words(project: Any) -> None:
    all_words = list(vocabulary(project))
    project.build("-S", "vocab.max_words=120")
    assert list(vocabulary(project)) == all_words[:120]
    report = json.loads((project.root / "artifacts/vocab/manifest.json").read_text(encoding="utf-8"))["report"]
    assert report["skipped"]["over-max-words"] == len(all_words) - 120
    assert max(row["best_id"] for row in selections(project)) <= 120


def test_max_word_len_drops_longer_words(project: Any) -> None:
    project.build("-S", "vocab.max_word_len=2")
    assert {len(word) for word in vocabulary(project)} == {2}


def test_min_word_len_admits_single_characters(project: Any) -> None:
    before = vocabulary(project)
    (character,) = {row["segment"] for row in selections(project) if len(row["segment"]) == 1} & {"的"}
    with (project.root / "vectors.txt").open("r+", encoding="utf-8") as vectors:
        width = int(vectors.readline().split()[1])
        vectors.seek(0, 2)
        vectors.write(f"{character} {' '.join(['0.5', *['-1'] * (width - 1)])}\n")
    project.build()
    assert vocabulary(project) == before, "single characters are left out"
    project.build("-S", "vocab.min_word_len=1")
    words = vocabulary(project)
    assert {word for word in words if len(word) == 1} == {"单", character} and set(words) > set(before)
    alone = [row for row in selections(project) if row["segment"] == character]
    assert [(row["best_id"], round(row["best_cosine"], 5)) for row in alone] == [(words[character], 1.0)]
    assert words[character] in {number for row in rows(project, "pmi", schema.MATCHES) for number in row["match_ids"]}


def test_a_missing_dev_split_is_cut_from_train(project: Any) -> None:
    before = [row["characters"] for row in rows(project, "prepare", schema.SENTENCES, splits=("train",))]
    project.raw("dev").unlink()
    project.build()
    train = [row["characters"] for row in rows(project, "prepare", schema.SENTENCES, splits=("train",))]
    dev = [row["characters"] for row in rows(project, "prepare", schema.SENTENCES, splits=("dev",))]
    assert len(dev) == 6  # a tenth of 60
    assert sorted(train + dev) == sorted(before)
    assert statistics(project, "prepare")["dev_cut_from_train"] is True
    project.build("-S", "prepare.seed=14")
    assert [row["characters"] for row in rows(project, "prepare", schema.SENTENCES, splits=("dev",))] != dev


def test_sentences_per_part_sets_the_size_of_parts(project: Any) -> None:
    project.build("-S", "prepare.sentences_per_part=25")
    for stage in ("prepare", "segment", "selection", "pmi", "shards"):
        parts = tables.list_parts(folder(project, stage), "train")
        assert [tables.count_rows([part]) for part in parts] == [25, 25, 10], stage
    ids = [row["sentence_id"] for row in rows(project, "shards", schema.SHARDS, splits=("train",))]
    assert ids == list(range(60))


# --- segment ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["segment.engine=rjieba", "segment.hmm=false"])
def test_segments_tile_the_sentence_for_every_segmenter(project: Any, change: str) -> None:
    sentences = rows(project, "prepare", schema.SENTENCES)
    before = rows(project, "segment", schema.SEGMENTS)
    project.build("-S", change)
    after = rows(project, "segment", schema.SEGMENTS)
    for sentence, row in zip(sentences, after, strict=True):
        starts, characters = row["segment_starts"], sentence["characters"]
        ends = [*starts[1:], len(characters)]
        assert starts[0] == 0
        assert row["segments"] == ["".join(characters[i:j]) for i, j in zip(starts, ends, strict=True)]
        assert all(row["segments"])
    if change == "segment.hmm=false":
        assert before != after


def test_a_user_dictionary_joins_its_words(project: Any) -> None:
    words = project.root / "words.txt"
    words.write_text("只有测试集见过 1000000\n", encoding="utf-8")
    project.set("segment", user_dict="words.txt")
    assert project.build().built == {"segment", "embed", "selection", "shards"}
    segments = rows(project, "segment", schema.SEGMENTS, splits=("test",))[-1]["segments"]
    assert segments[0] == "只有测试集见过"
    words.write_text("只有测试集 1000000\n", encoding="utf-8")
    assert "segment" in project.build().built
    assert rows(project, "segment", schema.SEGMENTS, splits=("test",))[-1]["segments"][0] == "只有测试集"


@pytest.mark.parametrize(
    ("values", "code", "message"),
    [
        ({"user_dict": "words.txt", "engine": "rjieba"}, 2, "rjieba engine reads no user dictionary"),
        ({"user_dict": "missing.txt"}, 4, "missing.txt: no such file"),
    ],
)
def test_unusable_user_dictionaries_are_refused(project: Any, values: Row, code: int, message: str) -> None:
    (project.root / "words.txt").write_text("长江 10\n", encoding="utf-8")
    before = project.artifacts()
    project.set("segment", **values)
    outcome = project.ssmi("features", "build")
    assert outcome.code == code
    assert message in outcome.stderr and "next:" in outcome.stderr
    assert project.artifacts() == before


# --- embed --------------------------------------------------------------------------------------------------------


def embedded(project: Any) -> tuple[dict[str, Row], Matrix]:
    segments = tables.read_rows(folder(project, "embed") / "segments.parquet", schema.DISTINCT_SEGMENTS)
    return {row["segment"]: row for row in segments}, np.load(folder(project, "embed") / "vectors.npy")


def occurs(row: Row) -> bool:
    return bool(row["n_train"] + row["n_dev"] + row["n_test"])


def test_the_most_frequent_unknown_words_are_precomputed(project: Any, encoder: Encoder) -> None:
    import jieba

    dictionary = jieba.Tokenizer()
    dictionary.initialize()
    segments, vectors = embedded(project)
    precomputed = [segment for segment, row in segments.items() if not occurs(row)]
    known = vocabulary(project).keys() | {segment for segment, row in segments.items() if occurs(row)}
    unknown = {word: n for word, n in dictionary.FREQ.items() if n and word not in known}
    assert precomputed == sorted(unknown, key=lambda word: (-unknown[word], word))[:30]
    assert not any(segments[word]["boundary_id"] for word in precomputed)
    assert statistics(project, "embed")["precomputed_segments"] == 30
    project.build("-S", "embed.precompute_words=0")
    fewer, same = embedded(project)
    assert fewer == {segment: row for segment, row in segments.items() if occurs(row)}
    assert np.array_equal(same, vectors[: len(same)])
    project.build("-S", "embed.precompute_words=3", "-S", "embed.space=bert")
    three, _ = embedded(project)
    bert = np.load(folder(project, "embed") / "segments_bert.npy")
    assert list(three) == [*fewer, *precomputed[:3]]
    for word in precomputed[:3]:
        assert bert[three[word]["segment_id"]] == pytest.approx(encoder.unit_mean(list(word)), abs=1e-5)


def test_sentence_context_changes_only_words_outside_the_vocabulary(project: Any) -> None:
    segments, isolated = embedded(project)
    project.build("-S", "embed.context=sentence")
    same, in_sentences = embedded(project)
    assert same == {segment: row for segment, row in segments.items() if occurs(row)}
    for row in same.values():
        equal = np.array_equal(isolated[row["segment_id"]], in_sentences[row["segment_id"]])
        assert equal == bool(row["boundary_id"]), row["segment"]
    assert np.allclose(np.linalg.norm(in_sentences, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("context", ["isolated", "sentence"])
def test_bert_space_contains_mean_encoder_states(project: Any, encoder: Encoder, context: str) -> None:
    project.build("-S", "embed.space=bert", "-S", f"embed.context={context}")
    segments, _ = embedded(project)
    bert = np.load(folder(project, "embed") / "segments_bert.npy")
    boundaries = np.load(folder(project, "embed") / "boundaries_bert.npy")
    assert statistics(project, "embed")["alignment"] is None
    words = vocabulary(project)
    assert boundaries.shape == (len(words) + 1, 32) and not boundaries[0].any()
    for word in list(words)[::40]:
        assert boundaries[words[word]] == pytest.approx(encoder.unit_mean(list(word)), abs=1e-5)
    oov_segments = [segment for segment, row in segments.items() if not row["boundary_id"] and segment.isalnum()]
    expected = _in_sentences(project, encoder) if context == "sentence" else None
    for segment in oov_segments[:12]:
        vector = expected[segment] if expected is not None else encoder.unit_mean(list(segment))
        assert bert[segments[segment]["segment_id"]] == pytest.approx(vector, abs=1e-5), segment
    assert all(not bert[row["segment_id"]].any() for row in segments.values() if row["boundary_id"])


def _in_sentences(project: Any, encoder: Encoder) -> dict[str, Matrix]:
    """For each segment, its mean state in a sentence, averaged over its occurrences and scaled to unit length.

    These are its occurrences in train, or in dev and test if train has none.
    """
    occurrences: dict[str, list[Matrix]] = {}
    in_train: set[str] = set()
    sentences = rows(project, "prepare", schema.SENTENCES)
    windows = rows(project, "shards", schema.SHARDS)
    segmented = rows(project, "segment", schema.SEGMENTS)
    n_train = len(rows(project, "segment", schema.SEGMENTS, splits=("train",)))
    for number, (sentence, row, shard) in enumerate(zip(sentences, segmented, windows, strict=True)):
        starts, characters = shard["window_starts"], sentence["characters"]
        ends = [*starts[1:], len(characters)]
        states = np.concatenate([encoder.states(characters[i:j]) for i, j in zip(starts, ends, strict=True)])
        begins = row["segment_starts"]
        for segment, i, j in zip(row["segments"], begins, [*begins[1:], len(characters)], strict=True):
            if number < n_train:
                in_train.add(segment)
            if number < n_train or segment not in in_train:
                occurrences.setdefault(segment, []).append(states[i:j].mean(axis=0))
    means = {segment: np.mean(vectors, axis=0) for segment, vectors in occurrences.items()}
    assert max(len(vectors) for vectors in occurrences.values()) > 3
    return {segment: mean / np.linalg.norm(mean) for segment, mean in means.items()}


def test_bert_space_compares_oov_segments_by_encoder_states(project: Any, encoder: Encoder) -> None:
    aligned = {(row["character"], row["segment"]): row for row in selections(project)}
    project.build("-S", "embed.space=bert")
    words = vocabulary(project)
    n_oov = 0
    for row in selections(project):
        if row["segment"] in words:
            assert row == {**aligned[row["character"], row["segment"]], "selection_id": row["selection_id"]}
        elif row["n_candidates"] > 5 and n_oov < 8:
            vector = encoder.unit_mean(list(row["segment"]))
            cosines = {
                word: float(vector @ encoder.unit_mean(list(word))) for word in words if row["character"] in word
            }
            assert row["best_id"] == words[max(cosines, key=cosines.__getitem__)]
            assert row["best_cosine"] == pytest.approx(max(cosines.values()), abs=1e-5)
            n_oov += 1
    assert n_oov == 8


# --- selection ----------------------------------------------------------------------------------------------------


def test_sentence_scope_takes_only_words_found_over_the_position(project: Any) -> None:
    project.build("-S", "selection.scope=sentence")
    words = vocabulary(project)
    answers = selections(project)
    query_rows = rows(project, "selection", schema.SELECTION_IDS)
    sentences = rows(project, "prepare", schema.SENTENCES)
    n_without = 0
    for sentence, row in zip(sentences, query_rows, strict=True):
        over = matches_over(sentence["characters"], words)
        for character, number, matched in zip(sentence["characters"], row["selection_ids"], over, strict=True):
            answer = answers[number]
            assert (answer["character"], answer["candidates"]) == (character, sorted(matched))
            assert answer["n_candidates"] == len(matched)
            assert {answer["best_id"], *answer["set_ids"], *answer["negative_ids"]} - {0} <= matched
            assert (answer["best_id"] == 0) == (not matched)
            n_without += not matched
    assert 0 < n_without < sum(len(sentence["characters"]) for sentence in sentences)


def test_vocabulary_scope_takes_every_word_with_the_character(project: Any) -> None:
    words = vocabulary(project)
    for row in selections(project):
        assert row["candidates"] is None
        assert row["n_candidates"] == sum(row["character"] in word for word in words)


def test_exclude_segment_keeps_a_segment_from_choosing_itself(project: Any) -> None:
    words = vocabulary(project)
    of_vocabulary = {(row["character"], row["segment"]): row for row in selections(project) if row["segment"] in words}
    assert all(row["best_id"] == words[row["segment"]] for row in of_vocabulary.values())
    project.build("-S", "selection.exclude_segment=true")
    for row in selections(project):
        if row["segment"] in words:
            named = {row["best_id"], *row["set_ids"], *row["negative_ids"]}
            assert words[row["segment"]] not in named
            assert row["n_candidates"] == of_vocabulary[row["character"], row["segment"]]["n_candidates"] - 1


def test_random_choice_depends_on_the_seed(project: Any) -> None:
    by_cosine = selections(project)
    project.build("-S", "selection.choice=random")
    drawn, first = selections(project), project.artifacts("selection")
    assert [row["n_candidates"] for row in drawn] == [row["n_candidates"] for row in by_cosine]
    words = vocabulary(project)
    word_of = {number: word for word, number in words.items()}
    for row in drawn:
        named = [*row["set_ids"], *row["negative_ids"]]
        assert len(named) == len(set(named)) == min(row["n_candidates"], 16)
        assert all(row["character"] in word_of[number] for number in named)
        assert row["set_ids"][:1] == ([row["best_id"]] if row["n_candidates"] else [])
    choosing = [row for row in drawn if row["n_candidates"] >= 5]
    n_itself = sum(row["best_id"] == words.get(row["segment"]) for row in choosing)
    assert n_itself < len(choosing) / 2  # by cosine, a segment in the vocabulary always chooses itself
    project.build("-S", "selection.choice=random", "--force")
    assert project.artifacts("selection") == first
    project.build("-S", "selection.choice=random", "-S", "selection.seed=14")
    assert [row["best_id"] for row in selections(project)] != [row["best_id"] for row in drawn]


def test_segment_choice_selects_only_the_segment_itself(project: Any) -> None:
    words = vocabulary(project)
    project.build("-S", "selection.choice=segment")
    found = selections(project)
    assert {row["best_id"] for row in found} > {0}
    for row in found:
        assert row["best_id"] == words.get(row["segment"], 0)
        assert (row["best_cosine"] is None) is (row["best_id"] == 0)
        assert row["set_ids"] == row["negative_ids"] == []
    assert statistics(project, "selection")["without_candidate"] == sum(not row["n_candidates"] for row in found)


def test_threshold_and_sizes_limit_the_sets(project: Any) -> None:
    project.build("-S", "selection.threshold=0.3", "-S", "selection.max_set=3", "-S", "selection.n_negatives=2")
    answers = selections(project)
    assert max(len(row["set_ids"]) for row in answers) == 3
    assert max(len(row["negative_ids"]) for row in answers) == 2
    assert all(cosine > 0.3 for row in answers for cosine in row["set_cosines"])
    assert any(cosine < 0.5 for row in answers for cosine in row["set_cosines"])
    assert all(row["set_cosines"] == sorted(row["set_cosines"], reverse=True) for row in answers)


def test_the_histogram_counts_every_candidate(project: Any) -> None:
    bins = tables.read_rows(folder(project, "selection") / "cosines.parquet", schema.COSINES)
    assert sum(row["n_candidates"] for row in bins) == sum(row["n_candidates"] for row in selections(project))


# --- pmi ----------------------------------------------------------------------------------------------------------


def pairs(project: Any) -> dict[tuple[str, int], Row]:
    scored = tables.read_rows(folder(project, "pmi") / "pairs.parquet", schema.PMI_PAIRS)
    return {(row["character"], row["boundary_id"]): row for row in scored}


def count_events(texts: Iterator[list[str]], words: dict[str, int]) -> Counter[tuple[str, int]]:
    events: Counter[tuple[str, int]] = Counter()
    for characters in texts:
        for character, matched in zip(characters, _events_over(characters, words), strict=True):
            events.update((character, number) for number in matched)
    return events


def _events_over(characters: list[str], words: dict[str, int]) -> list[list[int]]:
    over: list[list[int]] = [[] for _ in characters]
    for start in range(len(characters)):
        for end in range(start + 1, min(start + 10, len(characters)) + 1):
            number = words.get("".join(characters[start:end]))
            for place in range(start, end) if number else ():
                over[place].append(number or 0)
    return over


def test_the_printed_estimator_does_not_depend_on_the_boundary(project: Any) -> None:
    joint = pairs(project)
    project.build("-S", "pmi.estimator=paper")
    printed = pairs(project)
    assert {pair: row["n_events"] for pair, row in printed.items()} == {p: row["n_events"] for p, row in joint.items()}
    total = sum(row["n_events"] for row in joint.values())
    of_character: Counter[str] = Counter()
    of_boundary: Counter[int] = Counter()
    for (character, boundary), row in joint.items():
        of_character[character] += row["n_events"]
        of_boundary[boundary] += row["n_events"]
    for (character, boundary), row in printed.items():
        share = of_boundary[boundary] / total
        assert row["pmi"] == pytest.approx(math.log(total / of_character[character]))
        assert row["weight"] == pytest.approx(share * row["pmi"])
        by_definition = joint[character, boundary]
        expected = math.log(by_definition["n_events"] * total / (of_boundary[boundary] * of_character[character]))
        assert by_definition["pmi"] == pytest.approx(expected)
        assert by_definition["weight"] == pytest.approx(share * expected)


@pytest.mark.parametrize("name", ["more.txt", "more.txt.gz"])
def test_unlabelled_text_is_counted_with_train(project: Any, name: str) -> None:
    text = "南京市长江大桥\r\n\n公司董事长在北京😀\n熊猫"
    packed = gzip.compress(text.encode(), mtime=0) if name.endswith(".gz") else text.encode()
    (project.root / name).write_bytes(packed)
    project.set("pmi", unlabelled=[name])
    assert project.build().built == {"pmi", "shards"}
    words = vocabulary(project)
    train = [row["characters"] for row in rows(project, "prepare", schema.SENTENCES, splits=("train",))]
    expected = count_events(iter([*train, *map(list, text.split())]), words)
    assert {pair: row["n_events"] for pair, row in pairs(project).items()} == dict(expected)
    assert ("熊", words["熊猫"]) in expected
    inputs = json.loads((folder(project, "pmi") / "manifest.json").read_text(encoding="utf-8"))["inputs"]
    assert f"unlabelled/0/{name}" in inputs


def test_a_missing_unlabelled_text_is_named(project: Any) -> None:
    project.set("pmi", unlabelled=["nowhere.txt"])
    outcome = project.ssmi("features", "build")
    assert outcome.code == 4
    assert "nowhere.txt: no such text" in outcome.stderr and "pmi.unlabelled" in outcome.stderr


def test_matches_include_every_word_in_the_sentence(project: Any) -> None:
    words = vocabulary(project)
    written = rows(project, "pmi", schema.MATCHES)
    for sentence, row in zip(rows(project, "prepare", schema.SENTENCES), written, strict=True):
        matches = list(zip(row["match_starts"], row["match_ends"], row["match_ids"], strict=True))
        assert matches == sorted(matches)
        over: list[set[int]] = [set() for _ in sentence["characters"]]
        for start, end, number in matches:
            assert words["".join(sentence["characters"][start:end])] == number
            for place in range(start, end):
                over[place].add(number)
        assert over == matches_over(sentence["characters"], words)


# --- shards -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["BMES", "BIOES", "BIO"])
def test_tags_of_each_scheme_encode_the_entities(project: Any, scheme: Any) -> None:
    project.build("-S", f"shards.tag_scheme={scheme}")
    labels = load_labels(folder(project, "shards") / "labels.json")
    assert labels.scheme == scheme
    assert "TESTED" in labels.entity_types  # a type that occurs only in test is still scored
    n_entities = 0
    for row in rows(project, "shards", schema.SHARDS):
        spans, ill_formed = strict_spans([labels.tags[number] for number in row["tag_ids"]], scheme=scheme)
        assert ill_formed == 0
        assert spans == [Span(one["start"], one["end"], one["label"]) for one in row["entities"]]
        n_entities += len(spans)
    assert n_entities > 200


def test_matches_are_stored_with_rows_and_their_words_with_boundaries(project: Any) -> None:
    names = ["match_starts", "match_ends", "match_ids"]

    def boundaries() -> dict[int, str]:
        table = pa.parquet.read_table(folder(project, "shards") / "boundaries.parquet", columns=["boundary_id", "word"])
        return dict(zip(*(column.to_pylist() for column in table.columns), strict=True))

    plain, few = rows(project, "shards", schema.SHARDS), boundaries()
    assert all(row[name] is None for row in plain for name in names)
    assert statistics(project, "shards")["matches"] is False
    project.build("-S", "shards.matches=true")
    kept = rows(project, "shards", schema.SHARDS)
    assert statistics(project, "shards")["matches"] is True
    matched = rows(project, "pmi", schema.MATCHES)
    assert [[row[name] for name in names] for row in kept] == [[row[name] for name in names] for row in matched]
    assert [row | dict.fromkeys(names) for row in kept] == plain
    ids = {number for row in kept for number in row["match_ids"]}
    assert boundaries().keys() == few.keys() | ids
    assert all(
        boundaries()[number] == "".join(row["characters"][start:end])
        for row in kept[:5]
        for start, end, number in zip(*(row[name] for name in names), strict=True)
    )


def test_impossible_options_of_hidden_states_are_refused(project: Any) -> None:
    too_many = project.ssmi("features", "build", "-S", "shards.hidden=true", "-S", "shards.hidden_layers=3")
    assert (too_many.code, "has 2" in too_many.stderr) == (2, True)
    for option in ("hidden_layers=1", "hidden_norm=false"):
        outcome = project.ssmi("features", "build", "-S", f"shards.{option}")
        assert (outcome.code, "stores no states" in outcome.stderr) == (2, True)
        assert f"shards.{option.replace('=', ': ')}" in outcome.stderr


@pytest.mark.parametrize("layers", [None, 1])
def test_hidden_states_are_stored_beside_their_rows(project: Any, encoder: Encoder, layers: int | None) -> None:
    overrides = ["-S", f"shards.hidden_layers={layers}"] if layers else []
    project.build("-S", "shards.hidden=true", "-S", "prepare.sentences_per_part=25", *overrides)
    assert statistics(project, "shards")["hidden_width"] == 32
    assert statistics(project, "shards")["hidden_layers"] == (layers or 2)
    n_windowed = 0
    for split in tables.SPLITS:
        for path in tables.list_parts(folder(project, "shards"), split):
            states = np.load(path.with_suffix(".hidden.npy"))
            specials = np.load(path.with_suffix(".specials.npy"))
            offset = window = 0
            for row in tables.read_rows(path, schema.SHARDS):
                assert row["hidden_start"] == offset
                starts, characters = row["window_starts"], row["characters"]
                if len(starts) > 1 or row["sentence_id"] % 20 == 0:
                    ends = [*starts[1:], len(characters)]
                    expected = [
                        encoder.cells(characters[i:j], layers=layers or -1) for i, j in zip(starts, ends, strict=True)
                    ]
                    stored = states[offset : offset + len(characters)].astype(np.float32)
                    assert np.abs(stored - np.concatenate([one[1:-1] for one in expected])).max() < 4e-3
                    of_marks = specials[window : window + len(starts)].astype(np.float32)
                    assert np.abs(of_marks - np.stack([one[[0, -1]] for one in expected])).max() < 4e-3
                    n_windowed += len(starts) > 1
                offset += len(characters)
                window += len(starts)
            assert states.shape == (offset, 32) and specials.shape == (window, 2, 32)
            assert states.dtype == specials.dtype == np.float16
    assert n_windowed


@pytest.mark.parametrize(("max_window", "longest"), [(20, 20), (1000, 62)])
def test_windows_are_limited_by_max_window_and_the_encoder(project: Any, max_window: int, longest: int) -> None:
    project.build("-S", f"shards.max_window={max_window}")
    assert statistics(project, "shards")["max_window"] == longest
    sizes = [
        end - start
        for row in rows(project, "shards", schema.SHARDS)
        for start, end in zip(row["window_starts"], [*row["window_starts"][1:], len(row["characters"])], strict=True)
    ]
    assert longest / 2 < max(sizes) <= longest
    assert min(sizes) > 0
