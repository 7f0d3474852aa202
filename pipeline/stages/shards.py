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

from ssmi.pipeline.assets.encoders import EncoderFolder
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract import schema, tables
from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.feature_rows import SelectedBoundaries
from ssmi.pipeline.contract.labels import LabelSet, Span, TagScheme
from ssmi.pipeline.contract.manifest import StageReport
from ssmi.pipeline.contract.parameters.params import ShardsParams
from ssmi.pipeline.contract.paths import BOUNDARIES_FILE, LABELS_FILE, SELECTIONS_FILE
from ssmi.pipeline.contract.statistics import FeatureParameters, PrepareStatistics, ShardsStatistics
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.features.assemble import boundaries_named, shard_row
from ssmi.pipeline.features.tokens import CharacterTokens
from ssmi.pipeline.lexicon.vocabulary_files import open_vocabulary
from ssmi.pipeline.stages.corpora.fitted import like_inputs
from ssmi.pipeline.stages.encoding import encoder_inputs, encoder_of, open_encoder
from ssmi.pipeline.stages.stage import Stage, StageContext, part_sizes, parts_of

SENTENCES_PER_ENCODER_BATCH = 32


@dataclass(frozen=True)
class _Task:
    prepare: Path
    segment: Path
    selection_ids: Path
    pmi: Path
    target: Path
    selections: Path
    selections_digest: str
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
    tasks = _tasks(context, folder, parts, encoder=encoder, labels=labels, max_window=max_window)
    written = list(context.map_tasks(write_part, tasks, sizes=sizes, label="shards"))
    named = {boundary for part_named, _ in written for boundary in part_named}
    width = _write_boundaries(context, folder, named)
    if context.corpus is None:
        labels.save(folder / LABELS_FILE)
    statistics = ShardsStatistics(
        vocabulary_digest=context.digest("vocab"),
        embed_digest=_inputs(context, "selection")["artifacts/embed"],
        user_dict_digest=_user_dict_digest(context),
        encoder_digest=encoder.digest,
        encoder_width=shape.width,
        n_tokens=shape.n_tokens,
        max_window=max_window,
        windowed_sentences=sum(n_windowed for _, n_windowed in written),
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
    parts: Sequence[tuple[str, int, Path]],
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
            selections=context.folder("selection") / SELECTIONS_FILE,
            selections_digest=context.digest("selection"),
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
        for split, number, path in parts
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
    return {
        entity["label"]
        for _, _, path in parts_of(context.folder("prepare"))
        for row in tables.read_rows(path, schema.SENTENCES, columns=["entities"])
        for entity in row["entities"] or ()
    }


def _write_boundaries(context: StageContext, folder: Path, named: set[int]) -> int:
    vocabulary = open_vocabulary(context.folder("vocab"), digest=context.digest("vocab"))
    width = int(vocabulary.vectors.shape[1])
    ids = np.array(sorted(named), dtype=np.int32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(vocabulary.vectors[ids].ravel()), width)
    words = pa.array([vocabulary.words[index - 1] for index in ids], pa.string())
    layout = schema.boundaries(width)
    tables.write_table(folder / BOUNDARIES_FILE, layout, pa.table([pa.array(ids), words, vectors], schema=layout))
    return width


def write_part(task: _Task) -> tuple[set[int], int]:
    """Write one part, with its hidden states if asked; returns the boundaries named and how many sentences are cut."""
    labels = LabelSet(task.scheme, task.entity_types)
    tag_ids = labels.tag_ids()
    tokens = CharacterTokens(encoder_vocabulary(task.encoder))
    sentences = tables.read_rows(task.prepare, schema.SENTENCES)
    segments = tables.read_rows(task.segment, schema.SEGMENTS, columns=["segment_starts"])
    asked = tables.read_rows(task.selection_ids, schema.SELECTION_IDS, columns=["selection_ids"])
    of_matches = ["match_starts", "match_ends", "match_ids"] if task.matches else []
    local = tables.read_rows(task.pmi, schema.MATCHES, columns=["local_ids", *of_matches])
    selections = _selections_asked(task, asked)
    rows = []
    offset = 0
    for sentence, segment, ids, matched in zip(sentences, segments, asked, local, strict=True):
        row = shard_row(
            sentence_id=sentence["sentence_id"],
            characters=sentence["characters"],
            entities=None if (gold := sentence["entities"]) is None else [Span(**entity) for entity in gold],
            selections=[selections[index] for index in ids["selection_ids"]],
            local_ids=matched["local_ids"],
            segment_starts=segment["segment_starts"],
            labels=labels,
            tag_ids=tag_ids,
            tokens=tokens,
            max_window=task.max_window,
            hidden_start=offset if task.hidden else None,
            matches=list(zip(*(matched[name] for name in of_matches), strict=True)) if task.matches else None,
        )
        rows.append(row)
        offset += len(row["characters"])
    if task.hidden:
        n_windows = sum(len(row["window_starts"]) for row in rows)
        _write_hidden(task, [row["characters"] for row in rows], n_characters=offset, n_windows=n_windows)
    # After the states, so that where rows are their states are too.
    tables.write_rows(task.target, schema.SHARDS, rows)
    return boundaries_named(rows), sum(len(row["window_starts"]) > 1 for row in rows)


def _write_hidden(task: _Task, sentences: list[list[str]], *, n_characters: int, n_windows: int) -> None:
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


def _selections_asked(task: _Task, asked: list[dict[str, Any]]) -> dict[int, SelectedBoundaries]:
    """The selections that one part's characters name, by id: of millions, only these become Python rows."""
    # Ascending ids: Arrow's take then walks the table once, in memory order.
    ids = sorted({index for row in asked for index in row["selection_ids"]})
    rows: list[SelectedBoundaries] = (
        open_selections(task.selections, task.selections_digest).take(pa.array(ids, pa.int64())).to_pylist()
    )
    return dict(zip(ids, rows, strict=True))


@lru_cache(maxsize=1)
def open_selections(path: Path, digest: str) -> pa.Table:
    """All selections, row = id, read once a process; ``digest`` tells versions apart."""
    return tables.read_table(
        path, schema.SELECTIONS, columns=["best_id", "best_cosine", "set_ids", "negative_ids"]
    ).combine_chunks()


STAGE = Stage(
    name="shards",
    version=3,
    sections=("encoder", "shards"),
    upstream=("vocab", "prepare", "segment", "embed", "selection", "pmi"),
    external_inputs=external_inputs,
    work=work,
)
