"""BERT inside the network: load it, run it over windows, join the states. Only this file imports transformers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel
from transformers.utils import logging as _untyped_logging

from model.batches import Batch
from pipeline.contract.errors import MissingResourceError, ParameterError, StaleArtifactError

transformers_logging: Any = _untyped_logging
ANOTHER = "choose another encoder, or mend its folder"
CONFIG, VOCAB_TXT, TOKENIZER_JSON = "config.json", "vocab.txt", "tokenizer.json"


@dataclass(frozen=True, slots=True)
class Specials:
    """Ids of the tokens that are not characters."""

    cls: int
    sep: int
    pad: int


class Encoded(NamedTuple):
    """What an encoder says of a batch.

    states: O_B, zero on padding. Shape: (batch, length, width)
    sentences: e_s, the [CLS] state, averaged over the windows of a longer sentence. Shape: (batch, width)
    """

    states: Tensor
    sentences: Tensor


class Encoder(nn.Module):
    """A BERT whose output is one state a character, however long the sentence."""

    def __init__(self, bert: BertModel, *, specials: Specials, folder: Path) -> None:
        super().__init__()
        self.bert = bert
        self.specials = specials
        self._folder = folder
        self.width = int(bert.config.hidden_size)
        self.max_window = int(bert.config.max_position_embeddings) - 2
        self.vocabulary_size = int(bert.config.vocab_size)

    def embed(self, token_ids: Tensor) -> Tensor:
        """E_c: word embeddings alone, without positions. Shape: (...) → (..., width)."""
        embeddings: Tensor = self.bert.embeddings.word_embeddings(token_ids)
        return embeddings

    def forward(self, batch: Batch, *, inputs: Tensor | None = None) -> Encoded:
        """Last-layer states of the characters and of the sentences.

        inputs: embeddings to use in place of ``embed(batch.token_ids)``. Shape: (batch, length, width)
        """
        sources, lengths = batch.windows.sources, batch.windows.lengths[:, None]
        numbers = torch.arange(sources.shape[1], device=sources.device)
        attended = numbers <= lengths + 1
        holds = sources >= 0
        places = sources.clamp(min=0)
        specials = torch.where(numbers == lengths + 1, self.specials.sep, self.specials.pad)
        specials[:, 0] = self.specials.cls
        token_ids = torch.where(holds, batch.token_ids.view(-1)[places], specials)
        if inputs is None:
            output = self.bert(input_ids=token_ids, attention_mask=attended)
        else:
            fused = functional.embedding(places, inputs.flatten(0, 1))
            embeddings = torch.where(holds[..., None], fused, self.embed(token_ids))
            output = self.bert(inputs_embeds=embeddings, attention_mask=attended)
        cells = output.last_hidden_state
        states = functional.embedding(batch.windows.places, cells.flatten(0, 1)) * batch.mask[..., None]
        owners = batch.windows.sentences
        summed = cells.new_zeros(len(batch.mask), self.width).index_add(0, owners, cells[:, 0])
        return Encoded(states, summed / torch.bincount(owners, minlength=len(batch.mask))[:, None])

    def describe(self, folder: Path) -> None:
        """Write what ``blank`` needs: the configuration, without the path it came from, and the vocabulary."""
        folder.mkdir(parents=True)
        config = _read_json(self._folder / CONFIG)
        config.pop("_name_or_path", None)
        config["num_hidden_layers"] = int(self.bert.config.num_hidden_layers)
        (folder / CONFIG).write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        name = _vocabulary_file(self._folder).name
        (folder / name).write_bytes((self._folder / name).read_bytes())


def load(folder: Path, *, layers: int | None = None) -> Encoder:
    """Load a BERT folder in float32, whatever precision it is stored in; dropout as its configuration says.

    layers: take the first so many and leave the rest; None takes all.
    Raises MissingResourceError when files are missing, StaleArtifactError when they do not belong together,
    ParameterError when there are not so many layers.
    """
    config, specials = _describe(folder)
    depth = int(config["num_hidden_layers"])
    if layers is not None and layers > depth:
        raise ParameterError(
            f"model.encoder_layers: {layers}, but {folder} has {depth}",
            next_step=f"at most -S model.encoder_layers={depth}",
        )
    try:
        with _quiet():
            loaded: Any = BertModel.from_pretrained(
                folder,
                num_hidden_layers=layers or depth,
                add_pooling_layer=False,
                dtype=torch.float32,
                attn_implementation="sdpa",
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
            )
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise MissingResourceError(f"{folder}: no usable safetensors weights ({reason})", next_step=ANOTHER) from error
    bert, info = loaded
    absent = sorted(info["missing_keys"])
    if absent:
        raise StaleArtifactError(f"{folder}: {len(absent)} weights are missing, {absent[0]} first", next_step=ANOTHER)
    return Encoder(bert, specials=specials, folder=folder)


def blank(folder: Path) -> Encoder:
    """The same network with random weights, from what ``Encoder.describe`` wrote."""
    config, specials = _describe(folder)
    with _quiet():
        bert = BertModel(BertConfig.from_dict(config), add_pooling_layer=False)
    return Encoder(bert, specials=specials, folder=folder).to(torch.float32)


def _describe(folder: Path) -> tuple[dict[str, Any], Specials]:
    config = _read_json(folder / CONFIG)
    if config.get("model_type") != "bert":
        raise StaleArtifactError(f"{folder}: a {config.get('model_type')!r} model, not 'bert'", next_step=ANOTHER)
    vocabulary = _read_vocabulary(folder)
    size = max(vocabulary.values(), default=-1) + 1
    if size != config.get("vocab_size"):
        raise StaleArtifactError(
            f"{folder}: {CONFIG} says {config.get('vocab_size')} tokens, its vocabulary holds {size}", next_step=ANOTHER
        )
    try:
        return config, Specials(vocabulary["[CLS]"], vocabulary["[SEP]"], vocabulary["[PAD]"])
    except KeyError as error:
        raise StaleArtifactError(f"{folder}: no {error} in its vocabulary", next_step=ANOTHER) from error


def _vocabulary_file(folder: Path) -> Path:
    for name in (VOCAB_TXT, TOKENIZER_JSON):
        if (folder / name).is_file():
            return folder / name
    raise MissingResourceError(f"{folder}: neither {VOCAB_TXT} nor {TOKENIZER_JSON}", next_step=ANOTHER)


def _read_vocabulary(folder: Path) -> dict[str, int]:
    path = _vocabulary_file(folder)
    if path.name == VOCAB_TXT:
        # Not splitlines: a vocabulary may hold U+2028 and the like as tokens of their own.
        lines = path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
        return {line.removesuffix("\r"): index for index, line in enumerate(lines)}
    body = _read_json(path)
    try:
        return {**body["model"]["vocab"], **{token["content"]: token["id"] for token in body["added_tokens"]}}
    except (KeyError, TypeError) as error:
        raise StaleArtifactError(f"{path}: no vocabulary in it ({error})", next_step=ANOTHER) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingResourceError(f"{path}: not there", next_step=ANOTHER) from error
    except ValueError as error:
        raise StaleArtifactError(f"{path}: not JSON ({error})", next_step=ANOTHER) from error
    return body


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' bars and log lines off the person's screen; what matters is raised as an error."""
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
