"""Manifests: they read back as written, and changes to their folder are detected."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.manifest import MANIFEST_NAME, FileEntry, FileState, Manifest, StageReport
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.storage.digests import SEAL, seal

WORDS = [{"boundary_id": 1, "word": "中国"}, {"boundary_id": 2, "word": "人民"}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished stage folder, ``artifacts/pmi/weibo``."""
    folder = tmp_path / "artifacts" / "pmi" / "weibo"
    tables.write_rows(folder / "train" / "part-00000.parquet", schema.VOCABULARY, WORDS)
    (folder / "labels.json").write_text("{}", encoding="utf-8")
    manifests.save(_manifest(folder), folder)
    return folder


def _manifest(folder: Path) -> Manifest:
    return Manifest(
        stage="pmi",
        dataset="weibo",
        parameters={"pmi": {"estimator": "joint", "unlabelled": []}},
        inputs={"artifacts/prepare": "ab", "unlabelled/0/新闻.txt": "cd"},
        report=StageReport(rows_in=3, rows_out=2, skipped={"empty": 1}, statistics={"cosine": 0.1, "by": {"x": 2}}),
        files=manifests.describe_files(folder),
        version=3,
    )


def _write(folder: Path, body: dict[str, object]) -> None:
    """Write a body as a manifest, sealed as the program does."""
    content = {key: value for key, value in body.items() if key != SEAL}
    (folder / MANIFEST_NAME).write_text(json.dumps(seal(content)), encoding="utf-8")


def test_reading_returns_consistent_contents(folder: Path) -> None:
    stored = manifests.read(folder)
    assert stored.manifest == manifests.load(folder)
    assert stored.digest == manifests.digest_file(folder / MANIFEST_NAME)
    (folder / MANIFEST_NAME).unlink()
    assert json.loads(stored.body)["stage"] == "pmi"


def test_saving_replaces_the_manifest_and_never_writes_into_it(folder: Path) -> None:
    before = (folder / MANIFEST_NAME).read_bytes()
    (folder.parent / "the same file").hardlink_to(folder / MANIFEST_NAME)
    manifests.save(replace(manifests.load(folder), version=4), folder)
    assert manifests.load(folder).version == 4
    assert (folder.parent / "the same file").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["labels.json", MANIFEST_NAME, "train"]


def test_a_changed_manifest_is_refused(folder: Path) -> None:
    """Change each byte in turn: the manifest is refused, or its contents are unaffected."""
    path = folder / MANIFEST_NAME
    content, manifest = path.read_bytes(), manifests.load(folder)
    n_refused = 0
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            assert manifests.load(folder) == manifest, place
        except StaleArtifactError as error:
            n_refused += 1
            assert "manifest.json" in error.message and "ssmi-cli features build" in error.next_step
    assert n_refused > 0.8 * len(content)


def test_file_states_compare_names_and_contents(folder: Path) -> None:
    manifest = manifests.load(folder)
    part, labels = "train/part-00000.parquet", folder / "labels.json"
    labels.write_text("[]", encoding="utf-8")  # same length as before
    (folder / "new.txt").write_text("", encoding="utf-8")
    (folder / part).unlink()
    states = {"labels.json": FileState.CHANGED, "new.txt": FileState.FOREIGN, part: FileState.MISSING}
    assert manifests.file_states(manifest, folder, check_content=True) == states
    assert manifests.file_states(manifest, folder, check_content=False) == {**states, "labels.json": FileState.INTACT}


