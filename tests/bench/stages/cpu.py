"""Cost of the feature stages, and comparisons: ``make bench-features PROJECT=. DATASET=msra``.

Measures the CPU time of each stage on one core, without the encoder and with the segmenter counted separately, in a
copy of a project in which the data set is built; ``THAN=DIR`` also runs the stages of another version of the program.
Then come ratios of the inner loops: matching against daachorse's own loop, selection against one dense matrix product,
counting against DuckDB's group-by, embedding against the bare encoder.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import starmap
from pathlib import Path

import daachorse
import duckdb
import numpy as np
import pyarrow as pa
import torch
from threadpoolctl import threadpool_limits

from ssmi.pipeline.assets.encoders import find_encoder
from ssmi.pipeline.columns.lists import whole
from ssmi.pipeline.columns.sentences import read_sentences
from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
from ssmi.pipeline.contract.parameters import params as parameters
from ssmi.pipeline.contract.parameters.params import SegmentParams, SelectionParams
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.contract.project.paths import SELECTIONS, ArtifactPaths
from ssmi.pipeline.features.alignment import isolated_vectors
from ssmi.pipeline.features.boundary_selection import cosines_with
from ssmi.pipeline.features.candidates import CandidateSelector, QueryGroup
from ssmi.pipeline.features.columns import SentenceColumns
from ssmi.pipeline.features.pmi import add_up, count_events, events_over
from ssmi.pipeline.features.text.tokens import CharacterTokens
from ssmi.pipeline.features.vocabulary import Vocabulary
from ssmi.pipeline.frozen_encoder import FrozenEncoder
from ssmi.pipeline.lexicon.segment_vector_files import SEGMENTS_FILE, open_segment_vectors
from ssmi.pipeline.lexicon.segmenter import open_segmenter
from ssmi.pipeline.lexicon.vocabulary_files import TRIE_FILE, open_vocabulary
from ssmi.pipeline.stages.running.encoding import WORDS_PER_TASK

ROOT = Path(__file__).resolve().parents[3]
STAGES = ("prepare", "segment", "selection", "pmi", "shards")
"""All stages of a data set except ``embed``, whose time is the encoder's."""
REPEATS = 3
WORDS = 2048
"""Words to embed."""


