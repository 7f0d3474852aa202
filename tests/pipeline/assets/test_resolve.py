from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from ssmi.pipeline.assets.registry import ASSETS, Asset, Checksum, RemoteFile
from ssmi.pipeline.assets.resolve import find_dataset, find_encoder, find_vectors, list_assets
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError

TRAIN = "中 B-NS\n国 E-NS\n\n".encode()


@pytest.fixture
def project(tmp_path: Path, cache_folder: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def _put(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(TRAIN)
    return folder


@pytest.fixture
def registry(server) -> dict[str, Asset]:
    """A registry whose only data set is served by a local server."""
    files = tuple(
        RemoteFile(
            split, f"{split}.char.bmes", server.put(f"/{split}", TRAIN), Checksum("sha256", _sha(TRAIN)), 1 << 20
        )
        for split in ("train", "dev")
    )
    return {"tiny": Asset("tiny", "dataset", "a tiny set", "a server", "CC0", "put it there", files=files)}


def _sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


# --- data sets --------------------------------------------------------------------------------------------------------


def test_a_listed_set_is_fetched_once(project, registry, server, reporter, cache_folder) -> None:
    files = find_dataset("tiny", root=project, reporter=reporter, registry=registry)
    assert (files.name, files.origin, files.licence) == ("tiny", "fetched", "CC0")
    assert {split: path.name for split, path in files.splits.items()} == {
        "train": "train.char.bmes",
        "dev": "dev.char.bmes",
    }
    assert all(path.read_bytes() == TRAIN and cache_folder in path.parents for path in files.splits.values())
    assert find_dataset("tiny", root=project, reporter=reporter, registry=registry) == files
    assert server.requested == ["/train", "/dev"]
    files.splits["dev"].write_bytes(b"spoilt")
    assert find_dataset("tiny", root=project, reporter=reporter, registry=registry).splits["dev"].read_bytes() == TRAIN
    assert server.requested == ["/train", "/dev"] * 2


def test_a_failed_fetch_leaves_nothing(project, registry, server, reporter, cache_folder) -> None:
    server.put("/dev", b"", status=500)
    with pytest.raises(MissingResourceError, match="/dev could not be fetched"):
        find_dataset("tiny", root=project, reporter=reporter, registry=registry)
    assert not list(cache_folder.rglob("train*"))


def test_a_users_own_copy_takes_precedence(project, registry, server, reporter, tmp_path, monkeypatch) -> None:
    _put(project / "data" / "tiny", "train.bio")
    files = find_dataset("tiny", root=project, reporter=reporter, registry=registry)
    assert (files.origin, files.splits) == ("folder", {"train": project / "data" / "tiny" / "train.bio"})
    _put(tmp_path / "sets" / "tiny", "train.bmes.gz", "test.bmes")
    monkeypatch.setenv("SSMI_DATA", str(tmp_path / "sets"))
    files = find_dataset("tiny", root=project, reporter=reporter, registry=registry)
    assert files.origin == "SSMI_DATA" and list(files.splits) == ["train", "test"]
    assert files.licence == "CC0", "the licence of a listed set applies to every copy"
    assert not server.requested


def test_the_sample_ships_with_the_program(project, reporter) -> None:
    files = find_dataset("sample", root=project, reporter=reporter)
    assert files.origin == "embedded" and list(files.splits) == ["train", "dev", "test"]
    assert all(path.stat().st_size for path in files.splits.values())


@pytest.mark.parametrize("name", ["sets/mine", "./sets/mine", "absolute"])
def test_a_folder_is_a_data_set_of_its_name(name: str, project, reporter) -> None:
    folder = _put(project / "sets" / "mine", "train.bmes", "dev.bmes")
    files = find_dataset(str(folder) if name == "absolute" else name, root=project, reporter=reporter)
    assert (files.name, files.origin, list(files.splits)) == ("mine", "folder", ["train", "dev"])


def test_an_unknown_name_is_refused_with_the_nearest_name_and_advice(project, reporter) -> None:
    with pytest.raises(MissingResourceError, match="did you mean 'resume'") as caught:
        find_dataset("resum", root=project, reporter=reporter)
    assert "train.bmes" in caught.value.next_step and "$SSMI_DATA/resum/" in caught.value.next_step
    with pytest.raises(MissingResourceError, match="known: "):
        find_dataset("../../etc", root=project, reporter=reporter)


def test_own_data_sets_are_suggested(project, reporter) -> None:
    _put(project / "data" / "gadgets", "train.bmes")
    with pytest.raises(MissingResourceError, match="did you mean 'gadgets'"):
        find_dataset("gadget", root=project, reporter=reporter)
    with pytest.raises(MissingResourceError, match="known: gadgets, msra, "):
        find_dataset("zzz", root=project, reporter=reporter)


def test_a_name_cannot_lead_out_of_the_data_folder(project, reporter, tmp_path, monkeypatch) -> None:
    _put(tmp_path / "secret", "train.bmes")
    (tmp_path / "sets").mkdir()
    monkeypatch.setenv("SSMI_DATA", str(tmp_path / "sets"))
    with pytest.raises(MissingResourceError):
        find_dataset("..", root=tmp_path / "sets", reporter=reporter)
    with pytest.raises(MissingResourceError, match="unknown, and not a folder"):
        find_dataset("../secret", root=tmp_path / "sets" / "none", reporter=reporter)


@pytest.mark.parametrize("name", ["msra", "ontonotes4"])
def test_sets_that_are_never_fetched_are_refused_with_advice(
    name: str, project, reporter, tmp_path, monkeypatch
) -> None:
    with pytest.raises(MissingResourceError, match="never fetched") as caught:
        find_dataset(name, root=project, reporter=reporter)
    assert "train.bmes" in caught.value.next_step and f"$SSMI_DATA/{name}/" in caught.value.next_step
    monkeypatch.setenv("SSMI_DATA", str(tmp_path))
    _put(tmp_path / name, "train.bmes", "dev.bmes", "test.bmes")
    assert find_dataset(name, root=project, reporter=reporter).splits["test"] == tmp_path / name / "test.bmes"


def test_a_folder_with_no_split_or_two_candidates_is_refused(project, reporter) -> None:
    _put(project / "data" / "resume", "more.bmes")
    with pytest.raises(MissingResourceError, match=r"no train, dev or test file \(found: more\.bmes\)"):
        find_dataset("resume", root=project, reporter=reporter)
    _put(project / "data" / "resume", "test.bmes")  # enough to score a run on
    assert list(find_dataset("resume", root=project, reporter=reporter).splits) == ["test"]
    _put(project / "data" / "resume", "train.bmes", "train.char.bmes")
    with pytest.raises(InputDataError, match=r"train\.bmes and train\.char\.bmes"):
        find_dataset("resume", root=project, reporter=reporter)


def test_a_missing_ssmi_data_folder_is_refused(project, reporter, monkeypatch) -> None:
    monkeypatch.setenv("SSMI_DATA", str(project / "nowhere"))
    with pytest.raises(MissingResourceError, match="SSMI_DATA="):
        find_dataset("sample", root=project, reporter=reporter)


# --- vectors ----------------------------------------------------------------------------------------------------------


def test_a_vector_file_is_found_by_path(project, reporter) -> None:
    (project / "v.txt").write_bytes(b"1 1\na 1\n")
    vectors = find_vectors("v.txt", root=project, reporter=reporter)
    assert (vectors.path, vectors.name, vectors.sha256) == (project / "v.txt", "v.txt", _sha(b"1 1\na 1\n"))
    assert find_vectors(str(project / "v.txt"), root=project, reporter=reporter) == vectors


def test_missing_vectors_are_refused_with_the_nearest_name(project, reporter) -> None:
    with pytest.raises(MissingResourceError, match="did you mean 'synonyms'"):
        find_vectors("synonym", root=project, reporter=reporter)
    with pytest.raises(InputDataError, match="a folder, where a file is expected"):
        find_vectors(".", root=project, reporter=reporter)
    with pytest.raises(MissingResourceError, match="not a file"):
        find_vectors("~nobody-of-that-name/v.txt", root=project, reporter=reporter)


# --- encoders ---------------------------------------------------------------------------------------------------------


def test_an_encoder_folder_is_found_without_the_hub(project, reporter) -> None:
    folder = project / "bert"
    folder.mkdir()
    sizes = {"num_hidden_layers": 2, "hidden_size": 16, "max_position_embeddings": 64, "vocab_size": 5}
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **sizes}))
    (folder / "model.safetensors").write_text("{}")
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n中\n", encoding="utf-8")
    encoder = find_encoder("bert", revision=None, root=project, reporter=reporter)
    assert (encoder.path, encoder.name) == (folder, "bert")
    assert encoder.description == "bert, 2 layers of width 16, up to 62 characters at once"
    assert find_encoder(str(folder), revision="x", root=project, reporter=reporter).digest == encoder.digest
    assert not reporter.notes


