"""Open the files of the vocabulary."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.storage.arrays import map_array
from ssmi.pipeline.features.vocabulary import Vocabulary
from ssmi.pipeline.lexicon.trie_file import open_trie

WORDS_FILE = "words.parquet"
VECTORS_FILE = "vectors.npy"
TRIE_FILE = "trie.bin"
CHARACTERS_FILE = "characters.parquet"
CHARACTER_BOUNDARIES_FILE = "character_boundaries.npy"


def open_vocabulary(folder: Path, *, digest: str) -> Vocabulary:
    """Open the vocabulary, once per process; its vectors are memory-mapped.

    Args:
        folder: The vocab stage's output folder.
        digest: Digest of its manifest, to distinguish versions of the folder.

    Returns:
        The vocabulary.

    Raises:
        MissingResourceError: A table does not exist.
        StaleArtifactError: A file changed since it was written, or is of another version.
    """
    return _open(folder, digest)


@lru_cache(maxsize=2)
def _open(folder: Path, digest: str) -> Vocabulary:
    words = tables.read_table(folder / WORDS_FILE, schema.VOCABULARY)["word"].to_pylist()
    stretches = tables.read_table(folder / CHARACTERS_FILE, schema.CHARACTER_INDEX).to_pydict()
    return Vocabulary(
        words=words,
        vectors=map_array(folder / VECTORS_FILE),
        trie=open_trie(folder / TRIE_FILE),
        _ids={word: index for index, word in enumerate(words, start=1)},
        _stretches={
            character: (start, end)
            for character, start, end in zip(stretches["character"], stretches["start"], stretches["end"], strict=True)
        },
        _boundaries=map_array(folder / CHARACTER_BOUNDARIES_FILE),
    )
