"""Tagging on workers that share no folder with this process: the run, the features and the parts go over storage."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ssmi.model.runs.files import CHECKPOINT
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.contract.storage.own_folders import make_own
from ssmi.pipeline.executor import Executor, Work
from ssmi.pipeline.parts.unfinished import UnfinishedStage
from ssmi.pipeline.remote.filesystem import RemoteFolder
from ssmi.pipeline.remote.stages import StoredStages
from ssmi.predict.corpus.parts import PartTask
from ssmi.workspace import Workspace


def tag_over_storage(
    work: Work[PartTask, None], executor: Executor, *, workspace: Workspace, remote: RemoteFolder, folder: Path
) -> None:
    """Tag parts as a stage is built over storage, and bring them here.

    A part that a worker has tagged lies in the storage, its mark last, so the same call after an interruption, on any
    machine, takes it from there. When all are here they are moved into ``folder``, and the storage holds none of them.

    Args:
        work: The parts that are missing.
        executor: Of workers elsewhere.
        workspace: The project.
        remote: Its storage.
        folder: ``artifacts/predict/RUN/CORPUS``.

    Raises:
        MissingResourceError: The storage cannot be used, or the scheduler went away.
        SsmiError: A part failed, naming it.
    """
    paths, first = workspace.paths, work.tasks[0]
    make_own(paths.unfinished, root=paths.private)
    unfinished = UnfinishedStage(
        paths.unfinished / "+".join(folder.relative_to(paths.folder).parts),
        first.made_from[:16],
        artifacts=paths.folder,
        remote=remote,
    )
    unfinished.begin()
    # A finished stage that lies in the storage is what workers read of; where it is here alone it is sent.
    for stage in (first.boundaries.parent, first.sources.parents[1]):
        place = stage.relative_to(paths.folder).as_posix()
        StoredStages(remote).publish(stage, place, reporter=workspace.reporter)
    # A run is no stage: workers get it as a file of the work under way, which goes when that is done.
    checkpoint = unfinished.scratch / "run" / CHECKPOINT
    _copy(first.checkpoint, checkpoint)
    tasks = [replace(task, checkpoint=checkpoint, target=unfinished.output / task.target.name) for task in work.tasks]
    for _ in unfinished.map(executor, replace(work, tasks=tasks), workspace.reporter):
        pass
    folder.mkdir(parents=True, exist_ok=True)
    unfinished.move_output(folder)
    unfinished.remove()


def _copy(checkpoint: Path, to: Path) -> None:
    """A folder whose files are links to those of another, or copies where the file system has none."""
    if to.exists():  # an earlier call's, of the same run
        return
    with replacing.replacing_folder(to) as fresh:
        for path in sorted(path for path in checkpoint.rglob("*") if path.is_file()):
            target = fresh / path.relative_to(checkpoint)
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):
                os.link(path.resolve(), target)
            if not target.exists():
                shutil.copyfile(path, target)
