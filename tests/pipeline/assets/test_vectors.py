"""The digest of word vectors covers everything that is read from their file and nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ssmi.pipeline.assets import cache
from ssmi.pipeline.assets.registry import ASSETS, Registry
from ssmi.pipeline.assets.vectors import VectorsFile, find_vectors
from ssmi.pipeline.contract.errors import MissingResourceError


@pytest.fixture
def project(tmp_path: Path, cache_folder: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def _sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def test_the_digest_of_a_file_does_not_depend_on_its_location(project: Path, reporter: Any) -> None:
    (project / "v.txt").write_bytes(b"1 1\nx 1\n")
    (project / "sub").mkdir()
    (project / "sub" / "other.txt").write_bytes(b"1 1\nx 1\n")
    (project / "v.txt.vectors.npy").write_bytes(b"what gensim puts beside a file of another format")
    first = find_vectors("v.txt", root=project, reporter=reporter)
    second = find_vectors("sub/../sub/other.txt", root=project, reporter=reporter)
    absolute = find_vectors(str(project / "v.txt"), root=Path("/elsewhere"), reporter=reporter)
    assert first.sha256 == second.sha256 == absolute.sha256 == _sha(b"1 1\nx 1\n")
    assert (first.name, second.name) == ("v.txt", "other.txt")
    assert "not known" in first.licence


def test_a_listed_file_is_taken_from_the_cache(project: Path, reporter: Any, cache_folder: Path) -> None:
    asset = ASSETS["synonyms"]
    assert asset.package is not None
    file = asset.package.member.rpartition("/")[2]
    (project / "synonyms").write_bytes(b"a file of the user's that is called like the listed one")
    cache.obtain(
        "vectors", asset.name, asset.recipe, lambda fresh: _write(fresh / file, b"from the index"), reporter=reporter
    )
    expected = VectorsFile(
        cache_folder / "vectors" / "synonyms" / file, "synonyms", _sha(b"from the index"), asset.licence
    )
    assert find_vectors("synonyms", root=project, reporter=reporter) == expected
    assert find_vectors("./synonyms", root=project, reporter=reporter).path == project / "synonyms"
    assert not reporter.notes


def _write(path: Path, body: bytes) -> None:
    path.write_bytes(body)


def test_an_unknown_name_is_refused_with_the_listed_names_of_its_kind(project: Path, reporter: Any) -> None:
    registry: Registry = {
        **ASSETS,
        "tencent-small": replace(ASSETS["synonyms"], name="tencent-small"),
    }
    with pytest.raises(MissingResourceError) as caught:
        find_vectors("weibo", root=project, reporter=reporter, registry=registry)
    assert caught.value.message == "word vectors 'weibo': unknown, and not a file; known: synonyms, tencent-small"
    with pytest.raises(MissingResourceError, match="did you mean 'tencent-small'"):
        find_vectors("tencent", root=project, reporter=reporter, registry=registry)
