"""The sections of params.yaml: every parameter with its type, its default and its help, which stands here only.

``Field(description=...)`` is what ``ssmi-cli params`` prints and what the documentation shows. A description is one or
more plain sentences, with the unit and, where there is one, the paper's symbol.
"""

from __future__ import annotations

import codecs
import math
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from ssmi.pipeline.contract.labels import TagScheme
from ssmi.pipeline.contract.text.encodings import text_encoding

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Rate = Annotated[float, Field(gt=0.0)]


def _rate_or_auto(value: Any) -> Any:
    """One message for the whole union: pydantic's own would be two, one of which is always beside the point."""
    try:
        # float(True) is 1.0, so truth values must be refused by name.
        if value == "auto" or (not isinstance(value, bool) and 0.0 < float(value) < math.inf):
            return value
    except (TypeError, ValueError):
        pass
    raise ValueError("should be a number greater than 0, or auto")


AutoRate = Annotated[
    float | Literal["auto"],
    BeforeValidator(_rate_or_auto),
    WithJsonSchema({"anyOf": [{"const": "auto"}, {"type": "number", "exclusiveMinimum": 0}]}),
]
"""A learning rate; ``auto`` follows the encoder (``model/learning_rates.py``)."""


class Section(BaseModel):
    """A frozen section that refuses unknown keys."""

    # YAML can write .nan and .inf; JSON, which manifests are, has neither.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class EncoderParams(Section):
    """The pre-trained encoder, for the embed and shards stages and for the trainer."""

    name: str = Field(
        default="e5-small-zh", description="Encoder: a name from `ssmi-cli data list`, a folder, or a hub model name."
    )
    revision: str | None = Field(
        default=None, description="Hub revision of the encoder; not used for folders and listed encoders."
    )


class PrepareParams(Section):
    """Raw files to sentences."""

    dev_fraction: Fraction = Field(
        default=0.1, description="Share of the train sentences cut off as dev when the data set has no dev file."
    )
    seed: Seed = Field(default=13, description="Seed of the choice of those dev sentences.")
    sentences_per_part: Positive = Field(
        default=2048,
        description="Sentences in one Parquet part. A part is the unit of parallel work in every later stage.",
    )
    text_field: str = Field(
        default="text",
        description="Field that holds the text in a corpus of JSON lines or of Parquet tables; not read of a data set.",
    )


class VocabParams(Section):
    """Word vectors to vocabulary, trie and character index."""

    vectors: str = Field(
        default="synonyms",
        description="Word vectors: a name from `ssmi-cli data list`, or a path to word2vec text or binary, or fastText "
        ".vec or .bin. Text may be packed: gzip, bzip2, xz, zip, tar.",
    )
    encoding: str = Field(
        default="utf-8",
        description="Character encoding of the words in the vector file, by Python's name. gb18030 reads GBK too.",
    )
    min_word_len: Positive = Field(
        default=2,
        description="Shortest word, in characters, that the vocabulary keeps. 1 lets single characters be boundaries.",
    )
    max_word_len: Annotated[int, Field(ge=2)] = Field(
        default=10, description="Longest word, in characters, that the vocabulary keeps."
    )
    max_words: Positive | None = Field(
        default=None,
        description="Number of words to keep, in the file's order; reading stops there. null keeps all.",
    )
    extra_words: str | None = Field(
        default=None,
        description="File of extra words, one a line, relative to the project. Words that the vector file lacks get "
        "vectors mapped from the encoder's, as segments outside the vocabulary do.",
    )

    @field_validator("max_word_len")
    @classmethod
    def _not_below_the_shortest(cls, value: int, info: ValidationInfo) -> int:
        shortest = info.data.get("min_word_len", 1)  # absent where it is wrong itself
        if value < shortest:
            raise ValueError(f"{value} is below vocab.min_word_len, which is {shortest}")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            # Blanks and numbers of a vector file are read as bytes, whatever its words are written in.
            plain = "a 1\n".encode(value) == b"a 1\n" and text_encoding(value) is not None
        except LookupError:
            raise ValueError(
                f"{value!r} is not an encoding that Python knows; GBK is gb18030, Big5 is big5hkscs"
            ) from None
        except UnicodeError:
            plain = False
        if not plain:
            raise ValueError(f"{value}: not read; ASCII must be itself, as in utf-8 (with a mark too) and gb18030")
        # One spelling of it, because the readers of vectors compare with it.
        return "utf-8" if codecs.lookup(value).name == "utf-8" else value


class SegmentParams(Section):
    """Sentences to word segments."""

    engine: Literal["jieba", "rjieba"] = Field(
        default="jieba", description="Word segmenter. rjieba is jieba in Rust, 13 to 18 times faster."
    )
    hmm: bool = Field(
        default=True, description="Whether the segmenter's hidden Markov model joins characters into unknown words."
    )
    user_dict: str | None = Field(
        default=None, description="jieba user dictionary, relative to the project; only with engine jieba."
    )


