"""The files that features are made from, and whether the shards were built from the same files."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.manifest import Manifest, digest_file
from ssmi.pipeline.online.feature_store import FeatureStore, check_feature_store, manifests_match


@pytest.fixture
def built(built_once: Any, tmp_path: Path) -> tuple[FeatureStore, Manifest]:
    """Copies of the folders of the tiny project, and the manifest of its shards."""
    artifacts = built_once.root / "artifacts"
    folders = {"vocab": "vocab", "embed": "embed/tiny", "pmi": "pmi/tiny"}
    for name, folder in folders.items():
        shutil.copytree(artifacts / folder, tmp_path / name)
    shutil.copytree(built_once.root / "encoder", tmp_path / "encoder")
    return FeatureStore.packed(tmp_path), manifests.load(artifacts / "shards" / "tiny")


def _with_user_dict(store: FeatureStore, shards: Manifest, text: str) -> tuple[FeatureStore, Manifest]:
    """Return the store and the manifest as if the shards had been built with a user dictionary."""
    path = store.vocab.parent / "user_dict.txt"
    path.write_text(text, encoding="utf-8")
    statistics = {**shards.report.statistics, "user_dict_digest": digest_file(path)}
    return FeatureStore.packed(path.parent), replace(shards, report=replace(shards.report, statistics=statistics))


def _change_manifest(folder: Path) -> str:
    """Change a manifest so that it can still be read, and return its new digest."""
    path = folder / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    return digest_file(path)


def test_matching_folders_pass_both_checks(built: tuple[FeatureStore, Manifest]) -> None:
    store, shards = built
    assert store.user_dict is None
    assert manifests_match(store, shards)
    spec = check_feature_store(store, shards)
    assert spec.vocabulary_digest == digest_file(store.vocab / "manifest.json")
    assert spec.embed_digest == digest_file(store.embed / "manifest.json")
    assert spec.user_dict_digest == ""
    assert spec.params.selection.model_dump() == shards.report.statistics["feature_parameters"]["selection"]


def test_every_difference_is_named_in_one_error(built: tuple[FeatureStore, Manifest]) -> None:
    store, shards = built
    changes = {
        f"vocabulary {store.vocab}": _change_manifest(store.vocab),
        f"segment vectors {store.embed}": _change_manifest(store.embed),
        f"PMI pairs {store.pmi}": _change_manifest(store.pmi),
    }
    with pytest.raises(StaleArtifactError) as caught:
        check_feature_store(store, shards)
    for name, digest in changes.items():
        assert f"{name} is {digest[:12]}, the shards were built with " in caught.value.message
    assert "encoder" not in caught.value.message.partition(": ")[2].replace(str(store.vocab.parent), "")


@pytest.mark.parametrize("name", ["vocab", "embed", "pmi"])
def test_a_folder_of_another_build_does_not_match(built: tuple[FeatureStore, Manifest], name: str) -> None:
    store, shards = built
    _change_manifest(store.vocab.parent / name)
    assert not manifests_match(store, shards)
    (store.vocab.parent / name / "manifest.json").unlink()
    assert not manifests_match(store, shards)
    with pytest.raises(MissingResourceError, match=f"{name}: not built"):
        check_feature_store(store, shards)


def test_only_the_full_check_reads_the_files(
    built: tuple[FeatureStore, Manifest],
) -> None:
    store, shards = built
    pairs, vectors = store.pmi / "pairs.parquet", store.vocab / "vectors.npy"
    original_digest = digest_file(pairs)
    pairs.write_bytes(pairs.read_bytes() + b"\0")
    vectors.unlink()
    assert manifests_match(store, shards)
    with pytest.raises(StaleArtifactError) as caught:
        check_feature_store(store, shards)
    assert f"{vectors} is missing" in caught.value.message
    assert f"{pairs} is {digest_file(pairs)[:12]}, its manifest says {original_digest[:12]}" in caught.value.message


def test_pmi_files_read_only_by_stages_are_not_packed(built: tuple[FeatureStore, Manifest]) -> None:
    store, shards = built
    matches = list(store.pmi.rglob("part-*.parquet"))
    assert matches
    for path in matches:
        path.unlink()
    check_feature_store(store, shards)
    assert {name for name in store.files() if name.startswith("pmi/")} == {"pmi/manifest.json", "pmi/pairs.parquet"}


def test_both_checks_compare_the_user_dictionary(
    built: tuple[FeatureStore, Manifest],
) -> None:
    plain, shards_without = built
    store, shards = _with_user_dict(plain, shards_without, "长江 10\n")
    assert store.user_dict is not None and manifests_match(store, shards)
    assert check_feature_store(store, shards).user_dict_digest == digest_file(store.user_dict)
    for other, others_shards in ((plain, shards), (store, shards_without)):
        assert not manifests_match(other, others_shards)
        with pytest.raises(StaleArtifactError, match="user dictionary"):
            check_feature_store(other, others_shards)
    store.user_dict.write_text("长江 11\n", encoding="utf-8")
    assert not manifests_match(store, shards)
    store.user_dict.unlink()
    assert not manifests_match(store, shards)
    with pytest.raises(MissingResourceError, match=r"user_dict\.txt: no such user dictionary"):
        check_feature_store(store, shards)


def test_packed_files_are_exactly_those_that_the_check_reads(
    built: tuple[FeatureStore, Manifest], tmp_path: Path
) -> None:
    store, shards = _with_user_dict(*built, "长江 10\n")
    files = store.files()
    assert list(files) == sorted(files)
    expected = {f"vocab/{name}" for name in json.loads((store.vocab / "manifest.json").read_text("utf-8"))["files"]}
    assert expected <= set(files) and "user_dict.txt" in files and "vocab/manifest.json" in files
    pack = tmp_path / "pack"
    for name, path in files.items():
        (pack / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, pack / name)
    packed = FeatureStore.packed(pack)
    assert manifests_match(packed, shards) and check_feature_store(packed, shards) == check_feature_store(store, shards)
    for name in files:
        (pack / name).rename(tmp_path / "away")
        with pytest.raises((MissingResourceError, StaleArtifactError)):
            check_feature_store(FeatureStore.packed(pack), shards)
        (tmp_path / "away").rename(pack / name)


def test_listing_files_without_an_encoder_is_refused(built: tuple[FeatureStore, Manifest]) -> None:
    store, _ = built
    (store.encoder / "config.json").unlink()
    with pytest.raises(MissingResourceError, match=r"not an encoder: it lacks config\.json"):
        store.files()
