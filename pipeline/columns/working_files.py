"""What the tasks of a stage hand on to one another in files: gone when the stage is done."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.contract import tables

_NAME = ".working"


@contextmanager
def working_folder(output: Path) -> Iterator[Path]:
    """Make an empty folder in a stage's output, where every worker reaches it, and remove it when the block ends."""
    folder = output / _NAME
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def save_array(path: Path, array: npt.NDArray[np.generic]) -> None:
    """Write an array as ``.npy``, whole or not at all: a task may run twice."""
    with tables.writing(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)
