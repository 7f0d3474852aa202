"""Read word-vector files block by block, without holding a whole file in memory (except fastText ``.bin``).

Formats are recognised by their first bytes, not by file names: word2vec text and binary, fastText ``.vec`` (text) and
``.bin``; text and word2vec binary also packed (gzip, bzip2, xz, zip, tar). Each format has its own module.

Common faults of real files are repaired if the meaning is clear, otherwise their rows are dropped; both are counted. A
file that cannot be trusted is refused with the line or byte. A pickle, such as gensim saves, is refused without being
opened. Duplicate words are not removed here but by the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.user_files import refuse_lfs_pointer
from ssmi.pipeline.lexicon.word_vectors import fasttext
from ssmi.pipeline.lexicon.word_vectors.binary import BinaryReader
from ssmi.pipeline.lexicon.word_vectors.format_detection import Format, format_of, holds_vectors
from ssmi.pipeline.lexicon.word_vectors.reading import DAMAGE, FORMATS, Block, VectorReader
from ssmi.pipeline.lexicon.word_vectors.text import TextReader
from ssmi.pipeline.lexicon.word_vectors.unpacking import Unpacked, unpacked

__all__ = ["Block", "VectorReader", "open_vectors"]

_READERS: Mapping[Format, type[VectorReader]] = {
    "text": TextReader,
    "binary": BinaryReader,
    "fasttext": fasttext.FastTextReader,
}
_CONVERT = (
    "where you trust it, write word2vec's format: KeyedVectors.load({path!r}).save_word2vec_format('words.bin', "
    "binary=True), of a whole model model.wv.save_word2vec_format(...), and name words.bin"
)


@contextmanager
def open_vectors(path: Path, *, encoding: str = "utf-8") -> Iterator[VectorReader]:
    """Open a vector file of any known format and container.

    Args:
        path: The file.
        encoding: Encoding of the words; a UTF-8 byte order mark takes precedence.

    Yields:
        The reader, whose ``blocks`` may be read in full or in part.

    Raises:
        InputDataError: The file does not exist, has none of the formats, is truncated or damaged, over 1 % of its rows
            differ from the others, or its words do not have the encoding. The message names the line or the byte if
            there is one. Raised here, while blocks are read, and when the ``with`` block ends.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(unpacked(path, plausible=holds_vectors))
            reader = _reader(file, encoding)
        except FileNotFoundError as error:
            raise InputDataError(f"{path}: no such file", next_step=f"name {FORMATS}") from error
        except DAMAGE as error:
            raise InputDataError(f"{path}: truncated or damaged ({error})", next_step="fetch it again") from error
        yield reader
        # Judged even if reading stopped early, because the rows read so far are used.
        reader.check_quality()


def _reader(file: Unpacked, encoding: str) -> VectorReader:
    refuse_lfs_pointer(file.peek(), file.display_name)
    format_name = format_of(file.peek())
    if format_name is None:
        raise InputDataError(
            f"{file.display_name}: no vectors ({_what_instead(file.peek())})", next_step=f"name {FORMATS}"
        )
    if format_name == "pickle":
        raise InputDataError(
            f"{file.display_name}: a pickle, as gensim saves vectors and models; it may hold any code, "
            "and is never opened",
            next_step=_CONVERT.format(path=file.path.name),
        )
    return _READERS[format_name](file, encoding=encoding)


def _what_instead(start: bytes) -> str:
    if not start:
        return "it is empty"
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16, which is not supported; save it as UTF-8"
    control = next((at for at, byte in enumerate(start) if byte < 9 or 13 < byte < 32), None)
    return "just blanks" if control is None else f"control character at byte {control}"
