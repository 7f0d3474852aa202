"""The conversion, tested on a tiny model written byte by byte and on the real model (marked ``assets``)."""

from __future__ import annotations

import json
import os
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from ssmi.pipeline.assets.conversion.e5_small_zh import convert
from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.progress import Silent

PIECES = [
    "<s>",
    "<pad>",
    "</s>",
    "<unk>",
    ",",
    "▁A",
    "中",
    "▁国",
    "国",
    "A",
    "...",
    "ab",
    "é",
    "し",
    "한",
    "▁",
    "。",
    "<mask>",
]
WIDTH, LAYERS, HEADS, INNER, POSITIONS, TYPES = 32, 2, 2, 64, 16, 2


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "emb.word": (len(PIECES) + 2, WIDTH),
        "emb.pos": (POSITIONS, WIDTH),
        "emb.type": (TYPES, WIDTH),
        "emb.ln.w": (WIDTH,),
        "emb.ln.b": (WIDTH,),
    }
    for layer in range(LAYERS):
        for name in ("q", "k", "v", "ao", "fi", "fo"):
            out, into = {"fi": (INNER, WIDTH), "fo": (WIDTH, INNER)}.get(name, (WIDTH, WIDTH))
            shapes |= {f"l{layer}.{name}.w": (out, into), f"l{layer}.{name}.b": (out,)}
        for name in ("aln", "oln"):
            shapes |= {f"l{layer}.{name}.w": (WIDTH,), f"l{layer}.{name}.b": (WIDTH,)}
    return shapes


def _quantised(weights: np.ndarray, scale: float) -> bytes:
    """Pack integers -8..7 in blocks of 32, 18 bytes per block, with a plain loop."""
    out = bytearray()
    for block in weights.reshape(-1, 32):
        out += np.float16(scale).tobytes()
        out += bytes((int(block[j]) + 8) | (int(block[j + 16]) + 8) << 4 for j in range(16))
    return bytes(out)


def write_model(path: Path, *, pieces: list[str] = PIECES) -> dict[str, np.ndarray]:
    """Write an E5S1 file and return the weights it holds."""
    random = np.random.default_rng(7)
    weights, kinds, contents = {}, {}, {}
    for number, (name, shape) in enumerate(_shapes().items()):
        if name == "emb.word" or (name.endswith(".w") and len(shape) == 2):
            scale = 2.0 ** -(number % 4)
            integers = random.integers(-8, 8, shape)
            weights[name], kinds[name], contents[name] = integers * scale, 1, _quantised(integers, scale)
        else:
            weights[name] = (random.integers(-64, 64, shape) / 16).astype(np.float32)
            kinds[name], contents[name] = 0, weights[name].astype("<f4").tobytes()
    encoded = [piece.encode() for piece in pieces]
    offsets = np.cumsum([0, *map(len, encoded)]).astype("<u4")
    head = b"E5S1" + struct.pack("<I7ifi", 1, WIDTH, LAYERS, HEADS, INNER, len(pieces) + 2, POSITIONS, TYPES, 1e-12, 32)
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, int(offsets[-1])) + offsets.tobytes()
    head += bytes(4 * len(pieces)) + b"".join(encoded) + struct.pack("<iI", 1, 5) + b"xxxxx"
    size = sum(2 + len(name) + 21 for name in weights)
    at = len(head) + 4 + size
    directory = struct.pack("<i", len(weights))
    for name, content in contents.items():
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", kinds[name], weights[name].size, at, len(content))
        at += len(content)
    path.write_bytes(head + directory + b"".join(contents.values()))
    return weights


