from __future__ import annotations

import pytest

from pipeline.assets.folders import find_splits, split_names
from pipeline.contract.errors import InputDataError


@pytest.mark.parametrize("name", split_names("train"))
def test_every_accepted_name_is_found(name: str, tmp_path) -> None:
    (tmp_path / name).write_text("中 O\n")
    assert find_splits(tmp_path) == {"train": tmp_path / name}


def test_published_names_are_among_them() -> None:
    for name in ("train.char.bmes", "weiboNER_2nd_conll.train", "train.bmes.gz", "train.jsonl"):
        assert name in split_names("train")


def test_splits_come_in_order_and_other_files_are_left_alone(tmp_path) -> None:
    for name in ("test.txt", "train.bmes", "SOURCE.md", "training.bmes", "dev.bio.bak", "train.csv"):
        (tmp_path / name).write_text("")
    (tmp_path / "dev.bmes").mkdir()
    assert list(find_splits(tmp_path).items()) == [
        ("train", tmp_path / "train.bmes"),
        ("test", tmp_path / "test.txt"),
    ]


def test_two_files_of_one_split_are_refused_by_name(tmp_path) -> None:
    (tmp_path / "dev.bmes").write_text("")
    (tmp_path / "dev.bmes.gz").write_text("")
    with pytest.raises(InputDataError, match=r"two files for dev: dev\.bmes and dev\.bmes\.gz"):
        find_splits(tmp_path)