def cpu_of_stages(project: Path, dataset: str, code: Path) -> dict[str, float]:
    """CPU seconds of each stage, run as a separate process by the program in ``code`` on a copy of the project."""
    environment = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".*", "train", "ablate", "paper"))
        for stage in STAGES:
            command = [sys.executable, "-m", "ssmi.cli.main", "--project", str(copy), "features", stage]
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            # Not started from here, because Python searches the working folder for packages first.
            subprocess.run(
                [*command, "--dataset", dataset], cwd=folder, env=environment, check=True, capture_output=True
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds[stage] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds


def cpu(work: Callable[[], object]) -> float:
    """The least CPU time of several calls, since a busy machine lengthens it."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def cutting(parts: Sequence[SentenceColumns], params: SegmentParams) -> float:
    """CPU seconds of the segmenter itself."""
    cut = open_segmenter(params.engine, hmm=params.hmm, user_dict=None)
    start = time.process_time()
    for part in parts:
        for text in part.texts:
            list(cut(text))
    return time.process_time() - start


def matching(parts: Sequence[SentenceColumns], vocabulary: Path) -> float:
    """Time of daachorse's loop over the sentences, divided by the time of ours."""
    trie = open_vocabulary(vocabulary, digest="").trie
    automaton = daachorse.CharwiseDoubleArrayAhoCorasick.deserialize((vocabulary / TRIE_FILE).read_bytes())
    texts = [part.texts for part in parts]
    reference = cpu(lambda: [[automaton.find_overlapping(text) for text in part] for part in texts])
    return reference / cpu(lambda: [trie.columns(part) for part in parts])


def counting(parts: Sequence[SentenceColumns], vocabulary: Path) -> float:
    """Time of DuckDB's group-by over all match events, divided by the time of ours, which starts from the matches."""
    trie = open_vocabulary(vocabulary, digest="").trie
    matches = [trie.columns(part) for part in parts]
    pairs = [(part.codes[positions], ids) for part, each in zip(parts, matches, strict=True)
             for positions, ids in (events_over(each),)]  # fmt: skip
    events = pa.table([pa.chunked_array(column) for column in zip(*pairs, strict=True)], names=["code", "boundary"])
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("arrow", events)
        connection.execute("CREATE TABLE events AS SELECT * FROM arrow")
        query = "SELECT code, boundary, count(*) FROM events GROUP BY ALL"
        reference = cpu(lambda: connection.sql(query).to_arrow_table())
    return reference / cpu(lambda: add_up([count_events(*each) for each in zip(parts, matches, strict=True)]))


def selecting(paths: ArtifactPaths, dataset: str) -> tuple[float, float]:
    """Selection's rate of floating-point operations, divided by that of one dense product.

    Returns the ratio for the whole selection, and for its matrix products alone. Both count two operations for each
    number of each candidate's vector.
    """
    queries = [
        tables.read_table(path, schema.SELECTIONS, columns=["character", "segment"])
        for path in tables.list_parts(paths.stage("selection", dataset), SELECTIONS)
    ]
    vocabulary = open_vocabulary(paths.vocabulary, digest="")
    selector = CandidateSelector(
        vocabulary, open_segment_vectors(paths.stage("embed", dataset), digest=""), SelectionParams()
    )
    by_character: dict[str, list[str]] = {}
    for table in queries:
        for name, segment in zip(*(whole(table, each).to_pylist() for each in table.column_names), strict=True):
            by_character.setdefault(name, []).append(segment)
    width = vocabulary.vectors.shape[1]
    flops = sum(2 * width * len(vocabulary.boundaries_of(name)) * len(each) for name, each in by_character.items())
    a, b = np.ones((1024, width), np.float32), np.ones((width, 4096), np.float32)
    dense = 2 * width * 1024 * 4096 / cpu(lambda: a @ b)
    total_time = cpu(lambda: list(selector.answers(starmap(QueryGroup, by_character.items()))))

    def products() -> None:
        for each in by_character.items():
            _products(vocabulary, *each)

    return flops / total_time / dense, flops / cpu(products) / dense


def _products(vocabulary: Vocabulary, character: str, segments: Sequence[str]) -> None:
    """Gather the candidates' vectors and compute their cosines with as many vectors as there are segments."""
    cosines_with(
        vocabulary.vectors.take(vocabulary.boundaries_of(character), axis=0), vocabulary.vectors[: len(segments)]
    )


def embedding(project: Path, segments: Sequence[str]) -> float:
    """Time of the encoder's bare passes, divided by the time of embedding words, which makes these passes."""
    encoder_params = parameters.load(ArtifactPaths(project).params).encoder
    folder = find_encoder(encoder_params.name, revision=encoder_params.revision, root=project, reporter=Silent()).path
    encoder = FrozenEncoder(folder, CharacterTokens(encoder_vocabulary(folder)))
    words = sorted(segments, key=len)
    chunks = [words[start : start + WORDS_PER_TASK] for start in range(0, len(words), WORDS_PER_TASK)]
    model, passes = encoder._model, []
    with model.register_forward_pre_hook(lambda _, __, inputs: passes.append(inputs), with_kwargs=True):
        for chunk in chunks:
            isolated_vectors(chunk, encoder.states)
    with torch.inference_mode():
        reference = cpu(lambda: [model(**inputs) for inputs in passes])
    return reference / cpu(lambda: [isolated_vectors(chunk, encoder.states) for chunk in chunks])


def main() -> None:
    """Run the stages, then the loops, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=ROOT, help="where the data set is built")
    parser.add_argument("--dataset", default="sample")
    parser.add_argument("--than", type=Path, help="a source tree of another version")
    options = parser.parse_args()
    paths = ArtifactPaths(options.project)
    params = parameters.load(paths.params).segment
    folder = paths.stage("prepare", options.dataset)
    parts = [read_sentences(path) for split in tables.SPLITS for path in tables.list_parts(folder, split)]
    n_characters = sum(len(part.text) for part in parts)
    with threadpool_limits(limits=1):
        engine = cutting(parts, params)
        ratios = {"matching / daachorse's loop": matching(parts, paths.vocabulary)}
        total_rate, product_rate = selecting(paths, options.dataset)
        ratios |= {"selection / dense product": total_rate, "its products alone / dense product": product_rate}
        ratios["pmi / DuckDB's group-by"] = counting(parts, paths.vocabulary)
        segments = paths.stage("embed", options.dataset) / SEGMENTS_FILE
        words = whole(tables.read_table(segments, schema.DISTINCT_SEGMENTS, columns=["segment"]), "segment")
        ratios["embedding / bare encoder"] = embedding(options.project, words[:WORDS].to_pylist())
    seconds = cpu_of_stages(options.project, options.dataset, ROOT)
    other_seconds = cpu_of_stages(options.project, options.dataset, options.than) if options.than else {}
    print(f"{options.dataset}, {n_characters:,} characters; {params.engine} itself {engine:.2f} s")
    for measured in (seconds, other_seconds):
        if measured:
            measured["all"] = sum(measured.values())
            measured["all but the segmenter"] = measured["all"] - engine
    for name, value in seconds.items():
        before = (
            f"{other_seconds[name]:10.2f} s before{other_seconds[name] / value:7.1f} times" if other_seconds else ""
        )
        print(f"{name:24}{value:9.2f} s{n_characters / value:12,.0f} characters a second{before}")
    for name, value in ratios.items():
        print(f"{name:36}{value:9.2g}")


if __name__ == "__main__":
    main()
