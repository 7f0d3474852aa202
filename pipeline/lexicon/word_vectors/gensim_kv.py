"""Saved gensim KeyedVectors (``wv.save``): a pickle, of which arrays and one bag of attributes are built, no code."""

from __future__ import annotations

import codecs
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.lexicon.word_vectors.reading import ROWS_AT_ONCE, Block, VectorReader

_SAVE = (
    "save a model's vectors with model.wv.save(PATH), fastText's with model.wv.save_word2vec_format(PATH), or use "
    "word2vec text or binary"
)


class _Stored:
    """Stands in for gensim's classes: holds the attributes, runs none of their code."""

    def __init__(self, *_: object) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    """Any other class in the file ends the reading."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "gensim.models.keyedvectors":
            return _Stored
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name in ("_reconstruct", "scalar"):
            # One name for both: it depends on numpy's version which of the two a pickle holds.
            return super().find_class("numpy._core.multiarray", name)
        if (module, name) == ("_codecs", "encode"):  # bytes, as old pickles write them
            return codecs.encode
        raise pickle.UnpicklingError(f"it holds {module}.{name}")


class KeyedVectorsReader(VectorReader):
    """The words are all in memory; so are the vectors, unless gensim put them into a ``.npy`` beside the file."""

    format = "gensim KeyedVectors"

    def _blocks(self) -> Iterator[Block]:
        words, matrix = self._load()
        self.n_in_header, self.width = len(words), matrix.shape[1]
        for start in range(0, len(words), ROWS_AT_ONCE):
            block = words[start : start + ROWS_AT_ONCE]
            self.n_rows += len(block)
            yield block, np.array(matrix[start : start + ROWS_AT_ONCE], dtype=np.float32)

    def _load(self) -> tuple[list[str], npt.NDArray[Any]]:
        if self.file.container:
            raise InputDataError(
                f"{self.file.shown}: a pickle, packed ({self.file.container})", next_step="unpack it and name it"
            )
        try:
            stored = vars(_Unpickler(self.file.stream).load())
            words = [str(word) for word in stored.get("index_to_key") or stored.get("index2word") or []]
            matrix: npt.NDArray[Any] = np.asarray(stored["vectors"] if "vectors" in stored else self._companion())
            if matrix.dtype.kind != "f":
                raise ValueError(f"its vectors are {matrix.dtype}")
        # The refusal of a missing companion, which says more than the one below would.
        except InputDataError:
            raise
        except Exception as error:  # a damaged pickle can raise anything; none of it runs foreign code
            raise InputDataError(
                f"{self.file.shown}: no saved gensim KeyedVectors ({error})", next_step=_SAVE
            ) from error
        if not words or matrix.ndim != 2 or len(words) != len(matrix):
            raise InputDataError(
                f"{self.file.shown}: {len(words)} words for vectors of shape {matrix.shape}",
                next_step="save the vectors again",
            )
        return words, matrix

    def _companion(self) -> npt.NDArray[Any]:
        path = self.file.path
        companion = path.with_name(f"{path.name}.vectors.npy")
        if not companion.is_file():
            raise InputDataError(f"{path}: {companion.name} is not beside it", next_step="copy both files of the save")
        array: npt.NDArray[Any] = np.load(companion, mmap_mode="r", allow_pickle=False)
        return array
