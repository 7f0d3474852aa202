"""An encoder inside the network: load it, run it over windows, join the states. Only this file imports transformers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional
from transformers.utils import logging as _untyped_logging

from ssmi.model.data.batches import Batch
from ssmi.model.network.adapting import Adapter, adapted, adapting
from ssmi.model.network.cells import Cells, Encoded, Specials
from ssmi.model.network.transformer_layers import layers_of, remove_first
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


def _last(output: Any) -> Tensor:
    states: Tensor = output.last_hidden_state
    return states


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
        self.input_width = self._input_width()

    def _input_width(self) -> int:
        return self.words.embedding_dim

    def entering(self, batch: Batch) -> Tensor:
        """What a boundary joins on its way in: E_c. Shape: (batch, length, input_width)."""
        return self.embed(batch.token_ids)

    def embed(self, token_ids: Tensor) -> Tensor:
        """E_c: word embeddings alone, without positions. Shape: (...) → (..., input_width)."""
        embeddings: Tensor = self.words(token_ids)
        return embeddings

    @property
    def refuses_norm(self) -> bool:
        """Whether it reads stored states that must not have gone through the norm behind the type's last layer."""
        return False

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
        self._module_of(layer, parameter=parameter).register_forward_hook(adapted)

    def _module_of(self, layer: int, *, parameter: str) -> nn.Module:
        """What gives the states behind a layer. Raises ParameterError where none that is run does."""
        return layers_of(self.bert)[layer - 1]

    def forward(self, batch: Batch, *, inputs: Tensor | None = None, adapter: Adapter | None = None) -> Encoded:
        """Run the encoder over the windows and join their states.

        Args:
            batch: On the device of the encoder.
            inputs: Used in place of ``entering(batch)``. Shape: (batch, length, input_width)
            adapter: Changes the windows' states where ``adapt_behind`` said; see ``Windows.cells``.

        Returns:
            Last-layer states of the characters, (batch, length, width), and of the sentences, (batch, width).

        """
        windows = batch.windows
        with adapting(adapter):
            cells = self._run(batch, inputs)
        # A look-up and not an index: the gradient of indexing took 1.6 times as long.
        states = functional.embedding(windows.cell_of_char, cells.flatten(0, 1)) * batch.mask[..., None]
        # A sentence of several windows has as many [CLS] states: e_s is their mean.
        summed = cells.new_zeros(len(batch.mask), self.width).index_add(0, windows.sentences, cells[:, 0])
        return Encoded(states, summed / torch.bincount(windows.sentences, minlength=len(batch.mask))[:, None])

    def _run(self, batch: Batch, inputs: Tensor | None) -> Tensor:
        """Last-layer states of every cell of the windows. Shape: (n_windows, size, width)."""
        cells = Cells.of(batch.windows)
        specials = torch.where(cells.position == cells.end, self.specials.sep, self.specials.pad)
        specials[:, 0] = self.specials.cls
        # An index will do here, for ids have no gradient.
        token_ids = torch.where(cells.holds_char, batch.token_ids.view(-1)[cells.char], specials)
        if inputs is None:
            return _last(self.bert(input_ids=token_ids, attention_mask=cells.attended))
        embeddings = cells.filled(inputs, others=self.embed(token_ids))
        return _last(self.bert(inputs_embeds=embeddings, attention_mask=cells.attended))

    def describe(self, folder: Path) -> None:
        """Write what ``blank`` needs: the configuration, as far as it is read, and the vocabulary."""
        folder.mkdir(parents=True, exist_ok=True)
        # As many layers as were loaded, not as the folder has: `blank` must build what the weights fit.
        config = with_layers(read_config(self._folder), int(self.bert.config.num_hidden_layers))
        (folder / CONFIG).write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        vocabulary = vocabulary_file(self._folder)
        (folder / vocabulary.name).write_bytes(vocabulary.read_bytes())


