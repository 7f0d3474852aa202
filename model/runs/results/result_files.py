"""The list of the result files of a finished run, with the digest of each file.

The list is written before metrics.json, which marks the run as finished, and includes its digest.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ssmi.model.runs.files import COUNTS, HEADLINE, HISTORY, METRICS, RESULT_FILES
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.storage import plain_files
from ssmi.pipeline.contract.storage.digests import digest_file
from ssmi.pipeline.contract.storage.replacing import writing
from ssmi.pipeline.contract.text.json_text import loads

_AGAIN = "train again, or copy the complete run folder again"


def write(run: Path, *, metrics: bytes) -> None:
    """Write the list of the result files in a run folder, with ``metrics`` as the content of metrics.json."""
    paths = (run / HEADLINE, run / HISTORY, *sorted((run / COUNTS).glob("*.parquet")))
    digests = {path.relative_to(run).as_posix(): digest_file(path) for path in paths if path.is_file()}
    body = {**digests, METRICS: hashlib.sha256(metrics).hexdigest()}
    with writing(run / RESULT_FILES) as temporary:
        temporary.write_text(json.dumps(body, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, str]:
    """Read name → digest from a run's list or from that of its checkpoint. Raises StaleArtifactError without a list.

    The list needs no digest of its own, because after any change to it some file differs from its digest.
    """
    path = folder / RESULT_FILES
    try:
        return {str(name): str(digest) for name, digest in loads(plain_files.read_text(path)).items()}
    except (OSError, ValueError, AttributeError) as error:
        raise StaleArtifactError(f"{path}: no list of this run's files ({error})", next_step=_AGAIN) from None


def check(run: Path, path: Path) -> None:
    """Verify a file of a finished run against the list; files of an unfinished run are not in a list.

    Raises StaleArtifactError if the file was changed after it was written.
    """
    if not (run / METRICS).is_file() or not path.is_file():
        return
    if read(run).get(path.relative_to(run).as_posix()) != digest_file(path):
        raise StaleArtifactError(f"{path}: changed since it was written", next_step=_AGAIN)
