"""A tiny BERT and tiny shards in the pipeline's format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.label_files import save_labels
from ssmi.pipeline.contract.labels import LabelSet, Span, spans_to_tags
from ssmi.pipeline.contract.manifest import Manifest, StageReport
from ssmi.pipeline.contract.parameters import params as parameters
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.parquet.statistics import FeatureParameters, ShardsStatistics

CHARACTERS = "王张李刘陈在北京上海广州深圳大学工作学习和的是了我他她们去来看见，。人民公园"
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CHARACTERS)
WIDTH, BOUNDARY_WIDTH, MAX_WINDOW = 32, 6, 30


@dataclass(frozen=True)
class Sentence:
    """A sentence such as ``[张三|PER]在[北京|LOC]`` with its boundaries, as position → id."""

    text: str
    spans: tuple[Span, ...] = ()
    best: Mapping[int, int] = field(default_factory=dict)
    local: Mapping[int, int] = field(default_factory=dict)
    sets: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    negatives: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    matches: tuple[tuple[int, int, int], ...] = ()
    windows: tuple[int, ...] = (0,)

    @property
    def boundary_ids(self) -> set[int]:
        """The ids of all boundaries in the sentence."""
        sets = {number for ids in (*self.sets.values(), *self.negatives.values()) for number in ids}
        return {*self.best.values(), *self.local.values(), *sets, *(number for _, _, number in self.matches)}

    @classmethod
    def marked(cls, marked: str, *, best: Mapping[int, int] | None = None, windows: tuple[int, ...] = (0,)) -> Sentence:
        """Parse text with entities marked as in the class's example."""
        text, spans = "", []
        for piece in marked.replace("[", "\n[").replace("]", "]\n").split("\n"):
            if piece.startswith("["):
                words, _, label = piece[1:-1].partition("|")
                spans.append(Span(len(text), len(text) + len(words), label))
                piece = words
            text += piece
        best_ids = best or {}
        short = {(place, min(place + 2, len(text)), number) for place, number in best_ids.items()}
        long = {(max(place - 1, 0), min(place + 3, len(text)), 8) for place in best_ids}
        return cls(
            text,
            tuple(spans),
            best_ids,
            local=dict.fromkeys(best_ids, 8),
            sets={place: tuple({number: None, 90: None}) for place, number in best_ids.items()},
            negatives=dict.fromkeys(best_ids, (8, 11)),
            matches=tuple(sorted(short | long)),
            windows=windows,
        )


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Limit torch to one thread: tests share the cores with other processes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_bert() -> BertModel:
    """A BERT with random weights and without dropout, so that steps can be compared."""
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=MAX_WINDOW + 2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.2,
    )
    return BertModel(config, add_pooling_layer=False).eval()


@pytest.fixture(scope="session")
def write_encoder(tiny_bert: BertModel) -> Callable[..., Path]:
    """Write the tiny BERT as a plain folder."""

    def write(folder: Path, *, vocabulary: Sequence[str] = VOCABULARY, half: bool = False, drop: str = "") -> Path:
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(tiny_bert.config.to_json_string(use_diff=False), encoding="utf-8")
        (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
        tensors = {name: tensor.half() if half else tensor for name, tensor in tiny_bert.state_dict().items()}
        save_file({name: tensor for name, tensor in tensors.items() if name != drop}, folder / "model.safetensors")
        return folder

    return write


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory, write_encoder: Callable[..., Path]) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder") / "bert")


@pytest.fixture(scope="session")
def boundary_vectors() -> Callable[[Sequence[int]], np.ndarray[Any, np.dtype[np.float32]]]:
    """Vectors that depend only on the boundary's id, as within one vocabulary."""

    def vectors(ids: Sequence[int]) -> np.ndarray[Any, np.dtype[np.float32]]:
        rows = [np.random.default_rng(number).normal(size=BOUNDARY_WIDTH) for number in ids]
        return np.array(rows, dtype=np.float32).reshape(len(ids), BOUNDARY_WIDTH)

    return vectors


