"""Every public function × every argument × every wrong type of value: refused by name, before anything is done."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi.evaluation.evaluate import evaluate_file
from ssmi.explain.explanation import Explanation
from ssmi.model.evaluation.calibration import calibrate
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, SsmiError
from ssmi.pipeline.contract.parameters.params import SelectionParams
from ssmi.pipeline.contract.project.paths import PARAMS_NAME

OBJECT = object()
NOT_TEXT = (True, 3, -1, 2.5, b"tiny", ["tiny"], OBJECT)
NOT_LISTS = ("tiny", b"tiny", Path("tiny"), None, 3, True, OBJECT, [3], [None], [b"tiny"])
NOT_INTS = (True, 2.5, "2", [2], OBJECT)
WRONG_VALUES: dict[str, tuple[object, ...]] = {
    "str": (*NOT_TEXT, None, Path("tiny")),
    "str | None": (*NOT_TEXT, Path("tiny")),
    "str | Path": (*NOT_TEXT, None),
    "Path | str": (*NOT_TEXT, None),
    "Path": (*NOT_TEXT, None, "tiny"),
    "str | Path | None": NOT_TEXT,
    "Path | None": (*NOT_TEXT, "tiny"),
    "str | Path | Words | None": (*NOT_TEXT, {"word": 3}, {3: "LABEL"}, {"word": ("LABEL", "nonsense")}),
    "str | Path | Mapping[str, str] | None": (*NOT_TEXT, {"nr": 3}),
    "Iterable[str]": NOT_LISTS,
    "Iterable[str | Path]": tuple(value for value in NOT_LISTS),
    "Iterable[str] | None": tuple(value for value in NOT_LISTS if value is not None),
    "bool": (None, 1, 0, "yes", OBJECT),
    "bool | None": (1, 0, "yes", OBJECT),
    "int": (*NOT_INTS, None),
    "int | None": NOT_INTS,
    "NonNegativeInt": (*NOT_INTS, None, -1),
    "PositiveInt": (*NOT_INTS, None, -1, 0),
    "float": (True, None, "0.5", [0.5], OBJECT),
    "float | None": (True, "0.5", [0.5], OBJECT),
    "tuple[int, int] | None": (3, "1/2", (1,), (1, 2, 3), ("1", "2"), [1, 2], True),
    "PositiveInt | None": (*NOT_INTS, -1, 0),
    "Kind | None": ("nonsense", 3),
    "Errors": ("nonsense", None),
    "TagScheme": ("nonsense", None, 3),
    "Reporter | None": ("loud", 3, OBJECT),
    "Params | None": ("params.yaml", 3),
    "Calibration": ("tiny", None, {"n": 1}, OBJECT),
    "Explanation": ("公", None, {"character": "公"}, OBJECT),
    "Tagger": ("artifacts/train/sample", None, OBJECT),
}
"""Annotation → values of wrong types."""
REQUIRED_ARGUMENTS: dict[str, object] = {
    "name": "prepare",
    "base": "base",
    "run": "run",
    "out": "out",
    "character": "学",
    "segment": "北京大学",
    "query": "SELECT 1",
    "corpus": "news",
    "source": "in.jsonl",
    "target": "out.bio",
    "to": "conll",
    "folder": "folder",
    "file": Path("file"),
    "files": ["a.txt"],
    "path": "figure.svg",
    "entities": "own.tsv",
    "calibration": calibrate([(0.5, True)]),
    "explanation": Explanation("公", "公司", "vocabulary", False, SelectionParams(), ()),
}
"""Valid values of arguments that have no default."""


def _methods(kind: type) -> Iterator[Callable[..., Any]]:
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith("_"):
            yield method


def _functions() -> Iterator[Callable[..., Any]]:
    yield from _methods(ssmi.Project)
    yield from (function for name in ssmi.__all__ if inspect.isfunction(function := getattr(ssmi, name)))
    yield ssmi.Tagger.open
    yield evaluate_file


CASES = [
    pytest.param(
        function, argument.name, wrong, id=f"{function.__name__}-{argument.name}-{wrong!r}".replace(hex(id(OBJECT)), "")
    )
    for function in _functions()
    for argument in inspect.signature(function).parameters.values()
    if argument.name != "self"
    for wrong in WRONG_VALUES[str(argument.annotation)]
]


def test_every_function_is_tested() -> None:
    names = {function.__name__ for function in _functions()}
    assert {
        "build_features",
        "run_stage",
        "train",
        "ablate",
        "paper",
        "evaluate",
        "predict_shards",
        "open_run",
    } <= names
    assert {"convert", "compare_runs", "init_project", "open_project", "predict_files", "score_file", "fetch"} <= names
    assert len(CASES) > 700


@pytest.mark.parametrize(("function", "name", "wrong"), CASES)
def test_wrong_types_are_refused_with_the_name_of_the_argument(
    function: Callable[..., Any], name: str, wrong: object, tmp_path: Path
) -> None:
    arguments: dict[str, Any] = {
        parameter.name: REQUIRED_ARGUMENTS.get(parameter.name)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is inspect.Parameter.empty and parameter.name != "self"
    }
    if "tagger" in arguments:
        arguments["tagger"] = ssmi.Tagger.__new__(ssmi.Tagger)  # created without opening a project: it is not used
    if "self" in inspect.signature(function).parameters:
        (tmp_path / PARAMS_NAME).write_text("datasets: [tiny]\n", encoding="utf-8")
        arguments["self"] = ssmi.open_project(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ParameterError) as raised:
        function(**{**arguments, name: wrong})
    assert f"{name}=" in raised.value.message
    assert raised.value.next_step
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture(scope="module")
def unbuilt(
    pristine_project: Any, copy_project: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> ssmi.Project:
    """A project with data in which nothing is built."""
    return ssmi.open_project(copy_project(pristine_project, tmp_path_factory.mktemp("unbuilt")).root)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda project: project.build_features("nonsense"), MissingResourceError, "nonsense"),
        (lambda project: project.build_features(""), ParameterError, "not a plain name"),
        (lambda project: project.build_features("../up"), ParameterError, "not a plain name"),
        (lambda project: project.build_features(corpus="nonsense"), MissingResourceError, "corpus 'nonsense'"),
        (lambda project: project.build_features(corpus=Path("nonsense")), MissingResourceError, "corpus './nonsense'"),
        (lambda project: project.build_features(workers=2, scheduler="tcp://h:1"), ParameterError, "2 local workers"),
        (lambda project: project.build_features(workers=-1), ParameterError, "workers=-1 is not an int of at least 0"),
        (lambda project: project.run_stage("nonsense", "tiny"), ParameterError, "nonsense"),
        (lambda project: project.run_stage("segment", "tiny", part=(0, 2)), ParameterError, "0"),
        (lambda project: project.run_stage("segment", "tiny", part=(3, 2)), ParameterError, "3"),
        (lambda project: project.check_data("nonsense"), MissingResourceError, "nonsense"),
        (lambda project: project.check_data("tiny", encoding="nonsense"), ParameterError, "nonsense"),
        (lambda project: project.check_data("tiny", offsets="nonsense"), ParameterError, "offsets"),
        (lambda project: project.explain("学生", "学生"), ParameterError, "学生"),
        (lambda project: project.explain("", "学生"), ParameterError, "character"),
        (lambda project: project.stats("nonsense"), ParameterError, "nonsense"),
        (lambda project: project.stats("overview", limit=-1), ParameterError, "limit"),
        (lambda project: project.train("nonsense"), MissingResourceError, "nonsense"),
        (lambda project: project.train("tiny", configuration="nonsense"), ParameterError, "nonsense"),
        (
            lambda project: project.adapt_encoder("tiny", out="new", epochs=0),
            ParameterError,
            "epochs=0 is not an int of at",
        ),
        (lambda project: project.adapt_encoder("tiny", out="new", lr=-1.0), ParameterError, "lr=-1.0: not a learning"),
        (lambda project: project.adapt_encoder("tiny", out="new", lr=float("nan")), ParameterError, "lr=nan: not a"),
        (
            lambda project: project.adapt_encoder("tiny", out="new", seed=2**63),
            ParameterError,
            "seed=9223372036854775808",
        ),
        (lambda project: project.ablate("tiny", only=["nonsense"]), ParameterError, "nonsense"),
        (lambda project: project.ablate("tiny", variants=["nonsense"]), ParameterError, "nonsense"),
        (lambda project: project.ablate("tiny", variants="rows.yaml"), ParameterError, "a list of strings"),
        (lambda project: project.ablate("tiny", variants=Path("rows.yaml")), ParameterError, "a list of paths"),
        (lambda project: project.ablate("tiny", only="ssmi"), ParameterError, "a list of strings"),
        (lambda project: project.paper(only="ssmi"), ParameterError, "a list of strings"),
        (lambda project: project.ablate("tiny", n_seeds=0), ParameterError, "n_seeds"),
        (lambda project: project.ablate("tiny", n_seeds=10**20), ParameterError, "n_seeds"),
        (lambda project: project.ablate("tiny", folds=1), ParameterError, "folds"),
        (lambda project: project.ablate("tiny", folds=10**20), ParameterError, "folds"),
        (lambda project: project.ablate("tiny", jobs=-1), ParameterError, "jobs"),
        (lambda project: project.paper(datasets=["../up"]), ParameterError, "not a plain name"),
        (lambda project: project.paper(n_seeds=0), ParameterError, "n_seeds"),
        (lambda project: project.evaluate("tiny", split="nonsense"), ParameterError, "nonsense"),
        (lambda project: project.evaluate("tiny", run="nonsense"), MissingResourceError, "nonsense"),
        (lambda project: project.compare("nonsense", "nonsense"), MissingResourceError, "nonsense"),
        (lambda project: project.report("tiny", split="nonsense"), ParameterError, "nonsense"),
        (lambda project: project.open_run("nonsense"), MissingResourceError, "nonsense"),
        (lambda project: project.predict_shards("nonsense", dataset="nonsense"), MissingResourceError, "nonsense"),
        (lambda project: project.params(["nonsense"]), ParameterError, "nonsense: not section.key=value"),
        (
            lambda project: project.params(["train=1", "train.seed=1"]),
            ParameterError,
            "train.seed=1: train holds a value",
        ),
        (
            lambda project: project.train("tiny", overrides=["train.epochs=three"]),
            ParameterError,
            "params.yaml with train.epochs=three: train.epochs: ",
        ),
        (
            lambda project: project.explain("公", "公司", overrides=["train.seed=1"]),
            ParameterError,
            "train.seed=1: explain reads selection.* alone",
        ),
        (
            lambda project: ssmi.open_project(project.root, storage="https://example.org/x").build_features("tiny"),
            ParameterError,
            "storage https://example.org/x: ",
        ),
    ],
)
def test_invalid_values_of_the_right_type_are_refused(
    unbuilt: ssmi.Project, call: Callable[[ssmi.Project], object], kind: type[SsmiError], message: str
) -> None:
    with pytest.raises(kind) as raised:
        call(unbuilt)
    assert message in raised.value.message
    assert not raised.value.message.startswith("-"), "begins with an option of the command line"
    assert "train." in message or "train." not in raised.value.message, "no such parameter was given"
    assert raised.value.next_step


def test_missing_and_unknown_arguments_raise_type_error() -> None:
    with pytest.raises(TypeError, match=r"open_run\(\) missing 1 required positional argument: 'run'"):
        ssmi.open_run()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'wrong'"):
        ssmi.open_run("run", wrong=1)  # type: ignore[call-arg]


def test_dir_lists_the_public_names() -> None:
    """They are loaded lazily, so without ``__dir__`` completion would offer none of them."""
    result = subprocess.run(
        [sys.executable, "-c", "import ssmi; print(*dir(ssmi))"], capture_output=True, text=True, check=True
    )
    assert {*ssmi.__all__, "__version__"} <= set(result.stdout.split())
    assert not {"Any", "annotations", "import_module"} & set(result.stdout.split())
