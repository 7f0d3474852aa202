"""Tables, arrays, marks and results written by a stage or a training, opened without their manifests."""

from __future__ import annotations

import io
import json
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from ssmi.model.evaluation.scoring import EntityCounts, Scores
from ssmi.model.evaluation.sentence_counts import SentenceCounts
from ssmi.model.runs import state
from ssmi.model.runs.results import counts_file, history, metrics_file, result_files
from ssmi.model.runs.results.history import EpochRecord
from ssmi.model.runs.results.metrics_file import RunMetrics
from ssmi.pipeline.assets.vector_cache import VectorCache
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.storage.arrays import map_array
from ssmi.pipeline.contract.storage.digests import digest_json, seal
from ssmi.pipeline.features.alignment import LinearMap
from ssmi.pipeline.features.trie import Trie
from ssmi.pipeline.lexicon.alignment_file import open_alignment, save_alignment
from ssmi.pipeline.lexicon.trie_file import open_trie
from ssmi.pipeline.parts.mark import Part, finished, result_of, run_part
from ssmi.predict.corpus.parts import PartTask, is_finished
from tests.fuzz.targets.target import Target, target

_WORDS = ["中国", "人民", "中国人民", "京"]


def _bytes_written(write: Callable[[Path], object], name: str = "a.file") -> bytes:
    """Bytes of the file that a function writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def with_new_seal(read: Callable[[Path], object]) -> Callable[[Path], object]:
    """Wrap a reader so that the file is sealed first, as a user who writes files by hand could do."""

    def read_sealed(path: Path) -> object:
        try:
            body = json.loads(path.read_bytes())
            path.write_text(json.dumps(seal({key: body[key] for key in body if key != "sha256"})), encoding="utf-8")
        except (ValueError, RecursionError, TypeError):
            pass  # the file is read unchanged
        return read(path)

    return read_sealed


# --- tables and arrays -----------------------------------------------------------------------------------------------

_PREDICTIONS = [{"text_id": n, "start": 0, "end": 2, "label": "PER", "score": 0.5} for n in range(40)]
_SENTENCES = [
    {"sentence_id": n, "line": n, "characters": list("李明在京"), "entities": [{"start": 0, "end": 2, "label": "PER"}]}
    for n in range(40)
]


def _open_part(path: Path) -> object:
    unused = Path("/nowhere")
    task = PartTask(unused, unused, unused, (), unused, target=path, device="cpu", min_score=0.0, made_from="digest")
    if not is_finished(task):
        raise StaleArtifactError(f"{path}: not finished", next_step="tag it again")
    return task


def _predictions() -> bytes:
    table = pa.Table.from_pylist(_PREDICTIONS, schema=schema.PREDICTIONS)
    with_metadata = table.replace_schema_metadata({"made_from": "digest", "rows": digest_json(table.to_pydict())})
    return _bytes_written(lambda path: tables.write_table(path, schema.PREDICTIONS, with_metadata))


def _search_trie(path: Path) -> object:
    return open_trie(path).matches("中国人民在北京")


def _apply_alignment(path: Path) -> object:
    alignment = open_alignment(path)
    return alignment.apply(np.ones((2, len(alignment.mean)), dtype=np.float32))


# --- marks and cached vectors ----------------------------------------------------------------------------------------


def _count(task: str) -> int:
    return len(task)


def _read_mark(path: Path) -> object:
    part = Part(_count, "task", path.parent, path)
    text = finished(part)
    if text is None:
        raise StaleArtifactError(f"{path}: not finished", next_step="run it again")
    return result_of(part, text)


def _write_mark(path: Path) -> None:
    run_part(Part(_count, "task", path.parent, path))


def _read_cache(path: Path) -> object:
    try:
        return VectorCache(path).find(_WORDS)
    except (sqlite3.Error, OSError) as error:  # encode_chunk notes these errors and computes the vectors
        raise StaleArtifactError(f"{path}: {error}", next_step="computed again") from error


# --- results of a run ------------------------------------------------------------------------------------------------

_SCORES = Scores(EntityCounts(3, 2, 1), {"PER": EntityCounts(3, 2, 1)}, {}, EntityCounts(3, 2, 1), 0, 5)


def _state() -> str:
    run = {"shards": "0", "the shards' encoder": "0", "the revision of the network's code": 1, "train.seed": 1}
    body = {
        "format": state.FORMAT,
        "file": "a.safetensors",
        "file_digest": "0" * 64,
        "epoch": 2,
        "step": 3,
        "steps": 10,
        "loss": 1.5,
        "history": [],
        "fingerprint": run,
    }
    return json.dumps(seal(body))


def _read_scores(path: Path) -> object:
    # As if a user had also written the list of files by hand.
    result_files.write(path.parent, metrics=path.read_bytes())
    return metrics_file.read(path.parent)


def _metrics() -> bytes:
    return _bytes_written(lambda path: metrics_file.write(path.parent, RunMetrics({"dev": _SCORES})), "metrics.json")


def _counts() -> bytes:
    counts = SentenceCounts(["李明在京", "长江"], [{"PER": EntityCounts(1, 1, 1)}, {}])
    return _bytes_written(lambda path: counts_file.write(path, counts))


def stored() -> list[Target]:
    """Targets that read the program's own output."""
    epochs = [EpochRecord(1, 2.5, _SCORES), EpochRecord(2, 1.5, _SCORES)]
    linear_map = LinearMap(*(np.ones(shape) for shape in ((4, 3), (4,), (4,), (3,))))
    return [
        target(
            "table of sentences",
            lambda path: tables.read_rows(path, schema.SENTENCES),
            "part-00000.parquet",
            _bytes_written(lambda path: tables.write_rows(path, schema.SENTENCES, _SENTENCES)),
        ),
        target("array", map_array, "a.npy", _npy(np.ones((3, 4), np.float32)), _npy(np.zeros(0, np.int32))),
        target("trie", _search_trie, "trie.bin", Trie.build(_WORDS).to_bytes()),
        target(
            "alignment",
            _apply_alignment,
            "a.safetensors",
            _bytes_written(lambda path: save_alignment(linear_map, path)),
        ),
        target("part of predictions", _open_part, "part-00000.parquet", _predictions()),
        target("mark of a part", _read_mark, "mark.json", _bytes_written(_write_mark)),
        target(
            "kept vectors",
            _read_cache,
            "words.sqlite",
            _bytes_written(lambda path: VectorCache(path).add(_WORDS, np.ones((4, 3), np.float32))),
        ),
        target("state", with_new_seal(lambda path: state.find(path.parents[1])), "state/state.json", _state()),
        target("history", history.read, "history.csv", _bytes_written(lambda path: history.write(path, epochs))),
        target("scores", _read_scores, "metrics.json", _metrics()),
        target("counts", lambda path: counts_file.read(path.parents[1], "dev"), "counts/dev.parquet", _counts()),
    ]