@pytest.fixture(scope="session")
def write_shards(tiny_bert: BertModel, boundary_vectors: Callable[..., Any]) -> Callable[..., Path]:
    """Write a shard folder; ``hidden`` stores the tiny BERT's states after ``layers`` of its two layers, per window."""

    def write(
        folder: Path,
        splits: Mapping[str, Sequence[Sentence]],
        *,
        entity_types: Sequence[str] = ("LOC", "PER"),
        hidden: bool = False,
        layers: int = 2,
        matches: bool = True,
        per_part: int = 3,
        statistics: Mapping[str, Any] | None = None,
        boundary_ids: Sequence[int] | None = None,
    ) -> Path:
        labels = LabelSet.of(entity_types, scheme="BMES")
        for split, sentences in splits.items():
            # An empty split is one part without rows.
            for part, start in enumerate(range(0, max(1, len(sentences)), per_part)):
                path = tables.part_path(folder, split, part)
                numbered = list(enumerate(sentences))[start : start + per_part]
                _write_part(path, numbered, labels, tiny_bert if hidden else None, layers=layers, matches=matches)
        used_ids = {number for group in splits.values() for sentence in group for number in sentence.boundary_ids}
        ids = sorted(used_ids) if boundary_ids is None else boundary_ids
        words = _words(sentence for group in splits.values() for sentence in group)
        rows = [
            {"boundary_id": number, "word": words.get(number, f"w{number}"), "vector": vector}
            for number, vector in zip(ids, boundary_vectors(ids).tolist(), strict=True)
        ]
        tables.write_rows(folder / "boundaries.parquet", schema.boundaries(BOUNDARY_WIDTH), rows)
        save_labels(labels, folder / "labels.json")
        facts = _statistics(n_boundaries=len(ids), hidden_layers=layers if hidden else None, matches=matches)
        report = StageReport(0, 0, statistics={**facts.to_json(), **(statistics or {})})
        files = manifests.describe_files(folder)
        manifests.save(Manifest("shards", "tiny", {}, {}, report, files, version=1), folder)
        return folder

    return write


def _words(sentences: Iterable[Sentence]) -> dict[int, str]:
    """Map each best boundary to a word that holds all characters with that boundary."""
    words: dict[int, str] = {}
    for sentence in sentences:
        for place, number in sentence.best.items():
            word = words.get(number, "")
            words[number] = word if sentence.text[place] in word else word + sentence.text[place]
    return words


def _write_part(
    path: Path,
    numbered: Sequence[tuple[int, Sentence]],
    labels: LabelSet,
    bert: BertModel | None,
    *,
    layers: int,
    matches: bool,
) -> None:
    """Write one part of a split, and the encoder's states beside it if there is an encoder."""
    rows, states, specials = [], [np.zeros((0, WIDTH), np.float16)], [np.zeros((0, 2, WIDTH), np.float16)]
    for number, sentence in numbered:
        rows.append(
            _row(number, sentence, labels, sum(map(len, states)) if bert is not None else None, matches=matches)
        )
        if bert is not None:
            windows = _states(bert, sentence, layers=layers)
            states += [window[1:-1] for window in windows]
            specials += [window[None, [0, -1]] for window in windows]
    tables.write_rows(path, schema.SHARDS, rows)
    if bert is not None:
        np.save(path.with_name(f"{path.stem}.hidden.npy"), np.concatenate(states))
        np.save(path.with_name(f"{path.stem}.specials.npy"), np.concatenate(specials))


def _statistics(*, n_boundaries: int, hidden_layers: int | None, matches: bool) -> ShardsStatistics:
    defaults = parameters.Params()
    return ShardsStatistics(
        vocabulary_digest="vocabulary-a",
        embed_digest="embed-a",
        user_dict_digest=None,
        encoder_digest="encoder-a",
        encoder_width=WIDTH,
        encoder_layers=2,
        n_tokens=len(VOCABULARY),
        max_window=MAX_WINDOW,
        windowed_sentences=0,
        boundaries=n_boundaries,
        boundary_width=BOUNDARY_WIDTH,
        hidden_width=WIDTH if hidden_layers else None,
        hidden_layers=hidden_layers,
        matches=matches,
        label_groups={},
        feature_parameters=FeatureParameters(
            **{name: getattr(defaults, name) for name in FeatureParameters.model_fields}
        ),
    )


