"""All features → the contract that the trainer reads: one row a sentence, plus boundaries, labels and manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ssmi.pipeline.assets.encoders import EncoderFolder
from ssmi.pipeline.columns.answers import open_answers, write_answers
from ssmi.pipeline.columns.array_files import save_array
from ssmi.pipeline.columns.lists import id_lists, list_array, numbers, offsets, whole
from ssmi.pipeline.columns.sentences import sentence_columns
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.label_files import save_labels
from ssmi.pipeline.contract.labels import LabelSet, TagScheme
from ssmi.pipeline.contract.manifest import StageReport
from ssmi.pipeline.contract.parameters.params import ShardsParams
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.parquet.statistics import FeatureParameters, PrepareStatistics, ShardsStatistics
from ssmi.pipeline.contract.project.paths import BOUNDARIES_FILE, LABELS_FILE, SELECTIONS
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.features.assemble import named_boundaries, tag_ids, windows_of
from ssmi.pipeline.features.columns import Ints, SentenceColumns
from ssmi.pipeline.features.text.tokens import CharacterTokens
from ssmi.pipeline.lexicon.vocabulary_files import open_vocabulary
from ssmi.pipeline.stages.corpora.fitted import like_inputs
from ssmi.pipeline.stages.encoding import encoder_inputs, encoder_of, open_encoder
from ssmi.pipeline.stages.stage import Stage, StageContext, part_sizes, parts_of

SENTENCES_PER_ENCODER_BATCH = 32
ANSWERS = "answers"
_MATCHES = ("match_starts", "match_ends", "match_ids")
_BOUNDARIES = ("best_ids", "set_ids", "negative_ids", "local_ids", "match_ids")
"""Columns of boundary ids."""


@dataclass(frozen=True)
class _Task:
    prepare: Path
    segment: Path
    selection_ids: Path
    pmi: Path
    target: Path
    named: Path
    answers: Path
    encoder: Path
    encoder_digest: str
    scheme: TagScheme
    entity_types: tuple[str, ...]
    max_window: int
    hidden: bool
    hidden_layers: int | None
    hidden_norm: bool
    matches: bool


def external_inputs(context: StageContext) -> Mapping[str, str]:
    """The encoder; of a corpus also what its data set has fitted, by which a run is held to it."""
    return {**encoder_inputs(context), **like_inputs(context, "embed", "pmi")}


def work(context: StageContext, folder: Path) -> StageReport:
    """Write the shards of every split and the tables that go with them."""
    params = context.params.shards
    encoder = encoder_of(context)
    shape = encoder.shape
    _check_layers(params, shape.n_layers, encoder=encoder.name)
    # The parameter may ask for less than the encoder has positions for, never for more.
    max_window = min(params.max_window or shape.max_window, shape.max_window)
    labels = LabelSet.of(_entity_types(context), scheme=params.tag_scheme)
    parts = parts_of(context.folder("prepare"))
    sizes = part_sizes(parts)
    answers = context.scratch() / ANSWERS
    write_answers(tables.list_parts(context.folder("selection"), SELECTIONS), answers)
    tasks = _tasks(context, folder, answers, encoder=encoder, labels=labels, max_window=max_window)
    n_windowed = sum(context.map_tasks(write_part, tasks, sizes=sizes, label="shards"))
    named = named_boundaries(np.load(task.named, allow_pickle=False) for task in tasks)
    width = _write_boundaries(context, folder, named)
    if context.corpus is None:
        save_labels(labels, folder / LABELS_FILE)
    statistics = ShardsStatistics(
        vocabulary_digest=context.digest("vocab"),
        embed_digest=_inputs(context, "selection")["artifacts/embed"],
        user_dict_digest=_user_dict_digest(context),
        encoder_digest=encoder.digest,
        encoder_width=shape.width,
        n_tokens=shape.n_tokens,
        max_window=max_window,
        windowed_sentences=n_windowed,
        boundaries=len(named),
        boundary_width=width,
        hidden_width=shape.width if params.hidden else None,
        hidden_layers=(params.hidden_layers or shape.n_layers) if params.hidden else None,
        hidden_norm=params.hidden_norm,
        matches=params.matches,
        label_groups=PrepareStatistics.of(manifests.load(context.folder("prepare"))).label_groups,
        feature_parameters=_feature_parameters(context),
    )
    return StageReport(rows_in=sum(sizes), rows_out=sum(sizes), statistics=statistics.to_json())


def _tasks(
    context: StageContext,
    folder: Path,
    answers: Path,
    *,
    encoder: EncoderFolder,
    labels: LabelSet,
    max_window: int,
) -> list[_Task]:
    params = context.params.shards
    return [
        _Task(
            prepare=path,
            segment=tables.part_path(context.folder("segment"), split, number),
            selection_ids=tables.part_path(context.folder("selection"), split, number),
            pmi=tables.part_path(context.folder("pmi"), split, number),
            target=tables.part_path(folder, split, number),
            named=context.scratch() / f"named-{index}.npy",
            answers=answers,
            encoder=encoder.path,
            encoder_digest=encoder.digest,
            scheme=labels.scheme,
            entity_types=labels.entity_types,
            max_window=max_window,
            hidden=params.hidden,
            hidden_layers=params.hidden_layers,
            hidden_norm=params.hidden_norm,
            matches=params.matches,
        )
        for index, (split, number, path) in enumerate(parts_of(context.folder("prepare")))
    ]


def _check_layers(params: ShardsParams, n_layers: int, *, encoder: str) -> None:
    layers = params.hidden_layers
    if not params.hidden:
        for name, without in (("hidden_layers", None), ("hidden_norm", True)):
            if getattr(params, name) != without:
                raise ParameterError(
                    f"shards.{name}: {json.dumps(getattr(params, name))}, but shards.hidden: false stores no states",
                    next_step=f"-S shards.hidden=true, or -S shards.{name}={json.dumps(without)}",
                )
    if layers is not None and layers > n_layers:
        raise ParameterError(
            f"shards.hidden_layers: {layers}, but {encoder} has {n_layers}",
            next_step=f"at most -S shards.hidden_layers={n_layers}",
        )


def _feature_parameters(context: StageContext) -> FeatureParameters:
    """The parameter sections of every stage before this one, so that a trainer can tell what it trains on."""
    parameters: dict[str, Any] = {}
    for name in STAGE.upstream:
        parameters.update(manifests.load(context.folder(name)).parameters)
    return FeatureParameters.model_validate(parameters)


def _inputs(context: StageContext, stage: str) -> Mapping[str, str]:
    return manifests.load(context.folder(stage)).inputs


def _user_dict_digest(context: StageContext) -> str | None:
    """The digest of the segmenter's user dictionary; on line the dictionary must be the same."""
    digests = (digest for name, digest in _inputs(context, "segment").items() if name.startswith("user_dict/"))
    return next(digests, None)


