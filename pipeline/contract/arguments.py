"""Arguments from Python: what a public function is called with is checked against the types that it names."""

from __future__ import annotations

import inspect
import re
import reprlib
from collections.abc import Callable, Iterable
from functools import cache, wraps
from pathlib import Path, PurePath
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, InstanceOf, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError

from ssmi.pipeline.contract.errors import ParameterError, closest

One = TypeVar("One")
Given = ParamSpec("Given")
Result = TypeVar("Result")

_STRICT = ConfigDict(strict=True, arbitrary_types_allowed=True)


def list_of(name: str, values: Iterable[One]) -> tuple[One, ...]:
    """The values of an argument that takes several, to be read more than once.

    Args:
        name: Of the argument.
        values: What was given.

    Raises:
        ParameterError: One string or path was given, which would be read letter by letter, or no list at all.

    """
    if isinstance(values, str | bytes | PurePath):
        kind = "path" if isinstance(values, PurePath) else "string"
        raise ParameterError(
            f"{name}={values!r}: a {kind}, where a list of {kind}s is expected", next_step=f"write {name}=[{values!r}]"
        )
    if not isinstance(values, Iterable):
        raise ParameterError(f"{name}={reprlib.repr(values)} is not a list", next_step=f"write {name}=[...]")
    return tuple(values)


def check_probability(name: str, value: float) -> None:
    """Refuse, with ParameterError, what is not a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise ParameterError(f"{name}={value!r}: not a probability", next_step="give a number from 0 to 1")


def check_place(*, workers: int, scheduler: str | None) -> None:
    """Refuse, with ParameterError, two places at once, and what is no address of a scheduler."""
    if scheduler is None:
        return
    if workers > 0:
        raise ParameterError(
            f"{workers} local workers and the scheduler {scheduler} at once",
            next_step="give one of them (SSMI_WORKERS and SSMI_SCHEDULER in the environment count too)",
        )
    if not re.fullmatch(r"[a-z]+://.+", scheduler):
        raise ParameterError(
            f"scheduler {scheduler}: no address of a Dask scheduler", next_step="give it as tcp://HOST:PORT"
        )


def optional_path(path: str | Path | None) -> Path | None:
    """An argument that may be left out, as a path."""
    return None if path is None else Path(path)


@overload
def name_or_path(given: str | Path) -> str: ...


@overload
def name_or_path(given: str | Path | None) -> str | None: ...


def name_or_path(given: str | Path | None) -> str | None:
    """A string as it is, for it may be a name; a path as a string that can only be a path; None as None."""
    if given is None or isinstance(given, str):
        return given
    text = str(given)
    return text if given.is_absolute() or text.startswith("~") else f"./{text}"


def checked(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Check the arguments of a public function against its annotations, before it begins.

    Python would take a string for a list of letters, True for 1 and a number for a name, and fail far from the call.
    Nothing is converted, but that an argument that takes several values is a tuple for the function.

    Raises:
        ParameterError: By the function: an argument is not what it takes, with both.

    """
    signature = inspect.signature(function)

    @cache
    def arguments() -> dict[str, _Argument]:
        # At the first call: what an annotation names may be imported after the function is defined. Without the
        # result's, which type checkers alone may import.
        named = {name: value for name, value in function.__annotations__.items() if name != "return"}
        hints = get_type_hints(
            SimpleNamespace(__annotations__=named), globalns=inspect.unwrap(function).__globals__, include_extras=True
        )
        return {name: _Argument(function.__name__, signature.parameters[name], hint) for name, hint in hints.items()}

    @wraps(function)
    def call(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # for Python's own message: it names the function
        for name, value in bound.arguments.items():
            if name in arguments():
                bound.arguments[name] = arguments()[name].check(value)
        return function(*bound.args, **bound.kwargs)

    return call


class _Argument:
    """What one argument of a function takes."""

    def __init__(self, function: str, parameter: inspect.Parameter, hint: Any) -> None:
        self._function = function
        self._parameter = parameter
        self._hint = hint
        self._is_list = any(get_origin(one) is Iterable for one in _alternatives(hint))
        # In a tuple: a model alone does not take a configuration.
        in_tuple: Any = tuple.__class_getitem__((_as_tuple(hint),))
        self._adapter: TypeAdapter[Any] = TypeAdapter(in_tuple, config=_STRICT)

    def check(self, value: Any) -> Any:
        """The value, of several a tuple; raises ParameterError where it is not one that the argument takes."""
        if self._is_list and value is not None:
            value = list_of(self._parameter.name, value)
        try:
            self._adapter.validate_python((value,), strict=True)
        except ValidationError:
            raise ParameterError(
                f"{self._function}: {self._parameter.name}={reprlib.repr(value)} is not {_describe(self._hint)}",
                next_step=self._next_step(value),
            ) from None
        return value

    def _next_step(self, value: Any) -> str:
        """What to give; what holds without it, where that is a value and not None or an empty list."""
        names = [name for one in _alternatives(self._hint) if get_origin(one) is Literal for name in get_args(one)]
        close = closest(value, names) if isinstance(value, str) else None
        if close is not None:
            return f"did you mean {close!r}?"
        name, default = self._parameter.name, self._parameter.default
        step = f"give {_describe(self._hint, but=NoneType)}"
        if default is inspect.Parameter.empty:
            return step
        return f"{step}, or leave {name} out" + ("" if default in (None, ()) else f", which is {name}={default!r}")


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _as_tuple(hint: Any) -> Any:
    """``Iterable[X]`` as ``tuple[X, ...]``: an iterator can be read once, so a tuple is made of it first."""
    return Union[tuple(map(_as_checked, _alternatives(hint)))]  # noqa: UP007  # of a tuple that is made here


def _as_checked(hint: Any) -> Any:
    """One alternative as pydantic checks it."""
    if get_origin(hint) is Iterable:
        (item,) = get_args(hint)
        return tuple.__class_getitem__((item, ...))
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return InstanceOf.__class_getitem__(hint)  # type: ignore[type-arg]  # pydantic would make a model of a dict
    return hint


_NAMES = {
    bool: "True or False",
    int: "an int",
    NonNegativeInt: "an int of at least 0",
    PositiveInt: "an int of at least 1",
    float: "a number",
    NoneType: "None",
}


def _describe(hint: Any, *, but: Any = None) -> str:
    """What is taken, in words: ``a str, a Path or None``; ``but``: an alternative that is left out."""
    words = [_describe_one(one) for one in _alternatives(hint) if one is not but]
    # A comma where what comes before has parts: ``a tuple of 2, each an int, or None``.
    last_or = ", or " if any(", " in word for word in words[:-1]) else " or "
    return last_or.join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _describe_one(hint: Any) -> str:
    if hint in _NAMES:
        return _NAMES[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return "one of " + ", ".join(map(repr, inner))
    if origin is Iterable:
        return f"a list, each {_describe(inner[0])}"
    if origin is tuple:
        return f"a tuple of {len(inner)}, each {_describe(inner[0])}"
    return f"a {getattr(origin or hint, '__name__', hint)}"
