"""An unfinished stage: its output so far, its scratch files and the marks of its finished parts.

Its folder is outside ``artifacts`` and named by the digest of everything that the output is made from. So the work of a
killed run is resumed by the next run with the same parameters and inputs, and by no other.
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
    """The folder of an unfinished stage, and its parts.

    Attributes:
        output: Folder of the files that become the stage's output.
        scratch: Folder of the files that parts write for other parts.

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
        """Name the stage's folders; nothing is created yet.

        Args:
            home: Folder of all unfinished builds of this stage of this data set.
            key: Digest of everything that the output is made from.
            share: The share of the parts that this process runs; None for all.
            artifacts: Folder of the finished stages that the parts read.
            remote: Storage that holds the parts too, for processes that do not share this folder.
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
        """Create the folders, and remove the temporary files of killed processes."""
        self.make_folders()
        replacing.sweep_below(self._folder)

    def make_folders(self) -> None:
        """Create the folders for output and scratch files."""
        self.output.mkdir(parents=True, exist_ok=True)
        self.scratch.mkdir(exist_ok=True)

    def is_there(self) -> bool:
        """Whether the folder exists, that is, no other process has finished and removed it."""
        return self.output.is_dir()

    def move_output(self, target: Path) -> None:
        """Move the files of the output to the stage's folder ``target``."""
        for path in sorted(path for path in self.output.rglob("*") if path.is_file()):
            # A lost worker may still be writing a file that another worker has finished meanwhile.
            if not fnmatchcase(path.name, ".*.tmp"):
                place = target / path.relative_to(self.output)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, place)  # a rename, unless the folder is on another file system

    def remove(self) -> None:
        """Remove the stage's home with all builds on this machine, and this build from storage."""
        self.remove_here()
        if self._mirror is not None:
            self._mirror.remove()

    def remove_here(self) -> None:
        """Remove the stage's home with all builds, from this machine only."""
        # The stage is finished even if its folder cannot be removed.
        shutil.rmtree(self._home, ignore_errors=True)

    def map(self, executor: Executor, work: Work[Task, Result], reporter: Reporter) -> Iterator[Result]:
        """Run the unfinished parts, and yield the results of all parts.

        Args:
            executor: The executor that runs the parts.
            work: All tasks, one per part.
            reporter: Reporter of the progress and of the number of parts already finished.

        Returns:
            The results, in the order of the tasks; with a share, only once all shares have run their parts.

        Raises:
            OthersMissingError: This process runs a share, and other shares are not finished.
        """
        # Numbered by call, because a stage may have two works with the same label.
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
            self._mirror.synchronize(parts, reporter=reporter)
        found = [finished(part) for part in parts]
        if any(text is not None for text in found):
            n_found = sum(text is not None for text in found)
            reporter.note(
                f"{label}: {n_found} of {counted(len(parts), 'part')} {is_or_are(len(parts))} already finished"
            )
        share = self._share
        ours = [index for index, text in enumerate(found) if text is None and (share is None or share.takes(index))]
        missing = replace(work, tasks=[parts[index] for index in ours], sizes=[work.sizes[index] for index in ours])
        done = self._run(executor, missing, reporter)
        if share is not None:
            for _ in done:
                pass
            # Checked again, because other shares may have finished parts meanwhile.
            if self._mirror is not None:
                self._mirror.synchronize(parts, reporter=reporter)
            found = [finished(part) if text is None else text for part, text in zip(parts, found, strict=True)]
            if n_missing := sum(text is None for text in found):
                raise OthersMissingError(label, n_missing)
        for part, text in zip(parts, found, strict=True):
            # Results of parts just run come in turn; a result too large to send is read from the part's mark.
            yield result_of(part, text or next(done) or kept_result(part))
        # Exhaust the iterator, which closes the progress display.
        next(done, None)

    def _run(
        self, executor: Executor, work: Work[Part[Task, Result], str | None], reporter: Reporter
    ) -> Iterator[str | None]:
        """Run parts, synchronize them with storage if there is one, and yield each result of ``run_part``."""
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
                mirror.upload(part)
            else:
                mirror.download(part)
            yield text


def joined_meanwhile(stage: str) -> SsmiError:
    """Make the error for a share whose stage was finished by another process while the share was running."""
    return SsmiError(
        f"{stage}: another process has joined its parts while this share was running",
        next_step="run the command without a part only after all shares have finished",
    )
