"""Data sets in every format, and ``dataset.yaml``, which describes a folder."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ssmi.pipeline.assets.folders import open_folder
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.readers import read_sentences
from ssmi.pipeline.writers.formats import FORMATS, LabelledText, Style
from tests.fuzz.targets.target import Target, target

_ROWS = [
    LabelledText("李明在北京大学任教授。", [Span(0, 2, "PER"), Span(3, 7, "ORG")], where="row 1"),
    LabelledText("长江 COVID-19", [Span(0, 2, "LOC")], where="row 2"),
]
_FILE_NAMES = {
    "jsonl": "train.jsonl",
    "conll": "train.bio",
    "bracket": "train.txt",
    "doccano": "train.jsonl",
    "label-studio": "train.json",
    "cluener": "train.json",
    "w2ner": "train.json",
    "csv": "train.csv",
}
_SLASH = "李/nr 明/nr 在/p [北京/ns 大学/n]nt 任/v 教授/n 。/w\n" * 3


def _sentences(path: Path) -> object:
    return list(read_sentences(path)[0])


def labelled() -> list[Target]:
    written = {name: "".join(write(iter(_ROWS), Style(scheme="BIO"))) for name, write in FORMATS.items()}
    targets = [target(f"format {name}", _sentences, _FILE_NAMES[name], text) for name, text in written.items()]
    compressed = gzip.compress(written["conll"].encode())
    encoded = [written["conll"].encode(codec) for codec in ("utf-16", "utf-8-sig")]
    bmes = "".join(
        f"{character} {tag}\n" for character, tag in zip("李明在京", ["B-P", "E-P", "O", "S-L"], strict=True)
    )
    return [
        *targets,
        target("format columns", _sentences, "train.bmes", bmes + "\n" + bmes, compressed, *encoded),
        target("format slash", _sentences, "train.txt", _SLASH),
        target(
            "format brat",
            _sentences,
            "train.ann",
            "T1\tPER 0 2\t李明\nR1\tx Arg1:T1\n",
            extra_files={"train.txt": "李明在京".encode()},
        ),
        target("format parquet", _sentences, "train.parquet", *(_parquet(kind) for kind in ("NONE", "ZSTD"))),
        target(
            "dataset.yaml",
            open_folder_of,
            "dataset.yaml",
            'splits: {train: a.bio}\nencoding: utf-8\nlabels: [O, B-X]\nlabel_groups: {all-b: "B*"}\n',
            extra_files={"a.bio": bmes.encode()},
        ),
    ]


def open_folder_of(path: Path) -> object:
    """Open the folder that contains a ``dataset.yaml``."""
    return open_folder(path.parent)


def _parquet(compression: str) -> bytes:
    table = pa.Table.from_pylist([{"text": "李明在京", "entities": [{"start": 0, "end": 2, "label": "PER"}]}] * 20)
    stream = io.BytesIO()
    pq.write_table(table, stream, compression=compression)
    return stream.getvalue()
