"""Check the arguments of public Python functions against their annotations and other rules."""

from __future__ import annotations

import inspect
import re
import reprlib
from collections.abc import Callable, Iterable
from dataclasses import is_dataclass
from functools import cache, wraps
from pathlib import Path, PurePath
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, InstanceOf, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError

from ssmi.pipeline.contract.errors import ParameterError, closest_name

One = TypeVar("One")
Given = ParamSpec("Given")
Result = TypeVar("Result")

_STRICT = ConfigDict(strict=True, arbitrary_types_allowed=True)


def list_of(name: str, values: Iterable[One]) -> tuple[One, ...]:
    """Return the values of a list argument as a tuple, which can be read more than once.

    Args:
        name: Name of the argument, for the message.
        values: The values that were passed.

    Raises:
        ParameterError: ``values`` is a single string or path, which would be read letter by letter, or is not iterable.

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
    """Raise ParameterError unless ``value`` is a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise ParameterError(f"{name}={value!r}: not a probability", next_step="give a number from 0 to 1")


def check_executor_arguments(*, workers: int, scheduler: str | None) -> None:
    """Raise ParameterError if both workers and a scheduler are given, or if the scheduler is not an address."""
    if scheduler is None:
        return
    if workers > 0:
        raise ParameterError(
            f"both {workers} local workers and the scheduler {scheduler} are given",
            next_step="give one of them (SSMI_WORKERS and SSMI_SCHEDULER in the environment count too)",
        )
    if not re.fullmatch(r"[a-z]+://.+", scheduler):
        raise ParameterError(
            f"scheduler {scheduler}: not an address of a Dask scheduler", next_step="give it as tcp://HOST:PORT"
        )


def optional_path(path: str | Path | None) -> Path | None:
    """Convert an optional path argument to a Path; None stays None."""
    return None if path is None else Path(path)


@overload
def name_or_path(given: str | Path) -> str: ...


@overload
def name_or_path(given: str | Path | None) -> str | None: ...


def name_or_path(given: str | Path | None) -> str | None:
    """Convert a name or a path to a string.

    A string stays as it is, because it may be a name; a path becomes a string that cannot be taken for a name, with
    ``./`` in front if necessary; None stays None.
    """
    if given is None or isinstance(given, str):
        return given
    text = str(given)
    return text if given.is_absolute() or text.startswith("~") else f"./{text}"


def checked(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Check the arguments of a public function against its annotations before it runs.

    Python would accept a string as a list of letters, True as 1 and a number as a name, and fail far from the call.
    Values are not converted, except that the function receives an ``Iterable`` argument as a tuple.

    Raises:
        ParameterError: Raised by the decorated function if an argument does not match its annotation; the message
            shows the value and the expected type.

    """
    signature = inspect.signature(function)

    @cache
    def arguments() -> dict[str, _Argument]:
        # Resolved on the first call, because the names in annotations may be imported after the function is defined.
        # The return annotation is left out: its names may be imported for type checkers only.
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
            return function(*args, **kwargs)  # raises Python's own error, which names the function
        for name, value in bound.arguments.items():
            if name in arguments():
                bound.arguments[name] = arguments()[name].check(value)
        return function(*bound.args, **bound.kwargs)

    return call


class _Argument:
    """The type that one argument of a function accepts."""

    def __init__(self, function: str, parameter: inspect.Parameter, hint: Any) -> None:
        self._function = function
        self._parameter = parameter
        self._hint = hint
        self._is_list = any(get_origin(one) is Iterable for one in _alternatives(hint))
        # Wrapped in a tuple, because TypeAdapter accepts no configuration for a bare model.
        in_tuple: Any = tuple.__class_getitem__((_as_tuple(hint),))
        self._adapter: TypeAdapter[Any] = TypeAdapter(in_tuple, config=_STRICT)

    def check(self, value: Any) -> Any:
        """Return the value, a list as a tuple; raise ParameterError if it does not match the annotation."""
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
        """Suggest what to pass, and name the default unless it is None or an empty list."""
        names = [name for one in _alternatives(self._hint) if get_origin(one) is Literal for name in get_args(one)]
        close = closest_name(value, names) if isinstance(value, str) else None
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
    """Replace ``Iterable[X]`` by ``tuple[X, ...]``: an iterator can be read only once, so it is made a tuple first."""
    return Union[tuple(map(_as_checked, _alternatives(hint)))]  # noqa: UP007  # the tuple is built at run time


def _as_checked(hint: Any) -> Any:
    """Convert one alternative to the form that pydantic checks."""
    if get_origin(hint) is Iterable:
        (item,) = get_args(hint)
        return tuple.__class_getitem__((item, ...))
    if isinstance(hint, type) and (issubclass(hint, BaseModel) or is_dataclass(hint)):
        return InstanceOf.__class_getitem__(hint)  # type: ignore[type-arg]  # pydantic would convert a dict to a model
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
    """Describe a type in words, such as ``a str, a Path or None``; ``but`` is an alternative to leave out."""
    words = [_describe_one(one) for one in _alternatives(hint) if one is not but]
    # With a comma if an earlier alternative contains one: ``a tuple of 2, each an int, or None``.
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
