"""A subset of a data set: the same sentences for everybody, none twice, in files that are read like any other."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ssmi.pipeline.readers import read_sentences
from tests.bench.results.subset import subset

TEXTS = [f"在{place}工作" for place in ("北京", "上海", "南京", "北京", "天津", "重庆", "广州")]


def _write(path: Path, texts: list[str]) -> None:
    rows = (f"{text[0]} O\n{text[1]} B-LOC\n{text[2]} E-LOC\n{text[3]} O\n{text[4]} O\n" for text in texts)
    path.write_text("\n".join(rows), encoding="utf-8")


def test_the_first_texts_by_digest_are_train_and_the_next_dev(tmp_path: Path) -> None:
    (tmp_path / "data" / "cities").mkdir(parents=True)
    for split in ("train", "test"):
        _write(tmp_path / "data" / "cities" / f"{split}.bmes", TEXTS)
    folder = tmp_path / "data" / "few"
    numbers = subset("cities", folder, n_train=3, n_dev=2, root=tmp_path)
    assert numbers == {"train": 3, "dev": 2, "test": 7}
    order = sorted(set(TEXTS), key=lambda text: hashlib.sha256(text.encode()).digest())
    expected = {"train": order[:3], "dev": order[3:5], "test": TEXTS}
    for split, texts in expected.items():
        sentences = list(read_sentences(folder / f"{split}.conll")[0])
        assert [one.text for one in sentences] == texts
        assert all(
            [(span.start, span.end, span.label) for span in one.entities] == [(1, 3, "LOC")] for one in sentences
        )
    with pytest.raises(SystemExit, match="train has 6 different texts, not 7"):
        subset("cities", folder, n_train=5, n_dev=2, root=tmp_path)
