"""Folders of files in formats other than lines of text, as data sets."""

from __future__ import annotations

from pathlib import Path

from ssmi.pipeline.assets.folders import open_folder
from ssmi.pipeline.readers import read_sentences
from ssmi.pipeline.readers.registry import files_of


def test_brat_folders_and_pairs_are_splits(tmp_path: Path) -> None:
    train = tmp_path / "train"
    train.mkdir()
    for name, folder in (("b", train), ("a", train), ("dev", tmp_path)):
        (folder / f"{name}.txt").write_text("李明在京\n", encoding="utf-8")
        (folder / f"{name}.ann").write_text("T1\tPER 0 2\t李明\n", encoding="utf-8")
    data_folder = open_folder(tmp_path)
    assert data_folder.splits == {"train": train, "dev": tmp_path / "dev.txt"}
    assert data_folder.notes == ()
    assert [file.name for file in files_of(train)] == ["a.ann", "a.txt", "b.ann", "b.txt"]
    assert [file.name for file in files_of(tmp_path / "dev.txt")] == ["dev.ann", "dev.txt"]
    assert [len(list(read_sentences(path)[0])) for path in data_folder.splits.values()] == [2, 1]


def test_a_download_of_cluener_is_a_data_set(tmp_path: Path) -> None:
    for name in ("train.json", "dev.json", "cluener_predict.json"):
        (tmp_path / name).write_text('{"text": "京", "label": {"address": {"京": [[0, 0]]}}}\n', encoding="utf-8")
    data_folder = open_folder(tmp_path)
    assert data_folder.splits == {"train": tmp_path / "train.json", "dev": tmp_path / "dev.json"}
    assert "cluener_predict.json" in data_folder.notes[0]


def test_csv_and_parquet_files_are_splits(tmp_path: Path) -> None:
    for name in ("train-00000-of-00001.parquet", "dev.csv", "test.tsv"):
        (tmp_path / name).touch()
    assert {split: path.name for split, path in open_folder(tmp_path).splits.items()} == {
        "train": "train-00000-of-00001.parquet",
        "dev": "dev.csv",
        "test": "test.tsv",
    }
