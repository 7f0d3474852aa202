"""How far each character's best boundary is trusted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Gates = npt.NDArray[np.float32]


def cosine_gates(cosines: npt.NDArray[np.floating], set_sizes: npt.NDArray[np.integer]) -> Gates:
    """The cosine of S_m with its segment where it is over the threshold Δ, else 0.

    The set S_s holds what is over Δ, best first: S_m is over it exactly where the set has a member. So nothing needs to
    know which Δ the features were made with. Boundaries drawn at random (``selection.choice``) are in their set
    whatever their cosine; a negative one counts as 0. Segments chosen without sets have no gates
    (``requirements.check_buildable``).

    Args:
        cosines: Of S_m, 0 without one. Shape: (n_characters,)
        set_sizes: Members of S_s. Shape: (n_characters,)

    Returns:
        From 0 to 1. Shape: (n_characters,)

    """
    return np.where(set_sizes > 0, np.maximum(cosines, 0), 0).astype(np.float32)