@pytest.mark.parametrize(
    "name", ["./nowhere", "../nowhere", "/no/where", "a/b/c", "nowhere/", "~/nowhere-at-all", "file"]
)
def test_a_missing_folder_is_refused_without_the_hub(name: str, project, reporter) -> None:
    (project / "file").write_text("")
    with pytest.raises(MissingResourceError, match="is a file" if name == "file" else "no such folder"):
        find_encoder(name, revision=None, root=project, reporter=reporter)
    assert not reporter.notes


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_table_shows_where_assets_are_found(project, reporter, tmp_path, monkeypatch) -> None:
    rows = {row.name: row for row in list_assets(root=project)}
    assert list(rows) == list(ASSETS)
    assert (rows["sample"].available, rows["sample"].found) == (True, "embedded")
    assert (rows["weibo"].available, rows["weibo"].found) == (False, "not fetched")
    assert (rows["ontonotes4"].available, rows["ontonotes4"].found) == (False, "bring your own")
    assert rows["e5-small-zh"].kind == "encoder" and rows["weibo"].licence.startswith("annotations CC BY-SA")
    _put(tmp_path / "sets" / "msra", "train.bmes.gz")
    _put(tmp_path / "sets" / "corpus", "laws.txt")
    _put(project / "data" / "mine", "train.bmes")
    _put(project / "data" / "resume", "train.bmes", "train.bio")
    monkeypatch.setenv("SSMI_DATA", str(tmp_path / "sets"))
    rows = {row.name: row for row in list_assets(root=project)}
    assert rows["msra"].found == str(tmp_path / "sets" / "msra")
    assert rows["mine"].available and "corpus" not in rows
    assert not rows["resume"].available and "two files for train" in rows["resume"].found


def test_the_table_shows_fetched_assets(project, registry, reporter) -> None:
    assert [row.found for row in list_assets(root=project, registry=registry)] == ["not fetched"]
    path = find_dataset("tiny", root=project, reporter=reporter, registry=registry).splits["train"]
    assert [row.found for row in list_assets(root=project, registry=registry)] == [str(path.parent)]
    other = {"tiny": replace(registry["tiny"], files=registry["tiny"].files[:1])}
    assert [row.found for row in list_assets(root=project, registry=other)] == ["not fetched"], "made by another recipe"