class EmbedParams(Section):
    """Vectors of segments outside the vocabulary (paper: E(s_i))."""

    context: Literal["isolated", "sentence"] = Field(
        default="isolated",
        description="Text in which the encoder reads such a segment: the segment alone, or its sentence.",
    )
    space: Literal["aligned", "bert"] = Field(
        default="aligned",
        description="Space in which such a segment is compared with boundaries: aligned maps the encoder's vector into "
        "the word vectors' space with a ridge regression, bert compares both in the encoder's space.",
    )
    fit_words: Annotated[int, Field(ge=20)] = Field(
        default=10_000,
        description="Number of most frequent vocabulary words on which the map of space aligned is fitted. A tenth of "
        "them is held out to measure it.",
    )
    precompute_words: NonNegative = Field(
        default=5000,
        description="Number of frequent words outside vocabulary and data set whose vectors are computed when features "
        "are built, so that tagging new text rarely waits for the encoder; only with context isolated.",
    )
    ridge: Rate = Field(
        default=1.0, description="Ridge penalty of the map, per fitted word, on standardised encoder dimensions."
    )
    seed: Seed = Field(default=13, description="Seed of the choice of held-out words.")


class SelectionParams(Section):
    """Boundaries chosen by cosine (paper: S_k, S_m, S_s)."""

    scope: Literal["vocabulary", "sentence"] = Field(
        default="vocabulary",
        description="Candidates S_k of a character: all vocabulary words that hold it, or only those that match the "
        "sentence over its position.",
    )
    exclude_segment: bool = Field(
        default=False, description="Whether the segment itself is left out of its characters' candidates."
    )
    threshold: Annotated[float, Field(ge=-1.0, le=1.0)] = Field(
        default=0.5,
        description="Cosine, from -1 to 1, above which a candidate joins the boundary set S_s.",
    )
    max_set: Positive = Field(default=8, description="Largest number of boundaries in a set S_s.")
    n_negatives: NonNegative = Field(
        default=8, description="Number of negatives of a character: its candidates of lowest cosine outside the set."
    )
    choice: Literal["cosine", "random", "segment"] = Field(
        default="cosine",
        description="How the best boundary S_m and the set S_s are chosen. random draws them from the candidates: the "
        "paper's ablation -Cosine. segment takes the segment itself where it is a vocabulary word, else none, and no "
        "set.",
    )
    seed: Seed = Field(default=13, description="Seed of choice random.")

    @model_validator(mode="after")
    def _segment_is_a_candidate(self) -> Self:
        if self.choice == "segment" and self.exclude_segment:
            raise ValueError("exclude_segment: true leaves out the one boundary that choice: segment takes")
        return self


class PmiParams(Section):
    """PMI of characters and boundaries (paper: Local Mutual Maximization)."""

    estimator: Literal["joint", "paper"] = Field(
        default="joint",
        description="Estimator of PMI: joint counts character and boundary together, as the paper defines it. paper is "
        "its printed formula, which does not depend on the boundary.",
    )
    unlabelled: tuple[str, ...] = Field(
        default=(),
        description="Text without labels that is counted together with train: files or folders, relative to the "
        "project, of what a corpus may hold (a text a line, JSON lines, Parquet), or names of prepared corpora.",
    )


class ShardsParams(Section):
    """The tables that the trainer reads."""

    tag_scheme: TagScheme = Field(default="BMES", description="Scheme of the characters' tags.")
    hidden: bool = Field(
        default=False,
        description="Whether to store the frozen encoder's state of each character (float16), which model.encoder "
        "frozen and upper read, and of [CLS] and [SEP], which upper reads.",
    )
    hidden_layers: Positive | None = Field(
        default=None, description="Number of the encoder's first layers that make those states; null takes all."
    )
    hidden_norm: bool = Field(
        default=True,
        description="Whether a norm that the encoder's type has behind its last layer (modernbert) is applied to those "
        "states; model.encoder upper needs them without it. Other types have none.",
    )
    matches: bool = Field(
        default=False,
        description="Whether to store every vocabulary word that matches inside a sentence, which model.lexicon reads. "
        "A network that does not read them is the same with and without.",
    )
    max_window: Positive | None = Field(
        default=None,
        description="Longest window, in characters, that the encoder reads at once; null takes what it allows.",
    )


