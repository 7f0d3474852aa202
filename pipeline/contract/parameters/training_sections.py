"""The sections of params.yaml for training a network: every parameter with its type, its default and its help.

``Field(description=...)`` is what ``ssmi-cli params`` prints and what the documentation shows. A description is one or
more plain sentences, with the unit and the paper's symbol, if there are any.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from ssmi.pipeline.contract.parameters.limits import MAX_REPEATS, MAX_THREADS
from ssmi.pipeline.contract.parameters.section import (
    WHOLE,
    AutoLayers,
    AutoRate,
    Fraction,
    NonNegative,
    Positive,
    Rate,
    Section,
    Seed,
    Weight,
)


class ModelParams(Section):
    """The parts of the network. With every part off and head crf it is bert-crf: encoder, linear layer, CRF."""

    encoder: Literal["finetune", "upper", "frozen", "none"] = Field(
        default="finetune",
        description="How characters are encoded. finetune trains the encoder, upper only the layers after those "
        "whose states are stored in the shards (shards.hidden_layers), frozen reads the stored states and trains no "
        "layer, none learns character embeddings (the paper's ablation -BERT).",
    )
    encoder_layers: AutoLayers = Field(
        default="auto",
        description="Number of the encoder's first layers that are used; null uses all. auto fine-tunes the first 4 of "
        "encoders narrower than 512, as measured with e5-small-zh, and uses all layers of others and with upper, "
        "which trains those that come after shards.hidden_layers.",
    )
    fusion: Literal["none", "input", "layer", "output"] = Field(
        default="input",
        description="Where the best boundary's embedding E_Sm joins the character: at the encoder's input (with "
        "encoder upper where the stored states enter), after one of its layers (fusion_layer; not in the paper), at "
        "its output, or nowhere.",
    )
    fusion_layer: Positive = Field(
        default=1,
        description="The encoder's layer, counted from 1, after which the boundary joins; only with fusion layer.",
    )
    segment_positions: bool = Field(
        default=True,
        description="Whether the character's position in its segment (first, inner, last, alone) joins where the "
        "boundary does. Not in the paper.",
    )
    boundary_roles: bool = Field(
        default=False,
        description="Whether the character's place in its best boundary's word (first, inner, last, alone, or no "
        "boundary) joins where the boundary does. Not in the paper.",
    )
    cosine_gate: bool = Field(
        default=False,
        description="Whether E_Sm is scaled by its cosine with the segment, and set to zero where the cosine is not "
        "over selection.threshold. Not in the paper.",
    )
    lexicon: Literal["none", "softlexicon", "lebert"] = Field(
        default="none",
        description="How a peer uses all words that match in the sentence. softlexicon joins the words' "
        "weighted means to the encoder's output, lebert adds them after an encoder layer; both need shards.matches. "
        "Not in the paper.",
    )
    lexicon_layer: Positive = Field(
        default=1, description="Encoder layer after which the words join the state; only with lexicon lebert."
    )
    can: bool = Field(default=True, description="Whether convolutional attention (CAN) reads the encoder's output O_B.")
    lmi: bool = Field(
        default=True, description="Local enhancement: whether the local boundary's embedding E_l joins each state."
    )
    mlp1: bool = Field(
        default=True, description="Whether the feed-forward layer MLP1 maps H1 ⊕ E_l to hidden_width numbers."
    )
    gru: bool = Field(
        default=True, description="Whether a bidirectional recurrent layer, the paper's GRU, follows MLP1."
    )
    recurrent_cell: Literal["gru", "lstm"] = Field(
        default="gru",
        description="Cell of that layer. lstm makes it the BiLSTM of LSTM-CRF taggers, with dropout on its input. Not "
        "in the paper.",
    )
    layer_norm: bool = Field(
        default=True, description="Whether the GRU's output H2 is normalised, with a scale and shift that depend on it."
    )
    gmi: Literal["none", "paper", "infonce", "infonce-batch"] = Field(
        default="paper",
        description="Global enhancement: the form of the loss that trains the boundary set's embedding E_g. paper is "
        "the printed loss, infonce adds the positive to the denominator, infonce-batch also takes its negatives "
        "from the other sentences of the batch and scores without the sigmoid, none leaves out E_g and the loss.",
    )
    mlp2: bool = Field(
        default=True, description="Whether the feed-forward layer MLP2 maps H2' ⊕ E_g to hidden_width numbers."
    )
    biaffine: bool = Field(
        default=True, description="Whether a biaffine form of H2' and the encoder's output O_B joins MLP2's output."
    )
    head: Literal["crf", "span"] = Field(
        default="crf",
        description="How entities are found. crf scores sequences of tags, span scores every span of up to the longest "
        "entity of train by itself and takes the best that do not overlap. Span is not in the paper.",
    )
    can_window: Positive = Field(
        default=5, description="Characters in the window of the convolutional attention, an odd number."
    )
    hidden_width: Annotated[int, Field(ge=2, multiple_of=2, lt=2**31), WHOLE] = Field(
        default=256, description="Width of the output of MLP1, of MLP2 and of the GRU (both directions together)."
    )
    biaffine_width: Positive = Field(default=8, description="Width of the biaffine form's output.")
    character_width: Annotated[int, Field(ge=4, lt=2**31), WHOLE] = Field(
        default=128, description="Width of the learned character embeddings; only with encoder none."
    )
    span_width: Positive = Field(
        default=150, description="Width to which a span's first and last character are mapped; only with head span."
    )
    span_smoothing: Fraction = Field(
        default=0.1,
        description="Share ε of an entity's target probability that nearby spans get in training (boundary "
        "smoothing); 0 switches it off. Only with head span.",
    )
    span_smoothing_distance: Positive = Field(
        default=1,
        description="Largest distance D of such a span: the sum of the characters by which its two ends differ from "
        "the entity's. Only with head span.",
    )
    gmi_weight: Weight = Field(default=0.1, description="Weight λ of the global loss beside the head's loss.")
    train_boundaries: bool = Field(default=True, description="Whether training updates the boundary vectors.")
    dropout: Fraction = Field(
        default=0.2,
        description="Probability that a number of a state is dropped in training, after MLP1 and before the head, and "
        "in the layers of recurrent_cell lstm, lexicon lebert and head span.",
    )
    boundary_dropout: Fraction = Field(
        default=0.0,
        description="Probability that all boundaries of a character are hidden in training, so that the network does "
        "not lean on the lexicon alone.",
    )

    @property
    def trains_encoder(self) -> bool:
        """Whether layers of the encoder are part of the network."""
        return self.encoder in ("finetune", "upper")

    @field_validator("can_window")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("a window around a character is odd")
        return value


class TrainParams(Section):
    """Training."""

    seed: Seed = Field(default=13, description="Seed of initial weights, dropout and the order of batches.")
    epochs: Annotated[int, Field(ge=1, le=10_000), WHOLE] = Field(
        default=6, description="Number of epochs. The one with the best dev F1 is kept."
    )
    max_steps: Positive | None = Field(
        default=None,
        description="Number of steps after which training stops, as if the last epoch ended there; null trains all "
        "epochs.",
    )
    patience: Positive | None = Field(
        default=None,
        description="Number of epochs in a row without a better dev F1 after which training stops; null trains all. "
        "The learning rate falls as if all were trained.",
    )
    select: Literal["best", "last"] = Field(
        default="best",
        description="Which epoch is kept: best, the one with the best dev F1, which is then biased upwards; or last, "
        "whatever its dev F1.",
    )
    folds: Annotated[int, Field(ge=2, le=MAX_REPEATS), WHOLE] | None = Field(
        default=None,
        description="Number of parts that train and dev are divided into for cross-validation, equal texts in one "
        "part; null trains on train and scores dev. Test is then never read, so train.test must be false.",
    )
    fold: Positive | None = Field(
        default=None,
        description="With train.folds: the part, from 1, that is dev. The network trains on all the others.",
    )
    batch_size: Positive = Field(default=16, description="Sentences in a batch.")
    stream: bool = Field(
        default=False,
        description="Whether train is read from disk part by part during training, so that memory does not grow with "
        "it. This changes the order of batches. false loads it whole.",
    )
    stream_buffer: Positive = Field(
        default=8192,
        description="With train.stream: number of sentences that are shuffled together. Twice as many are in memory, "
        "because the next are read meanwhile.",
    )
    test: bool = Field(
        default=True,
        description="Whether the test split is scored, once, at the end. Set it to false while you search parameters.",
    )
    lr_encoder: AutoRate = Field(
        default="auto",
        description="Peak learning rate of the encoder. auto follows the encoder's width and is shown when training "
        "starts.",
    )
    lr_boundaries: AutoRate = Field(
        default="auto", description="Peak learning rate of the boundary vectors; only with model.train_boundaries."
    )
    lr_crf: AutoRate = Field(default="auto", description="Peak learning rate of the CRF's transitions.")
    lr_new: AutoRate = Field(default="auto", description="Peak learning rate of all other parts.")
    weight_decay: Weight = Field(
        default=0.01, description="Weight decay of AdamW, on matrices outside the CRF and the boundary vectors."
    )
    warmup: Fraction = Field(
        default=0.1,
        description="Share of all steps in which the learning rate rises linearly. It then falls linearly to zero.",
    )
    clip: Rate = Field(default=1.0, description="Largest norm of the gradient; a longer one is scaled down to it.")
    ema: Fraction | None = Field(
        default=None,
        description="Decay of the moving average of the weights (EMA) that is scored and kept instead of the last "
        "step's weights, for example 0.99: about the last 100 steps. It rises to its value over the first steps. null "
        "keeps no average.",
    )
    fgm: Rate | None = Field(
        default=None,
        description="Length ε of the adversarial perturbation of the word embeddings in a second pass of every step "
        "(FGM), for example 1.0. A step takes twice the time. null makes no second pass.",
    )
    precision: Literal["auto", "bf16", "fp32"] = Field(
        default="auto",
        description="Number format of the forward pass. auto takes bf16 on a GPU and on CPUs with matrix units for it "
        "(AMX), and fp32 elsewhere, where it is faster. bf16 on a CPU without instructions "
        "for it may take ten times as long as fp32.",
    )
    device: str = Field(
        default="auto",
        description="Where torch computes: cpu, cuda, cuda:1 and so on. auto takes a GPU where there is one.",
    )
    threads: NonNegative = Field(
        default=0, le=MAX_THREADS, description="CPU threads that torch uses; 0 takes one for each physical core."
    )

    @model_validator(mode="after")
    def _check_stream(self) -> TrainParams:
        """Refuse folds with ``stream``: the fold of a sentence depends on all texts together."""
        if self.stream and self.folds is not None:
            raise ValueError("folds need all sentences at once: set stream to false")
        return self

    @model_validator(mode="after")
    def _check_folds(self) -> TrainParams:
        """Refuse inconsistent folds, and settings that read test or choose the epoch by dev when they must not."""
        if (self.folds is None) != (self.fold is None):
            raise ValueError("folds and fold go together: give both or neither")
        if self.folds is not None and self.fold is not None:
            if self.fold > self.folds:
                raise ValueError(f"fold is {self.fold}, of {self.folds} folds")
            if self.test:
                raise ValueError("with folds test is never read: set test to false")
        if self.select == "last" and self.patience is not None:
            raise ValueError("patience lets dev choose the epoch, which select=last rules out: set it to null")
        return self
