"""DVC commands: run DVC as a subprocess, and record stages in dvc.lock that were built without it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ssmi.dvc.pipeline_file import TRAIN, outdated_versions
from ssmi.pipeline.contract import extras
from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.project.stages import STAGES
from ssmi.pipeline.contract.storage.locks import locked
from ssmi.pipeline.contract.storage.replacing import writing
from ssmi.workspace import Workspace


def environment() -> dict[str, str]:
    """Return the environment with this interpreter's scripts first in PATH, so that ``cmd:`` lines find ssmi-cli."""
    scripts = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": scripts + os.pathsep + os.environ.get("PATH", "")}


def run_dvc(root: Path, arguments: Sequence[str], *, quiet: bool, more: Mapping[str, str] | None = None) -> int:
    """Run DVC in the project.

    Args:
        root: The project folder.
        arguments: The command line of DVC.
        quiet: Whether to keep DVC's output off the screen.
        more: Additional environment variables.

    Returns:
        The exit code of DVC; always 0 with ``quiet``.

    Raises:
        MissingResourceError: DVC is not installed.
        SsmiError: DVC failed, with ``quiet``.

    """
    if not extras.installed("dvc"):
        raise extras.missing("dvc", f"dvc {arguments[0]}")
    _allow_without_git(root)
    # The DVC of this interpreter, which is the one that `installed` checks.
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(
        command, cwd=root, env=environment() | dict(more or {}), capture_output=quiet, text=True, check=False
    )
    if quiet and done.returncode:
        reason = _reason(done.stderr) or f"exit code {done.returncode}"
        raise SsmiError(f"dvc {arguments[0]}: {reason}", next_step=f"run `dvc {' '.join(arguments)}` to see all")
    return done.returncode


def _reason(said: str) -> str:
    """Extract the last error from DVC's standard error in one line, or its last line if there is no error."""
    errors = said.rpartition("ERROR: ")
    if errors[1]:
        # A blank line ends the error; advice follows.
        return " ".join(errors[2].partition("\n\n")[0].split())
    return "".join([line.strip() for line in said.splitlines() if line.strip()][-1:])


def save_experiment(root: Path, name: str) -> bool:
    """Save the project's files and outputs as an experiment that ``dvc exp apply NAME`` restores.

    The outputs go into DVC's cache with the digests they have on this machine, whatever the committed dvc.lock says.

    Returns:
        Whether the experiment was saved; False for a project without git.

    Raises:
        MissingResourceError: DVC is not installed.
        SsmiError: DVC failed.

    """
    if not (root / ".git").exists():
        return False
    run_dvc(root, ["exp", "save", "--force", "--name", name], quiet=True, more=_identity(root))
    return True


def _identity(root: Path) -> dict[str, str]:
    """Return git's identity as environment variables, because DVC needs one and reads fewer settings than git."""
    identity: dict[str, str] = {}
    for key in ("name", "email"):
        asked = subprocess.run(
            ["git", "config", f"user.{key}"], cwd=root, capture_output=True, text=True, encoding="utf-8", check=False
        )
        identity |= {f"GIT_{role}_{key.upper()}": asked.stdout.strip() or "ssmi" for role in ("AUTHOR", "COMMITTER")}
    return {name: value for name, value in identity.items() if name not in os.environ}


def _allow_without_git(root: Path) -> None:
    """Let DVC run in a project without .git, such as an unpacked tarball, by a setting in its uncommitted config."""
    local = root / ".dvc" / "config.local"
    if not (root / ".git").exists() and not local.exists():
        with writing(local) as temporary:
            temporary.write_text("[core]\n    no_scm = true\n", encoding="utf-8")


def tracks(root: Path) -> bool:
    """Return whether the project is under DVC."""
    return (root / ".dvc").is_dir() and (root / "dvc.yaml").is_file()


def record(workspace: Workspace, dataset: str, stages: Sequence[str], *, overridden: bool) -> None:
    """Record built or current stages in dvc.lock if the project uses DVC, and report why if that is not possible."""
    if not tracks(workspace.root) or "DVC_STAGE" in os.environ:  # DVC sets it for a command that it runs and records
        return
    if not extras.installed("dvc"):
        workspace.reporter.note("not recorded in dvc.lock: DVC is not installed (pip install 'ssmi[dvc]')")
    elif dataset not in workspace.params().datasets:
        workspace.reporter.note(f"{dataset} is not in params.yaml's datasets: built untracked by DVC")
    elif overridden:
        workspace.reporter.note("not recorded in dvc.lock: -S overrode a value of params.yaml")
    elif outdated_versions(workspace.root, stages):
        workspace.reporter.note(
            "not recorded in dvc.lock: dvc.yaml was written by another version; run ssmi-cli dvc write"
        )
    else:
        _commit_or_note(workspace, [target(stage, dataset) for stage in stages])


def _commit_or_note(workspace: Workspace, targets: Sequence[str]) -> None:
    """Call ``commit_stages``, and report a failure (another DVC is running, say) as a note: the outputs are intact."""
    alone = locked(workspace.paths.lock("dvc"), what="dvc.lock is being written", reporter=workspace.reporter)
    try:
        # Hold our own lock, because DVC waits only a few seconds for another DVC.
        with alone:
            commit_stages(workspace.root, targets)
    except SsmiError as error:
        workspace.reporter.note(f"not recorded in dvc.lock: {error.message}; run the same command again to record it")


def commit_stages(root: Path, targets: Sequence[str]) -> None:
    """Record the present outputs of stages in dvc.lock and the cache, as if DVC had run the stages."""
    if targets:
        # --force: otherwise DVC asks for confirmation of changed stages, and nobody would see the question.
        run_dvc(root, ["commit", "--force", *targets], quiet=True)


def target(stage: str, dataset: str) -> str:
    """Return DVC's name of a stage, for example ``segment@resume``; shared stages have no data set in their name."""
    return f"{stage}@{dataset}" if stage == TRAIN or STAGES[stage].per_dataset else stage