class ModelParams(Section):
    """The network's parts; with every part off it is bert-crf: encoder, linear layer, CRF."""

    encoder: Literal["finetune", "upper", "frozen", "none"] = Field(
        default="finetune",
        description="How characters are encoded. finetune trains the encoder, upper its layers after those whose "
        "states are stored in the shards (shards.hidden_layers), frozen reads these states alone, none learns "
        "character embeddings (the paper's ablation -BERT).",
    )
    encoder_layers: Positive | None = Field(
        default=None,
        description="Number of the encoder's first layers that are used, the others being left out; null takes all. "
        "upper trains those of them that come after shards.hidden_layers.",
    )
    fusion: Literal["none", "input", "layer", "output"] = Field(
        default="input",
        description="Where the best boundary's embedding E_Sm joins the character: at the encoder's input (with "
        "encoder upper where the stored states enter), behind one of its layers (fusion_layer; not in the paper), at "
        "its output, or nowhere.",
    )
    fusion_layer: Positive = Field(
        default=1,
        description="The encoder's layer, counted from 1, behind which the boundary joins; only with fusion layer.",
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
        description="Whether E_Sm is scaled by its cosine with the segment, and zero where that is not over "
        "selection.threshold. Not in the paper.",
    )
    lexicon: Literal["none", "softlexicon", "lebert"] = Field(
        default="none",
        description="A peer's way to use every word that matches in the sentence. softlexicon joins the words' "
        "weighted means to the encoder's output, lebert adds them behind an encoder layer; both need shards.matches. "
        "Not in the paper.",
    )
    lexicon_layer: Positive = Field(
        default=1, description="Encoder layer behind which the words join the state; only with lexicon lebert."
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
        description="Cell of that layer. lstm makes it the BiLSTM of LSTM-CRF taggers, which drops its input too. Not "
        "in the paper.",
    )
    layer_norm: bool = Field(
        default=True, description="Whether the GRU's output H2 is normalised, with a scale and shift that depend on it."
    )
    gmi: Literal["none", "paper", "infonce", "infonce-batch"] = Field(
        default="paper",
        description="Global enhancement: the form of the loss that trains the boundary set's embedding E_g. paper is "
        "the printed loss, infonce has the positive in its denominator too, infonce-batch also takes its negatives "
        "from the other sentences of the batch and scores without the sigmoid, none leaves E_g and the loss out.",
    )
    mlp2: bool = Field(
        default=True, description="Whether the feed-forward layer MLP2 maps H2' ⊕ E_g to hidden_width numbers."
    )
    biaffine: bool = Field(
        default=True, description="Whether a biaffine form of H2' and the encoder's output O_B joins MLP2's output."
    )
    can_window: Positive = Field(
        default=5, description="Characters in the window of the convolutional attention, an odd number."
    )
    hidden_width: Annotated[int, Field(ge=2, multiple_of=2)] = Field(
        default=256, description="Width of the output of MLP1, of MLP2 and of the GRU (both directions together)."
    )
    biaffine_width: Positive = Field(default=8, description="Width of the biaffine form's output.")
    character_width: Annotated[int, Field(ge=4)] = Field(
        default=128, description="Width of the learned character embeddings; only with encoder none."
    )
    gmi_weight: Annotated[float, Field(ge=0.0)] = Field(
        default=0.1, description="Weight λ of the global loss beside the CRF's loss."
    )
    train_boundaries: bool = Field(default=True, description="Whether training moves the boundary vectors.")
    dropout: Fraction = Field(
        default=0.2,
        description="Probability that a number of a state is dropped in training, after MLP1 and before the tags, and "
        "in the layers of recurrent_cell lstm and lexicon lebert.",
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
    epochs: Positive = Field(default=6, description="Number of epochs. The one with the best dev F1 is kept.")
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
        description="Which epoch is kept: best, the one with the best dev F1, whose dev F1 is then rather too high; or "
        "last, whatever dev says.",
    )
    folds: Annotated[int, Field(ge=2)] | None = Field(
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
        description="Whether train is read from disk part by part while it is trained on, in memory that does not grow "
        "with it. The order of batches is then another. false reads it whole.",
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
    weight_decay: Annotated[float, Field(ge=0.0)] = Field(
        default=0.01, description="Weight decay of AdamW, on matrices outside the CRF and the boundary vectors."
    )
    warmup: Fraction = Field(
        default=0.1,
        description="Share of all steps in which the learning rate rises linearly. It then falls linearly to zero.",
    )
    clip: Rate = Field(default=1.0, description="Largest norm of the gradient; a longer one is scaled down to it.")
    ema: Fraction | None = Field(
        default=None,
        description="Decay of the moving average of the weights (EMA) that is scored and kept in place of the last "
        "step's weights, for example 0.99: about the last 100 steps. It rises to its value over the first steps. null "
        "keeps no average.",
    )
    fgm: Rate | None = Field(
        default=None,
        description="Length ε by which the word embeddings are moved against the network in a second pass of every "
        "step (FGM, adversarial training), for example 1.0. A step takes twice the time. null makes no second pass.",
    )
    precision: Literal["auto", "bf16", "fp32"] = Field(
        default="auto",
        description="Number format of the forward pass. auto takes bf16 on a GPU and on CPUs with matrix units for it "
        "(AMX), and fp32 elsewhere, where it is faster.",
    )
    device: str = Field(
        default="auto",
        description="Where torch computes: cpu, cuda, cuda:1 and so on. auto takes a GPU where there is one.",
    )
    threads: NonNegative = Field(
        default=0, description="CPU threads that torch uses; 0 takes one for each physical core."
    )

    @model_validator(mode="after")
    def _check_stream(self) -> TrainParams:
        """Refuse folds of what is not read whole: which fold a sentence is in depends on all texts together."""
        if self.stream and self.folds is not None:
            raise ValueError("folds need all sentences at once: set stream to false")
        return self

    @model_validator(mode="after")
    def _check_folds(self) -> TrainParams:
        """Refuse what would read test, or look at dev, where it must not."""
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
