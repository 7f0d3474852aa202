"""Figures of a machine on which only the given work takes time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.bench.scale.figures import Figures, Growth, Rates, StageCost

STAGES = ("prepare", "segment", "embed", "selection", "pmi", "shards")


@pytest.fixture(scope="session")
def free_rates() -> Callable[..., Rates]:
    """Rates of zero, except those given."""
    names = list(Rates.__dataclass_fields__)
    return lambda **rates: Rates(**{**dict.fromkeys(names, 0.0), **rates})


@pytest.fixture(scope="session")
def figures(free_rates: Callable[..., Rates]) -> Callable[..., Figures]:
    """Stages without cost and counts that do not grow, except those given."""

    def make(*, rates: Rates | None = None, words: int = 0, queries: int = 0, **cpu: float) -> Figures:
        def flat(n: int) -> dict[str, Growth]:
            return {"text": Growth({1: n}, float(n), 0.0)}

        stages = {name: StageCost(cpu.get(name, 0.0), 10.0, 1.0, 100) for name in STAGES}
        common: dict[str, Any] = {"when": "", "corpus": "text", "sizes": (1, 2), "characters": 40.0}
        return Figures(
            **common, stages=stages, encode=0.0, new_words=flat(words), segments=flat(words), queries=flat(queries),
            segment_memory=0.0, rates=rates or free_rates(),
        )  # fmt: skip

    return make
