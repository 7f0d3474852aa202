"""The encoder: load it, run it over windows and join the states. Only this module imports transformers."""

from __future__ import annotations

import json
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
from ssmi.pipeline.contract.encoders.silence import silenced
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
    """An encoder of any supported type that outputs one state per character, however long the sentence.

    Attributes:
        width: Width of a state.
        input_width: Width of E_c, which an ELECTRA may embed in fewer dimensions.
        max_window: Maximum number of characters in a window.
        vocabulary_size: Size of the vocabulary; token ids are below it.

    """

    def __init__(self, bert: PreTrainedModel, *, shape: EncoderShape, specials: Specials, folder: Path) -> None:
        super().__init__()
        self.bert = bert  # named so for every type, because the names of saved weights contain it
        self.specials = specials
        self._folder = folder
        self.width = shape.width
        self.max_window = shape.max_window
        self.vocabulary_size = int(bert.config.vocab_size)
        for name, parameter in bert.named_parameters():
            if name == COMPUTED:  # a computed table, which loading marks as trainable
                parameter.requires_grad_(False)
        self.input_width = self._input_width()

    def _input_width(self) -> int:
        return self.words.embedding_dim

    def fusion_inputs(self, batch: Batch) -> Tensor:
        """Return E_c, the input that boundaries are fused with. Shape: (batch, length, input_width)."""
        return self.embed(batch.token_ids)

    def embed(self, token_ids: Tensor) -> Tensor:
        """Return E_c: the word embeddings only, without positions. Shape: (...) → (..., input_width)."""
        embeddings: Tensor = self.words(token_ids)
        return embeddings

    @property
    def requires_unnormalised_states(self) -> bool:
        """Whether it reads stored states, which the norm after the type's last layer must not have been applied to."""
        return False

    @property
    def words(self) -> nn.Embedding:
        """The word embeddings."""
        words = self.bert.get_input_embeddings()
        assert isinstance(words, nn.Embedding)
        return words

    def adapt_after(self, layer: int, *, parameter: str) -> None:
        """Let ``forward`` apply an adapter to the states between a layer and the next.

        Args:
            layer: The layer, counted from 1. A network adapts the states after one layer only.
            parameter: The parameter that names the layer, for errors.

        Raises:
            ParameterError: The encoder has fewer layers, or does not run this layer.

        """
        n_layers = int(self.bert.config.num_hidden_layers)
        if layer > n_layers:
            raise ParameterError(
                f"{parameter}: {layer}, but the encoder has {n_layers}", next_step=f"at most -S {parameter}={n_layers}"
            )
        self._module_of(layer, parameter=parameter).register_forward_hook(adapted)

    def _module_of(self, layer: int, *, parameter: str) -> nn.Module:
        """Return the module that outputs the states of a layer. Raises ParameterError if the layer is not run."""
        return layers_of(self.bert)[layer - 1]

    def forward(self, batch: Batch, *, inputs: Tensor | None = None, adapter: Adapter | None = None) -> Encoded:
        """Run the encoder over the windows and join their states.

        Args:
            batch: The batch, on the device of the encoder.
            inputs: Replaces ``fusion_inputs(batch)``. Shape: (batch, length, input_width)
            adapter: Changes the states of the windows after the layer set by ``adapt_after``; see ``Windows.cells``.

        Returns:
            Last-layer states of the characters, (batch, length, width), and of the sentences, (batch, width).

        """
        windows = batch.windows
        with adapting(adapter):
            cells = self._run(batch, inputs)
        # An embedding lookup, because the gradient of indexing took 1.6 times as long.
        states = functional.embedding(windows.cell_of_char, cells.flatten(0, 1)) * batch.mask[..., None]
        # A sentence has one [CLS] state per window; e_s is their mean.
        summed = cells.new_zeros(len(batch.mask), self.width).index_add(0, windows.sentences, cells[:, 0])
        return Encoded(states, summed / torch.bincount(windows.sentences, minlength=len(batch.mask))[:, None])

    def _run(self, batch: Batch, inputs: Tensor | None) -> Tensor:
        """Return the last-layer states of every cell of the windows. Shape: (n_windows, size, width)."""
        cells = Cells.of(batch.windows)
        specials = torch.where(cells.position == cells.end, self.specials.sep, self.specials.pad)
        specials[:, 0] = self.specials.cls
        # Plain indexing is enough here, because ids have no gradient.
        token_ids = torch.where(cells.holds_char, batch.token_ids.view(-1)[cells.char], specials)
        if inputs is None:
            return _last(self.bert(input_ids=token_ids, attention_mask=cells.attended))
        embeddings = cells.filled(inputs, others=self.embed(token_ids))
        return _last(self.bert(inputs_embeds=embeddings, attention_mask=cells.attended))

    def describe(self, folder: Path) -> None:
        """Write the files that ``build_untrained`` needs: the configuration of the loaded layers and the vocabulary."""
        folder.mkdir(parents=True, exist_ok=True)
        # The number of layers loaded, not that of the folder, so that the weights fit what `build_untrained` builds.
        config = with_layers(read_config(self._folder), int(self.bert.config.num_hidden_layers))
        (folder / CONFIG).write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        vocabulary = vocabulary_file(self._folder)
        (folder / vocabulary.name).write_bytes(vocabulary.read_bytes())


