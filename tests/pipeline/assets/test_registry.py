from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ssmi.pipeline.assets.registry import ASSETS, RESUME, Checksum, known, names
from ssmi.pipeline.assets.sources.https import checksum

_LENGTHS = {"sha256": 64, "git-blob": 40}


def test_every_default_parameter_is_a_listed_asset() -> None:
    from ssmi.pipeline.contract.parameters.params import Params

    params = Params()
    assert known(params.encoder.name, "encoder") is not None
    assert known(params.vocab.vectors, "vectors") is not None
    assert set(params.datasets) <= set(names("dataset"))


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_an_asset_is_pinned_and_described(name: str) -> None:
    asset = ASSETS[name]
    assert asset.name == name
    assert asset.description and asset.source and asset.licence and asset.by_hand
    for file in asset.files:
        assert file.url.startswith("https://") and re.search(r"/[0-9a-f]{40}/", file.url), "a URL without a commit"
        assert re.fullmatch(f"[0-9a-f]{{{_LENGTHS[file.checksum.kind]}}}", file.checksum.value)
    if asset.package is not None:
        assert re.fullmatch("[0-9a-f]{64}", asset.package.archive_sha256)
        assert re.fullmatch("[0-9a-f]{64}", asset.package.member_sha256)


def test_licensed_data_is_never_fetched() -> None:
    assert not ASSETS["ontonotes4"].fetchable
    assert "LDC2011T03" in ASSETS["ontonotes4"].source


def test_every_fetched_asset_has_its_own_recipe() -> None:
    recipes = {asset.recipe for asset in ASSETS.values() if asset.fetchable}
    assert len(recipes) == sum(asset.fetchable for asset in ASSETS.values())


def test_a_name_is_known_only_for_its_kind() -> None:
    assert known("resume", "dataset") is RESUME
    assert known("resume", "vectors") is None


@pytest.mark.skipif("SSMI_DATA" not in os.environ, reason="needs the data sets named by SSMI_DATA")
def test_the_pinned_checksums_are_those_of_the_published_files() -> None:
    folder = Path(os.environ["SSMI_DATA"]) / "resume"
    for file in RESUME.files:
        assert checksum(folder / f"{file.split}.bmes", file.checksum) == file.checksum.value
    blob = Checksum("git-blob", "d82e7ec0424c6229a3dd7f352e0b0b525ae327d4")  # the id in the published repository
    assert checksum(folder / "train.bmes", blob) == blob.value
