"""Arrays that the parts of a stage pass to one another in files of its scratch folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.contract.storage import replacing


def save_array(path: Path, array: npt.NDArray[np.generic]) -> None:
    """Write an array as ``.npy`` atomically, because a task may run twice."""
    with replacing.writing(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)
