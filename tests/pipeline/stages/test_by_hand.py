"""Every shard row of the tiny project, recomputed from raw text, vectors and encoder with plain loops."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jieba
import numpy as np
import pytest
import torch
from transformers import BertModel

from ssmi.pipeline.contract.parquet import schema, tables

Vector = np.ndarray[Any, np.dtype[np.float64]]
ROLES = "BMES"
WINDOW = 62  # the encoder's 64 positions minus [CLS] and [SEP]


@dataclass
class Sentence:
    characters: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    segments: list[str] = field(default_factory=list)
    """For each character, the segment that contains it."""
    segment_starts: list[int] = field(default_factory=list)
    matches: list[tuple[int, int, str]] = field(default_factory=list)


def read_raw(path: Path) -> list[Sentence]:
    sentences = [Sentence()]
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line:
            sentences[-1].characters.append(line[: line.rindex(" ")])
            sentences[-1].tags.append(line[line.rindex(" ") + 1 :])
        elif sentences[-1].characters:
            sentences.append(Sentence())
    return [without_blanks(sentence) for sentence in sentences if sentence.characters]


def without_blanks(sentence: Sentence) -> Sentence:
    """Keep a blank only between two ASCII characters; here no blank is at an end or next to another blank."""
    characters = sentence.characters
    kept = [
        i
        for i, mark in enumerate(characters)
        if not mark.isspace() or (characters[i - 1] + characters[i + 1]).isascii()
    ]
    return Sentence([characters[i] for i in kept], [sentence.tags[i] for i in kept])


def unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(float(value) ** 2 for value in vector))
    return vector / length if length else vector


def read_words(path: Path) -> dict[str, Vector]:
    words: dict[str, Vector] = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        word, *values = line.split(" ")
        vector = np.array([float(np.float32(value)) for value in values])
        chinese = any("\u4e00" <= letter <= "\u9fff" or (letter > "\U00020000" and letter != "😀") for letter in word)
        if 2 <= len(word) <= 10 and chinese and word not in words and vector.any():
            words[word] = unit(vector)
    return words


class Recomputed:
    """All of METHOD, in the order of its stages."""

    def __init__(self, root: Path) -> None:
        self.splits = {split: read_raw(root / "data" / "tiny" / f"{split}.bmes") for split in ("train", "dev", "test")}
        self.everything = [sentence for split in self.splits.values() for sentence in split]
        self.words = read_words(root / "vectors.txt")
        self.id_of = {word: number for number, word in enumerate(self.words, start=1)}
        lines = (root / "encoder" / "vocab.txt").read_text(encoding="utf-8").split("\n")
        self.token_of = {token: number for number, token in enumerate(lines) if token}
        torch.set_num_threads(1)  # at these sizes, synchronising threads costs more than it gains
        self.bert = BertModel.from_pretrained(root / "encoder", add_pooling_layer=False, local_files_only=True).eval()
        cut = jieba.Tokenizer()
        jieba.setLogLevel("WARNING")
        for sentence in self.everything:
            self._segment(sentence, cut)
            self._match(sentence)
        self.vector_of = self._segment_vectors()
        self._count()
        kinds = {tag[2:] for sentence in self.everything for tag in sentence.tags if tag != "O"}
        tags = ["O", *(f"{role}-{kind}" for kind in sorted(kinds) for role in ROLES)]
        self.tag_ids = {tag: number for number, tag in enumerate(tags)}

    def _segment(self, sentence: Sentence, cut: jieba.Tokenizer) -> None:
        ends = np.cumsum([len(character) for character in sentence.characters]).tolist()
        begins = [0, *ends[:-1]]
        offset = 0
        for word in cut.cut("".join(sentence.characters)):
            if not word:
                continue
            # A character belongs to the segment that holds its first code point.
            inside = [place for place, begin in enumerate(begins) if offset <= begin < offset + len(word)]
            if inside:
                segment = "".join(sentence.characters[place] for place in inside)
                sentence.segment_starts.append(inside[0])
                sentence.segments += [segment] * len(inside)
            offset += len(word)

    def _match(self, sentence: Sentence) -> None:
        n = len(sentence.characters)
        for start in range(n):
            for end in range(start + 1, min(n, start + 10) + 1):
                word = "".join(sentence.characters[start:end])
                if word in self.words:
                    sentence.matches.append((start, end, word))

    def token(self, character: str) -> int:
        for form in (character, character.lower(), {"Ａ": "a", "１": "1"}.get(character, character)):
            if form in self.token_of:
                return self.token_of[form]
        return self.token_of["[UNK]"]

    def states(self, characters: list[str]) -> Vector:
        ids = [self.token_of["[CLS]"], *map(self.token, characters), self.token_of["[SEP]"]]
        with torch.no_grad():
            states = self.bert(input_ids=torch.tensor([ids])).last_hidden_state[0, 1:-1]
        return states.numpy().astype(np.float64)

    def _segment_vectors(self) -> dict[str, Vector]:
        """A vocabulary word's own vector; else BERT's mean state through a ridge map fitted on vocabulary words."""
        train = Counter(
            sentence.segments[start] for sentence in self.splits["train"] for start in sentence.segment_starts
        )
        fit = sorted((word for word in train if word in self.words), key=lambda word: (-train[word], self.id_of[word]))
        fit = [*fit, *(word for word in self.words if word not in fit)][:100]
        x = np.stack([self.states(list(word)).mean(axis=0) for word in fit])
        y = np.stack([self.words[word] for word in fit])
        used = np.sort(np.random.default_rng(13).permutation(100)[10:])  # a tenth of the words is held out
        mean, scale = x[used].mean(axis=0), x[used].std(axis=0) + 1e-6
        z = (x[used] - mean) / scale
        offset = y[used].mean(axis=0)
        weights = np.linalg.inv(z.T @ z + 1.0 * len(used) * np.eye(z.shape[1])) @ z.T @ (y[used] - offset)
        vectors: dict[str, Vector] = {}
        for segment in {segment for sentence in self.everything for segment in sentence.segments}:
            if segment in self.words:
                vectors[segment] = self.words[segment]
            else:
                mean_state = self.states(list(segment)).mean(axis=0)
                vectors[segment] = unit((mean_state - mean) / scale @ weights + offset)
        return vectors

    def _count(self) -> None:
        self.events: Counter[tuple[str, str]] = Counter()
        for sentence in self.splits["train"]:
            for start, end, word in sentence.matches:
                for place in range(start, end):
                    self.events[sentence.characters[place], word] += 1
        self.of_character: Counter[str] = Counter()
        self.of_word: Counter[str] = Counter()
        self.n_events = sum(self.events.values())
        for (character, word), count in self.events.items():
            self.of_character[character] += count
            self.of_word[word] += count

    def local(self, sentence: Sentence, place: int) -> int:
        best, best_weight = 0, -math.inf
        for start, end, word in sorted(sentence.matches, key=lambda match: self.id_of[match[2]]):
            joint = self.events[sentence.characters[place], word]
            if not start <= place < end or not joint:
                continue
            pmi = math.log(joint * self.n_events / (self.of_word[word] * self.of_character[sentence.characters[place]]))
            weight = self.of_word[word] / self.n_events * pmi
            if weight > best_weight + 1e-12:
                best, best_weight = self.id_of[word], weight
        return best

    def choice(self, character: str, segment: str) -> tuple[int, float, list[int], list[int]]:
        """Return the best boundary id, its cosine, the set, and the negatives."""
        cosines = [
            (float(self.vector_of[segment] @ vector), self.id_of[word])
            for word, vector in self.words.items()
            if character in word
        ]
        if not cosines:
            return 0, 0.0, [], []
        falling = sorted(cosines, key=lambda pair: (-pair[0], pair[1]))
        chosen = [number for cosine, number in falling if cosine > 0.5][:8]
        rising = [number for _, number in sorted(cosines) if number not in chosen]
        return falling[0][1], falling[0][0], chosen, rising[:8]

    def windows(self, characters: list[str]) -> list[int]:
        starts = [0]
        while len(characters) - starts[-1] > WINDOW:
            begin, end = starts[-1], starts[-1] + WINDOW
            second_half = range(begin + WINDOW // 2 + 1, end + 1)
            for marks in ("。！？!?…", "；;：:", "，,、", " \u3000）)】》」』"):
                ends = [place for place in second_half if characters[place - 1] in marks]
                if ends:
                    end = ends[-1]
                    break
            starts.append(end)
        return starts


@pytest.fixture(scope="module")
def recomputed(built_once: Any) -> Recomputed:
    return Recomputed(built_once.root)


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_every_shard_row_equals_the_recomputed_one(built_once: Any, recomputed: Recomputed, split: str) -> None:
    rows = tables.read_rows(built_once.root / f"artifacts/shards/tiny/{split}/part-00000.parquet", schema.SHARDS)
    assert len(rows) == len(recomputed.splits[split])
    for number, (row, sentence) in enumerate(zip(rows, recomputed.splits[split], strict=True)):
        n = len(sentence.characters)
        choices = [recomputed.choice(*pair) for pair in zip(sentence.characters, sentence.segments, strict=True)]
        assert row["sentence_id"] == number
        assert row["characters"] == sentence.characters
        assert row["token_ids"] == [recomputed.token(character) for character in sentence.characters]
        assert row["tag_ids"] == [recomputed.tag_ids[tag] for tag in sentence.tags]
        assert row["entities"] == _entities(sentence.tags)
        assert row["best_ids"] == [best for best, _, _, _ in choices]
        assert row["best_cosines"] == pytest.approx([cosine for _, cosine, _, _ in choices], abs=2e-5)
        assert row["set_ids"] == [chosen for _, _, chosen, _ in choices]
        assert row["negative_ids"] == [negatives for _, _, _, negatives in choices]
        assert row["local_ids"] == [recomputed.local(sentence, place) for place in range(n)]
        assert row["segment_starts"] == sentence.segment_starts
        assert row["window_starts"] == recomputed.windows(sentence.characters)
        assert row["hidden_start"] is None


def test_the_text_covers_the_hard_cases(recomputed: Recomputed) -> None:
    """Full sets and negatives, several windows, out-of-vocabulary segments and unknown tokens all occur."""
    sentences = recomputed.everything
    choices = [recomputed.choice(*pair) for one in sentences for pair in zip(one.characters, one.segments, strict=True)]
    assert max(len(chosen) for _, _, chosen, _ in choices) == 8
    assert max(len(negatives) for _, _, _, negatives in choices) == 8
    assert any(best == 0 for best, _, _, _ in choices)
    assert max(len(one.characters) for one in sentences) > 510
    assert max(len(recomputed.windows(one.characters)) for one in sentences) > 8
    assert any(segment not in recomputed.words for one in sentences for segment in one.segments)
    characters = {character for one in sentences for character in one.characters}
    assert {" ", "😀", "𠮷", "C", "Ａ"} <= characters and not {"\u3000", "\u00a0"} & characters
    assert recomputed.token("😀") == recomputed.token(" ") == recomputed.token_of["[UNK]"] != recomputed.token("𠮷")


def test_the_boundary_table_lists_the_boundaries_of_all_rows(built_once: Any, recomputed: Recomputed) -> None:
    shards = built_once.root / "artifacts" / "shards" / "tiny"
    named: set[int] = set()
    for path in shards.glob("*/part-*.parquet"):
        for row in tables.read_rows(path, schema.SHARDS):
            named.update(row["best_ids"], row["local_ids"], *row["set_ids"], *row["negative_ids"])
    rows = tables.read_rows(shards / "boundaries.parquet", schema.boundaries(8))
    assert [row["boundary_id"] for row in rows] == sorted(named - {0})
    for row in rows:
        assert recomputed.id_of[row["word"]] == row["boundary_id"]
        assert row["vector"] == pytest.approx(recomputed.words[row["word"]].tolist(), abs=1e-6)


def _entities(tags: list[str]) -> list[dict[str, Any]]:
    spans = []
    for start, tag in enumerate(tags):
        if tag[0] in "BS":
            end = next(place for place in range(start, len(tags)) if tags[place][0] in "ES") + 1
            spans.append({"start": start, "end": end, "label": tag[2:]})
    return spans
