"""params.yaml: typed, frozen, and all mistakes reported at once."""

from __future__ import annotations

import json
import math
import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML

from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, ParameterError
from ssmi.pipeline.contract.parameters.params import Params, check_params, dump, load
from ssmi.pipeline.contract.parameters.section import Section
from ssmi.pipeline.contract.project.dataset_names import check_dataset_name

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("params") / "params.yaml"


def _load(path: Path, text: str, *overrides: str) -> Params:
    path.write_text(text, encoding="utf-8")
    return load(path, overrides=overrides)


def _load_error(path: Path, text: str, *overrides: str) -> ParameterError:
    with pytest.raises(ParameterError) as caught:
        _load(path, text, *overrides)
    assert caught.value.next_step and "\n" not in str(caught.value)
    return caught.value


def test_an_empty_file_is_all_defaults(path: Path) -> None:
    assert _load(path, "") == _load(path, "# nothing\n") == _load(path, "{}") == Params()


def test_the_file_of_the_project_has_every_default() -> None:
    # so that params.yaml shows the values in effect
    params = load(ROOT / "params.yaml")
    assert params == Params()


def test_the_file_of_the_project_names_every_parameter_in_order() -> None:
    tree = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    default = Params().model_dump(mode="json")
    assert list(tree) == list(default)
    for section, values in default.items():
        if isinstance(values, dict):
            assert set(tree[section]) == set(values), section


def test_numbers_are_yaml_1_2(path: Path) -> None:
    params = _load(path, "train: {lr_new: 1e-3, lr_crf: 5E-4, epochs: 010, device: no}\n")
    assert (params.train.lr_new, params.train.lr_crf, params.train.epochs, params.train.device) == (
        1e-3,
        5e-4,
        10,
        "no",
    )
    assert _load(path, "", "train.lr_new=1e-3").train.lr_new == 0.001


def test_an_unknown_key_is_refused_with_the_nearest_name(path: Path) -> None:
    error = _load_error(path, "selection: {treshold: 0.5}\n")
    assert error.message == f"{path}: selection.treshold: unknown key, did you mean 'threshold'?"
    assert "sellection: unknown key, did you mean 'selection'?" in _load_error(path, "sellection: {}\n").message
    assert "pmi.zzzz: unknown key, known: estimator, unlabelled" in _load_error(path, "pmi: {zzzz: 1}\n").message


def test_all_mistakes_are_reported_at_once(path: Path) -> None:
    text = "datasets: []\nvocab: {max_word_len: 1, max_words: x}\nselection: {scope: all, treshold: 1}\ntrian: {}\n"
    message = _load_error(path, text, "train.epochs=0").message
    places = ["datasets: ", "vocab.max_word_len: ", "vocab.max_words: ", "selection.scope: ", "train.epochs: "]
    assert all(place in message for place in [*places, "selection.treshold: unknown", "trian: unknown"])
    assert message.count(";") == 6


def test_the_maximum_word_length_must_not_be_below_the_minimum(path: Path) -> None:
    message = _load_error(path, "vocab: {min_word_len: 4, max_word_len: 3}\n").message
    assert message == f"{path}: vocab.max_word_len: 3 is below vocab.min_word_len, which is 4"
    assert _load_error(path, "vocab: {min_word_len: 0}\n").message.startswith(f"{path}: vocab.min_word_len: ")


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("selection", "threshold", "1.5"),
        ("selection", "threshold", ".nan"),
        ("selection", "max_set", "0"),
        ("selection", "max_set", "2.5"),
        ("selection", "n_negatives", "-1"),
        ("prepare", "dev_fraction", "1.0"),
        ("embed", "ridge", "0"),
        ("embed", "ridge", ".inf"),
        ("pmi", "estimator", "both"),
        ("pmi", "unlabelled", "text.txt"),
        ("segment", "engine", "hanlp"),
        ("segment", "hmm", "sometimes"),
        ("shards", "tag_scheme", "BILOU"),
        ("shards", "max_window", "0"),
        ("train", "device", "3"),
        ("train", "lr_encoder", "0"),
        ("train", "lr_crf", "fast"),
        ("train", "lr_new", ".inf"),
        ("train", "lr_new", "true"),
        ("train", "patience", "0"),
    ],
)
def test_values_out_of_range_or_type_are_refused_by_name(path: Path, section: str, key: str, value: str) -> None:
    for error in (
        _load_error(path, f"{section}: {{{key}: {value}}}\n"),
        _load_error(path, "", f"{section}.{key}={value}"),
    ):
        assert f"{section}.{key}" in error.message


