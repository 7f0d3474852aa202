"""Windows must cover their sentences: checked on flat arrays, as a split holds them."""

from __future__ import annotations

import numpy as np
import pytest

from ssmi.model.data.features.feature_checks import REBUILD, check_windows
from ssmi.pipeline.contract.errors import StaleArtifactError


def _check(lengths: list[int], windows: list[list[int]], *, limit: int = 4) -> None:
    offsets = np.cumsum([0, *lengths])
    window_offsets = np.cumsum([0, *map(len, windows)])
    starts = np.array([start for of_sentence in windows for start in of_sentence], dtype=np.int32)
    check_windows(offsets, window_offsets, starts, limit=limit, source="tiny/train")


@pytest.mark.parametrize(
    ("lengths", "windows"),
    [
        ([], []),
        ([3], [[0]]),
        ([4, 6], [[0], [0, 4]]),
        ([0], [[0]]),
        ([2, 0, 9], [[0], [0], [0, 1, 5]]),
    ],
)
def test_windows_that_cover_their_sentences_are_accepted(lengths: list[int], windows: list[list[int]]) -> None:
    _check(lengths, windows)


@pytest.mark.parametrize(
    "windows",
    [
        pytest.param([[0], []], id="a sentence without windows"),
        pytest.param([[0], [1, 4]], id="a first window that starts late"),
        pytest.param([[0], [0, 4, 4]], id="an empty window"),
        pytest.param([[0], [0, 7]], id="a window that starts after the end"),
        pytest.param([[0], [0, 3, 2]], id="starts that descend"),
        pytest.param([[0], [0, 5]], id="a window over the limit"),
        pytest.param([[0], [0]], id="a sentence over the limit"),
    ],
)
def test_other_windows_are_refused(windows: list[list[int]]) -> None:
    with pytest.raises(StaleArtifactError, match="tiny/train: windows that do not tile their sentence") as refused:
        _check([4, 6], windows)
    assert refused.value.next_step == REBUILD
