"""All features → the contract that the trainer reads: one row per sentence, plus boundaries, labels and manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssmi.pipeline.assets.encoders import EncoderFolder
from ssmi.pipeline.columns.array_files import save_array
from ssmi.pipeline.columns.lists import id_lists, numbers, whole
from ssmi.pipeline.columns.selections import write_selections
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
from ssmi.pipeline.features.assemble import named_boundaries, windows_of
from ssmi.pipeline.features.columns import Ints
from ssmi.pipeline.features.text.tokens import CharacterTokens
from ssmi.pipeline.lexicon.vocabulary_files import open_vocabulary
from ssmi.pipeline.stages.corpora.fitted import reference_inputs
from ssmi.pipeline.stages.running.encoding import encoder_inputs, encoder_of, open_encoder
from ssmi.pipeline.stages.running.stage import Stage, StageContext, part_sizes, parts_of
from ssmi.pipeline.stages.sharding.columns import pmi_columns, selection_columns, tag_column
from ssmi.pipeline.stages.sharding.hidden_states import write_hidden

ANSWERS = "answers"
"""Folder of the arrays of all selections. Its name and those of a task's fields are in the marks of finished parts."""
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
    """The encoder; for a corpus, also its data set's map and weights, which must be those that a run trained with."""
    return {**encoder_inputs(context), **reference_inputs(context, "embed", "pmi")}


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
    write_selections(tables.list_parts(context.folder("selection"), SELECTIONS), answers)
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
        encoder_layers=shape.n_layers,
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
    """Collect the parameter sections of all upstream stages, so that a trainer knows what it trains on."""
    parameters: dict[str, Any] = {}
    for name in STAGE.upstream:
        parameters.update(manifests.load(context.folder(name)).parameters)
    return FeatureParameters.model_validate(parameters)


def _inputs(context: StageContext, stage: str) -> Mapping[str, str]:
    return manifests.load(context.folder(stage)).inputs


def _user_dict_digest(context: StageContext) -> str | None:
    """Digest of the segmenter's user dictionary, if there is one; online prediction must use the same dictionary."""
    digests = (digest for name, digest in _inputs(context, "segment").items() if name.startswith("user_dict/"))
    return next(digests, None)


def _entity_types(context: StageContext) -> set[str]:
    """Entity types of all splits: a type that occurs only in dev or test must still be scored as missed."""
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
    """Write one part, the boundary ids that it names and, if asked, its hidden states.

    Returns:
        The number of sentences that are cut into several windows.
    """
    table = tables.read_table(task.prepare, schema.SENTENCES, columns=["sentence_id", "characters", "entities"])
    sentences = sentence_columns(table)
    tokens = open_tokens(task.encoder, task.encoder_digest)
    windows, starts = windows_of(sentences, max_window=task.max_window)
    columns = {
        **{name: whole(table, name) for name in table.column_names},
        "token_ids": id_lists(sentences.offsets, tokens.ids_of_codes(sentences.codes)),
        "tag_ids": tag_column(table, sentences, entity_types=task.entity_types, scheme=task.scheme),
        **selection_columns(task.selection_ids, task.answers, sentences),
        **pmi_columns(task.pmi, matches=task.matches, n_sentences=len(sentences)),
        "segment_starts": whole(
            tables.read_table(task.segment, schema.SEGMENTS, columns=["segment_starts"]), "segment_starts"
        ),
        "window_starts": id_lists(windows, starts),
        "hidden_start": pa.array(sentences.offsets[:-1]) if task.hidden else pa.nulls(len(sentences), pa.int64()),
    }
    save_array(task.named, named_boundaries(map(numbers, (columns[name] for name in _BOUNDARIES))))
    if task.hidden:
        encoder = open_encoder(task.encoder, task.encoder_digest, layers=task.hidden_layers, last_norm=task.hidden_norm)
        write_hidden(task.target, sentences.texts, encoder, max_window=task.max_window, n_windows=len(starts))
    # Written after the states, so that rows never exist without their states.
    arrays = [columns[name] for name in schema.SHARDS.names]
    tables.write_table(task.target, schema.SHARDS, pa.Table.from_arrays(arrays, schema=schema.SHARDS))
    return int(np.count_nonzero(np.diff(windows) > 1))


@lru_cache(maxsize=1)
def open_tokens(encoder: Path, digest: str) -> CharacterTokens:
    """Read the encoder's characters once per process; ``digest`` tells versions of one folder apart."""
    return CharacterTokens(encoder_vocabulary(encoder))


STAGE = Stage(
    name="shards",
    version=5,
    sections=("encoder", "shards"),
    upstream=("vocab", "prepare", "segment", "embed", "selection", "pmi"),
    external_inputs=external_inputs,
    work=work,
)
