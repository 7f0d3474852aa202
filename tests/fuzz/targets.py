"""What reads files that somebody else wrote, each with good files to break."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ssmi.ablation import variants
from ssmi.model.runs import checkpoint_files
from ssmi.pipeline.assets.folders import open_folder
from ssmi.pipeline.assets.sources import read_member
from ssmi.pipeline.contract import manifest
from ssmi.pipeline.contract.encoders.types import encoder_shape
from ssmi.pipeline.contract.label_files import load_labels
from ssmi.pipeline.contract.labels import LabelSet, Span
from ssmi.pipeline.contract.parameters import params
from ssmi.pipeline.contract.storage.digests import seal
from ssmi.pipeline.lexicon.user_dictionary import read_user_dictionary
from ssmi.pipeline.lexicon.word_vectors import open_vectors
from ssmi.pipeline.readers import read_sentences
from ssmi.pipeline.writers.formats import FORMATS, LabelledText, Style
from ssmi.predict.packing import check_pack
from ssmi.predict.text_decoding import Source


@dataclass(frozen=True)
class Target:
    """A reader, the name under which it is given a file, good files, and files that lie beside it."""

    name: str
    read: Callable[[Path], object]
    file: str
    seeds: Sequence[bytes]
    beside: Mapping[str, bytes]


def _target(
    name: str, read: Callable[[Path], object], file: str, *seeds: bytes | str, beside: Mapping[str, bytes] | None = None
) -> Target:
    bodies = [seed.encode() if isinstance(seed, str) else seed for seed in seeds]
    return Target(name, read, file, bodies, beside or {})


# --- labelled text ---------------------------------------------------------------------------------------------------

_ROWS = [
    LabelledText("李明在北京大学任教授。", [Span(0, 2, "PER"), Span(3, 7, "ORG")], where="row 1"),
    LabelledText("长江 COVID-19", [Span(0, 2, "LOC")], where="row 2"),
]
_ENDINGS = {
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


def _formats() -> list[Target]:
    written = {name: "".join(write(iter(_ROWS), Style(scheme="BIO"))) for name, write in FORMATS.items()}
    found = [_target(f"format {name}", _sentences, _ENDINGS[name], text) for name, text in written.items()]
    packed = gzip.compress(written["conll"].encode())
    wide = [written["conll"].encode(codec) for codec in ("utf-16", "utf-8-sig")]
    bmes = "".join(
        f"{character} {tag}\n" for character, tag in zip("李明在京", ["B-P", "E-P", "O", "S-L"], strict=True)
    )
    return [
        *found,
        _target("format columns", _sentences, "train.bmes", bmes + "\n" + bmes, packed, *wide),
        _target("format slash", _sentences, "train.txt", _SLASH),
        _target(
            "format brat",
            _sentences,
            "train.ann",
            "T1\tPER 0 2\t李明\nR1\tx Arg1:T1\n",
            beside={"train.txt": "李明在京".encode()},
        ),
        _target("format parquet", _sentences, "train.parquet", *(_parquet(kind) for kind in ("NONE", "ZSTD"))),
        _target(
            "dataset.yaml",
            open_folder_of,
            "dataset.yaml",
            "splits: {train: a.bio}\nencoding: utf-8\nlabels: [O, B-X]\n",
            beside={"a.bio": bmes.encode()},
        ),
    ]


def open_folder_of(path: Path) -> object:
    """The folder that a ``dataset.yaml`` lies in."""
    return open_folder(path.parent)


def _parquet(compression: str) -> bytes:
    table = pa.Table.from_pylist([{"text": "李明在京", "entities": [{"start": 0, "end": 2, "label": "PER"}]}] * 20)
    stream = io.BytesIO()
    pq.write_table(table, stream, compression=compression)
    return stream.getvalue()


# --- vectors, encoders, archives -------------------------------------------------------------------------------------

_VECTORS = "3 4\n中国 1 2 3 4\n人民 0.5 -1 2e-3 4\n北京 4 3 2 1\n"
_BINARY = b"2 4\n" + b"".join(
    word.encode() + b" " + struct.pack("<4f", 1, 2, 3, 4) + b"\n" for word in ("中国", "人民")
)
_VOCABULARY = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n中\n国\n".encode()
_CONFIG = {
    "model_type": "bert",
    "num_hidden_layers": 2,
    "hidden_size": 16,
    "max_position_embeddings": 64,
    "vocab_size": 6,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "hidden_act": "gelu",
    "pad_token_id": 0,
    "layer_norm_eps": 1e-12,
    "attn_implementation": "eager",
    "architectures": ["BertModel"],
}


def _vectors(path: Path) -> object:
    with open_vectors(path) as reader:
        return [words for words, _ in reader.blocks()]


def _member(path: Path) -> object:
    return b"".join(read_member(path, "a/words.txt", max_bytes=1 << 16))


def _zipped(body: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/words.txt", body)
        archive.writestr("README", "read me")
    return stream.getvalue()


def _tarred(body: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        info = tarfile.TarInfo("a/words.txt")
        info.size = len(body)
        archive.addfile(info, io.BytesIO(body))
    return stream.getvalue()


def _outside() -> list[Target]:
    text = _VECTORS.encode()
    archives = (_zipped(text), _tarred(text))
    return [
        _target("vectors", _vectors, "v.bin", text, _BINARY, gzip.compress(text), *archives),
        _target("archive", _member, "a.whl", *archives),
        _target(
            "encoder config",
            lambda path: encoder_shape(path.parent),
            "config.json",
            json.dumps(_CONFIG),
            beside={"vocab.txt": _VOCABULARY},
        ),
        _target(
            "encoder vocabulary",
            lambda path: encoder_shape(path.parent),
            "vocab.txt",
            _VOCABULARY,
            beside={"config.json": json.dumps(_CONFIG).encode()},
        ),
        _target("user dictionary", read_user_dictionary, "words.txt", "云计算 5 n\n长江大桥\n"),
        _target(
            "text to tag",
            _lines,
            "a.txt",
            "李明在京。\n长江\n",
            gzip.compress("长江\n".encode()),
            "长江\n".encode("utf-16"),
        ),
    ]


def _lines(path: Path) -> object:
    with path.open("rb") as stream:
        return list(Source(stream, name=path.name).lines())


# --- the project's own files, from somebody else ---------------------------------------------------------------------


def _own() -> list[Target]:
    report = {"rows_in": 1, "rows_out": 1, "skipped": {}, "statistics": {}}
    made = {
        "stage": "segment",
        "dataset": "tiny",
        "parameters": {},
        "inputs": {"a": "0"},
        "report": report,
        "version": 1,
        "files": {"a.parquet": {"sha256": "0", "n_bytes": 1, "rows": 1}},
        "schema_version": manifest.SCHEMA_VERSION,
    }
    labels = LabelSet.of(["PER"], scheme="BIO")
    body = json.dumps({"scheme": labels.scheme, "entity_types": list(labels.entity_types), "tags": list(labels.tags)})
    checkpoint = json.dumps({"format": checkpoint_files.CHECKPOINT_FORMAT, "best_epoch": 1, "n_parameters": 5})
    pack = json.dumps({"format": 1, "files": {"a.txt": "0" * 64}})
    return [
        _target(
            "params", params.load, "params.yaml", "datasets: [a]\nsegment: {hmm: true}\n", params.dump(params.Params())
        ),
        _target("variants", variants.read, "v.yaml", "small: {base: bert-crf, model.encoder_layers: 2}\n"),
        _target("manifest", lambda path: manifest.load(path.parent), "manifest.json", json.dumps(seal(made))),
        _target("labels", load_labels, "labels.json", body),
        _target("checkpoint", lambda path: checkpoint_files.read_metadata(path.parent), "checkpoint.json", checkpoint),
        _target("pack", lambda path: check_pack(path.parent), "pack.json", pack, beside={"a.txt": b"a"}),
    ]


TARGETS = {target.name: target for target in (*_formats(), *_outside(), *_own())}
