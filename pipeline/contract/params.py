"""params.yaml, typed and frozen. Unknown keys are refused with the nearest name; every mistake is reported at once.

Sections carry the names of the stages that read them, so DVC can track whole sections. ``override`` is the one way
that ``-S section.key=value`` reaches a value, for training and for features alike.
"""

from __future__ import annotations

import codecs
import io
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from unicodedata import category

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ssmi.pipeline.contract.encodings import text_encoding
from ssmi.pipeline.contract.errors import ParameterError, nearest
from ssmi.pipeline.contract.labels import TagScheme

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Rate = Annotated[float, Field(gt=0.0)]


def _rate_or_auto(value: Any) -> Any:
    """One message for the whole of the union: pydantic's own would be two, of which one is always beside the point."""
    try:
        if value == "auto" or (not isinstance(value, bool) and 0.0 < float(value) < math.inf):
            return value
    except (TypeError, ValueError):
        pass
    raise ValueError("a number greater than 0, or auto")


AutoRate = Annotated[float | Literal["auto"], BeforeValidator(_rate_or_auto)]
"""A learning rate; ``auto`` follows the encoder (``model.rates``)."""

RENAMED_KEYS = {"embed.ahead": "precompute_words", "model.segment_places": "segment_positions"}
RENAMED_VALUES = {("pmi.estimator", "printed"): "paper", ("model.gmi", "printed"): "paper"}
"""What version 0.1.0 called otherwise; refused with the present name."""

_NOT_YAML = (YAMLError, ValueError, KeyError)
"""ruamel lets Python's own errors through for scalars such as 2020-13-45 or ``!!bool maybe``."""


class Section(BaseModel):
    """A frozen section that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class EncoderParams(Section):
    """Which BERT is used, by the embed and shards stages and by the trainer."""

    name: str = "e5-small-zh"
    """A name from ``ssmi-cli data list``, a folder, or a hub model name."""
    revision: str | None = None
    """The hub revision to pin; ignored for folders and listed encoders."""


class PrepareParams(Section):
    """Raw files → sentences."""

    dev_fraction: Fraction = 0.1
    """Share of train cut off as dev when the data set has no dev file."""
    seed: Seed = 13
    sentences_per_part: Positive = 2048
    """Rows in one Parquet part; a part is the unit of parallel work in every later stage."""


class VocabParams(Section):
    """Word vectors → vocabulary, trie and character index."""

    vectors: str = "synonyms"
    """A name from ``ssmi-cli data list`` or a path to word2vec text or binary, fastText .vec (packed too: gzip, bzip2,
    xz, zip, tar) or .bin, or a saved gensim KeyedVectors."""
    encoding: str = "utf-8"
    """Of the words in the vector file, by Python's name for it; ``gb18030`` reads GBK too."""
    max_word_len: Annotated[int, Field(ge=2)] = 10
    max_words: Positive | None = None
    """Keep only so many words, in the file's order, and read no further; null keeps all."""
    extra_words: str | None = None
    """A file of words of one's own, one a line (path relative to the project), that join the vocabulary without vectors
    in the file: theirs are mapped from BERT's, as those of segments outside the vocabulary are."""

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            plain = "a 1\n".encode(value) == b"a 1\n" and text_encoding(value) is not None
        except LookupError:
            raise ValueError(f"{value!r} is no encoding that Python knows; GBK is gb18030, Big5 is big5hkscs") from None
        except UnicodeError:
            plain = False
        if not plain:
            raise ValueError(f"{value}: not read; ASCII must be itself, as in utf-8 (with a mark too) and gb18030")
        return "utf-8" if codecs.lookup(value).name == "utf-8" else value


class SegmentParams(Section):
    """Sentences → segments."""

    engine: Literal["jieba", "rjieba"] = "jieba"
    hmm: bool = True
    user_dict: str | None = None
    """A jieba user dictionary (path relative to the project); jieba only."""


class EmbedParams(Section):
    """Vectors of out-of-vocabulary segments (paper: E(s_i))."""

    context: Literal["isolated", "sentence"] = "isolated"
    space: Literal["aligned", "bert"] = "aligned"
    fit_words: Annotated[int, Field(ge=20)] = 10_000
    """Most frequent in-vocabulary words on which the map between the two spaces is fitted; a tenth is held out."""
    precompute_words: NonNegative = 5000
    """With ``isolated``: so many words outside vocabulary and data set, the segmenter's most frequent ones, get their
    vectors too. Text met on line is full of them, and then seldom waits for BERT."""
    ridge: Rate = 1.0
    """Ridge penalty on the standardised encoder dimensions, per fitted word."""
    seed: Seed = 13


