"""Putting a new project under DVC, where it is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ssmi.pipeline.contract import extras
from ssmi.pipeline.contract.errors import SsmiError

_SETTINGS = {"analytics": "false", "check_update": "false"}
"""Nothing is sent or asked for unless the user turns it on."""


_IGNORED = "/config.local\n/tmp\n/cache\n"
"""What git leaves out of ``.dvc``, as DVC itself writes it."""


def init_dvc(root: Path) -> None:
    """Put a folder under DVC, in a git repository or without one; nothing without DVC.

    The index of the git repository stays as it is, whereas ``dvc init`` in one stages the files that it writes. So DVC
    is told that there is no git, and the setting that says so is left out again where there is.
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
