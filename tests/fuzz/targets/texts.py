"""Text without labels: corpora, input of `predict`, and lists of words and entities."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ssmi.pipeline.features.text.blanks import pieces_of
from ssmi.pipeline.lexicon.extra_words import read_extra_words
from ssmi.pipeline.readers.texts import read_texts
from ssmi.predict.input.reading import Kind, read_records
from ssmi.predict.user_entities import UserEntities
from tests.fuzz.targets.target import Target, target

_LINES = "李明在京。\n长江 COVID-19\r\n\n\u3000　北京大学\n"
_OBJECTS = "".join(json.dumps({"id": n, "text": text}, ensure_ascii=False) + "\n" for n, text in enumerate("京沪"))
_TABLE = 'id,text\n1,李明在京。\n2,"长江,\n黄河"\n'


def _read_corpus(path: Path) -> object:
    return [list(pieces_of(text.text)) for text in read_texts(path, field="text")]


def _zstd(body: bytes) -> bytes:
    stream = pa.BufferOutputStream()
    with pa.CompressedOutputStream(stream, "zstd") as compressed:
        compressed.write(body)
    return bytes(stream.getvalue())


def _parquet(kind: pa.DataType, compression: str) -> bytes:
    table = pa.table({"text": pa.array(["李明在京。", "", "长江"] * 20, kind), "id": range(60)})
    stream = io.BytesIO()
    pq.write_table(table, stream, compression=compression)
    return stream.getvalue()


def _reader_of(kind: Kind | None) -> Callable[[Path], object]:
    def read(path: Path) -> object:
        with path.open("rb") as stream:
            return list(read_records(stream, name=path.name, kind=kind))

    return read


def texts() -> list[Target]:
    """Targets that read text without labels."""
    lines, objects = _LINES.encode(), _OBJECTS.encode()
    utf_16 = _LINES.encode("utf-16")
    tables = [_parquet(pa.string(), "NONE"), _parquet(pa.large_string(), "ZSTD"), _parquet(pa.string(), "SNAPPY")]
    return [
        target("corpus lines", _read_corpus, "a.txt", lines, utf_16, gzip.compress(lines), _zstd(lines)),
        target("corpus gzip", _read_corpus, "a.txt.gz", gzip.compress(lines)),
        target("corpus zstd", _read_corpus, "a.txt.zst", _zstd(lines)),
        target("corpus json lines", _read_corpus, "a.jsonl", objects, gzip.compress(objects), _zstd(objects)),
        target("corpus parquet", _read_corpus, "a.parquet", *tables),
        target("text to tag", _reader_of(None), "a.txt", lines, utf_16, gzip.compress(lines)),
        target("paragraphs to tag", _reader_of("paragraphs"), "a.txt", lines, utf_16),
        target("json lines to tag", _reader_of("jsonl"), "a.jsonl", objects, gzip.compress(objects)),
        target("json to tag", _reader_of("json"), "a.json", json.dumps([{"text": "京"}, "沪"], ensure_ascii=False)),
        target("csv to tag", _reader_of("csv"), "a.csv", _TABLE, gzip.compress(_TABLE.encode())),
        target("tsv to tag", _reader_of("tsv"), "a.tsv", _TABLE.replace(",", "\t")),
        target("entities of one's own", UserEntities.read, "e.txt", "李明\tPER\n北京大学\tORG\tforce\n# 注\n京 LOC\n"),
        target("extra words", read_extra_words, "w.txt", "# 词\n云计算\n长江大桥\n"),
    ]