class UpperLayers(Encoder):
    """An encoder without its first layers, whose states come with the batch.

    States of [CLS] and [SEP] do too. A boundary joins where the states enter, so ``input_width`` is a state's. Weights
    are named from 0, the first layer that is left.
    """

    def __init__(
        self, bert: PreTrainedModel, *, below: int, shape: EncoderShape, specials: Specials, folder: Path
    ) -> None:
        """``below``: the number of first layers, which are removed from ``bert``."""
        remove_first(bert, below)
        self._below = below
        super().__init__(bert, shape=shape, specials=specials, folder=folder)

    def _input_width(self) -> int:
        return self.width

    @property
    def refuses_norm(self) -> bool:
        """True where the type has such a norm."""
        return bool(type_of(self.bert.config.to_dict()).last_norm)

    def _module_of(self, layer: int, *, parameter: str) -> nn.Module:
        if layer < self._below:
            raise ParameterError(
                f"{parameter}: {layer}, but the states behind layer {self._below} come from the shards",
                next_step=f"at least -S {parameter}={self._below}, where the states enter",
            )
        if layer > self._below:
            return layers_of(self.bert)[layer - self._below - 1]
        entering = self.bert.embeddings
        assert isinstance(entering, nn.Module)
        return entering

    def entering(self, batch: Batch) -> Tensor:
        """The stored states of the characters. Shape: (batch, length, width)."""
        assert batch.hidden is not None
        return batch.hidden

    def _run(self, batch: Batch, inputs: Tensor | None) -> Tensor:
        assert batch.special_states is not None
        cells = Cells.of(batch.windows)
        cls, sep = batch.special_states[:, None, :, :].unbind(2)
        others = torch.where((cells.position == 0)[:, None], cls, sep)  # padding too, which nothing attends to
        states = cells.filled(self.entering(batch) if inputs is None else inputs, others=others)
        return _last(self.bert(inputs_embeds=states, attention_mask=cells.attended))


def load(folder: Path, *, layers: int | None = None, below: int = 0) -> Encoder:
    """Load an encoder folder in float32, whatever precision it is stored in; dropout as its configuration says.

    Args:
        folder: With configuration, vocabulary and safetensors weights.
        layers: Number of first layers to load; None loads all.
        below: Number of first layers whose states are stored: ``UpperLayers`` of the others are loaded; 0 for none.

    Returns:
        The encoder, on the CPU, in training mode as transformers leaves it.

    Raises:
        MissingResourceError: Files are missing.
        InputDataError: It is not an encoder of a supported type.
        StaleArtifactError: Its weights are not those of its configuration.
        ParameterError: It has fewer layers, or none is left above those whose states are stored.

    """
    shape, specials = encoder_shape(folder), _specials(folder)
    if layers is not None and layers > shape.n_layers:
        raise ParameterError(
            f"model.encoder_layers: {layers}, but {folder} has {shape.n_layers}",
            next_step=f"at most -S model.encoder_layers={shape.n_layers}",
        )
    n_layers = layers or shape.n_layers
    if below >= n_layers:
        raise ParameterError(
            f"model.encoder: upper, but the stored states are those after layer {below} of {n_layers}: none is left",
            next_step=f"build states of fewer layers: -S shards.hidden_layers={max(1, n_layers * 2 // 3)}",
        )
    body = read_config(folder)
    try:
        with _quiet():
            model_class = _model_class(body)
            bert, info = model_class.from_pretrained(
                folder,
                config=model_class.config_class.from_dict(with_layers(body, n_layers)),
                local_files_only=True,
                # Never a pickle, which may run code when it is opened.
                use_safetensors=True,
                output_loading_info=True,
                dtype=torch.float32,
                **type_of(body).model_arguments,
            )
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise unusable_weights(folder, error) from error
    # transformers draws what is missing at random and only logs it.
    check_loaded(folder, info, layers=layers)
    return _wrapped(bert, below=below, shape=shape, specials=specials, folder=folder)


def blank(folder: Path, *, below: int = 0) -> Encoder:
    """The encoder with random weights, from what ``Encoder.describe`` wrote; ``below`` as ``load`` had it."""
    shape, specials = encoder_shape(folder), _specials(folder)
    body = read_config(folder)
    model_class, arguments = _model_class(body), type_of(body).model_arguments
    with _quiet():
        config = model_class.config_class.from_dict(body, attn_implementation=arguments.pop("attn_implementation"))
        bert = model_class(config, **arguments)
    return _wrapped(bert, below=below, shape=shape, specials=specials, folder=folder).to(torch.float32)


def _wrapped(bert: PreTrainedModel, *, below: int, shape: EncoderShape, specials: Specials, folder: Path) -> Encoder:
    if below:
        return UpperLayers(bert, below=below, shape=shape, specials=specials, folder=folder)
    return Encoder(bert, shape=shape, specials=specials, folder=folder)


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
