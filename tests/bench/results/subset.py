"""``make subset``: a fixed number of a data set's sentences as a separate data set, if the whole takes too long.

The distinct texts of train are sorted by their SHA-256: the first become train and the next dev; test stays complete.
So the choice needs no seed and is the same for everybody.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterable
from pathlib import Path

from ssmi.pipeline.assets.datasets import find_dataset
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.contract.storage.replacing import writing
from ssmi.pipeline.readers import Sentence, read_sentences
from ssmi.pipeline.writers.formats import FORMATS, LabelledText, Style


def in_order(sentences: Iterable[Sentence]) -> list[Sentence]:
    """The first sentence of each text, in the order of the texts' SHA-256."""
    first: dict[str, Sentence] = {}
    for sentence in sentences:
        first.setdefault(sentence.text, sentence)
    return [first[text] for text in sorted(first, key=lambda text: hashlib.sha256(text.encode()).digest())]


def subset(dataset: str, folder: Path, *, n_train: int, n_dev: int, root: Path) -> dict[str, int]:
    """Write a fixed number of a data set's sentences as files of a folder.

    Args:
        dataset: The name of the data set.
        folder: Folder for ``train.conll``, ``dev.conll`` and ``test.conll``.
        n_train: Number of sentences of train.
        n_dev: Number of sentences of dev, taken from the data set's train.
        root: The project's folder.

    Returns:
        The number of sentences of each split.
    """
    files = find_dataset(dataset, root=root, reporter=Silent())
    sentences_in_order = in_order(read_sentences(files.splits["train"], options=files.options)[0])
    if len(sentences_in_order) < n_train + n_dev:
        raise SystemExit(f"{dataset}: train has {len(sentences_in_order):,} different texts, not {n_train + n_dev:,}")
    test = list(read_sentences(files.splits["test"], options=files.options)[0])
    splits = {"train": sentences_in_order[:n_train], "dev": sentences_in_order[n_train : n_train + n_dev], "test": test}
    folder.mkdir(parents=True, exist_ok=True)
    for split, sentences in splits.items():
        rows = (LabelledText(one.text, one.entities, where=f"{split}:{one.line}") for one in sentences)
        with (
            writing(folder / f"{split}.conll") as temporary,
            temporary.open("w", encoding="utf-8", newline="") as stream,
        ):
            stream.writelines(FORMATS["conll"](rows, Style("BMES")))
    return {split: len(sentences) for split, sentences in splits.items()}


def main() -> None:
    """Write the files and print the number of sentences in each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--train", type=int, default=10_000)
    parser.add_argument("--dev", type=int, default=2_000)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    numbers = subset(options.dataset, options.folder, n_train=options.train, n_dev=options.dev, root=Path.cwd())
    print(", ".join(f"{split} {n:,}" for split, n in numbers.items()))


if __name__ == "__main__":
    main()
