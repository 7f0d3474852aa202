"""Raw files → sentences: any format and tag scheme in, gold entities as spans out; nothing is dropped silently."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ssmi.pipeline.assets.datasets import DatasetFiles, find_dataset
from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.label_groups import LabelGroups
from ssmi.pipeline.contract.manifest import StageReport, digest_file, digest_json
from ssmi.pipeline.contract.parameters.params import PrepareParams
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.parquet.statistics import PrepareStatistics
from ssmi.pipeline.features.text.blanks import seen_sentences
from ssmi.pipeline.readers import ReadReport, Sentence, read_sentences
from ssmi.pipeline.readers.registry import files_of
from ssmi.pipeline.readers.sentence import types_alike
from ssmi.pipeline.stages.corpora.texts import prepare_texts, text_inputs
from ssmi.pipeline.stages.stage import Stage, StageContext


def external_inputs(context: StageContext) -> Mapping[str, str]:
    """The raw files and ``dataset.yaml``, by split and file name, so that no path of a machine gets into a manifest.

    Also the groups of labels, which a listed data set has without a ``dataset.yaml``.
    """
    if context.corpus is not None:
        return text_inputs(context.corpus, field=context.params.prepare.text_field)
    files = _find(context)
    inputs = {
        f"raw/{split}/{file.name}": digest_file(file)
        for split, path in sorted(files.splits.items())
        for file in files_of(path)
    }
    if files.description is not None:
        inputs["raw/dataset.yaml"] = digest_file(files.description)
    if files.label_groups:
        inputs["label_groups"] = digest_json({name: list(each) for name, each in files.label_groups.items()})
    return inputs


def work(context: StageContext, folder: Path) -> StageReport:
    """Read every split in its file's order and write it in parts; of a corpus its texts."""
    if context.corpus is not None:
        return prepare_texts(context, context.corpus, folder)
    params = context.params.prepare
    files = _find(context)
    reports: dict[Path, ReadReport] = {}
    written: dict[str, int] = {}
    for split, sentences, report in _splits(files, params):
        written[split] = _write_split(folder, split, sentences, context=context)
        reports[report.path] = report
    _check_groups(files.label_groups, reports.values())
    if "dev" not in files.splits and written.get("dev") == 0:
        context.reporter.note(
            f"prepare: no dev sentences: prepare.dev_fraction={params.dev_fraction:g} of {written['train']} train "
            "sentences comes to none; give a dev file or more sentences"
        )
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


def _check_groups(groups: LabelGroups, reports: Iterable[ReadReport]) -> None:
    """Refuse a group with the name of an entity type: tables of scores could not tell them apart."""
    for name in sorted(groups.keys() & {label for report in reports for label in report.types}):
        raise InputDataError(
            f"label_groups.{name}: {name} is also an entity type", next_step="choose another name in dataset.yaml"
        )


def _find(context: StageContext) -> DatasetFiles:
    return find_dataset(context.dataset, root=context.root, reporter=context.reporter)


def _splits(files: DatasetFiles, params: PrepareParams) -> Iterator[tuple[str, Iterable[Sentence], ReadReport]]:
    """Each split's sentences with the report of the file they come from; dev is cut from train when there is none."""
    for split in tables.SPLITS:
        if split in files.splits:
            given, report = read_sentences(files.splits[split], options=files.options)
            sentences = seen_sentences(given, report)
            if split == "train" and "dev" not in files.splits and params.dev_fraction > 0:
                # In memory, since which sentences become dev depends on the text of every one.
                whole = list(sentences)
                chosen = choose_dev(whole, fraction=params.dev_fraction, seed=params.seed)
                yield "train", [s for i, s in enumerate(whole) if i not in chosen], report
                yield "dev", [s for i, s in enumerate(whole) if i in chosen], report
            else:
                yield split, sentences, report


def _notes(reports: Sequence[ReadReport]) -> Iterator[str]:
    """What a user should know about the files that were read."""
    for report in reports:
        yield from (f"{report.path.name}: {note}" for note in report.notes)
        if summary := report.summary():
            yield f"{report.path.name}: repaired or left out: {summary}"
    for names in types_alike(name for report in reports for name in report.types):
        yield f"entity types that differ in case only: {', '.join(names)}"


def choose_dev(sentences: list[Sentence], *, fraction: float, seed: int) -> set[int]:
    """Indices of the share of train that becomes dev: those whose text hashes lowest under the seed.

    The choice depends on the texts, not on their order. Equal texts fall on the same side; a text that occurs more
    often than dev has room stays in train.
    """
    # The seed is the hash's key, so that another seed gives another order.
    keys = [
        hashlib.blake2b("\t".join(s.characters).encode("utf-8", "surrogatepass"), key=str(seed).encode()).digest()
        for s in sentences
    ]
    alike: dict[bytes, list[int]] = {}
    for index, key in enumerate(keys):
        alike.setdefault(key, []).append(index)
    # With one distinct text any choice would empty train.
    room = max(1, round(len(keys) * fraction)) if len(alike) > 1 else 0
    chosen: set[int] = set()
    for key in sorted(alike):
        if len(chosen) + len(alike[key]) <= room:
            chosen.update(alike[key])
    return chosen


def _write_split(folder: Path, split: str, sentences: Iterable[Sentence], *, context: StageContext) -> int:
    count = 0
    stream = iter(sentences)
    # No total: how many sentences a file holds is known at its end.
    with context.reporter.task(f"prepare {split}", total=0, unit="sentences") as advance:
        for part in itertools.count():
            batch = list(itertools.islice(stream, context.params.prepare.sentences_per_part))
            if not batch:
                return count
            rows = [_row(sentence, sentence_id=count + index) for index, sentence in enumerate(batch)]
            tables.write_rows(tables.part_path(folder, split, part), schema.SENTENCES, rows)
            count += len(batch)
            advance(len(batch))
    return count


def _row(sentence: Sentence, *, sentence_id: int) -> dict[str, Any]:
    return {
        "sentence_id": sentence_id,
        "line": sentence.line,
        "characters": list(sentence.characters),
        "entities": [{"start": e.start, "end": e.end, "label": e.label} for e in sentence.entities],
    }


def _total(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for count in counts:
        for reason, n in count.items():
            total[reason] = total.get(reason, 0) + n
    return dict(sorted(total.items()))


STAGE = Stage(
    name="prepare",
    version=2,
    sections=("prepare",),
    upstream=(),
    external_inputs=external_inputs,
    work=work,
    in_parts=False,
)
