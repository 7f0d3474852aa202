"""metrics.json, the scores of a finished run, read wherever they are needed."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ssmi.model.runs.files import METRICS
from ssmi.pipeline.contract.errors import StaleArtifactError

_F1 = frozenset({"f1"})


def read(run: Path, *, numbers: Collection[str] = _F1) -> dict[str, dict[str, Any]]:
    """Read the scores of a finished run.

    Args:
        run: The run folder.
        numbers: The keys that the scores of each split must have, a number each.

    Returns:
        Split → its scores, as ``Scores.to_json`` says them.

    Raises:
        StaleArtifactError: The file cannot be read, or does not hold these numbers.

    """
    path = run / METRICS
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(body, dict) or not all(isinstance(scores, dict) for scores in body.values()):
            raise ValueError("not the scores of splits")
        lacking = [
            f"{split}.{name}" for split, scores in body.items() for name in numbers if not _is_number(scores.get(name))
        ]
        if lacking:
            raise ValueError(f"no number at {', '.join(sorted(lacking))}")
    except (OSError, ValueError) as error:
        raise StaleArtifactError(
            f"{path}: cannot be read ({error})", next_step=f"remove {run} and train again, or bring the file back"
        ) from None
    return body


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
