"""A stage under way: its output so far, its scratch files and the marks of its finished parts.

It lies outside ``artifacts``, in a folder named by the digest of all that the output is made from. So a run that is
killed leaves what it has done to the next one of the same parameters and inputs, and to no other.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.contract.text.wording import counted, is_or_are
from ssmi.pipeline.executor import Executor, Result, Task, Work
from ssmi.pipeline.parts.mark import Part, finished, kept_result, result_of, run_part
from ssmi.pipeline.parts.mirror import Mirror
from ssmi.pipeline.parts.share import OthersMissingError, Share
from ssmi.pipeline.parts.stored import StoredPart, run_stored_part
from ssmi.pipeline.remote.filesystem import RemoteFolder


class UnfinishedStage:
    """The folder of one stage under way, and its parts.

    Attributes:
        output: What will be the stage's output.
        scratch: What parts leave to one another.

    """

    def __init__(
        self,
        home: Path,
        key: str,
        *,
        share: Share | None = None,
        artifacts: Path | None = None,
        remote: RemoteFolder | None = None,
    ) -> None:
        """Name it; nothing is made yet.

        Args:
            home: Of this stage of this data set.
            key: A digest of all that it is made from.
            share: Which parts are this process's to do; None for all.
            artifacts: Where the stages lie that it reads.
            remote: Storage that holds its parts too, for processes that do not share this folder.
        """
        self._home = home
        self._artifacts = artifacts
        self._folder = home / key
        self._share = share
        self._n_calls = 0
        self.output = self._folder / "output"
        self.scratch = self._folder / "scratch"
        self._marks = self._folder / "marks"
        self._mirror = (
            None
            if remote is None or artifacts is None
            else Mirror(remote, home=home.name, key=key, folder=self._folder, artifacts=artifacts)
        )

    def begin(self) -> None:
        """Make its folders, and remove what processes that were killed were writing there."""
        self.make_folders()
        replacing.sweep_below(self._folder)

    def make_folders(self) -> None:
        """Make the empty folders that a stage finds."""
        self.output.mkdir(parents=True, exist_ok=True)
        self.scratch.mkdir(exist_ok=True)

    def is_there(self) -> bool:
        """Whether no other process has finished and removed it."""
        return self.output.is_dir()

    def move_output(self, target: Path) -> None:
        """Move the output's files to where the stage keeps its own."""
        for path in sorted(path for path in self.output.rglob("*") if path.is_file()):
            # A lost worker may still be writing what another has done meanwhile.
            if not fnmatchcase(path.name, ".*.tmp"):
                place = target / path.relative_to(self.output)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, place)  # a rename, but where scratch files lie on another file system

    def remove(self) -> None:
        """Remove it, with what runs of other parameters have left here; in storage it alone."""
        self.remove_here()
        if self._mirror is not None:
            self._mirror.remove()

    def remove_here(self) -> None:
        """``remove``, but from this machine alone."""
        # What cannot be removed makes a finished stage no failure.
        shutil.rmtree(self._home, ignore_errors=True)

    def map(self, executor: Executor, work: Work[Task, Result], reporter: Reporter) -> Iterator[Result]:
        """Run the parts that are not finished, and give the results of all.

        Args:
            executor: Runs them.
            work: All parts.
            reporter: Told of progress, and how many parts are there already.

        Returns:
            The results, in the order of the tasks; of a share not before all shares have done theirs.

        Raises:
            OthersMissingError: This is a share, and others have not done theirs.
        """
        # By the call's number too: a stage may do two things of one name.
        folder = self._marks / f"{self._n_calls:02d}-{work.label.replace(' ', '-')}"
        self._n_calls += 1
        parts = [
            Part(work.function, task, self._folder, folder / f"{index:06d}.json", self._artifacts)
            for index, task in enumerate(work.tasks)
        ]
        of_parts: Work[Part[Task, Result], str | None] = Work(
            function=run_part, tasks=parts, sizes=work.sizes, label=work.label, unit=work.unit
        )
        return self._map(executor, of_parts, reporter)

    def _map(
        self, executor: Executor, work: Work[Part[Task, Result], str | None], reporter: Reporter
    ) -> Iterator[Result]:
        parts, label = work.tasks, work.label
        if self._mirror is not None:
            self._mirror.take_finished(parts, reporter=reporter)
        found = [finished(part) for part in parts]
        if any(text is not None for text in found):
            n_found = sum(text is not None for text in found)
            reporter.note(f"{label}: {n_found} of {counted(len(parts), 'part')} {is_or_are(len(parts))} there already")
        share = self._share
        ours = [index for index, text in enumerate(found) if text is None and (share is None or share.takes(index))]
        missing = replace(work, tasks=[parts[index] for index in ours], sizes=[work.sizes[index] for index in ours])
        done = self._run(executor, missing, reporter)
        if share is not None:
            for _ in done:
                pass
            # Asked again: other shares have worked meanwhile.
            if self._mirror is not None:
                self._mirror.take_finished(parts, reporter=reporter)
            found = [finished(part) if text is None else text for part, text in zip(parts, found, strict=True)]
            if n_missing := sum(text is None for text in found):
                raise OthersMissingError(label, n_missing)
        for part, text in zip(parts, found, strict=True):
            # Of the parts just run in turn; what was too large to travel is read from the file.
            yield result_of(part, text or next(done) or kept_result(part))
        # To its end, where progress is closed.
        next(done, None)

    def _run(
        self, executor: Executor, work: Work[Part[Task, Result], str | None], reporter: Reporter
    ) -> Iterator[str | None]:
        """Run parts, and keep their copies in storage where there are any; gives what ``run_part`` returns of each."""
        mirror = self._mirror
        if mirror is None:
            yield from executor.map(work, reporter)
            return
        if executor.is_local:
            done = executor.map(work, reporter)
        else:
            stored = list(mirror.stored_parts(work.tasks, reporter=reporter)) if work.tasks else []
            of_stored: Work[StoredPart[Task, Result], str | None] = Work(
                function=run_stored_part, tasks=stored, sizes=work.sizes, label=work.label, unit=work.unit
            )
            done = executor.map(of_stored, reporter)
        for part, text in zip(work.tasks, done, strict=True):
            if executor.is_local:
                mirror.give(part)
            else:
                mirror.take(part)
            yield text


def joined_meanwhile(stage: str) -> SsmiError:
    """The error of a share whose stage was finished while it was at work."""
    return SsmiError(
        f"{stage}: another process has put its parts together while this share was at work",
        next_step="start the call without a part only when all shares have ended",
    )