class SelectionParams(Section):
    """Cosine selection of boundaries (paper: S_k, S_m, S_s)."""

    scope: Literal["vocabulary", "sentence"] = "vocabulary"
    exclude_segment: bool = False
    threshold: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.5
    max_set: Positive = 8
    n_negatives: NonNegative = 8
    choice: Literal["cosine", "random"] = "cosine"
    """``random`` is the paper's -Cosine ablation: best and set drawn at random from the candidates."""
    seed: Seed = 13


class PmiParams(Section):
    """PMI counting (paper: Local Mutual Maximization)."""

    estimator: Literal["joint", "paper"] = "joint"
    unlabelled: tuple[str, ...] = ()
    """Extra text files (.txt or .txt.gz, a sentence a line; relative to the project) that are counted with train."""


class ShardsParams(Section):
    """The contract that the trainer reads."""

    tag_scheme: TagScheme = "BMES"
    hidden: bool = False
    """Also store the frozen encoder's state of each character (float16), for ``model.encoder: frozen``."""
    hidden_layers: Positive | None = None
    """Those states are of the encoder's first so many layers; null takes all."""
    max_window: Positive | None = None
    """Longest window of characters given to the encoder; null takes what the encoder allows."""


class ModelParams(Section):
    """What the network is made of; with every part off it is ``bert-crf``: encoder → linear → CRF."""

    encoder: Literal["finetune", "frozen", "none"] = "finetune"
    """``frozen`` reads the states that the shards hold; ``none`` learns character embeddings (the paper's -BERT)."""
    encoder_layers: Positive | None = None
    """Train only the first so many layers of the encoder, and leave the others out; null takes all."""
    fusion: Literal["none", "input", "output"] = "input"
    """Where the best boundary's embedding E_{S_m} joins: BERT's input embeddings, its output, or nowhere."""
    segment_positions: bool = True
    """Where the boundary joins, the character's place in its segment (first, inner, last, alone) joins too. Not in the
    paper."""
    can: bool = True
    """Convolutional attention over the encoder's output."""
    lmi: bool = True
    """Local enhancement: the local boundary's embedding E_l beside each state."""
    mlp1: bool = True
    """The perceptron behind the local boundary, from H1 ⊕ E_l to ``hidden_width``."""
    gru: bool = True
    """The bidirectional GRU behind it."""
    layer_norm: bool = True
    """The adaptive norm of the GRU's output."""
    gmi: Literal["none", "paper", "infonce"] = "paper"
    """Global enhancement: E_g of the boundary set, and the form of its loss; ``none`` leaves both out."""
    mlp2: bool = True
    """The perceptron behind the global enhancement, from H2' ⊕ E_g to ``hidden_width``."""
    biaffine: bool = True
    """The second view beside it: a biaffine product of H2' and the encoder's output."""
    can_window: Positive = 5
    """Characters that the convolutional attention sees; odd."""
    hidden_width: Annotated[int, Field(ge=2, multiple_of=2)] = 256
    """Width of the perceptrons' and of the GRU's output, both directions together."""
    biaffine_width: Positive = 8
    character_width: Annotated[int, Field(ge=4)] = 128
    """Width of the learned embeddings of ``encoder: none``."""
    gmi_weight: Annotated[float, Field(ge=0.0)] = 0.1
    """λ: the global loss's part of the whole."""
    train_boundaries: bool = True
    """Whether the boundary vectors are trained on."""
    dropout: Fraction = 0.2
    """Probability that a number of a state is dropped in training: behind each perceptron and before the tags."""
    boundary_dropout: Fraction = 0.0
    """Probability that a character's boundaries, all of them, are hidden from the network in training: it then looks
    like one without any, and the network cannot lean on the lexicon alone."""

    @field_validator("can_window")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("a window around a character is odd")
        return value