class UpperLayers(Encoder):
    """An encoder without its first layers, whose states come with the batch, including those of [CLS] and [SEP].

    Boundaries are fused with the incoming states, so ``input_width`` is the width of a state. The names of weights
    count layers from 0, the first remaining layer.
    """

    def __init__(
        self, bert: PreTrainedModel, *, below: int, shape: EncoderShape, specials: Specials, folder: Path
    ) -> None:
        """Remove the first ``below`` layers from ``bert``."""
        remove_first(bert, below)
        self._below = below
        super().__init__(bert, shape=shape, specials=specials, folder=folder)

    def _input_width(self) -> int:
        return self.width

    @property
    def requires_unnormalised_states(self) -> bool:
        """Whether the type has a norm after its last layer."""
        return bool(type_of(self.bert.config.to_dict()).last_norm)

    def _module_of(self, layer: int, *, parameter: str) -> nn.Module:
        if layer < self._below:
            raise ParameterError(
                f"{parameter}: {layer}, but the states after layer {self._below} come from the shards",
                next_step=f"at least -S {parameter}={self._below}, the layer whose states are stored",
            )
        if layer > self._below:
            return layers_of(self.bert)[layer - self._below - 1]
        embeddings = self.bert.embeddings
        assert isinstance(embeddings, nn.Module)
        return embeddings

    def fusion_inputs(self, batch: Batch) -> Tensor:
        """Return the stored states of the characters. Shape: (batch, length, width)."""
        assert batch.hidden is not None
        return batch.hidden

    def _run(self, batch: Batch, inputs: Tensor | None) -> Tensor:
        assert batch.special_states is not None
        cells = Cells.of(batch.windows)
        cls, sep = batch.special_states[:, None, :, :].unbind(2)
        others = torch.where((cells.position == 0)[:, None], cls, sep)  # [SEP] on padding too, which is not attended to
        states = cells.filled(self.fusion_inputs(batch) if inputs is None else inputs, others=others)
        return _last(self.bert(inputs_embeds=states, attention_mask=cells.attended))


def load(folder: Path, *, layers: int | None = None, below: int = 0) -> Encoder:
    """Load an encoder in float32, whatever precision it is stored in, with the dropout of its configuration.

    Args:
        folder: Folder with configuration, vocabulary and safetensors weights.
        layers: Number of first layers to load; None loads all.
        below: Number of first layers whose states are stored. If above 0, the others are returned as ``UpperLayers``.

    Returns:
        The encoder, on the CPU; transformers returns its model in evaluation mode.

    Raises:
        MissingResourceError: Files are missing.
        InputDataError: The folder is not an encoder of a supported type.
        StaleArtifactError: The weights do not fit the configuration.
        ParameterError: The encoder has fewer than ``layers`` layers, or none above the first ``below``.

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
        with silenced(transformers_logging):
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
    # transformers initialises missing weights at random and only logs it.
    check_loaded(folder, info, layers=layers)
    return _wrapped(bert, below=below, shape=shape, specials=specials, folder=folder)


def build_untrained(folder: Path, *, below: int = 0) -> Encoder:
    """Build an encoder with random weights from what ``Encoder.describe`` wrote; for ``below`` see ``load``."""
    shape, specials = encoder_shape(folder), _specials(folder)
    body = read_config(folder)
    model_class, arguments = _model_class(body), type_of(body).model_arguments
    with silenced(transformers_logging):
        config = model_class.config_class.from_dict(body, attn_implementation=arguments.pop("attn_implementation"))
        bert = model_class(config, **arguments)
    return _wrapped(bert, below=below, shape=shape, specials=specials, folder=folder).to(torch.float32)


def _wrapped(bert: PreTrainedModel, *, below: int, shape: EncoderShape, specials: Specials, folder: Path) -> Encoder:
    if below:
        return UpperLayers(bert, below=below, shape=shape, specials=specials, folder=folder)
    return Encoder(bert, shape=shape, specials=specials, folder=folder)


def _model_class(body: dict[str, Any]) -> Any:
    """Return the model class of a configuration's type, whose module transformers imports lazily."""
    return getattr(transformers, type_of(body).model_class)


def _specials(folder: Path) -> Specials:
    ids = read_vocabulary(folder).ids
    check_specials(ids, folder=folder)
    return Specials(ids[CLS], ids[SEP], ids[PAD])
