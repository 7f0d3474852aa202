"""Which files of a folder are its splits, and how its dataset.yaml is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssmi.pipeline.assets.folders import open_folder, split_names
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError
from ssmi.pipeline.readers.options import DEFAULT, ReadOptions


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text("")
    return folder


@pytest.mark.parametrize("split", ["train", "dev", "test"])
@pytest.mark.parametrize("packed", [False, True])
def test_every_usual_name_is_found(split: str, packed: bool, tmp_path: Path) -> None:
    for number, name in enumerate(split_names(split)):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = fill(folder, name + ".gz" * packed) / (name + ".gz" * packed)
        folder_of_data = open_folder(folder)
        assert (folder_of_data.splits, folder_of_data.notes, folder_of_data.options) == ({split: path}, (), DEFAULT)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.char.bmes", "train"),
        ("Train.TXT", "train"),
        ("valid.bio", "dev"),
        ("val.jsonl", "dev"),
        ("validation.conll", "dev"),
        ("eval.txt.gz", "dev"),
        ("testing.bio", "test"),
    ],
)
def test_names_as_people_write_them(name: str, split: str, tmp_path: Path) -> None:
    assert open_folder(fill(tmp_path, name)).splits == {split: tmp_path / name}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("weiboNER_2nd_conll.train", "train"),
        ("weiboNER.conll.dev.gz", "dev"),
        ("example.test", "test"),
        ("msra_train_bio", "train"),
        ("train_data.txt", "train"),
        ("ccks-2019-valid.jsonl", "dev"),
    ],
)
def test_other_names_that_hold_one_split_are_taken_and_noted(name: str, split: str, tmp_path: Path) -> None:
    folder_of_data = open_folder(fill(tmp_path, name))
    assert folder_of_data.splits == {split: tmp_path / name}
    assert folder_of_data.notes == (f"{split} is {name}, by its name",)


def test_splits_come_in_order_and_every_other_file_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "test.txt", "train.bmes", "SOURCE.md", "README", "LICENSE.txt", ".hidden", "__init__.py")
    fill(tmp_path, "dev.bio.bak", "train_old.bmes", "train_test.txt", "labels.txt")
    (tmp_path / "dev.bmes").mkdir()
    folder_of_data = open_folder(tmp_path)
    assert list(folder_of_data.splits.items()) == [("train", tmp_path / "train.bmes"), ("test", tmp_path / "test.txt")]
    assert len(folder_of_data.notes) == 1
    assert "not read: dev.bio.bak, dev.bmes/, labels.txt, train_old.bmes, train_test.txt (" in folder_of_data.notes[0]


def test_very_many_other_files_are_counted(tmp_path: Path) -> None:
    folder_of_data = open_folder(fill(tmp_path, "train.bio", *(f"{number:02d}.log" for number in range(20))))
    assert "06.log, 07.log and 12 more (" in folder_of_data.notes[0]


@pytest.mark.parametrize(
    ("first", "second", "split"),
    [
        ("dev.bmes", "dev.bmes.gz", "dev"),
        ("dev.bio", "valid.bio", "dev"),
        ("train.bmes", "training.txt", "train"),
        ("a_test.txt", "b_test.txt", "test"),
    ],
)
def test_two_files_of_one_split_are_refused_by_name(first: str, second: str, split: str, tmp_path: Path) -> None:
    fill(tmp_path, first, second)
    with pytest.raises(InputDataError, match=f"two files for {split}: {first} and {second}") as caught:
        open_folder(tmp_path)
    assert "dataset.yaml" in caught.value.next_step
    (tmp_path / "dataset.yaml").write_text(f"splits: {{{split}: {second}}}\n")
    folder_of_data = open_folder(tmp_path)
    assert folder_of_data.splits == {split: tmp_path / second}
    assert folder_of_data.notes == (f"not read: {first} (if one is a split, say so in dataset.yaml)",)


def test_dataset_yaml_says_how_files_are_read(tmp_path: Path) -> None:
    fill(tmp_path, "train.bio", "holdout")
    (tmp_path / "dataset.yaml").write_text(
        "encoding: gb18030\noffsets: utf16\nlabels: [O, B-PER]\ntag_map: {nr: PER}\nformat: columns\n"
        "splits:\n  dev: holdout\n"
    )
    folder_of_data = open_folder(tmp_path)
    assert folder_of_data.options == ReadOptions(
        encoding="gb18030", offsets="utf-16", labels=("O", "B-PER"), tag_map={"nr": "PER"}, format="columns"
    )
    assert folder_of_data.splits == {"train": tmp_path / "train.bio", "dev": tmp_path / "holdout"}
    assert (folder_of_data.description, folder_of_data.notes) == (tmp_path / "dataset.yaml", ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("encodng: gbk", "encodng: unknown key, did you mean 'encoding'?"),
        ("split: {}", "split: unknown key, did you mean 'splits'?"),
        ("encoding: gb18031", "encoding 'gb18031' is not known, did you mean 'gb18030'?"),
        ("format: colums", "format 'colums' is not known; did you mean 'columns'?"),
        ("splits: {trian: a}", "splits.trian: unknown split, did you mean 'train'?"),
        ("splits: [a]", "splits: not names of files"),
        ("splits: {dev: ../other.txt}", "splits.dev: ../other.txt lies outside the folder"),
        ("splits: {dev: /etc/hosts}", "lies outside the folder"),
        (f"splits: {{dev: {'a' * 300}}}", "splits.dev: no name of a file"),
        ('splits: {dev: "a\\0b"}', "splits.dev: no name of a file"),
        ("- a", "holds no keys"),
        ("a: [", "not YAML"),
        ("a: 1\na: 2", "not YAML"),
    ],
)
def test_a_wrong_dataset_yaml_is_refused_by_name(content: str, message: str, tmp_path: Path) -> None:
    (fill(tmp_path, "train.bio") / "dataset.yaml").write_text(content)
    with pytest.raises(InputDataError) as caught:
        open_folder(tmp_path)
    assert caught.value.message.startswith(str(tmp_path / "dataset.yaml")) and message in caught.value.message


def test_dataset_yaml_must_name_files_that_are_there(tmp_path: Path) -> None:
    (fill(tmp_path, "train.bio", "holdout.txt") / "dataset.yaml").write_text("splits: {dev: hold-out.txt}")
    with pytest.raises(
        MissingResourceError, match=r"dataset\.yaml: splits\.dev: no file .*did you mean 'holdout\.txt'"
    ):
        open_folder(tmp_path)
