"""CPU, bytes, files and memory of every stage per sentence, and the growth of a text's distinct segments."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from ssmi.pipeline.assets.corpora import find_corpus
from ssmi.pipeline.assets.encoders import find_encoder
from ssmi.pipeline.contract.parameters import params as parameters
from ssmi.pipeline.contract.parameters.params import SegmentParams
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.contract.project.paths import ArtifactPaths
from ssmi.pipeline.features.alignment import isolated_vectors
from ssmi.pipeline.lexicon.segmenter import open_segmenter
from ssmi.pipeline.readers.texts import read_texts
from ssmi.pipeline.stages.running.encoding import open_encoder
from tests.bench.scale.figures import Growth, StageCost

ROOT = Path(__file__).resolve().parents[3]
STAGES = ("prepare", "segment", "embed", "selection", "pmi", "shards")
FIELD = "text"


@dataclass(frozen=True)
class Run:
    """One run of a stage as a separate process."""

    cpu: float
    peak_mib: int
    n_bytes: int
    n_files: int


def lines_of(corpus: Path) -> Iterator[str]:
    """Yield the texts of a corpus that are not blank."""
    for path in find_corpus(str(corpus), root=ROOT, listed=[]).files.values():
        yield from (text.text for text in read_texts(path, field=FIELD) if text.text.strip())


def build(project: Path, texts: Sequence[str], *, like: str, parts_of: int) -> dict[str, Run]:
    """Run every stage over some texts in a copy of a project, in parts of ``parts_of`` sentences.

    ``embed`` runs twice and the second run is returned, in which all its words are already encoded.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        # Links suffice because existing files are not modified.
        shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".*", "train"), copy_function=os.link)
        corpus = Path(folder) / "measured.txt"
        corpus.write_text("\n".join(texts) + "\n", encoding="utf-8")
        arguments = ["--corpus", str(corpus), "--like", like, "-S", f"prepare.sentences_per_part={parts_of}"]
        runs = {}
        for stage in ("prepare", "segment", "embed", *STAGES[2:]):
            cpu, peak = _run(copy, ["features", "run", stage, *arguments])
            # Only parts: other files are bounded by the vocabulary, or by the distinct segments.
            files = list((copy / "artifacts" / stage / "measured").glob("*/*"))
            runs[stage] = Run(cpu, peak, sum(path.stat().st_size for path in files), len(files))
        return runs


def _run(project: Path, arguments: Sequence[str]) -> tuple[float, int]:
    """Run one command; return its CPU seconds and peak memory in MiB."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    command = [sys.executable, "-m", "ssmi.cli.main", "--project", str(project), *arguments]
    with subprocess.Popen(command, cwd=project, env=environment, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss >> 10


def costs(
    project: Path, texts: Sequence[str], *, like: str, sizes: tuple[int, int], parts_of: int
) -> dict[str, StageCost]:
    """Cost of one more sentence in each stage."""
    small, large = (build(project, texts[:size], like=like, parts_of=parts_of) for size in sizes)
    n, n_parts = sizes[1] - sizes[0], (sizes[1] - sizes[0]) / parts_of
    return {
        stage: StageCost(
            cpu=(large[stage].cpu - small[stage].cpu) / n,
            bytes_out=(large[stage].n_bytes - small[stage].n_bytes) / n,
            files_a_part=(large[stage].n_files - small[stage].n_files) / n_parts,
            peak_mib=large[stage].peak_mib,
        )
        for stage in STAGES
    }


def encoding(project: Path, words: Sequence[str]) -> float:
    """CPU seconds of the encoder per word, sorted by length as in the stage."""
    encoder_params = parameters.load(ArtifactPaths(project).params).encoder
    encoder = find_encoder(encoder_params.name, revision=encoder_params.revision, root=project, reporter=Silent())
    states = open_encoder(encoder.path, encoder.digest).states
    chunk = sorted(words, key=len)
    isolated_vectors(chunk[:8], states)  # one-time loading of the encoder
    start = time.process_time()
    isolated_vectors(chunk, states)
    return (time.process_time() - start) / len(chunk)


def grow(texts: Iterable[str], *, sizes: Sequence[int], known: frozenset[str]) -> dict[str, Growth]:
    """Growth of distinct segments, of unknown ones, and of (character, segment) pairs, counted at several sizes."""
    params = SegmentParams()
    cut = open_segmenter(params.engine, hmm=params.hmm, user_dict=None)
    stream, before, segments = iter(texts), 0, set[str]()
    counts_by_kind: dict[str, dict[int, int]] = {"segments": {}, "new_words": {}, "queries": {}}
    for size in sizes:
        for text in islice(stream, size - before):
            segments.update(cut(text))
        before = size
        counts_by_kind["segments"][size] = len(segments)
        counts_by_kind["new_words"][size] = len(segments - known)
        counts_by_kind["queries"][size] = sum(len(set(segment)) for segment in segments)
    return {name: fit(counts) for name, counts in counts_by_kind.items()}


def fit(counts: dict[int, int]) -> Growth:
    """Fit Heaps' law to counts, by least squares of their logarithms."""
    power, factor = np.polyfit(np.log(list(counts)), np.log(list(counts.values())), 1)
    return Growth(counts, float(np.exp(factor)), float(power))


def bytes_per_segment(segments: Sequence[str]) -> float:
    """Bytes per segment of the table in which each process of ``selection`` looks up the row of a segment."""
    tracemalloc.start()
    rows = {"".join(segment): row for row, segment in enumerate(segments)}
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / len(rows)
