"""Tag on workers that share no folder with this process: the run, features and parts are passed through storage."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ssmi.model.runs.files import CHECKPOINT
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.contract.storage.own_folders import make_private
from ssmi.pipeline.executor import Executor, Work
from ssmi.pipeline.parts.unfinished import UnfinishedStage
from ssmi.pipeline.remote.filesystem import RemoteFolder
from ssmi.pipeline.remote.stages import StoredStages
from ssmi.predict.corpus.parts import PartTask
from ssmi.workspace import Workspace


def tag_over_storage(
    work: Work[PartTask, None], executor: Executor, *, workspace: Workspace, remote: RemoteFolder, folder: Path
) -> None:
    """Tag parts in the same way as a stage is built over storage, and fetch them.

    A tagged part is kept in the storage, its mark written last, so that the same call after an interruption, on any
    machine, finds it there. When all parts are fetched, they are moved into ``folder`` and removed from the storage.

    Args:
        work: The missing parts.
        executor: Executor whose workers are on other machines.
        workspace: The project.
        remote: The project's storage.
        folder: ``artifacts/predict/RUN/CORPUS``.

    Raises:
        MissingResourceError: The storage cannot be used, or the scheduler is gone.
        SsmiError: A part failed; the message names it.
    """
    paths, first = workspace.paths, work.tasks[0]
    make_private(paths.unfinished, root=paths.private)
    unfinished = UnfinishedStage(
        paths.unfinished / "+".join(folder.relative_to(paths.folder).parts),
        first.made_from[:16],
        artifacts=paths.folder,
        remote=remote,
    )
    unfinished.begin()
    # Workers read finished stages from the storage; a stage that is only here is sent there.
    for stage in (first.boundaries.parent, first.sources.parents[1]):
        place = stage.relative_to(paths.folder).as_posix()
        StoredStages(remote).publish(stage, place, reporter=workspace.reporter)
    # A run is not a stage: workers get it as a file of the unfinished work, which is removed at the end.
    checkpoint = unfinished.scratch / "run" / CHECKPOINT
    _copy(first.checkpoint, checkpoint)
    tasks = [replace(task, checkpoint=checkpoint, target=unfinished.output / task.target.name) for task in work.tasks]
    for _ in unfinished.map(executor, replace(work, tasks=tasks), workspace.reporter):
        pass
    folder.mkdir(parents=True, exist_ok=True)
    unfinished.move_output(folder)
    unfinished.remove()


def _copy(checkpoint: Path, to: Path) -> None:
    """Make a folder of hard links to the files of a checkpoint, or of copies if the file system has no links."""
    if to.exists():  # made by an earlier call for the same run
        return
    with replacing.replacing_folder(to) as fresh:
        for path in sorted(path for path in checkpoint.rglob("*") if path.is_file()):
            target = fresh / path.relative_to(checkpoint)
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):
                os.link(path.resolve(), target)
            if not target.exists():
                shutil.copyfile(path, target)