@pytest.fixture
def converted(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    weights = write_model(tmp_path / "model.bin")
    (tmp_path / "out").mkdir()
    convert(tmp_path / "model.bin", tmp_path / "out", reporter=Silent())
    return tmp_path / "out", weights


def _tokens(folder: Path) -> list[str]:
    return (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]


def test_the_vocabulary_is_specials_then_characters_by_code_point(converted) -> None:
    tokens = _tokens(converted[0])
    assert tokens[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert tokens[5:] == sorted(tokens[5:]) and len(set(tokens)) == len(tokens)
    assert {",", "A", "中", "国", "é", "し", "。"} <= set(tokens)
    assert not {"한", "ab", "▁", "...", "<s>", " ", "\u3000"} & set(tokens)


def test_tokens_have_the_embeddings_of_their_pieces(converted) -> None:
    folder, weights = converted
    rows = load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"]
    row = dict(zip(_tokens(folder), rows, strict=True))
    piece = dict(zip(PIECES, weights["emb.word"], strict=False))
    expected = {
        "[PAD]": "<pad>", "[UNK]": "<unk>", "[CLS]": "<s>", "[SEP]": "</s>", "[MASK]": "<mask>",
        "中": "中", "国": "国", "A": "A", "Ａ": "A", ",": ",", "，": ",", "…": "...", "｡": "。",
    }  # fmt: skip
    for token, source in expected.items():
        np.testing.assert_array_equal(row[token], piece[source], err_msg=token)


def test_a_piece_with_a_word_start_mark_is_used_if_there_is_no_plain_one(tmp_path) -> None:
    pieces = [piece for piece in PIECES if piece not in ("A", "国")]
    weights = write_model(tmp_path / "model.bin", pieces=[*pieces, "x", "y"])
    convert(tmp_path / "model.bin", tmp_path, reporter=Silent())
    rows = load_file(tmp_path / "model.safetensors")["embeddings.word_embeddings.weight"]
    np.testing.assert_array_equal(rows[_tokens(tmp_path).index("国")], weights["emb.word"][pieces.index("▁国")])


def test_weights_are_dequantised_under_bert_names(converted) -> None:
    folder, weights = converted
    tensors = load_file(folder / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float16)}
    assert len(tensors) == 5 + 16 * LAYERS
    for name, source in {
        "embeddings.position_embeddings.weight": "emb.pos",
        "embeddings.token_type_embeddings.weight": "emb.type",
        "embeddings.LayerNorm.bias": "emb.ln.b",
        "encoder.layer.1.attention.self.query.weight": "l1.q.w",
        "encoder.layer.0.attention.output.dense.bias": "l0.ao.b",
        "encoder.layer.0.attention.output.LayerNorm.weight": "l0.aln.w",
        "encoder.layer.1.intermediate.dense.weight": "l1.fi.w",
        "encoder.layer.1.output.dense.weight": "l1.fo.w",
        "encoder.layer.1.output.LayerNorm.bias": "l1.oln.b",
    }.items():
        np.testing.assert_array_equal(tensors[name], weights[source], err_msg=name)


def test_the_config_is_a_plain_bert(converted) -> None:
    folder, _ = converted
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == "bert" and config["vocab_size"] == len(_tokens(folder))
    assert (config["hidden_size"], config["num_hidden_layers"], config["num_attention_heads"]) == (WIDTH, LAYERS, HEADS)
    assert (config["intermediate_size"], config["max_position_embeddings"]) == (INNER, POSITIONS)
    assert config["layer_norm_eps"] == 1e-12 and config["hidden_act"] == "gelu"


def test_the_same_source_gives_the_same_bytes(converted, tmp_path) -> None:
    (tmp_path / "again").mkdir()
    convert(tmp_path / "model.bin", tmp_path / "again", reporter=Silent())
    for path in converted[0].iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0, b"GGUF", "does not begin with E5S1"),
        (4, struct.pack("<I", 2), "layout version 2"),
        (8, struct.pack("<i", 33), "make no sense"),
        (12, struct.pack("<i", 3), "is missing or not"),
        (24, struct.pack("<i", 5), "pieces for 5 embeddings"),
        (40, struct.pack("<i", 64), "blocks of 64"),
        (44, struct.pack("<i", -1), "pieces for"),
    ],
)
def test_an_invalid_header_is_refused_with_the_reason(at: int, value: bytes, message: str, tmp_path) -> None:
    write_model(tmp_path / "model.bin")
    body = bytearray((tmp_path / "model.bin").read_bytes())
    body[at : at + len(value)] = value
    (tmp_path / "model.bin").write_bytes(body)
    with pytest.raises(InputDataError, match=message):
        convert(tmp_path / "model.bin", tmp_path, reporter=Silent())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(cut=st.integers(0, 30_000), flip=st.integers(0, 2_000), value=st.integers(0, 255))
def test_damaged_files_are_refused(cut: int, flip: int, value: int, tmp_path) -> None:
    path = tmp_path / "model.bin"
    write_model(path)
    body = bytearray(path.read_bytes())
    path.write_bytes(body[: cut % len(body)])
    with pytest.raises(InputDataError):
        convert(path, tmp_path, reporter=Silent())
    body[flip] = value
    path.write_bytes(body)
    try:
        convert(path, tmp_path, reporter=Silent())
    except InputDataError as error:
        assert error.message.startswith("model.bin: ")


# --- the real model ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def e5_folder() -> Path:
    from ssmi.pipeline.assets.resolve import find_encoder

    return find_encoder("e5-small-zh", revision=None, root=Path(), reporter=Silent()).path


@pytest.mark.assets
def test_the_encoder_computes_what_the_reference_computed(e5_folder) -> None:
    import torch
    from transformers import BertModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    vocabulary = {token: number for number, token in enumerate(_tokens(e5_folder))}
    assert 8_000 < len(vocabulary) < 10_000
    model = BertModel.from_pretrained(e5_folder, add_pooling_layer=False, dtype=torch.float32).eval()
    golden = json.loads(Path(__file__).with_name("e5-small-zh-golden.json").read_text(encoding="utf-8"))
    for case in golden["vectors"]:
        ids = [vocabulary[token] for token in ("[CLS]", *case["text"], "[SEP]")]
        with torch.no_grad():
            states = model(torch.tensor([ids])).last_hidden_state[0].numpy()
        mean = states[1:-1].mean(axis=0)
        np.testing.assert_allclose(states[0, :16], case["cls"], atol=2e-3, rtol=0)
        np.testing.assert_allclose(mean[:16], case["mean_of_characters"], atol=2e-3, rtol=0)
        assert np.linalg.norm(mean) == pytest.approx(case["norm_of_mean"], abs=2e-3)


@pytest.mark.assets
@pytest.mark.skipif("SSMI_DATA" not in os.environ, reason="needs the data sets named by SSMI_DATA")
def test_the_vocabulary_lacks_26_characters_of_resume(e5_folder) -> None:
    text = (Path(os.environ["SSMI_DATA"]) / "resume" / "train.bmes").read_text(encoding="utf-8")
    counts = Counter(line.split(" ")[0] for line in text.split("\n") if line)
    known = set(_tokens(e5_folder))
    assert counts.total() == 124_099
    assert sum(count for character, count in counts.items() if character not in known) == 26
