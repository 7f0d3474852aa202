"""Raw files → sentences: any format and tag scheme in, gold entities as spans out; nothing is dropped silently."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa

from ssmi.pipeline.assets.datasets import DatasetFiles, find_dataset
from ssmi.pipeline.columns.sentences import sentences_table
from ssmi.pipeline.columns.sorting import in_groups
from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.label_groups import LabelGroups
from ssmi.pipeline.contract.manifest import StageReport, digest_file, digest_json
from ssmi.pipeline.contract.parameters.params import PrepareParams
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.parquet.statistics import PrepareStatistics
from ssmi.pipeline.features.text.blanks import visible_sentences
from ssmi.pipeline.readers import ReadReport, Sentence, read_sentences
from ssmi.pipeline.readers.registry import files_of
from ssmi.pipeline.readers.sentence import types_alike
from ssmi.pipeline.stages.corpora.texts import prepare_texts, text_inputs
from ssmi.pipeline.stages.preparing.dev_split import cut_dev
from ssmi.pipeline.stages.running.stage import Stage, StageContext

RAW = "raw/"
"""Begins the keys of raw files in the manifest's inputs."""


def external_inputs(context: StageContext) -> Mapping[str, str]:
    """The raw files and ``dataset.yaml``, keyed by split and file name so that manifests hold no machine's paths.

    Also the label groups, which a listed data set has without a ``dataset.yaml``. For a corpus, its texts and the field
    that is read from their rows.
    """
    if context.corpus is not None:
        return text_inputs(context.corpus, field=context.params.prepare.text_field)
    return raw_digests(_find(context))


def raw_digests(files: DatasetFiles) -> dict[str, str]:
    """Return the digests of a data set's raw files, as the manifest of the stage records them."""
    inputs = {
        f"{RAW}{split}/{file.name}": digest_file(file)
        for split, path in sorted(files.splits.items())
        for file in files_of(path)
    }
    if files.description is not None:
        inputs[f"{RAW}dataset.yaml"] = digest_file(files.description)
    if files.label_groups:
        inputs["label_groups"] = digest_json({name: list(each) for name, each in files.label_groups.items()})
    return inputs


def work(context: StageContext, folder: Path) -> StageReport:
    """Read every split in its file's order and write it in parts; for a corpus, its texts."""
    if context.corpus is not None:
        return prepare_texts(context, context.corpus, folder)
    params = context.params.prepare
    files = _find(context)
    reports: dict[Path, ReadReport] = {}
    written: dict[str, int] = {}
    with closing(_splits(files, params, folder)) as splits:
        for split, sentences, report in splits:
            written[split] = _write_split(folder, split, sentences, context=context)
            reports[report.path] = report
    _check_groups(files.label_groups, reports.values())
    if "dev" not in files.splits and "dev" in written:
        context.reporter.note(f"prepare: {_about_dev(written, params)}")
    for note in (*files.notes, *_notes(list(reports.values()))):
        context.reporter.note(f"prepare: {note}")
    return StageReport(
        rows_in=sum(report.n_sentences for report in reports.values()),
        rows_out=sum(written.values()),
        skipped=_total(report.skipped for report in reports.values()),
        statistics=PrepareStatistics(
            licence=files.licence,
            schemes={report.path.name: report.scheme for report in reports.values()},
            repairs=_total(report.repairs for report in reports.values()),
            sentences=written,
            characters=sum(report.n_characters for report in reports.values()),
            entities=sum(report.n_entities for report in reports.values()),
            dev_cut_from_train="dev" not in files.splits and "dev" in written,
            label_groups=files.label_groups,
        ).to_json(),
    )


def _about_dev(written: Mapping[str, int], params: PrepareParams) -> str:
    """Describe for the user how dev was cut from train, without a dev file."""
    if written["dev"]:
        return (
            f"no dev file: {written['dev']:,} of {written['dev'] + written['train']:,} train sentences became dev "
            f"(prepare.dev_fraction={params.dev_fraction:g})"
        )
    return (
        f"no dev sentences: prepare.dev_fraction={params.dev_fraction:g} of {written['train']:,} train sentences "
        "rounds to zero or would empty train; provide a dev file or more sentences"
    )


def _check_groups(groups: LabelGroups, reports: Iterable[ReadReport]) -> None:
    """Refuse a group with the name of an entity type, since tables of scores could not tell them apart."""
    for name in sorted(groups.keys() & {label for report in reports for label in report.types}):
        raise InputDataError(
            f"label_groups.{name}: {name} is also an entity type", next_step="choose another name in dataset.yaml"
        )


def _find(context: StageContext) -> DatasetFiles:
    return find_dataset(context.dataset, root=context.root, reporter=context.reporter)


def _splits(
    files: DatasetFiles, params: PrepareParams, folder: Path
) -> Generator[tuple[str, Iterable[pa.Table], ReadReport], None, None]:
    """Yield each split's name, sentences and file report; dev is cut from train if there is no dev file."""
    for split in tables.SPLITS:
        if split in files.splits:
            given, report = read_sentences(files.splits[split], options=files.options, split=split)
            sentences = visible_sentences(given, report)
            if split == "train" and "dev" not in files.splits and params.dev_fraction > 0:
                # Kept in a file, since which sentences become dev depends on the texts of all.
                with tempfile.TemporaryDirectory(dir=folder) as scratch:
                    cut = cut_dev(
                        _tables(sentences, params),
                        fraction=params.dev_fraction,
                        seed=params.seed,
                        path=Path(scratch) / "train.arrow",
                    )
                    yield "train", cut.tables(dev=False), report
                    yield "dev", cut.tables(dev=True), report
            else:
                yield split, _tables(sentences, params), report


def _tables(sentences: Iterable[Sentence], params: PrepareParams) -> Iterator[pa.Table]:
    """Yield the sentences as tables of at most one part's length."""
    stream = iter(sentences)
    while batch := list(itertools.islice(stream, params.sentences_per_part)):
        yield sentences_table(
            [sentence.text for sentence in batch],
            lines=[sentence.line for sentence in batch],
            entities=[sentence.entities for sentence in batch],
        )


def _notes(reports: Sequence[ReadReport]) -> Iterator[str]:
    """Yield notes for the user about the files that were read."""
    for report in reports:
        yield from (f"{report.path.name}: {note}" for note in report.notes)
        if summary := report.summary():
            yield f"{report.path.name}: repaired or left out: {summary}"
    for names in types_alike(name for report in reports for name in report.types):
        yield f"entity types that differ in case only: {', '.join(names)}"


def _write_split(folder: Path, split: str, sentences: Iterable[pa.Table], *, context: StageContext) -> int:
    count = 0
    parts = in_groups(sentences, schema.SENTENCES, rows=context.params.prepare.sentences_per_part)
    # No total: the number of sentences in a file is known only at its end.
    with context.reporter.task(f"prepare {split}", total=0, unit="sentences") as advance:
        for number, part in enumerate(parts):
            ids = pa.array(np.arange(count, count + len(part)), pa.int32())
            numbered = part.set_column(0, schema.SENTENCES.field("sentence_id"), ids)
            tables.write_table(tables.part_path(folder, split, number), schema.SENTENCES, numbered)
            count += len(part)
            advance(len(part))
    return count


def _total(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for count in counts:
        for reason, n in count.items():
            total[reason] = total.get(reason, 0) + n
    return dict(sorted(total.items()))


STAGE = Stage(
    name="prepare",
    version=4,
    sections=("prepare",),
    upstream=(),
    external_inputs=external_inputs,
    work=work,
    in_parts=False,
)
