"""An encoder from the model hub, or from the hub's own cache on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from ssmi.pipeline.assets.encoder_files import check_encoder_folder, weight_files
from ssmi.pipeline.contract.encoders.types import CONFIG, read_config
from ssmi.pipeline.contract.errors import MissingResourceError
from ssmi.pipeline.contract.progress import Reporter

_HUB_FILES = ("config.json", "vocab.txt", "tokenizer.json", "vocab.json", "tokenizer_config.json")
_HUB_WEIGHTS = (
    ("model*.safetensors", "model.safetensors.index.json"),
    ("pytorch_model*.bin", "pytorch_model.bin.index.json"),
)
"""Weight files in the order of requests; the second are requested only for a model that has none of the first."""


def fetch_hub(name: str, *, revision: str | None, reporter: Reporter) -> Path:
    """Find the folder of a hub model (safetensors, else pickled tensors); the hub's local cache is searched first.

    Args:
        name: ``model`` or ``owner/model``.
        revision: Revision of the model; None takes the newest.
        reporter: Receives a note when the hub is contacted.

    Returns:
        The folder in the hub's cache.

    Raises:
        MissingResourceError: The hub is not reachable, forbidden by HF_HUB_OFFLINE, or has no such model.
        InputDataError: The encoder's type is not supported; raised before any weights are fetched.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    fetch = partial(huggingface_hub.snapshot_download, name, revision=revision, max_workers=2)
    try:
        with _without_bars():
            return _fetch(fetch, name, reporter)
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise _not_given(name, revision, error) from error


def _fetch(fetch: Callable[..., str], name: str, reporter: Reporter) -> Path:
    for patterns in _HUB_WEIGHTS:  # complete on this machine: the hub is not contacted
        with suppress(OSError, MissingResourceError):
            folder = Path(fetch(allow_patterns=[*_HUB_FILES, *patterns], local_files_only=True))
            check_encoder_folder(folder, pickled=True)
            return folder
    reporter.note(f"{name}: asking the model hub")
    folder = Path(fetch(allow_patterns=list(_HUB_FILES)))
    # Checked before any weights, so that a model of an unsupported type costs no large download.
    if (folder / CONFIG).is_file():
        read_config(folder)
    for patterns in _HUB_WEIGHTS:
        if not weight_files(folder):
            fetch(allow_patterns=[*_HUB_FILES, *patterns], revision=folder.name)  # of the same commit
    return folder


@contextmanager
def _without_bars() -> Iterator[None]:
    """Hide the progress bars of the hub's client, a setting of the whole process, while the block runs."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            enable_progress_bars()


def _not_given(name: str, revision: str | None, error: Exception) -> MissingResourceError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    at = f" at revision {revision}" if revision else ""
    return MissingResourceError(
        f"{name}{at}: not a folder, not a listed encoder, and the model hub did not give it ({reason})",
        next_step=(
            "(1) run where the hub can be reached, with HF_HUB_OFFLINE unset; (2) name a local folder with "
            "config.json, model.safetensors (or pytorch_model.bin) and vocab.txt, or e5-small-zh; "
            "(3) copy the hub's cache folder (HF_HOME) of a machine that has it"
        ),
    )