def test_a_rate_is_a_number_or_auto(path: Path) -> None:
    params = _load(path, "train: {lr_encoder: auto, lr_crf: 1}\n", "train.lr_new=2e-5")
    assert (params.train.lr_encoder, params.train.lr_crf, params.train.lr_new) == ("auto", 1.0, 2e-5)
    message = _load_error(path, "train: {lr_crf: -1}\n").message
    assert message == f"{path}: train.lr_crf: should be a number greater than 0, or auto"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("model.can_window=4", "model.can_window: a window around a character is odd"),
        ("vocab.encoding=klingon", "vocab.encoding: 'klingon' is not an encoding that Python knows"),
        (
            "selection={choice: segment, exclude_segment: true}",
            "selection: exclude_segment: true leaves out the one boundary that choice: segment takes",
        ),
        ("datasets=[]", "datasets: expected at least 1 entry, got []"),
        ("train=5", "train: expected keys with values {a: b}, got 5"),
        ("train.epochs=10001", "train.epochs: expected a number of at most 10000, got 10001"),
        ("prepare.dev_fraction=1", "prepare.dev_fraction: expected a number less than 1, got 1"),
        ("train.lr_new=.nan", "train.lr_new: should be a number greater than 0, or auto"),
        (f"train.lr_new=1{'0' * 400}", "train.lr_new: should be a number greater than 0, or auto"),
        ("train.epochs=true", "train.epochs: expected a whole number, got true"),
        ("train.patience=false", "train.patience: expected a whole number, got false"),
        ("selection.threshold=true", "selection.threshold: expected a number, got true"),
        ("train.fgm=true", "train.fgm: expected a number, got true"),
        ("embed.ridge=.inf", "embed.ridge: expected a finite number, got Infinity"),
        ("embed.ridge=0", "embed.ridge: expected a number greater than 0, got 0"),
        ("model.hidden_width=3", "model.hidden_width: expected a multiple of 2, got 3"),
        ("encoder.name=", "encoder.name: expected a text, got null"),
        ("segment.hmm=maybe", "segment.hmm: expected true or false, got maybe"),
        ("model.fusion=2020-01-01", "model.fusion: expected none, input, layer or output, got 2020-01-01"),
        ("datasets=[a/b]", "datasets: data set 'a/b': not a plain name"),
    ],
)
def test_messages_of_validators_have_no_pydantic_prefix(path: Path, override: str, expected: str) -> None:
    message = _load_error(path, "", override).message
    assert expected in message and "value error" not in message.lower()


WRONG: list[object] = [
    None,
    "three",
    [],
    {},
    [1],
    -1,
    -0.5,
    2**70,
    10**400,
    math.inf,
    math.nan,
    True,
    0,
    1.5,
    date(2020, 1, 1),
    b"x",
    [None],
]
FIELDS = [
    (section, key)
    for section, about in Params.model_fields.items()
    for key in (
        about.annotation.model_fields
        if isinstance(about.annotation, type) and issubclass(about.annotation, Section)
        else ()
    )
]


@pytest.mark.parametrize("value", [True, False])
def test_a_boolean_is_never_a_number(value: bool) -> None:
    taken = []
    for section, key in FIELDS:
        try:
            taken.append(check_params({section: {key: value}}, source="x").section(section)[key])
        except ParameterError:
            continue
    assert len(taken) > 10 and all(one is value for one in taken)


