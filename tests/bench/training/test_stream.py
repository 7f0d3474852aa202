"""`make bench-stream`: its copies contain train several times, and streaming them takes no more memory."""

from __future__ import annotations

import shutil
import tracemalloc
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from ssmi.model.data.shards import open_shards
from ssmi.model.data.split import RequiredFeatures
from ssmi.model.data.training_data import StreamedSplit
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.project.paths import ArtifactPaths
from tests.bench.training.stream import measure, repeat


@dataclass(frozen=True)
class Project:
    """A folder, with the interface of the fixtures' projects."""

    root: Path


def copy_of(project: Any, folder: Path, *, times: int) -> Path:
    folder.mkdir()
    repeat(project.root, "tiny", folder, times=times)
    return ArtifactPaths(folder).shards("tiny")


def test_train_is_repeated_with_unique_ids(built_once: Any, tmp_path: Path) -> None:
    source = ArtifactPaths(built_once.root).shards("tiny")
    copy = copy_of(built_once, tmp_path / "three", times=3)
    single, repeated = (
        [row for part in open_shards(folder).parts("train") for row in tables.read_rows(part, schema.SHARDS)]
        for folder in (source, copy)
    )
    assert [row["sentence_id"] for row in repeated] == list(range(3 * len(single)))
    assert [{**row, "sentence_id": 0} for row in repeated] == [{**row, "sentence_id": 0} for row in single] * 3
    assert open_shards(copy).boundaries.ids.tolist() == open_shards(source).boundaries.ids.tolist()


def test_memory_of_streaming_does_not_grow_with_the_data(built_once: Any, tmp_path: Path) -> None:
    """Use parts with enough sentences to make a part's entry in the manifest negligible."""
    source = ArtifactPaths(built_once.root).shards("tiny")
    table = pa.concat_tables([tables.read_table(part, schema.SHARDS) for part in open_shards(source).parts("train")])
    large_project = Project(tmp_path / "thick")
    shutil.copytree(source, ArtifactPaths(large_project.root).shards("tiny"), ignore=shutil.ignore_patterns("train"))
    shutil.copy(ArtifactPaths(built_once.root).params, large_project.root)
    folder = ArtifactPaths(large_project.root).shards("tiny")
    tables.write_table(tables.part_path(folder, "train", 0), schema.SHARDS, pa.concat_tables([table] * 40))
    manifests.save(replace(manifests.load(folder), files=manifests.describe_files(folder)), folder)

    def peak(times: int) -> int:
        shards = open_shards(copy_of(large_project, tmp_path / str(times), times=times))
        tracemalloc.start()
        data = StreamedSplit.open(shards, "train", required=RequiredFeatures(best=True, sets=True), buffer=1)
        batches = data.batches(batch_size=64, seed=1, epoch=1)
        loader = data.collated(batches, seed=1, epoch=1, device=torch.device("cpu"))
        assert sum(len(batch.rows) for batch in loader) == len(data.lengths) == 40 * times * len(table)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak_bytes

    peak(2)  # imports and other one-time allocations
    assert peak(12) <= 1.3 * peak(3)


@pytest.mark.heavy
def test_training_on_a_copy_is_reported(built_once: Any, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = measure(built_once.root, "tiny", all_times=[2], n_steps=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["bert-crf", "char-crf", "char-crf"]
    assert [one.streamed for one in outcomes] == [True, True, False]
    assert all(one.steps == 2 and one.peak_mib > 50 and 0 < one.waiting < one.seconds for one in outcomes)
