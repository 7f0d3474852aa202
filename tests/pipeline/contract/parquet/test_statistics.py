"""The typed statistics of a manifest read back as written; those of another version are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.parquet.statistics import (
    EmbedStatistics,
    PrepareStatistics,
    ShardsStatistics,
    VocabStatistics,
)
from ssmi.pipeline.contract.project.paths import ArtifactPaths

STATISTICS: dict[str, type[VocabStatistics | PrepareStatistics | EmbedStatistics | ShardsStatistics]] = {
    "vocab": VocabStatistics,
    "prepare": PrepareStatistics,
    "embed": EmbedStatistics,
    "shards": ShardsStatistics,
}


@pytest.mark.parametrize("stage", STATISTICS)
def test_the_statistics_of_a_stage_read_back(built_once: Any, stage: str) -> None:
    manifest = manifests.load(ArtifactPaths(built_once.root).stage(stage, "tiny"))
    assert STATISTICS[stage].of(manifest).to_json() == manifest.report.statistics


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_window": ...}, "max_window: missing"),
        ({"max_width": 3}, "max_width: unknown key"),
        ({"max_window": "long"}, "max_window: expected a whole number"),
        ({"feature_parameters": {}}, r"feature_parameters\.encoder: missing"),
    ],
)
def test_statistics_of_another_version_are_refused_by_name(
    project: Any, reseal: Callable[..., None], change: dict[str, Any], message: str
) -> None:
    folder = ArtifactPaths(project.root).shards("tiny")

    def apply_change(body: dict[str, Any]) -> None:
        statistics = {**body["report"]["statistics"], **change}
        body["report"]["statistics"] = {key: value for key, value in statistics.items() if value is not ...}

    reseal(folder, apply_change)
    with pytest.raises(StaleArtifactError, match=message) as caught:
        ShardsStatistics.of(manifests.load(folder))
    assert "shards of tiny" in caught.value.message and "build the features again" in caught.value.next_step