def _row(
    number: int, sentence: Sentence, labels: LabelSet, hidden_start: int | None, *, matches: bool
) -> dict[str, Any]:
    n_characters = len(sentence.text)
    ids = labels.tag_ids()
    tags = spans_to_tags(sentence.spans, n_characters=n_characters, scheme="BMES")
    best = [sentence.best.get(position, 0) for position in range(n_characters)]
    return {
        "sentence_id": number,
        "characters": list(sentence.text),
        "token_ids": [VOCABULARY.index(character) for character in sentence.text],
        "tag_ids": [ids[tag] for tag in tags],
        "entities": [{"start": span.start, "end": span.end, "label": span.label} for span in sentence.spans],
        "best_ids": best,
        "best_cosines": [0.75 if number else 0.0 for number in best],
        "set_ids": [list(sentence.sets.get(position, ())) for position in range(n_characters)],
        "negative_ids": [list(sentence.negatives.get(position, ())) for position in range(n_characters)],
        "local_ids": [sentence.local.get(position, 0) for position in range(n_characters)],
        "segment_starts": [place for place in range(n_characters) if place % 6 in (0, 1, 3)],
        "window_starts": list(sentence.windows),
        **{
            name: [match[column] for match in sentence.matches] if matches else None
            for column, name in enumerate(("match_starts", "match_ends", "match_ids"))
        },
        "hidden_start": hidden_start,
    }


def _states(bert: BertModel, sentence: Sentence, *, layers: int) -> list[np.ndarray[Any, np.dtype[np.float16]]]:
    """The encoder's states of each window, from [CLS] to [SEP]."""
    ids = [VOCABULARY.index(character) for character in sentence.text]
    windows = []
    for start, end in zip(sentence.windows, [*sentence.windows[1:], len(ids)], strict=True):
        with torch.no_grad():
            output = bert(input_ids=torch.tensor([[2, *ids[start:end], 3]]), output_hidden_states=True)
        windows.append(output.hidden_states[layers][0].numpy().astype(np.float16))
    return windows


@pytest.fixture(scope="session")
def sentence() -> Callable[..., Sentence]:
    """``Sentence.marked``, for tests that cannot import this file."""
    return Sentence.marked


@pytest.fixture(scope="session")
def sentences() -> list[Sentence]:
    """Ten sentences whose boundaries hint at some of the entities and at some non-entities."""
    marked = Sentence.marked
    return [
        marked("[王刘|PER]在[北京|LOC]工作。", best={0: 7, 3: 11, 4: 11}),
        marked("[张大海|PER]去[上海|LOC]学习", best={0: 7, 4: 11}),
        marked("我和[李|PER]是人民", best={5: 90}),
        marked("[人民公园|LOC]", best={0: 90, 1: 90}),
        marked("他们看见[陈学|PER]，[广州大学|LOC]的人", best={6: 8}),
        marked("了"),
        marked("[海|LOC]"),
        marked("她来了[深圳|LOC]大学学习工作", best={7: 90}),
        marked("[刘广|PER][北京|LOC]", best={2: 11}),
        marked("我在[上海|LOC]工作，" * 6, best={2: 11, 20: 90}, windows=(0, 14, 35)),
    ]


@pytest.fixture
def shards(tmp_path: Path, write_shards: Callable[..., Path], sentences: list[Sentence]) -> Path:
    """Shards with all sentences in train, some of them in dev and test, and stored hidden states."""
    splits = {"train": sentences, "dev": sentences[:4], "test": sentences[4:]}
    return write_shards(tmp_path / "shards", splits, hidden=True)


@pytest.fixture
def shards_of_layer_1(tmp_path: Path, write_shards: Callable[..., Path], sentences: list[Sentence]) -> Path:
    """The same shards with the states after the first of the two layers."""
    splits = {"train": sentences, "dev": sentences[:4], "test": sentences[4:]}
    return write_shards(tmp_path / "shards-1", splits, hidden=True, layers=1)


@pytest.fixture(scope="session")
def make_params() -> Callable[..., parameters.Params]:
    """Make the parameters of a tiny, fast, float32 run; ``model__fusion="none"`` sets ``model.fusion``."""

    def make(**changes: Any) -> parameters.Params:
        tree: dict[str, dict[str, Any]] = {
            "model": {"dropout": 0.0},
            "train": {
                "epochs": 2,
                "batch_size": 4,
                "lr_encoder": 1e-3,
                "lr_boundaries": 1e-4,
                "lr_new": 1e-2,
                "lr_crf": 1e-2,
                "precision": "fp32",
                "device": "cpu",
                "threads": 1,
            },
        }
        for name, value in changes.items():
            section, _, key = name.partition("__")
            tree.setdefault(section, {})[key] = value
        return parameters.check_params(tree, source="test")

    return make
