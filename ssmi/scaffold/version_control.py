"""Initialisation of DVC in a new project, if DVC is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ssmi.pipeline.contract import extras
from ssmi.pipeline.contract.errors import SsmiError

_SETTINGS = {"analytics": "false", "check_update": "false"}
"""Settings that keep DVC from using the network on its own, unless the user changes them."""


_IGNORED = "/config.local\n/tmp\n/cache\n"
"""Content of ``.dvc/.gitignore``, as DVC itself writes it."""


def init_dvc(root: Path) -> None:
    """Put a folder under DVC, with or without a git repository; do nothing if DVC is not installed.

    The index of the git repository is left unchanged, whereas ``dvc init`` would stage the files that it writes. DVC is
    therefore initialised as if there were no git, and that setting is dropped afterwards if there is a repository.

    Raises:
        SsmiError: ``dvc init`` failed.

    """
    if not extras.installed("dvc"):
        return
    command = [sys.executable, "-m", "dvc", "init", "--quiet", "--no-scm"]
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()][-1:]
        raise SsmiError(f"dvc init: {''.join(said)}", next_step="see what `dvc doctor` says")
    in_repository = any((folder / ".git").exists() for folder in (root, *root.parents))
    settings = _SETTINGS if in_repository else {"no_scm": "true", **_SETTINGS}
    lines = "".join(f"    {key} = {value}\n" for key, value in settings.items())
    (root / ".dvc" / "config").write_text(f"[core]\n{lines}", encoding="utf-8")
    (root / ".dvc" / ".gitignore").write_text(_IGNORED, encoding="utf-8")
