"""An encoder inside the network: load it, run it over windows, join the states. Only this file imports transformers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import transformers
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional
from transformers.utils import logging as _untyped_logging

from ssmi.model.data.batches import Batch
from ssmi.pipeline.contract.encoders.types import (
    COMPUTED,
    CONFIG,
    EncoderShape,
    check_loaded,
    encoder_shape,
    read_config,
    type_of,
    unusable_weights,
    with_layers,
)
from ssmi.pipeline.contract.encoders.vocabulary import CLS, PAD, SEP, check_specials, read_vocabulary, vocabulary_file
from ssmi.pipeline.contract.errors import ParameterError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

transformers_logging: Any = _untyped_logging

Adapter = Callable[[Tensor], Tensor]
"""States of windows between two layers → states of the same shape: (n_windows, size, width)."""
_adapter: ContextVar[Adapter | None] = ContextVar("adapter", default=None)
"""That of the forward pass which is running: a network may tag in several threads at once."""


@dataclass(frozen=True, slots=True)
class Specials:
    """Ids of the tokens that are not characters."""

    cls: int
    sep: int
    pad: int


class Encoded(NamedTuple):
    """A batch's states.

    Attributes:
        states: O_B, zero on padding. Shape: (batch, length, width)
        sentences: e_s, the [CLS] state, averaged over the windows of a longer sentence. Shape: (batch, width)

    """

    states: Tensor
    sentences: Tensor


class Encoder(nn.Module):
    """An encoder of any supported type whose output is one state a character, however long the sentence.

    Attributes:
        width: Of a state.
        input_width: Of E_c: an ELECTRA may embed in fewer dimensions.
        max_window: Most characters that it reads at once.
        vocabulary_size: Token ids are below it.

    """

    def __init__(self, bert: PreTrainedModel, *, shape: EncoderShape, specials: Specials, folder: Path) -> None:
        super().__init__()
        self.bert = bert  # of whatever type: the weights of every run are named so
        self.specials = specials
        self._folder = folder
        self.width = shape.width
        self.max_window = shape.max_window
        self.vocabulary_size = int(bert.config.vocab_size)
        for name, parameter in bert.named_parameters():
            if name == COMPUTED:  # a table that the type computes; loading makes it look trainable
                parameter.requires_grad_(False)
        self.input_width = self.words.embedding_dim

    def embed(self, token_ids: Tensor) -> Tensor:
        """E_c: word embeddings alone, without positions. Shape: (...) → (..., input_width)."""
        embeddings: Tensor = self.words(token_ids)
        return embeddings

    @property
    def words(self) -> nn.Embedding:
        """The word embeddings, wherever this type keeps them."""
        words = self.bert.get_input_embeddings()
        assert isinstance(words, nn.Embedding)
        return words

    def adapt_behind(self, layer: int, *, parameter: str) -> None:
        """Let ``forward`` change the states between this layer, counted from 1, and the next.

        Args:
            layer: A network has one such place.
            parameter: Which says so, for the error.

        Raises:
            ParameterError: The encoder has fewer layers.

        """
        n_layers = int(self.bert.config.num_hidden_layers)
        if layer > n_layers:
            raise ParameterError(
                f"{parameter}: {layer}, but the encoder has {n_layers}", next_step=f"at most -S {parameter}={n_layers}"
            )
        (layers,) = (own for own in self.bert.modules() if isinstance(own, nn.ModuleList) and len(own) == n_layers)
        layers[layer - 1].register_forward_hook(_adapted)

    def forward(self, batch: Batch, *, inputs: Tensor | None = None, adapter: Adapter | None = None) -> Encoded:
        """Run the encoder over the windows and join their states.

        Args:
            batch: On the device of the encoder.
            inputs: Embeddings to use in place of ``embed(batch.token_ids)``. Shape: (batch, length, input_width)
            adapter: Changes the windows' states where ``adapt_behind`` said; see ``Windows.cells``.

        Returns:
            Last-layer states of the characters, (batch, length, width), and of the sentences, (batch, width).

        """
        windows = batch.windows
        lengths = windows.lengths[:, None]
        position = torch.arange(windows.char_of_cell.shape[1], device=lengths.device)
        attended = (position <= lengths + 1).long()  # not bool: DeBERTa subtracts it
        holds_char = windows.char_of_cell >= 0
        char_of_cell = windows.char_of_cell.clamp(min=0)  # any character will do where `where` takes the other side
        specials = torch.where(position == lengths + 1, self.specials.sep, self.specials.pad)
        specials[:, 0] = self.specials.cls
        token_ids = torch.where(holds_char, batch.token_ids.view(-1)[char_of_cell], specials)
        if inputs is None:
            given = {"input_ids": token_ids}
        else:
            fused = functional.embedding(char_of_cell, inputs.flatten(0, 1))
            given = {"inputs_embeds": torch.where(holds_char[..., None], fused, self.embed(token_ids))}
        before = _adapter.set(adapter)
        try:
            cells = self.bert(**given, attention_mask=attended).last_hidden_state
        finally:
            _adapter.reset(before)
        states = functional.embedding(windows.cell_of_char, cells.flatten(0, 1)) * batch.mask[..., None]
        # A sentence of several windows has as many [CLS] states: e_s is their mean.
        summed = cells.new_zeros(len(batch.mask), self.width).index_add(0, windows.sentences, cells[:, 0])
        return Encoded(states, summed / torch.bincount(windows.sentences, minlength=len(batch.mask))[:, None])

    def describe(self, folder: Path) -> None:
        """Write what ``blank`` needs: the configuration, without the path it came from, and the vocabulary."""
        folder.mkdir(parents=True, exist_ok=True)
        config = with_layers(read_config(self._folder), int(self.bert.config.num_hidden_layers))
        config.pop("_name_or_path", None)
        (folder / CONFIG).write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        vocabulary = vocabulary_file(self._folder)
        (folder / vocabulary.name).write_bytes(vocabulary.read_bytes())


def _adapted(_layer: nn.Module, _inputs: Any, output: Any) -> Any:
    """A hook behind a layer, whose output is its states or begins with them: what the running adapter makes of them."""
    adapter = _adapter.get()
    if adapter is None:
        return None
    return adapter(output) if isinstance(output, Tensor) else (adapter(output[0]), *output[1:])


def load(folder: Path, *, layers: int | None = None) -> Encoder:
    """Load an encoder folder in float32, whatever precision it is stored in; dropout as its configuration says.

    Args:
        folder: With configuration, vocabulary and safetensors weights.
        layers: Number of first layers to load; None loads all.

    Returns:
        The encoder, on the CPU, in training mode as transformers leaves it.

    Raises:
        MissingResourceError: Files are missing.
        InputDataError: It is not an encoder of a supported type.
        StaleArtifactError: Its weights are not those of its configuration.
        ParameterError: It has fewer layers.

    """
    shape, specials = encoder_shape(folder), _specials(folder)
    if layers is not None and layers > shape.n_layers:
        raise ParameterError(
            f"model.encoder_layers: {layers}, but {folder} has {shape.n_layers}",
            next_step=f"at most -S model.encoder_layers={shape.n_layers}",
        )
    body = read_config(folder)
    try:
        with _quiet():
            model_class = _model_class(body)
            bert, info = model_class.from_pretrained(
                folder,
                config=model_class.config_class.from_dict(with_layers(body, layers or shape.n_layers)),
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
                dtype=torch.float32,
                **type_of(body).model_arguments,
            )
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise unusable_weights(folder, error) from error
    check_loaded(folder, info, layers=layers)
    return Encoder(bert, shape=shape, specials=specials, folder=folder)


def blank(folder: Path) -> Encoder:
    """The encoder with random weights, from what ``Encoder.describe`` wrote."""
    shape, specials = encoder_shape(folder), _specials(folder)
    body = read_config(folder)
    model_class, arguments = _model_class(body), type_of(body).model_arguments
    with _quiet():
        config = model_class.config_class.from_dict(body, attn_implementation=arguments.pop("attn_implementation"))
        bert = model_class(config, **arguments)
    return Encoder(bert, shape=shape, specials=specials, folder=folder).to(torch.float32)


def _model_class(body: dict[str, Any]) -> Any:
    """The class of a configuration's type; transformers imports its module only now."""
    return getattr(transformers, type_of(body).model_class)


def _specials(folder: Path) -> Specials:
    ids = read_vocabulary(folder).ids
    check_specials(ids, folder=folder)
    return Specials(ids[CLS], ids[SEP], ids[PAD])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' bars and log lines off the screen; what matters is raised as an error."""
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
