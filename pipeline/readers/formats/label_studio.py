"""Label Studio's JSON export: an array of tasks (or one task per line), and the flat rows of its JSON-MIN export.

A task holds its text under ``data``, and its entities under ``annotations`` → ``result`` → ``value`` with ``start``,
``end`` (half-open) and ``labels``. Of several annotations, the one marked as ground truth is used, otherwise the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.text.wording import counted
from ssmi.pipeline.readers.entities.spans import Marked, RawSpan, marked_sentences
from ssmi.pipeline.readers.options import ReadOptions
from ssmi.pipeline.readers.raw.json_values import Value, json_values
from ssmi.pipeline.readers.rows.fields import raw_span, text_field
from ssmi.pipeline.readers.sentence import ReadReport, Sentence

TEXT = "text"
ANNOTATIONS = ("annotations", "completions")
PREDICTIONS = "predictions"
RELATION = "relation"
OTHER_REGION = "region-of-another-kind"
UNLABELLED_REGION = "region-without-label"
SECOND_LABEL = "second-label-of-a-region"
OTHER_ANNOTATION = "annotation-of-another-annotator"
CANCELLED = "cancelled-annotation"
UNANNOTATED = "task-without-annotation"
PREDICTION = "prediction"

_MINIMAL = ("annotation_id", "lead_time")
"""Keys that only rows of JSON-MIN have."""
_NEXT = "export the tasks from Label Studio as JSON, for a <Labels> on a <Text>"


def looks_like_label_studio(row: Mapping[str, Any]) -> bool:
    """Whether the first row is from one of Label Studio's two exports."""
    if isinstance(row.get("data"), dict):
        return any(key in row for key in (*ANNOTATIONS, PREDICTIONS))
    return any(key in row for key in _MINIMAL)


def read_label_studio(path: Path, options: ReadOptions, report: ReadReport) -> Iterator[Sentence]:
    """Yield the text of each annotated task, with its entities.

    Tasks without annotations, cancelled annotations, annotations of further annotators, relations and other regions
    are counted as skipped. A task without a list of annotations was written by ``predict``: its predictions are used,
    with a note in ``report``. Predictions beside annotations are counted as skipped.

    Raises:
        InputDataError: With line and row, for rows that are not tasks and entities outside their text.
    """
    return marked_sentences(partial(_tasks, path, options), path=path, options=options, report=report)


def _tasks(path: Path, options: ReadOptions, report: ReadReport) -> Iterator[Marked]:
    seen: set[Any] = set()
    n_predicted = 0
    with closing(json_values(path, encoding=options.encoding, report=report)) as values:
        for value in values:
            row = value.body
            if not isinstance(row, dict):
                raise _wrong(value, "not an object")
            if isinstance(row.get("data"), dict):
                n_predicted += not any(key in row for key in ANNOTATIONS)
                regions = _chosen(row, value, report)
                text = None if regions is None else _text(row["data"], regions, value)
            else:
                regions = _flat_regions(row, value, seen, report)
                text = row.get(TEXT)
            if regions is None:
                continue
            text = text_field(text, name=TEXT, where=value.where)
            spans = [span for region in regions for span in _entity(region, value, report)]
            yield Marked(value.number, text, spans, value.where)
    if n_predicted:
        report.notes.append(f"{counted(n_predicted, 'task')} without annotations: predictions are used instead")


def _chosen(row: dict[str, Any], value: Value, report: ReadReport) -> list[Any] | None:
    """Return the regions of the annotation that is used; None if there is none."""
    key = next((key for key in ANNOTATIONS if key in row), PREDICTIONS)
    given = _list(row.get(key) or [], key, value)
    if key != PREDICTIONS and row.get(PREDICTIONS):
        for _ in _list(row[PREDICTIONS], PREDICTIONS, value):
            report.skip(PREDICTION, value.number)
    valid = []
    for one in given:
        if not isinstance(one, dict):
            raise _wrong(value, f"{key!r} holds something else than objects")
        if one.get("was_cancelled"):
            report.skip(CANCELLED, value.number)
        else:
            valid.append(one)
    if not valid:
        report.skip(UNANNOTATED, value.number)
        return None
    for _ in valid[1:]:
        report.skip(OTHER_ANNOTATION, value.number)
    best = next((one for one in valid if one.get("ground_truth")), valid[0])
    return _list(best.get("result") or [], "result", value)


def _flat_regions(row: dict[str, Any], value: Value, seen: set[Any], report: ReadReport) -> list[Any] | None:
    """Return the regions of a JSON-MIN row, of which there is one per annotation; None except for a task's first."""
    task = row.get("id")
    if isinstance(task, int | str):
        if task in seen:
            report.skip(OTHER_ANNOTATION, value.number)
            return None
        seen.add(task)
    lists = [cell for cell in row.values() if isinstance(cell, list)]
    return [{"value": one} for cell in lists for one in cell if isinstance(one, dict) and "labels" in one]


def _text(data: dict[str, Any], regions: list[Any], value: Value) -> str:
    names = [TEXT, *(one.get("to_name") for one in regions if isinstance(one, dict))]
    strings = {name: cell for name, cell in data.items() if isinstance(cell, str)}
    text = next((strings[name] for name in names if name in strings), None)
    if text is None and len(strings) == 1:
        text = next(iter(strings.values()))
    if text is None:
        shown = ", ".join(map(repr, strings)) or "no strings"
        raise _wrong(value, f"which of {shown} under 'data' is the text? None is {TEXT!r}")
    return text


def _entity(region: Any, value: Value, report: ReadReport) -> Iterator[RawSpan]:
    if not isinstance(region, dict):
        raise _wrong(value, "'result' holds something else than objects")
    if region.get("type") == "relation":
        report.skip(RELATION, value.number)
        return
    body = region.get("value")
    if not isinstance(body, dict) or "start" not in body or "end" not in body:
        report.skip(OTHER_REGION, value.number)
        return
    labels = body.get("labels", body.get("hypertextlabels"))
    if not isinstance(labels, list) or not labels:
        report.skip(UNLABELLED_REGION, value.number)
        return
    for _ in labels[1:]:
        report.skip(SECOND_LABEL, value.number)
    yield raw_span(body["start"], body["end"], labels[0], quoted=body.get(TEXT), where=value.where)


def _list(given: Any, key: str, value: Value) -> list[Any]:
    if not isinstance(given, list):
        raise _wrong(value, f"{key!r} is not a list")
    return given


def _wrong(value: Value, what: str) -> InputDataError:
    return InputDataError(f"{value.where}: {what}", next_step=_NEXT)
