"""Packages that only a part of the program needs: the extras of the installation, and the error for a missing extra.

The names of the extras and their packages are those in pyproject.toml.
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
"""Extra → the modules that its packages provide."""


@contextmanager
def needs(extra: Extra, purpose: str) -> Iterator[None]:
    """Guard a block that imports modules of an extra.

    Args:
        extra: The extra that provides the modules.
        purpose: What needs the extra, as the beginning of a sentence.

    Raises:
        MissingResourceError: The extra is not installed; the next step is the command that installs it.

    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        # The missing module is not part of the extra, so installing the extra would not provide it.
        if module not in MODULES[extra]:
            raise
        raise _error(extra, purpose, module=module) from error


def installed(extra: Extra) -> bool:
    """Whether every module of an extra can be imported; nothing is imported to find out."""
    try:
        return all(find_spec(module) is not None for module in MODULES[extra])
    except ValueError:  # a module in sys.modules has no __spec__
        return False


def missing(extra: Extra, purpose: str) -> MissingResourceError:
    """Return the error that ``needs`` raises, for programs that are run instead of imported."""
    return _error(extra, purpose, module=MODULES[extra][0])


def _error(extra: Extra, purpose: str, *, module: str) -> MissingResourceError:
    return MissingResourceError(
        f"{purpose} needs {module}, which is not installed", next_step=f"pip install 'ssmi[{extra}]'"
    )