def _entity_types(context: StageContext) -> set[str]:
    """Types of every split: a type that only dev or test holds must still be scored as missed."""
    types: set[str] = set()
    for _, _, path in parts_of(context.folder("prepare")):
        entities = whole(tables.read_table(path, schema.SENTENCES, columns=["entities"]), "entities")
        types.update(pc.unique(entities.flatten().field("label")).to_pylist())
    return types


def _write_boundaries(context: StageContext, folder: Path, named: Ints) -> int:
    vocabulary = open_vocabulary(context.folder("vocab"), digest=context.digest("vocab"))
    width = int(vocabulary.vectors.shape[1])
    ids = named.astype(np.int32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(vocabulary.vectors[ids].ravel()), width)
    words = pa.array([vocabulary.words[index - 1] for index in ids], pa.string())
    layout = schema.boundaries(width)
    tables.write_table(folder / BOUNDARIES_FILE, layout, pa.table([pa.array(ids), words, vectors], schema=layout))
    return width


def write_part(task: _Task) -> int:
    """Write one part, with its hidden states if asked, and the boundaries named; returns how many sentences are cut."""
    table = tables.read_table(task.prepare, schema.SENTENCES, columns=["sentence_id", "characters", "entities"])
    sentences = sentence_columns(table)
    tokens = open_tokens(task.encoder, task.encoder_digest)
    windows, starts = windows_of(sentences, max_window=task.max_window)
    columns = {
        **{name: whole(table, name) for name in table.column_names},
        "token_ids": id_lists(sentences.offsets, tokens.ids_of_codes(sentences.codes)),
        "tag_ids": _tag_ids(task, table, sentences),
        **_selection_columns(task, sentences),
        **_pmi_columns(task, n_sentences=len(sentences)),
        "segment_starts": whole(
            tables.read_table(task.segment, schema.SEGMENTS, columns=["segment_starts"]), "segment_starts"
        ),
        "window_starts": id_lists(windows, starts),
        "hidden_start": pa.array(sentences.offsets[:-1]) if task.hidden else pa.nulls(len(sentences), pa.int64()),
    }
    save_array(task.named, named_boundaries(map(numbers, (columns[name] for name in _BOUNDARIES))))
    if task.hidden:
        _write_hidden(task, sentences.texts, n_characters=len(sentences.text), n_windows=len(starts))
    # After the states, so that where rows are their states are too.
    arrays = [columns[name] for name in schema.SHARDS.names]
    tables.write_table(task.target, schema.SHARDS, pa.Table.from_arrays(arrays, schema=schema.SHARDS))
    return int(np.count_nonzero(np.diff(windows) > 1))


