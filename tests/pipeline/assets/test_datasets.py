"""Which folder a data set is read from, and the metadata known about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.pipeline.assets.datasets import find_dataset, usable, user_copies, user_data_folders
from ssmi.pipeline.assets.registry import Asset
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError
from ssmi.pipeline.contract.progress import Silent

ROW = "中 B-NS\n国 E-NS\n\n"
LISTED = Asset(
    "tiny",
    "dataset",
    "a tiny set",
    "a server",
    "CC0",
    "put it there",
    label_groups={"named": ("*.NAM",), "all": ("*",)},
)
REGISTRY = {"tiny": LISTED}


@pytest.fixture
def project(tmp_path: Path, cache_folder: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def _put(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_text(content, encoding="utf-8")
    return folder


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(name=st.text(st.sampled_from("a./\\~\0 "), max_size=5))
def test_copies_are_searched_only_directly_below_the_data_folders(project: Path, name: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSMI_DATA", str(project))
        copies = user_copies(name, project)
    for folder, _ in copies:
        assert folder.resolve().parent in (project.resolve(), project.resolve() / "data")
    assert [origin for _, origin in copies] in ([], ["SSMI_DATA", "folder"])


def test_data_folders_are_searched_in_order(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert user_data_folders(project) == {project / "data": "folder"}
    (tmp_path / "sets").mkdir()
    monkeypatch.setenv("SSMI_DATA", "sets")
    monkeypatch.chdir(tmp_path)
    assert list(user_data_folders(project).items()) == [(Path("sets"), "SSMI_DATA"), (project / "data", "folder")]
    monkeypatch.chdir(project)
    with pytest.raises(MissingResourceError, match="SSMI_DATA=sets: no such folder") as caught:
        user_data_folders(project)
    assert caught.value.next_step == "fix or unset SSMI_DATA"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSMI_DATA", "~/sets")
    assert next(iter(user_data_folders(project))) == tmp_path / "sets"
    monkeypatch.setenv("SSMI_DATA", "")
    assert user_data_folders(project) == {project / "data": "folder"}


@pytest.mark.parametrize(
    ("description", "groups"),
    [
        (None, {"named": ("*.NAM",), "all": ("*",)}),
        ("encoding: utf-8\n", {"named": ("*.NAM",), "all": ("*",)}),
        ('label_groups: {mine: "*.X"}\n', {"mine": ("*.X",)}),
        ("label_groups: {}\n", {}),
    ],
)
def test_label_groups_of_the_folder_take_precedence(
    project: Path, reporter: Any, description: str | None, groups: dict[str, tuple[str, ...]]
) -> None:
    folder = _put(project / "data" / "tiny", train_bmes=ROW)
    if description is not None:
        _put(folder, dataset_yaml=description)
    dataset = find_dataset("tiny", root=project, reporter=reporter, registry=REGISTRY)
    assert dataset.label_groups == groups
    assert dataset.licence == "CC0"
    assert dataset.description == (folder / "dataset.yaml" if description is not None else None)


def test_an_unlisted_folder_has_no_groups_and_an_unknown_licence(project: Path, reporter: Any) -> None:
    _put(project / "sets" / "tiny", train_bmes=ROW, more_txt="?")
    dataset = find_dataset("sets/tiny", root=project, reporter=reporter, registry=REGISTRY)
    assert (dataset.name, dataset.label_groups) == ("tiny", {})
    assert "not known" in dataset.licence, "a folder elsewhere with the name of a listed set is not that set"
    assert dataset.notes == ("not read: more.txt (if one is a split, say so in dataset.yaml)",)


def test_reading_options_of_the_folder_are_returned(project: Path, reporter: Any) -> None:
    _put(project / "data" / "gb", dataset_yaml="encoding: gb18030\nsplits: {train: holdout.txt}\n", holdout_txt=ROW)
    dataset = find_dataset("gb", root=project, reporter=reporter, registry=REGISTRY)
    assert dataset.options.encoding == "gb18030"
    assert dataset.splits == {"train": project / "data" / "gb" / "holdout.txt"}


def test_a_file_in_place_of_the_folder_does_not_hide_the_listed_set(project: Path, reporter: Any) -> None:
    (project / "data").mkdir()
    (project / "data" / "tiny").write_text("a file", encoding="utf-8")
    embedded = _put(project / "embedded", train_bmes=ROW, test_bmes=ROW)
    registry = {"tiny": replace(LISTED, embedded=embedded)}
    dataset = find_dataset("tiny", root=project, reporter=reporter, registry=registry)
    assert (dataset.origin, list(dataset.splits)) == ("embedded", ["train", "test"])
    with pytest.raises(MissingResourceError, match=r"never fetched \(a server; CC0\)") as caught:
        find_dataset("tiny", root=project, reporter=reporter, registry=REGISTRY)
    assert caught.value.next_step == "put it there"


@pytest.mark.parametrize("name", ["../up", "/no/where", "a\\b", ".."])
def test_advice_for_an_unknown_path_does_not_repeat_the_path(project: Path, reporter: Any, name: str) -> None:
    with pytest.raises(MissingResourceError) as caught:
        find_dataset(name, root=project / "none", reporter=reporter, registry=REGISTRY)
    assert "data/NAME/" in caught.value.next_step and name not in caught.value.next_step.split()


def test_usable_returns_the_error_of_find_dataset(project: Path, reporter: Any) -> None:
    good = _put(project / "data" / "good", dev_bmes=ROW)
    empty = _put(project / "data" / "empty")
    ambiguous = _put(project / "data" / "twice", train_bmes=ROW, train_bio=ROW)
    invalid = _put(project / "data" / "wrong", train_bmes=ROW, dataset_yaml="encodnig: utf-8\n")
    assert usable(good) == (True, str(good))
    for folder, error in ((empty, MissingResourceError), (ambiguous, InputDataError), (invalid, InputDataError)):
        with pytest.raises(error) as caught:
            find_dataset(folder.name, root=project, reporter=reporter, registry=REGISTRY)
        assert usable(folder) == (False, caught.value.message)
    assert "(found: nothing)" in usable(empty)[1]
    assert "did you mean 'encoding'" in usable(invalid)[1]


def test_a_folder_of_documents_is_refused_with_what_to_save_them_as(project: Path) -> None:
    _put(project / "data" / "mine", train_xlsx="", notes_txt="")
    with pytest.raises(
        MissingResourceError, match=r"no train, dev or test file \(found: notes.txt, train.xlsx\)"
    ) as caught:
        find_dataset("mine", root=project, reporter=Silent())
    assert caught.value.next_step.startswith("save train.xlsx as train.csv in UTF-8")


def test_a_folder_of_packed_files_is_refused_with_what_to_unpack(project: Path) -> None:
    _put(project / "data" / "mine")
    (project / "data" / "mine" / "train.bio.xz").write_bytes(b"\xfd7zXZ")
    with pytest.raises(MissingResourceError, match="no train, dev or test file") as caught:
        find_dataset("mine", root=project, reporter=Silent())
    assert caught.value.next_step == "unpack train.bio.xz; of packed files gzip's alone (.gz) are read"


@pytest.mark.parametrize("place", ["data", "."])
def test_split_files_beside_the_folder_are_refused_with_advice(project: Path, place: str) -> None:
    _put(project / "data" / "mine")
    _put(project / place, train_conll=ROW, dev_conll=ROW, notes_txt="", train_py="")
    with pytest.raises(MissingResourceError, match="no train, dev or test file") as caught:
        find_dataset("mine", root=project, reporter=Silent())
    dev, train = (project.resolve() / place / name for name in ("dev.conll", "train.conll"))
    assert caught.value.next_step == f"move {dev} and {train} into it"
