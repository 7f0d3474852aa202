"""The weight of each character's best boundary."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Gates = npt.NDArray[np.float32]


def cosine_gates(cosines: npt.NDArray[np.floating], set_sizes: npt.NDArray[np.integer]) -> Gates:
    """Return the cosine of S_m with its segment if it exceeds the threshold Δ, else 0.

    The set S_s holds the boundaries above Δ, best first, so S_m exceeds Δ exactly if the set is not empty. The value of
    Δ that the features were made with is therefore not needed. Boundaries drawn at random (``selection.choice``) are in
    their set whatever their cosine; a negative cosine counts as 0. Segments chosen without sets have no gates
    (``requirements.check_buildable``).

    Args:
        cosines: Cosine of S_m with its segment, 0 without S_m. Shape: (n_characters,)
        set_sizes: Number of members of S_s. Shape: (n_characters,)

    Returns:
        The gates, from 0 to 1. Shape: (n_characters,)

    """
    return np.where(set_sizes > 0, np.maximum(cosines, 0), 0).astype(np.float32)
