"""Which shards a checkpoint can be used on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssmi.model.data.shards import open_shards
from ssmi.model.runs.checkpoint.fit import check_fit
from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.parquet.statistics import FeatureParameters
from ssmi.pipeline.contract.text.wording import as_yaml

FEATURES = {name: Params().section(name) for name in FeatureParameters.model_fields}
Make = Callable[..., Any]


def test_training_shards_and_compatible_shards_are_accepted(
    saved_once: tuple[Path, Path], tmp_path: Path, write_shards: Make, sentences: list[Any]
) -> None:
    folder, shards = saved_once
    check_fit(folder, open_shards(shards))
    # Neither stored states, which a tuned encoder does not read, nor other sentences make a difference.
    other = write_shards(tmp_path / "other", {"test": sentences[:2]}, hidden=True)
    check_fit(folder, open_shards(other))


def test_all_differences_are_reported_at_once(
    saved_once: tuple[Path, Path], tmp_path: Path, write_shards: Make, sentences: list[Any]
) -> None:
    digests = {"vocabulary_digest": "v" * 64, "encoder_digest": "e" * 64}
    other = write_shards(
        tmp_path / "other", {"test": sentences}, entity_types=("LOC", "ORG", "PER"), statistics=digests
    )
    with pytest.raises(StaleArtifactError) as refused:
        check_fit(saved_once[0], open_shards(other))
    assert refused.value.message == (
        f"{saved_once[0]} and {other} do not belong together: "
        "labels BMES LOC,PER in the run, BMES LOC,ORG,PER in the shards; "
        "vocabulary vocabulary-a in the run, vvvvvvvvvvvv in the shards; "
        "encoder encoder-a in the run, eeeeeeeeeeee in the shards"
    )


@pytest.mark.parametrize(
    ("section", "key", "value"), [("segment", "user_dict", "words.txt"), ("selection", "choice", "random")]
)
def test_features_of_other_parameters_are_refused(
    saved_once: tuple[Path, Path],
    tmp_path: Path,
    write_shards: Make,
    sentences: list[Any],
    section: str,
    key: str,
    value: str,
) -> None:
    feature_parameters = {**FEATURES, section: {**FEATURES[section], key: value}}
    other = write_shards(tmp_path / "other", {"test": sentences}, statistics={"feature_parameters": feature_parameters})
    with pytest.raises(StaleArtifactError) as refused:
        check_fit(saved_once[0], open_shards(other))
    assert (
        f"{section}.{key} is {as_yaml(FEATURES[section].get(key))} in the run, {value} in the shards"
        in refused.value.message
    )


def test_missing_checkpoint_is_refused(tmp_path: Path, shards: Path) -> None:
    with pytest.raises(MissingResourceError, match="no checkpoint"):
        check_fit(tmp_path / "checkpoint", open_shards(shards))