def test_numbers_may_be_quoted(path: Path) -> None:
    params = _load(path, 'train: {epochs: "3", lr_new: "1e-3", warmup: "0.5"}\n')
    assert (params.train.epochs, params.train.lr_new, params.train.warmup) == (3, 0.001, 0.5)


@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_no_wrong_value_of_any_parameter_gives_the_words_of_pydantic(value: object) -> None:
    for tree in (
        *({section: value} for section in Params.model_fields),
        *({section: {key: value}} for section, key in FIELDS),
    ):
        try:
            check_params(tree, source="x")
        except ParameterError as error:
            assert not re.search(
                r"should be (?!a number greater|a whole)|should have|valid|instance|tuple|Params", error.message
            ), error.message


def test_overrides_reach_any_value_and_the_last_one_wins(path: Path) -> None:
    params = _load(
        path,
        "selection: {threshold: 0.1, max_set: 3}\n",
        "selection.threshold=0.7",
        " selection.threshold = 0.8",
        "vocab.max_words=null",
        "pmi.unlabelled=[a.txt, b.txt]",
        "segment.user_dict=a=b.txt",
        "datasets=[weibo]",
        "shards.hidden=true",
    )
    assert (params.selection.threshold, params.selection.max_set) == (0.8, 3)
    assert params.pmi.unlabelled == ("a.txt", "b.txt") and params.segment.user_dict == "a=b.txt"
    assert params.datasets == ("weibo",) and params.shards.hidden is True and params.vocab.max_words is None


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("selection.threshold", "not section.key=value"),
        ("=3", "not section.key=value"),
        ("selection.=3", "not section.key=value"),
        ("selection.threshold=[1", "not YAML"),
        ("datasets=2020-13-45", "not YAML"),
        ("vocab.vectors=!!bool maybe", "not YAML"),
        (f"train.seed={'9' * 5000}", "the value is a number of thousands of digits"),
        ("selection.treshold=1", "did you mean 'threshold'"),
        ("datasets.first=x", "holds a value, not a section"),
        ("selection.threshold.deep=x", "selection.threshold"),
        ("selection=3", "selection: "),
        ("selection.threshold=", "selection.threshold: "),
    ],
)
def test_invalid_overrides_are_refused(path: Path, override: str, part: str) -> None:
    assert part in _load_error(path, "datasets: [sample]\n", override).message


def test_every_whole_number_has_an_upper_limit(path: Path) -> None:
    """A mistyped number must not make a program wait forever or fill the memory."""
    whole = [
        f"{section}.{key}"
        for section, values in Params().model_dump().items()
        if isinstance(values, dict)
        for key, value in values.items()
        if type(value) is int
    ]
    assert {"train.epochs", "train.batch_size", "selection.max_set"} <= set(whole)
    for name in (*whole, "train.max_steps", "train.patience", "train.folds", "train.fold", "vocab.max_words"):
        message = _load_error(path, "", f"{name}={10**30}").message
        assert (name in message and "at most" in message) or "less than" in message, message


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "a: b: c",
        "\tx",
        "a: 1\na: 2\n",
        "--- 1\n--- 2\n",
        "x: !!python/object:os.system {}",
        "datasets: 2020-13-45",
        "x: !!int zz",
        "x: !!bool maybe",
        "- a\n",
        "word",
        "1: 2",
        "? [1]\n: 2",
        "vocab:\n",
        "x: \x00",
    ],
)
def test_broken_files_are_refused_with_their_name(path: Path, text: str) -> None:
    assert re.match(rf"{re.escape(str(path))}(:\d+)?: ", _load_error(path, text).message)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError, match=r"none\.yaml: no such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(InputDataError, match="a folder, where a file is expected"):
        load(tmp_path)
    (tmp_path / "gbk.yaml").write_bytes("datasets: [中]".encode("gb18030"))
    with pytest.raises(InputDataError, match=r"gbk\.yaml:1: not UTF-8"):
        load(tmp_path / "gbk.yaml")