@lru_cache(maxsize=1)
def open_tokens(encoder: Path, digest: str) -> CharacterTokens:
    """The encoder's characters, read once a process; ``digest`` tells versions of one folder apart."""
    return CharacterTokens(encoder_vocabulary(encoder))


def _tag_ids(task: _Task, table: pa.Table, sentences: SentenceColumns) -> pa.Array:
    """The tags of each sentence; null where it has no entities, which is not the same as none of them."""
    lists = whole(table, "entities")
    if lists.null_count == len(lists):
        return pa.nulls(len(lists), schema.SHARDS.field("tag_ids").type)
    entities = lists.flatten()
    before = np.repeat(sentences.offsets[:-1], np.diff(offsets(lists)))
    types = pc.index_in(entities.field("label"), value_set=pa.array(task.entity_types, pa.string()))
    tags = tag_ids(
        numbers(entities.field("start")) + before,
        numbers(entities.field("end")) + before,
        numbers(types),
        n_characters=len(sentences.text),
        scheme=task.scheme,
    )
    return list_array(sentences.offsets, pa.array(tags))


def _selection_columns(task: _Task, sentences: SentenceColumns) -> dict[str, pa.Array]:
    asked = tables.read_table(task.selection_ids, schema.SELECTION_IDS, columns=["selection_ids"])
    answers = open_answers(task.answers).take(numbers(whole(asked, "selection_ids")))
    per_character = {
        "best_ids": pa.array(answers.best_ids),
        "best_cosines": pa.array(answers.best_cosines),
        "set_ids": list_array(answers.sets.offsets, pa.array(answers.sets.ids)),
        "negative_ids": list_array(answers.negatives.offsets, pa.array(answers.negatives.ids)),
    }
    return {name: list_array(sentences.offsets, values) for name, values in per_character.items()}


def _pmi_columns(task: _Task, *, n_sentences: int) -> dict[str, pa.Array]:
    """The local boundaries, and the matches or nulls."""
    names = ["local_ids", *(_MATCHES if task.matches else ())]
    table = tables.read_table(task.pmi, schema.MATCHES, columns=names)
    nothing = pa.nulls(n_sentences, schema.SHARDS.field("match_ids").type)
    return {**dict.fromkeys(_MATCHES, nothing), **{name: whole(table, name) for name in names}}


def _write_hidden(task: _Task, sentences: Sequence[str], *, n_characters: int, n_windows: int) -> None:
    """Write the states beside a part's rows and in their order, float16.

    ``part-*.hidden.npy``: one row a character. ``part-*.specials.npy``: [CLS] and [SEP] of each window.
    """
    encoder = open_encoder(task.encoder, task.encoder_digest, layers=task.hidden_layers, last_norm=task.hidden_norm)
    with (
        _writing(task.target, "hidden", (n_characters, encoder.width)) as characters,
        _writing(task.target, "specials", (n_windows, 2, encoder.width)) as specials,
    ):
        first = window = 0
        for start in range(0, len(sentences), SENTENCES_PER_ENCODER_BATCH):
            batch = sentences[start : start + SENTENCES_PER_ENCODER_BATCH]
            for states in encoder.stored_states(batch, max_window=task.max_window):
                characters[first : first + len(states.characters)] = states.characters
                specials[window : window + len(states.specials)] = states.specials
                first, window = first + len(states.characters), window + len(states.specials)


@contextmanager
def _writing(target: Path, name: str, shape: tuple[int, ...]) -> Iterator[npt.NDArray[np.float16]]:
    """A new array on disk beside a part, to be filled; it has its name once it is whole."""
    path = target.with_suffix(f".{name}.npy")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing.writing(path) as temporary:
        # Filled on disk: the states of a part need not fit in memory.
        states = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
        replacing.reserve(temporary)
        yield states
        # Before the file gets its name, under which it must be whole.
        states.flush()


STAGE = Stage(
    name="shards",
    version=4,
    sections=("encoder", "shards"),
    upstream=("vocab", "prepare", "segment", "embed", "selection", "pmi"),
    external_inputs=external_inputs,
    work=work,
)
