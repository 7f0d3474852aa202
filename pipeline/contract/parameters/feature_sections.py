"""The sections of params.yaml for building features: every parameter with its type, its default and its help.

``Field(description=...)`` is what ``ssmi-cli params`` prints and what the documentation shows. A description is one or
more plain sentences, with the unit and the paper's symbol, if there are any.
"""

from __future__ import annotations

import codecs
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ssmi.pipeline.contract.labels import TagScheme
from ssmi.pipeline.contract.parameters.section import (
    NUMBER,
    WHOLE,
    Fraction,
    NonNegative,
    Positive,
    Rate,
    Section,
    Seed,
)
from ssmi.pipeline.contract.text.encodings import text_encoding


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
        description="Field that holds the text in a corpus of JSON lines or Parquet tables; not used for data sets.",
    )


class VocabParams(Section):
    """Word vectors to vocabulary, trie and character index."""

    vectors: str = Field(
        default="synonyms",
        description="Word vectors: a name from `ssmi-cli data list`, or a path to word2vec text or binary, or fastText "
        ".vec or .bin. Text may be compressed: gzip, bzip2, xz, zip, tar.",
    )
    encoding: str = Field(
        default="utf-8",
        description="Character encoding of the words in the vector file, by Python's name. gb18030 reads GBK too.",
    )
    min_word_len: Positive = Field(
        default=2,
        description="Shortest word, in characters, that the vocabulary keeps. 1 lets single characters be boundaries.",
    )
    max_word_len: Annotated[int, Field(ge=2, lt=2**31), WHOLE] = Field(
        default=10, description="Longest word, in characters, that the vocabulary keeps."
    )
    max_words: Positive | None = Field(
        default=None,
        description="Number of words to keep, in the file's order; reading stops there. null keeps all.",
    )
    extra_words: str | None = Field(
        default=None,
        description="File of extra words, one per line, relative to the project. Words that the vector file lacks get "
        "vectors mapped from the encoder's, as segments outside the vocabulary do.",
    )

    @field_validator("max_word_len")
    @classmethod
    def _not_below_the_shortest(cls, value: int, info: ValidationInfo) -> int:
        shortest = info.data.get("min_word_len", 1)  # absent if it is itself invalid
        if value < shortest:
            raise ValueError(f"{value} is below vocab.min_word_len, which is {shortest}")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            # Blanks and numbers of a vector file are read as bytes, whatever the encoding of its words.
            plain = "a 1\n".encode(value) == b"a 1\n" and text_encoding(value) is not None
        except LookupError:
            raise ValueError(
                f"{value!r} is not an encoding that Python knows; GBK is gb18030, Big5 is big5hkscs"
            ) from None
        except UnicodeError:
            plain = False
        if not plain:
            raise ValueError(
                f"{value}: not supported; the encoding must contain ASCII unchanged, "
                "like utf-8 (with or without a byte order mark) or gb18030"
            )
        # A single spelling, because the readers of vectors compare with it.
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
        description="How the encoder reads a segment outside the vocabulary: alone, or in its sentence.",
    )
    space: Literal["aligned", "bert"] = Field(
        default="aligned",
        description="Space in which a segment outside the vocabulary is compared with boundaries: aligned maps the "
        "encoder's vector into the word vectors' space with a ridge regression, bert compares both in the encoder's "
        "space.",
    )
    fit_words: Annotated[int, Field(ge=20, lt=2**31), WHOLE] = Field(
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
    threshold: Annotated[float, Field(ge=-1.0, le=1.0), NUMBER] = Field(
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
        "paper's ablation -Cosine. segment takes the segment itself if it is a vocabulary word, else no boundary, "
        "and leaves S_s empty.",
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
        "project, as for a corpus (one text per line, JSON lines, Parquet), or names of prepared corpora.",
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
        default=None,
        description="Number of the encoder's first layers after which the states are stored; null takes all.",
    )
    hidden_norm: bool = Field(
        default=True,
        description="Whether the norm after the encoder's last layer is applied to those states; only modernbert has "
        "one. Set it to false for model.encoder upper.",
    )
    matches: bool = Field(
        default=False,
        description="Whether to store every vocabulary word that matches inside a sentence, which model.lexicon reads. "
        "Networks that do not read them give the same results with and without.",
    )
    max_window: Positive | None = Field(
        default=None,
        description="Longest window, in characters, that the encoder reads at once; null takes what it allows.",
    )
