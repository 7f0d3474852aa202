"""Packages that only a part of the program needs: the extras of the installation, and what a person without one reads.

The names of extras and their packages are those of pyproject.toml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Literal

from ssmi.pipeline.contract.errors import MissingResourceError

Extra = Literal["cluster", "dvc", "plots", "s3", "stats", "vectors"]
MODULES: Mapping[Extra, tuple[str, ...]] = {
    "cluster": ("dask", "distributed"),
    "dvc": ("dvc",),
    "plots": ("matplotlib",),
    "s3": ("s3fs",),
    "stats": ("duckdb",),
    "vectors": ("gensim",),
}
"""Extra → the modules that its packages bring."""


@contextmanager
def needs(extra: Extra, purpose: str) -> Iterator[None]:
    """Import inside this block what an extra brings.

    Args:
        extra: The extra that installs it.
        purpose: What needs it, as the beginning of a sentence.

    Raises:
        MissingResourceError: It is not installed; the next step is the line that installs it.

    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        # Some other module is missing, and installing the extra would not bring it.
        if module not in MODULES[extra]:
            raise
        raise _error(extra, purpose, module=module) from error


def installed(extra: Extra) -> bool:
    """Whether all that an extra brings can be imported; nothing is."""
    try:
        return all(find_spec(module) is not None for module in MODULES[extra])
    except ValueError:  # somebody put None in its place in sys.modules
        return False


def missing(extra: Extra, purpose: str) -> MissingResourceError:
    """The error of ``needs``, for what is run and not imported."""
    return _error(extra, purpose, module=MODULES[extra][0])


def _error(extra: Extra, purpose: str, *, module: str) -> MissingResourceError:
    return MissingResourceError(
        f"{purpose} needs {module}, which is not installed", next_step=f"pip install 'ssmi[{extra}]'"
    )