def test_the_hint_for_an_ablation(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts" / "ablate" / "weibo" / "features" / "paper" / "shards" / "weibo"
    assert manifests.build_hint(folder) == "ssmi-cli ablate --dataset weibo"


def test_the_hints_for_a_corpus_and_its_predictions(tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    (artifacts / "prepare" / "news" / "text").mkdir(parents=True)
    hint = manifests.build_hint(artifacts / "shards" / "news")
    assert hint.startswith("ssmi-cli features build --corpus PATH") and "what news was read from" in hint
    hint = manifests.build_hint(artifacts / "predict" / "resume" / "news")
    assert hint == "ssmi-cli predict --shards news, with the run resume"


def test_a_manifest_reads_back_as_it_was_written(folder: Path) -> None:
    assert manifests.load(folder) == _manifest(folder)
    without_dataset = replace(_manifest(folder), dataset=None)
    manifests.save(without_dataset, folder)
    assert manifests.load(folder) == without_dataset


def test_the_same_folder_gives_the_same_bytes(folder: Path) -> None:
    first = (folder / MANIFEST_NAME).read_bytes()
    manifests.save(_manifest(folder), folder)
    assert (folder / MANIFEST_NAME).read_bytes() == first
    assert str(folder.parent).encode() not in first  # no absolute path


def test_files_are_described_by_digest_size_and_rows(folder: Path) -> None:
    part = (folder / "train" / "part-00000.parquet").read_bytes()
    assert manifests.describe_files(folder) == {
        "labels.json": FileEntry(hashlib.sha256(b"{}").hexdigest(), 2, None),
        "train/part-00000.parquet": FileEntry(hashlib.sha256(part).hexdigest(), len(part), 2),
    }
    assert list(manifests.describe_files(folder)) == ["labels.json", "train/part-00000.parquet"]


def _same_size(folder: Path) -> None:
    (folder / "labels.json").write_text("[]", encoding="utf-8")


def _longer(folder: Path) -> None:
    (folder / "labels.json").write_text("{ }", encoding="utf-8")


def _added(folder: Path) -> None:
    (folder / "train" / "part-00001.parquet").write_bytes(b"")


def _removed(folder: Path) -> None:
    (folder / "labels.json").unlink()


def _renamed(folder: Path) -> None:
    (folder / "labels.json").rename(folder / "label.json")


def _cut(folder: Path) -> None:
    path = folder / "train" / "part-00000.parquet"
    path.write_bytes(path.read_bytes()[:-10])


def _emptied(folder: Path) -> None:
    (folder / "train" / "part-00000.parquet").write_bytes(b"")


def _other_table(folder: Path) -> None:
    tables.write_rows(folder / "train" / "part-00000.parquet", schema.VOCABULARY, WORDS[::-1])


@pytest.mark.parametrize("change", [_same_size, _longer, _added, _removed, _renamed, _cut, _emptied, _other_table])
def test_a_change_of_any_file_is_detected(folder: Path, change: Callable[[Path], None]) -> None:
    manifest = manifests.load(folder)
    assert manifests.is_intact(manifest, folder)
    change(folder)
    assert not manifests.is_intact(manifest, folder)


def test_parts_are_checked_against_the_manifest(folder: Path) -> None:
    manifest = manifests.load(folder)
    manifests.check_parts(manifest, folder)
    part = folder / "train" / "part-00000.parquet"
    tables.write_rows(folder / "train" / "part-00001.parquet", schema.VOCABULARY, WORDS)
    tables.write_rows(part, schema.VOCABULARY, WORDS[:1])
    with pytest.raises(
        StaleArtifactError, match=r"part-00000.* has \d+ bytes, not \d+; .*part-00001.*not one of its files"
    ):
        manifests.check_parts(manifest, folder)
    part.write_bytes(b"PAR1")
    with pytest.raises(StaleArtifactError, match=r"part-00000.parquet has 4 bytes"):
        manifests.check_parts(manifest, folder)
    part.unlink()
    with pytest.raises(StaleArtifactError, match=r"part-00000.parquet is missing") as caught:
        manifests.check_parts(manifest, folder)
    assert caught.value.next_step == "ssmi-cli features build --dataset weibo"


@pytest.mark.parametrize("version", [schema.SCHEMA_VERSION + 1, 0, None, "1"])
def test_another_schema_version_is_refused(folder: Path, version: object) -> None:
    body = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    body["schema_version"] = version
    (folder / MANIFEST_NAME).write_text(json.dumps(body), encoding="utf-8")
    message = rf"schema version {version}, this program writes {schema.SCHEMA_VERSION}"
    with pytest.raises(StaleArtifactError, match=message) as caught:
        manifests.load(folder)
    assert "build the features again" in caught.value.next_step


@pytest.mark.parametrize("name", ["../secret", "a/../../b", "/etc/passwd", "..\\b"])
def test_a_manifest_with_names_outside_its_folder_is_refused(folder: Path, name: str) -> None:
    body = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    body["files"][name] = next(iter(body["files"].values()))
    _write(folder, body)
    with pytest.raises(StaleArtifactError, match="is not a file below it"):
        manifests.load(folder)


def test_a_folder_without_a_manifest_is_not_built(folder: Path) -> None:
    (folder / MANIFEST_NAME).unlink()
    with pytest.raises(MissingResourceError, match="weibo: not built") as caught:
        manifests.load(folder)
    assert caught.value.next_step == "ssmi-cli features build --dataset weibo"


def test_the_hint_for_a_stage_without_data_sets(tmp_path: Path) -> None:
    assert manifests.build_hint(tmp_path / "artifacts" / "vocab") == "ssmi-cli features build --dataset NAME"


@pytest.mark.parametrize("body", ["", "{", "\x00", "[]", "3", "null", "{}"])
def test_invalid_manifests_are_stale(folder: Path, body: str) -> None:
    (folder / MANIFEST_NAME).write_text(body, encoding="utf-8")
    with pytest.raises(StaleArtifactError, match=r"manifest\.json"):
        manifests.load(folder)


@pytest.mark.parametrize("key", ["stage", "version", "dataset", "parameters", "inputs", "report", "files"])
def test_an_incomplete_manifest_is_stale(folder: Path, key: str) -> None:
    body = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    del body[key]
    _write(folder, body)
    with pytest.raises(StaleArtifactError, match=f"incomplete.*{key}"):
        manifests.load(folder)
    for broken in (3, [1], {"x": 3}):
        if key in ("report", "files"):
            _write(folder, {**body, key: broken})
            with pytest.raises(StaleArtifactError, match="incomplete"):
                manifests.load(folder)


@given(
    st.dictionaries(
        st.text(max_size=3),
        st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3)),
        max_size=4,
    )
)
def test_a_json_digest_does_not_depend_on_the_order_of_keys(value: dict[str, object]) -> None:
    reordered = dict(reversed(value.items()))
    digest = manifests.digest_json(value)
    assert digest == manifests.digest_json(reordered) == manifests.digest_json(json.loads(json.dumps(value)))
    assert digest != manifests.digest_json({**value, "new key": 1})


def test_a_file_digest_is_its_sha256(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc" * 10**6)
    assert manifests.digest_file(tmp_path / "x") == hashlib.sha256(b"abc" * 10**6).hexdigest()