class TrainParams(Section):
    """How it is trained."""

    seed: Seed = 13
    epochs: Positive = 6
    max_steps: Positive | None = None
    """Stop after so many steps, as if the last epoch ended there; null trains all epochs."""
    batch_size: Positive = 16
    """Sentences in a batch."""
    test: bool = True
    """Score the test split once, at the end; false while parameters are searched."""
    patience: Positive | None = None
    """Stop once so many epochs in a row have brought no better dev F1; null trains all epochs. The learning rate falls
    as if all were trained."""
    lr_encoder: AutoRate = "auto"
    """``auto``, here and below, takes the rate that ``model/rates.py`` lists for an encoder of this width."""
    lr_boundaries: AutoRate = "auto"
    """Of the boundary vectors, where ``model.train_boundaries`` lets them move."""
    lr_crf: AutoRate = "auto"
    lr_new: AutoRate = "auto"
    """Of everything else."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    warmup: Fraction = 0.1
    """Share of all steps during which the learning rate rises linearly; then it falls linearly to zero."""
    clip: Rate = 1.0
    """Largest gradient norm."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """``auto``: bf16 on a GPU and on CPUs with matrix units for it (AMX), else fp32, which is faster there."""
    device: str = "auto"
    """``auto`` takes a GPU where there is one; else ``cpu``, ``cuda``, ``cuda:1``."""
    threads: NonNegative = 0
    """CPU threads for torch; 0 takes the physical cores."""


class Params(Section):
    """The whole of params.yaml."""

    datasets: Annotated[tuple[str, ...], Field(min_length=1)] = ("sample",)
    encoder: EncoderParams = EncoderParams()
    prepare: PrepareParams = PrepareParams()
    vocab: VocabParams = VocabParams()
    segment: SegmentParams = SegmentParams()
    embed: EmbedParams = EmbedParams()
    selection: SelectionParams = SelectionParams()
    pmi: PmiParams = PmiParams()
    shards: ShardsParams = ShardsParams()
    model: ModelParams = ModelParams()
    train: TrainParams = TrainParams()

    @field_validator("datasets")
    @classmethod
    def _plain_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            try:
                check_dataset_name(name)
            except ParameterError as error:
                raise ValueError(error.message) from None
        return names

    def section(self, name: str) -> dict[str, Any]:
        """One section as plain JSON values, for manifests and digests."""
        value: dict[str, Any] = getattr(self, name).model_dump(mode="json")
        return value


def load(path: Path, *, overrides: Iterable[str] = ()) -> Params:
    """Read params.yaml and apply ``section.key=value`` overrides.

    Raises ParameterError naming every mistake at once, as ``section.key: what is wrong``.
    """
    try:
        tree = YAML(typ="safe").load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ParameterError(
            f"{path}: cannot be read ({error.strerror})", next_step="run inside the project, or pass --project FOLDER"
        ) from error
    except _NOT_YAML as error:
        reason = " ".join(str(error).split())
        raise ParameterError(f"{path}: not YAML ({reason})", next_step="mend the file") from error
    if not isinstance(tree, dict):
        raise ParameterError(f"{path}: holds no sections", next_step="see the project's params.yaml for every section")
    given = list(overrides)
    for text in given:
        _override(tree, text)
    return check(tree, source=" ".join([str(path), *(f"-S {text}" for text in given)]))


def check(tree: Mapping[str, Any], *, source: str) -> Params:
    """Validate a plain tree of sections; ``source`` names it in errors."""
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        lines = [
            _explain(tuple(map(str, item["loc"])), item["type"], item["msg"], value=item["input"])
            for item in error.errors()
        ]
        raise ParameterError(f"{source}: {'; '.join(lines)}", next_step="correct these and run again") from None


def check_dataset_name(name: str) -> str:
    """Return a data set's name if it can name a folder below ``artifacts/<stage>/`` and nothing else, in any shell.

    Letters and digits of any script, ``-``, ``_``, ``.`` and blanks within it. Raises ParameterError for anything else:
    paths, dots or dashes in front, quotes, ``$``, ``;``, ``@``, line ends.
    """
    odd = sorted({character for character in name if character not in "-_. " and category(character)[0] not in "LMN"})
    if odd or not name or name.startswith((".", "-")) or name != name.strip():
        because = f" ({' '.join(map(repr, odd))} in it)" if odd else ""
        raise ParameterError(
            f"data set {name!r}: not a plain name{because}",
            next_step="put its files into data/NAME/ (or $SSMI_DATA/NAME/) and say --dataset NAME; NAME holds letters, "
            "digits, - _ . and blanks within",
        )
    return name


def dump(params: Params) -> str:
    """All values, defaults included, as sorted JSON: what a run folder carries."""
    return json.dumps(params.model_dump(mode="json"), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _override(tree: dict[str, Any], text: str) -> None:
    path, equals, raw = text.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ParameterError(f"-S {text}: not section.key=value", next_step="for example -S selection.threshold=0.6")
    try:
        value = YAML(typ="safe").load(io.StringIO(raw))
    except _NOT_YAML:
        raise ParameterError(f"-S {text}: the value is not YAML", next_step="quote it") from None
    node = tree
    for key in keys[:-1]:
        child = node.setdefault(key, {})
        if not isinstance(child, dict):
            raise ParameterError(f"-S {text}: {key} holds a value, not a section", next_step="see params.yaml")
        node = child
    node[keys[-1]] = value


def _explain(path: tuple[str, ...], kind: str, message: str, *, value: object) -> str:
    where = ".".join(path)
    if where in RENAMED_KEYS:
        return f"{where}: renamed, write {path[0]}.{RENAMED_KEYS[where]}"
    if isinstance(value, str) and (where, value) in RENAMED_VALUES:
        return f"{where}: {value} was renamed, write {RENAMED_VALUES[where, value]}"
    if kind == "extra_forbidden":
        known: type[BaseModel] = Params
        for name in path[:-1]:
            annotation = known.model_fields[name].annotation
            known = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else known
        return f"{where}: unknown key, {nearest(path[-1], known.model_fields)}"
    return f"{where}: {message[0].lower()}{message[1:]}"
