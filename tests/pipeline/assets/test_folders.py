"""Which files of a folder are its splits, and how its dataset.yaml is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssmi.pipeline.assets.folders import open_folder, options_beside, split_names
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
        data_folder = open_folder(folder)
        assert (data_folder.splits, data_folder.notes, data_folder.options) == ({split: path}, (), DEFAULT)


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
def test_common_variants_of_names_are_found(name: str, split: str, tmp_path: Path) -> None:
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
def test_other_names_that_contain_one_split_are_used_and_noted(name: str, split: str, tmp_path: Path) -> None:
    data_folder = open_folder(fill(tmp_path, name))
    assert data_folder.splits == {split: tmp_path / name}
    assert data_folder.notes == (f"{split} is {name}, by its name",)


def test_splits_are_ordered_and_other_files_are_noted(tmp_path: Path) -> None:
    fill(tmp_path, "test.txt", "train.bmes", "SOURCE.md", "README", "LICENSE.txt", ".hidden", "__init__.py")
    fill(tmp_path, "dev.bio.bak", "train_old.bmes", "train_test.txt", "labels.txt")
    (tmp_path / "dev.bmes").mkdir()
    data_folder = open_folder(tmp_path)
    assert list(data_folder.splits.items()) == [("train", tmp_path / "train.bmes"), ("test", tmp_path / "test.txt")]
    assert len(data_folder.notes) == 1
    assert "not read: dev.bio.bak, dev.bmes/, labels.txt, train_old.bmes, train_test.txt (" in data_folder.notes[0]


def test_very_many_other_files_are_counted(tmp_path: Path) -> None:
    data_folder = open_folder(fill(tmp_path, "train.bio", *(f"{number:02d}.log" for number in range(20))))
    assert "06.log, 07.log and 12 more (" in data_folder.notes[0]


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
    data_folder = open_folder(tmp_path)
    assert data_folder.splits == {split: tmp_path / second}
    assert data_folder.notes == (f"not read: {first} (if one is a split, say so in dataset.yaml)",)


def test_dataset_yaml_sets_the_reading_options(tmp_path: Path) -> None:
    fill(tmp_path, "train.bio", "holdout")
    (tmp_path / "dataset.yaml").write_text(
        "encoding: gb18030\noffsets: utf16\nlabels: [O, B-PER]\ntag_map: {nr: PER}\nformat: columns\n"
        "splits:\n  dev: holdout\n"
    )
    data_folder = open_folder(tmp_path)
    assert data_folder.options == ReadOptions(
        encoding="gb18030", offsets="utf-16", labels=("O", "B-PER"), tag_map={"nr": "PER"}, format="columns"
    )
    assert data_folder.splits == {"train": tmp_path / "train.bio", "dev": tmp_path / "holdout"}
    assert (data_folder.description, data_folder.notes) == (tmp_path / "dataset.yaml", ())


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
        (f"labels: [O, {'9' * 5000}]", "dataset.yaml:1: a number of thousands of digits"),
        ("tag_map: {1: PER}", "tag_map: expected a text as key, got 1 (in quotes it is a text)"),
        ("label_groups: [a]", "dataset.yaml: label_groups: expected keys with values {a: b}, got [a]"),
        ("label_groups: {a: [1]}", "dataset.yaml: label_groups.a, entry 1: expected a text, got 1"),
    ],
)
def test_an_invalid_dataset_yaml_is_refused_by_name(content: str, message: str, tmp_path: Path) -> None:
    (fill(tmp_path, "train.bio") / "dataset.yaml").write_text(content)
    with pytest.raises(InputDataError) as caught:
        open_folder(tmp_path)
    assert caught.value.message.startswith(str(tmp_path / "dataset.yaml")) and message in caught.value.message


@pytest.mark.parametrize("name", ["dataset.yml", "Dataset.yaml", "dataset.yaml.txt"])
def test_a_dataset_yaml_under_another_name_is_not_ignored(name: str, tmp_path: Path) -> None:
    (fill(tmp_path, "train.bio") / name).write_text("tag_map: {nr: PER}")
    for read in (open_folder, options_beside):
        with pytest.raises(InputDataError, match=f"{name}: not read, because it is not called dataset.yaml"):
            read(tmp_path)
    (tmp_path / "dataset.yaml").write_text("tag_map: {nr: LOC}")
    assert open_folder(tmp_path).options.tag_map == {"nr": "LOC"} == options_beside(tmp_path / "train.bio").tag_map


def test_dataset_yaml_must_name_existing_files(tmp_path: Path) -> None:
    (fill(tmp_path, "train.bio", "holdout.txt") / "dataset.yaml").write_text("splits: {dev: hold-out.txt}")
    with pytest.raises(
        MissingResourceError, match=r"dataset\.yaml: splits\.dev: no file .*did you mean 'holdout\.txt'"
    ):
        open_folder(tmp_path)
