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
from ssmi import data
from ssmi.evaluation.evaluate import evaluate_file
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, SsmiError
from ssmi.pipeline.contract.project.paths import PARAMS_NAME

NOTHING = object()
NO_TEXT = (True, 3, -1, 2.5, b"tiny", ["tiny"], NOTHING)
NO_LIST = ("tiny", b"tiny", Path("tiny"), None, 3, True, NOTHING, [3], [None], [b"tiny"])
NO_INT = (True, 2.5, "2", [2], NOTHING)
WRONG: dict[str, tuple[object, ...]] = {
    "str": (*NO_TEXT, None, Path("tiny")),
    "str | None": (*NO_TEXT, Path("tiny")),
    "str | Path": (*NO_TEXT, None),
    "Path | str": (*NO_TEXT, None),
    "Path": (*NO_TEXT, None, "tiny"),
    "str | Path | None": NO_TEXT,
    "Path | None": (*NO_TEXT, "tiny"),
    "str | Path | Words | None": (*NO_TEXT, {"word": 3}, {3: "LABEL"}, {"word": ("LABEL", "nonsense")}),
    "str | Path | Mapping[str, str] | None": (*NO_TEXT, {"nr": 3}),
    "Iterable[str]": NO_LIST,
    "Iterable[str | Path]": tuple(one for one in NO_LIST),
    "Iterable[str] | None": tuple(one for one in NO_LIST if one is not None),
    "bool": (None, 1, 0, "yes", NOTHING),
    "bool | None": (1, 0, "yes", NOTHING),
    "int": (*NO_INT, None),
    "int | None": NO_INT,
    "NonNegativeInt": (*NO_INT, None, -1),
    "PositiveInt": (*NO_INT, None, -1, 0),
    "float": (True, None, "0.5", [0.5], NOTHING),
    "float | None": (True, "0.5", [0.5], NOTHING),
    "tuple[int, int] | None": (3, "1/2", (1,), (1, 2, 3), ("1", "2"), [1, 2], True),
    "PositiveInt | None": (*NO_INT, -1, 0),
    "Kind | None": ("nonsense", 3),
    "Errors": ("nonsense", None),
    "TagScheme": ("nonsense", None, 3),
    "ReadOptions": ("utf-8", None, {"encoding": "utf-8"}),
    "Reporter | None": ("loud", 3, NOTHING),
    "Advance | None": ("loud", 3, NOTHING),
    "Params | None": ("params.yaml", 3),
    "Tagger": ("artifacts/train/sample", None, NOTHING),
}
"""Annotation → values of wrong types."""
REQUIRED: dict[str, object] = {
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
    "root": Path(),
    "path": "file",
}
"""Valid values of arguments that have no default."""


def _methods(kind: type) -> Iterator[Callable[..., Any]]:
    for name, one in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith("_"):
            yield one


def _doors() -> Iterator[Callable[..., Any]]:
    yield from _methods(ssmi.Project)
    yield from (one for name in ssmi.__all__ if inspect.isfunction(one := getattr(ssmi, name)))
    yield ssmi.Tagger.open
    yield from (data.fetch, data.convert_file, evaluate_file)


CASES = [
    pytest.param(
        door, argument.name, wrong, id=f"{door.__name__}-{argument.name}-{wrong!r}".replace(hex(id(NOTHING)), "")
    )
    for door in _doors()
    for argument in inspect.signature(door).parameters.values()
    if argument.name != "self"
    for wrong in WRONG[str(argument.annotation)]
]


def test_every_verb_is_among_them() -> None:
    doors = {door.__name__ for door in _doors()}
    assert {
        "build_features",
        "run_stage",
        "train",
        "ablate",
        "paper",
        "evaluate",
        "predict_shards",
        "open_run",
    } <= doors
    assert {"convert", "compare_runs", "init_project", "open_project", "predict_files", "score_file", "fetch"} <= doors
    assert len(CASES) > 700


