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


def init_dvc(root: Path) -> None:
    """Run ``dvc init`` in the way that fits: at a repository's top, below it, or without git; nothing without DVC."""
    if not extras.installed("dvc"):
        return
    command = [sys.executable, "-m", "dvc", "init", "--quiet", *_git_option(root)]
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()][-1:]
        raise SsmiError(f"dvc init: {''.join(said)}", next_step="see what `dvc doctor` says")
    _set(root / ".dvc" / "config")


def _git_option(root: Path) -> list[str]:
    if (root / ".git").exists():
        return []
    in_repository = any((above / ".git").exists() for above in root.parents)
    return ["--subdir"] if in_repository else ["--no-scm"]


def _set(config: Path) -> None:
    """Write the settings into the section that ``dvc init`` began, or begin it."""
    text = config.read_text(encoding="utf-8") if config.is_file() else ""
    if "[core]" not in text:
        text += "[core]\n"
    lines = "".join(f"    {key} = {value}\n" for key, value in _SETTINGS.items())
    config.write_text(text.replace("[core]\n", f"[core]\n{lines}", 1), encoding="utf-8")