@given(st.lists(st.text("abselection.threshold=10[]{}!&*-:?'\"中 \n%@`|>~#,", max_size=24), max_size=2))
def test_any_override_gives_params_or_a_parameter_error(path: Path, overrides: list[str]) -> None:
    path.write_text("", encoding="utf-8")
    try:
        assert isinstance(load(path, overrides=overrides), Params)
    except ParameterError as error:
        assert error.next_step


def test_params_are_frozen() -> None:
    params = Params()
    with pytest.raises(ValidationError, match="frozen"):
        params.selection.threshold = 0.9
    with pytest.raises(ValidationError, match="frozen"):
        params.datasets = ("x",)


def test_dumped_params_read_back(path: Path) -> None:
    params = _load(path, "", "selection.threshold=0.625", "datasets=[甲, 乙]", "pmi.unlabelled=[x.txt]")
    text = dump(params)
    assert _load(path, text) == params == check_params(json.loads(text), source="dump")
    assert dump(_load(path, text)) == text and text.endswith("}\n")
    assert params.section("pmi") == {"estimator": "joint", "unlabelled": ["x.txt"]}
    assert json.dumps(params.section("selection"))  # plain JSON values


@pytest.mark.parametrize("name", ["sample", "my data", "数据集 2", "a.b_c-d", "données", "डेटा", "𠮷", "2020"])
def test_valid_names_of_data_sets_are_accepted(path: Path, name: str) -> None:
    assert check_dataset_name(name) == name
    assert _load(path, "", f"datasets=['{name}']").datasets == (name,)


UNSAFE_CHARACTERS = "/\\~'\"$;&|`@*?{(<!#=:\n\t\u3000\u200b\x00😀"


@pytest.mark.parametrize(
    "name", ["", " a", "a ", ".", "..", ".a", "-a", *(f"a{character}b" for character in UNSAFE_CHARACTERS)]
)
def test_names_with_a_meaning_in_a_shell_or_a_path_are_refused(path: Path, name: str) -> None:
    with pytest.raises(ParameterError, match="not a plain name"):
        check_dataset_name(name)
    path.write_text(f"datasets: [sample, {json.dumps(name)}]\n", encoding="utf-8")
    with pytest.raises(ParameterError, match=r"datasets: .*not a plain name"):
        load(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("embed.ahead=5", "embed.precompute_words"),
        ("model.segment_places=true", "model.segment_positions"),
        ("pmi.estimator=printed", "write paper"),
        ("model.gmi=printed", "write paper"),
    ],
)
def test_names_of_version_0_1_are_refused_with_the_current_names(old: str, new: str) -> None:
    with pytest.raises(ParameterError) as caught:
        load(ROOT / "params.yaml", overrides=[old])
    assert new in caught.value.message and "renamed" in caught.value.message


# --- folds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ("{folds: 5, test: false}", "folds and fold go together"),
        ("{fold: 2}", "folds and fold go together"),
        ("{folds: 5, fold: 6, test: false}", "fold is 6, of 5 folds"),
        ("{folds: 5, fold: 2}", "with folds test is never read: set test to false"),
        ("{folds: 1, fold: 1, test: false}", "train.folds: expected a number of at least 2, got 1"),
        ("{select: last, patience: 2}", "patience lets dev choose the epoch"),
        ("{select: middle}", "train.select"),
    ],
)
def test_invalid_combinations_with_folds_are_refused(path: Path, train: str, expected: str) -> None:
    assert expected in _load_error(path, f"train: {train}\n").message


def test_fold_and_select_are_loaded_and_dumped(path: Path) -> None:
    params = _load(path, "", "train.folds=5", "train.fold=5", "train.test=false", "train.select=last")
    assert (params.train.folds, params.train.fold, params.train.select) == (5, 5, "last")
    assert check_params(json.loads(dump(params)), source="again") == params
