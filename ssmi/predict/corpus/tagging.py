"""Tag a whole corpus with a run: the missing parts, here or on workers, then the manifest."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from ssmi.model.corpus_tagging import check_text_fit
from ssmi.model.runs.checkpoint.checkpoint_files import digest as checkpoint_digest
from ssmi.model.runs.files import CHECKPOINT
from ssmi.pipeline.assets.corpora import corpus_name, find_corpus
from ssmi.pipeline.assets.names import path_below
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.arguments import check_probability
from ssmi.pipeline.contract.errors import MissingResourceError, SsmiError, StaleArtifactError, closest_name
from ssmi.pipeline.contract.manifest import MANIFEST_NAME, FileEntry, Manifest, StageReport, digest_file, digest_json
from ssmi.pipeline.contract.parquet import tables
from ssmi.pipeline.contract.project.paths import BOUNDARIES_FILE, ArtifactPaths
from ssmi.pipeline.contract.storage.locks import locked
from ssmi.pipeline.contract.text.wording import counted, is_or_are
from ssmi.pipeline.executor import Work, open_executor
from ssmi.pipeline.stages.corpora.names import check_same_corpus
from ssmi.predict.corpus.over_storage import tag_over_storage
from ssmi.predict.corpus.parts import PartTask, is_finished, tag_part
from ssmi.runs.lookup import note_if_unfinished
from ssmi.workspace import Workspace

VERSION = 1
"""Version of the output for the same run, shards and settings."""


@dataclass(frozen=True, slots=True)
class CorpusPrediction:
    """Predictions of a run for a corpus.

    Attributes:
        folder: Folder with ``part-*.parquet`` (columns text_id, start, end, label and score) and manifest.json.
        n_sentences: Number of sentences of the corpus.
        n_entities: Number of rows of all parts together.
        n_parts: Number of parts.
        n_kept: Number of parts that existed already.

    """

    folder: Path
    n_sentences: int
    n_entities: int
    n_parts: int
    n_kept: int


def predict_corpus(
    workspace: Workspace,
    corpus: str,
    *,
    run: Path,
    min_score: float,
    workers: int,
    scheduler: str | None,
    device: str,
) -> CorpusPrediction:
    """Tag a corpus whose features are built; see ``Project.predict_shards``. ``run``: an existing run folder."""
    check_probability("min_score", min_score)
    name = corpus_name(corpus, root=workspace.root)
    workspace.fetch_features(name)
    if workspace.remote is not None and scheduler is not None:
        workspace.remote.check(for_workers=True)
    if (given := path_below(workspace.root, corpus)).exists():
        # Features are found by name: another corpus of the same name would be tagged in its place.
        check_same_corpus(find_corpus(str(given), root=workspace.root, listed=()), paths=workspace.paths)
    job = _Job.of(workspace, name, run=run.resolve(), min_score=min_score)
    note_if_unfinished(run, workspace.reporter)
    waiting = locked(
        workspace.paths.lock_of(job.folder), what=f"{job.name} is being tagged", reporter=workspace.reporter
    )
    with waiting:  # parts that another process tags meanwhile then exist
        return _tag(job, workspace, workers=workers, scheduler=scheduler, device=device)


def run_name(run: Path, checkpoint: str, *, paths: ArtifactPaths) -> str:
    """Name of a run in paths of predictions: its folder's name and, outside ``artifacts/train``, a digest.

    Runs of different seeds, and packs, can share a folder name; the first digits of the checkpoint's digest distinguish
    them without naming a path of this machine.
    """
    return run.name if run.parent == paths.runs.resolve() else f"{run.name}@{checkpoint[:8]}"


def _tag(job: _Job, workspace: Workspace, *, workers: int, scheduler: str | None, device: str) -> CorpusPrediction:
    """Tag the missing parts, then write the manifest."""
    tasks = job.tasks(device)
    manifest = job.manifest()
    written = {} if manifest is None else manifest.files
    missing = [task for task in tasks if not is_finished(task) or _changed(task.target, written)]
    if len(missing) < len(tasks):
        n_kept = len(tasks) - len(missing)
        workspace.reporter.note(
            f"predict: {n_kept} of {counted(len(tasks), 'part')} {is_or_are(len(tasks))} already finished"
        )
    if not missing and manifest is not None and written.keys() == {task.target.name for task in tasks}:
        report = manifest.report
        return CorpusPrediction(job.folder, report.rows_in, report.rows_out, len(tasks), len(tasks))
    # Removed first: a folder without a manifest is not finished.
    (job.folder / MANIFEST_NAME).unlink(missing_ok=True)
    if missing:
        sizes = tables.row_counts([task.part for task in missing])
        work = Work(function=tag_part, tasks=missing, sizes=sizes, label="predict", unit="sentences")
        with open_executor(workers=workers, scheduler=scheduler) as executor:
            if workspace.remote is None or executor.is_local:
                # Parts are written where they are tagged; no results are returned.
                deque(executor.map(work, workspace.reporter), maxlen=0)
            else:
                tag_over_storage(work, executor, workspace=workspace, remote=workspace.remote, folder=job.folder)
    report = job.finish([task.target for task in tasks])
    return CorpusPrediction(job.folder, report.rows_in, report.rows_out, len(tasks), len(tasks) - len(missing))


def _entry(part: Path) -> FileEntry:
    return FileEntry(digest_file(part), part.stat().st_size, tables.count_rows([part]))


def _changed(part: Path, written: Mapping[str, FileEntry]) -> bool:
    """Whether a part differs from the manifest; the digest of its rows misses changed bytes between them."""
    return part.name in written and digest_file(part) != written[part.name].sha256


def _similar(name: str, workspace: Workspace) -> str:
    close = closest_name(name, workspace.paths.built_names())
    return f"; did you mean {close!r}?" if close else ""


@dataclass(frozen=True, slots=True)
class _Job:
    """A corpus to tag, the run that tags it, and the folder of the result."""

    name: str
    run: Path
    shards: Path
    sources: Path
    folder: Path
    min_score: float
    inputs: Mapping[str, str]

    @classmethod
    def of(cls, workspace: Workspace, name: str, *, run: Path, min_score: float) -> _Job:
        """Create the job. Raises the errors of ``Project.predict_shards``."""
        shards, sources = workspace.paths.shards(name), workspace.paths.stage("prepare", name)
        if not (shards / MANIFEST_NAME).is_file():
            raise MissingResourceError(
                f"corpus {name}: its features are not built{_similar(name, workspace)}",
                next_step=f"ssmi-cli features build --corpus {quote(name)}, or with its path where it is not in data/",
            )
        check_text_fit(run=run, shards=shards)
        prepared = manifests.load(sources)
        manifests.check_parts(prepared, sources)
        if digest_file(sources / MANIFEST_NAME) != manifests.load(shards).inputs["artifacts/prepare"]:
            raise StaleArtifactError(
                f"{shards}: not built from the sentences in {sources}",
                next_step=f"ssmi-cli features build --corpus {quote(name)}",
            )
        inputs = {"run": checkpoint_digest(run / CHECKPOINT), "artifacts/shards": digest_file(shards / MANIFEST_NAME)}
        folder = workspace.paths.predictions(run_name(run, inputs["run"], paths=workspace.paths), name)
        return cls(name, run, shards, sources, folder, min_score, inputs)

    def tasks(self, device: str) -> list[PartTask]:
        """Tasks for all parts of the corpus."""
        made_from = digest_json([VERSION, self._parameters, dict(self.inputs)])
        return [
            PartTask(
                checkpoint=self.run / CHECKPOINT,
                boundaries=self.shards / BOUNDARIES_FILE,
                part=part,
                arrays=tuple(sorted(part.parent.glob(f"{part.stem}.*.npy"))),
                sources=tables.part_path(self.sources, tables.SOURCES, number),
                target=self.folder / f"part-{number:05d}.parquet",
                device=device,
                min_score=self.min_score,
                made_from=made_from,
            )
            for number, part in enumerate(tables.list_parts(self.shards, tables.TEXT))
        ]

    @property
    def _parameters(self) -> Mapping[str, Mapping[str, float]]:
        return {"predict": {"min_score": self.min_score}}

    def manifest(self) -> Manifest | None:
        """The manifest, or None if it is missing or belongs to another run, corpus or other settings."""
        try:
            manifest = manifests.load(self.folder)
        except SsmiError:
            return None
        made_from = (manifest.version, manifest.parameters, manifest.inputs)
        return manifest if made_from == (VERSION, self._parameters, self.inputs) else None

    def finish(self, parts: Sequence[Path]) -> StageReport:
        """Write the manifest and return its report: sentences in, entities out."""
        # Remove parts of an earlier, larger corpus and leftovers of killed processes; other files stay.
        for path in {*self.folder.glob("part-*.parquet"), *self.folder.glob(".part-*.tmp")} - set(parts):
            path.unlink()
        n_sentences = tables.count_rows(tables.list_parts(self.shards, tables.TEXT))
        manifest = Manifest(
            stage="predict",
            dataset=self.name,
            parameters=self._parameters,
            inputs=self.inputs,
            report=StageReport(rows_in=n_sentences, rows_out=tables.count_rows(parts)),
            files={
                one.name: FileEntry(digest_file(one), one.stat().st_size, tables.count_rows([one])) for one in parts
            },
            version=VERSION,
        )
        manifests.save(manifest, self.folder)
        return manifest.report
