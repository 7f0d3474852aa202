"""Choice of the train sentences that become dev without a dev file; their text is kept in a file, not in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssmi.pipeline.columns.sentences import sentence_columns
from ssmi.pipeline.contract.parquet import schema

KEY_BYTES = 16
"""Bytes of the hash by which a sentence is chosen; two texts share them with a probability of one in 2 ** 128."""


@dataclass(frozen=True, slots=True)
class CutTrain:
    """The sentences of train in a file, and which of them are dev."""

    path: Path
    is_dev: npt.NDArray[np.bool_]
    """Whether each sentence is dev. Shape: (sentences,)."""

    def tables(self, *, dev: bool) -> Iterator[pa.Table]:
        """Yield the sentences of one side in their order, some at a time, numbered as in the whole of train."""
        place = 0
        # Read, not mapped: mapped pages would stay in memory as long as there is room.
        with pa.OSFile(str(self.path), "rb") as source, pa.ipc.open_stream(source) as blocks:
            for block in blocks:
                is_wanted = self.is_dev[place : place + len(block)] == dev
                place += len(block)
                yield pa.Table.from_batches([block.filter(pa.array(is_wanted))])


def cut_dev(sentences: Iterable[pa.Table], *, fraction: float, seed: int, path: Path) -> CutTrain:
    """Write train to a file and choose the share of it that becomes dev.

    Args:
        sentences: Tables of ``schema.SENTENCES``.
        fraction: Share of the sentences, as in ``choose_dev``.
        seed: Seed of the choice.
        path: File to write.
    """
    keys = bytearray()
    with pa.OSFile(str(path), "wb") as stream, pa.ipc.new_stream(stream, schema.SENTENCES) as writer:
        for table in sentences:
            keys += b"".join(dev_key(text, seed=seed) for text in sentence_columns(table).texts)
            writer.write_table(table)
    return CutTrain(path, choose_dev(np.frombuffer(bytes(keys), dtype=f"S{KEY_BYTES}"), fraction=fraction))


def dev_key(text: str, *, seed: int) -> bytes:
    """Key by which a sentence is chosen: the beginning of its text's hash."""
    # The seed is the hash's key, so that another seed gives another order.
    return hashlib.blake2b("\t".join(text).encode(), key=str(seed).encode()).digest()[:KEY_BYTES]


def choose_dev(keys: npt.NDArray[np.bytes_], *, fraction: float) -> npt.NDArray[np.bool_]:
    """Choose the share of train that becomes dev: the sentences with the lowest keys.

    The choice depends on the texts, not on their order. Equal texts fall on the same side; a text that occurs more
    often than dev has room for stays in train.

    Args:
        keys: ``dev_key`` of each sentence. Shape: (sentences,).
        fraction: Share of the sentences to choose.

    Returns:
        Whether each sentence is dev. Shape: (sentences,).
    """
    _, text_of, n_alike = np.unique(keys, return_inverse=True, return_counts=True)
    # With one distinct text any choice would empty train.
    room = max(1, round(len(keys) * fraction)) if len(n_alike) > 1 else 0
    is_chosen = np.zeros(len(n_alike), dtype=np.bool_)
    for number, n in enumerate(n_alike):
        if n <= room:
            is_chosen[number] = True
            room -= n
        if not room:
            break
    return is_chosen[text_of]