@pytest.mark.parametrize(("door", "name", "wrong"), CASES)
def test_a_wrong_value_is_refused_by_the_argument_s_name(
    door: Callable[..., Any], name: str, wrong: object, tmp_path: Path
) -> None:
    arguments: dict[str, Any] = {
        one.name: REQUIRED.get(one.name)
        for one in inspect.signature(door).parameters.values()
        if one.default is inspect.Parameter.empty and one.name != "self"
    }
    if "tagger" in arguments:
        arguments["tagger"] = ssmi.Tagger.__new__(ssmi.Tagger)  # created without opening a project: it is not used
    if "self" in inspect.signature(door).parameters:
        (tmp_path / PARAMS_NAME).write_text("datasets: [tiny]\n", encoding="utf-8")
        arguments["self"] = ssmi.open_project(tmp_path)
    there = sorted(tmp_path.rglob("*"))
    with pytest.raises(ParameterError) as refused:
        door(**{**arguments, name: wrong})
    assert f"{name}=" in refused.value.message
    assert refused.value.next_step
    assert sorted(tmp_path.rglob("*")) == there


@pytest.fixture(scope="module")
def unbuilt(
    pristine_project: Any, copy_project: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> ssmi.Project:
    """A project with data in which nothing is built."""
    return ssmi.open_project(copy_project(pristine_project, tmp_path_factory.mktemp("unbuilt")).root)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
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
        (lambda project: project.adapt_encoder("tiny", out="new", epochs=0), ParameterError, "epochs"),
        (lambda project: project.adapt_encoder("tiny", out="new", lr=-1.0), ParameterError, "lr"),
        (lambda project: project.ablate("tiny", only=["nonsense"]), ParameterError, "nonsense"),
        (lambda project: project.ablate("tiny", variants=["nonsense"]), ParameterError, "nonsense"),
        (lambda project: project.ablate("tiny", variants="rows.yaml"), ParameterError, "a list of strings"),
        (lambda project: project.ablate("tiny", variants=Path("rows.yaml")), ParameterError, "a list of paths"),
        (lambda project: project.ablate("tiny", only="ssmi"), ParameterError, "a list of strings"),
        (lambda project: project.paper(only="ssmi"), ParameterError, "a list of strings"),
        (lambda project: project.ablate("tiny", n_seeds=0), ParameterError, "n_seeds"),
        (lambda project: project.ablate("tiny", folds=1), ParameterError, "folds"),
        (lambda project: project.ablate("tiny", jobs=-1), ParameterError, "jobs"),
        (lambda project: project.paper(datasets=["../up"]), ParameterError, "not a plain name"),
        (lambda project: project.paper(n_seeds=0), ParameterError, "n_seeds"),
        (lambda project: project.evaluate("tiny", split="nonsense"), ParameterError, "nonsense"),
        (lambda project: project.evaluate("tiny", run="nonsense"), MissingResourceError, "nonsense"),
        (lambda project: project.compare("nonsense", "nonsense"), MissingResourceError, "nonsense"),
        (lambda project: project.report("tiny", split="nonsense"), ParameterError, "nonsense"),
        (lambda project: project.open_run("nonsense"), MissingResourceError, "nonsense"),
        (lambda project: project.predict_shards("nonsense", dataset="nonsense"), MissingResourceError, "nonsense"),
        (lambda project: project.params(["nonsense"]), ParameterError, "nonsense"),
    ],
)
def test_a_value_of_the_right_kind_that_cannot_be(
    unbuilt: ssmi.Project, call: Callable[[ssmi.Project], object], kind: type[SsmiError], words: str
) -> None:
    with pytest.raises(kind) as refused:
        call(unbuilt)
    assert words in refused.value.message
    assert refused.value.next_step


def test_what_python_says_of_a_missing_or_unknown_argument_stays() -> None:
    with pytest.raises(TypeError, match=r"open_run\(\) missing 1 required positional argument: 'run'"):
        ssmi.open_run()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'wrong'"):
        ssmi.open_run("run", wrong=1)  # type: ignore[call-arg]


def test_a_notebook_is_offered_the_public_names() -> None:
    """They are loaded lazily, so without ``__dir__`` completion would offer none of them."""
    fresh = subprocess.run(
        [sys.executable, "-c", "import ssmi; print(*dir(ssmi))"], capture_output=True, text=True, check=True
    )
    assert {*ssmi.__all__, "__version__"} <= set(fresh.stdout.split())
    assert not {"Any", "annotations", "import_module"} & set(fresh.stdout.split())
