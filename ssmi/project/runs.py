"""The methods of a project for trained runs: score, compare, tag and export; and the verification of all files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import NonNegativeInt

from ssmi.pipeline.contract.arguments import checked, name_or_path, optional_path
from ssmi.predict.entity import Words
from ssmi.workspace import Workspace

if TYPE_CHECKING:
    from ssmi.evaluation.comparison import Comparison
    from ssmi.evaluation.evaluate import Evaluation
    from ssmi.predict.corpus.tagging import CorpusPrediction
    from ssmi.predict.tagger import Tagger
    from ssmi.report.write import ReportResult
    from ssmi.verification import Verification


@dataclass(frozen=True)
class RunMethods(Workspace):
    """Methods for trained runs: score, compare, tag and export; and the verification of all files."""

    @checked
    def evaluate(
        self,
        dataset: str | None = None,
        *,
        run: str | Path | None = None,
        split: str = "dev",
        file: str | Path | None = None,
        encoding: str | None = None,
        offsets: str | None = None,
        device: str = "auto",
    ) -> Evaluation:
        """Score a run on a split of a data set, or on any labelled file.

        Args:
            dataset: The data set; None for the one that ``run`` was trained on. If both ``dataset`` and ``run`` are
                given and the run cannot read the data set's shards, the raw file of the split is tagged instead.
            run: The run folder; None for ``artifacts/train/DATASET``.
            split: ``train``, ``dev`` or ``test``; ignored with ``file``.
            file: A labelled file of any known format, scored as a whole in place of a split.
            encoding: Encoding of ``file``; None for that of a ``dataset.yaml`` beside it, or UTF-8.
            offsets: Unit of entity offsets in ``file``: ``auto``, ``code-points`` or ``utf-16``; None for that of a
                ``dataset.yaml`` beside it.
            device: Device to compute on.

        Returns:
            Scores as ratios from 0 to 1 with their counts, and the calibration of the probabilities.

        Raises:
            MissingResourceError: The run, the shards or the file does not exist.
            StaleArtifactError: The run and the shards do not belong together.
            InputDataError: The split is empty, or the file violates its format.

        """
        from ssmi.evaluation import evaluate
        from ssmi.runs.lookup import find_run

        if file is None:
            return evaluate.evaluate_split(self, run=optional_path(run), dataset=dataset, split=split, device=device)
        return evaluate.evaluate_file(
            find_run(self, run=optional_path(run), dataset=dataset),
            Path(file),
            project=self.root,
            encoding=encoding,
            offsets=offsets,
            device=device,
            reporter=self.reporter,
        )

    @checked
    def compare(
        self,
        run: str | Path,
        base: str | Path,
        *,
        split: str = "dev",
        n_resamples: int = 2_000,
        device: str = "auto",
    ) -> Comparison:
        """Compute the difference in F1 between two systems, with a paired bootstrap interval.

        Args:
            run: The system to assess: a run folder, or a folder with the runs of several seeds.
            base: The system to compare it with, given in the same way.
            split: ``train``, ``dev`` or ``test``.
            n_resamples: Number of bootstrap resamples, over sentences and, if there are several, over seeds.
            device: Device on which runs without stored counts of the split are scored.

        Returns:
            The difference in F1, ``run`` minus ``base``, over all entities and by type, with intervals.

        Raises:
            MissingResourceError: There is no run, or there are no shards to score it on.
            StaleArtifactError: The two systems were scored on different sentences.

        """
        from ssmi.evaluation.comparison import compare_runs

        return compare_runs(
            run,
            base,
            split=split,
            n_resamples=n_resamples,
            project=self.root,
            storage=self.storage,
            device=device,
            reporter=self.reporter,
        )

    @checked
    def report(
        self,
        dataset: str | None = None,
        *,
        run: str | Path | None = None,
        split: str = "dev",
        out: str | Path | None = None,
        device: str = "auto",
    ) -> ReportResult:
        """Write an HTML page about a run: scores, confusion of types, and every error with its features.

        Args:
            dataset: The data set; None for the one that ``run`` was trained on.
            run: The run folder; None for ``artifacts/train/DATASET``.
            split: ``train``, ``dev`` or ``test``.
            out: The file to write; None for ``report-SPLIT.html`` in the run folder.
            device: Device to compute on.

        Returns:
            The path of the page, F1 from 0 to 1, and the number of errors of each kind.

        Raises:
            MissingResourceError: The run or the shards do not exist.
            StaleArtifactError: The run and the shards do not belong together.

        """
        from ssmi.report.write import write_report

        return write_report(self, dataset, run=optional_path(run), split=split, out=optional_path(out), device=device)

    @checked
    def open_run(
        self,
        run: str | Path | None = None,
        *,
        dataset: str | None = None,
        device: str = "auto",
        threads: int | None = None,
        entities: str | Path | Words | None = None,
    ) -> Tagger:
        """Open a run to tag text with it.

        Args:
            run: The run folder, or one that ``export`` packed; None for ``artifacts/train/DATASET``.
            dataset: The data set whose run to open; None for the first one in params.yaml. Give only one of ``run``
                and ``dataset``.
            device: Device to compute on.
            threads: Number of CPU threads while tagging: 0 for one per physical core, at most 1,024, None for torch's
                current setting.
            entities: A file of words and labels, or a mapping, that are entities wherever they occur; see
                ``ssmi.open_run``.

        Returns:
            A callable: text → entities.

        Raises:
            MissingResourceError: The run, or a file needed to compute its features, does not exist.
            StaleArtifactError: The features are not those that the run was trained on.
            ParameterError: Both ``run`` and ``dataset`` are given, or the device or number of threads is invalid.
            InputDataError: The file of ``entities`` is malformed.

        """
        from ssmi.runs.lookup import find_run

        folder = find_run(self, run=optional_path(run), dataset=dataset)
        # Imports torch, so a run that does not exist is rejected first.
        from ssmi.predict.tagger import Tagger

        return Tagger.open(
            folder, project=self.root, device=device, threads=threads, entities=entities, reporter=self.reporter
        )

    @checked
    def predict_shards(
        self,
        corpus: str | Path,
        *,
        run: str | Path | None = None,
        dataset: str | None = None,
        min_score: float = 0.0,
        workers: NonNegativeInt = 0,
        scheduler: str | None = None,
        device: str = "auto",
    ) -> CorpusPrediction:
        """Tag a corpus whose features are built, part by part, and write ``artifacts/predict/RUN/CORPUS``.

        RUN is the name of the run folder; if the run is not in ``artifacts/train``, ``@`` and eight digits of its
        checkpoint's digest are appended. The entities are those that ``open_run`` finds in the same texts. Finished
        parts are kept, so repeating an interrupted call continues it. Each part is tagged on one thread, so that its
        bytes do not depend on the process.

        Args:
            corpus: The corpus, as given to ``build_features``.
            run: The run folder; None for ``artifacts/train/DATASET``.
            dataset: The data set whose run to use; None for the first one in params.yaml. Give only one of ``run`` and
                ``dataset``.
            min_score: Entities with a lower score are left out; from 0 to 1.
            workers: Number of local worker processes; 0 tags in this process.
            scheduler: Address of a Dask scheduler, in place of ``workers``.
            device: Device to compute on.

        Returns:
            The output folder and its numbers of sentences, entities and parts.

        Raises:
            MissingResourceError: The run or the features of the corpus do not exist.
            StaleArtifactError: The features are not those that the run uses for text.
            ParameterError: ``corpus`` is a data set, or the path of a corpus other than the one built under its name,
                or ``min_score`` is not from 0 to 1.

        """
        from ssmi.runs.lookup import find_run

        folder = find_run(self, run=optional_path(run), dataset=dataset)
        from ssmi.predict.corpus.tagging import predict_corpus  # imports torch, so after the run is found

        return predict_corpus(
            self,
            name_or_path(corpus),
            run=folder,
            min_score=min_score,
            workers=workers,
            scheduler=scheduler,
            device=device,
        )

    @checked
    def export(
        self, run: str | Path | None = None, *, out: str | Path, dataset: str | None = None
    ) -> Mapping[str, int]:
        """Pack a run with everything that prediction needs into a folder that ``ssmi.open_run`` opens on any machine.

        Args:
            run: The run folder, or a packed one; None for ``artifacts/train/DATASET``.
            out: The folder to create; it must not exist.
            dataset: The data set whose run to pack; None for the first one in params.yaml. Give only one of ``run`` and
                ``dataset``.

        Returns:
            The files of the pack and their sizes in bytes.

        Raises:
            ParameterError: ``out`` exists already, or both ``run`` and ``dataset`` are given.
            MissingResourceError: The run, or a file needed to compute its features, does not exist.
            StaleArtifactError: The features are not those that the run was trained on.

        """
        from ssmi.runs.lookup import find_run

        folder = find_run(self, run=optional_path(run), dataset=dataset)
        from ssmi.predict.packing import pack  # imports torch, so after the run is found

        return pack(folder, Path(out), project=self.root, reporter=self.reporter)

    @checked
    def verify(self, *, deep: bool = False) -> Verification:
        """Verify that the files of stages, training and ablations below ``artifacts/``, and in storage, are as written.

        Args:
            deep: Whether to compare every byte; otherwise only names, sizes and manifests are compared.

        Returns:
            For every folder, the number of intact files and each file that is missing, changed or foreign.

        Raises:
            OSError: A folder cannot be listed.

        """
        from ssmi.verification import verify

        return verify(self, deep=deep)
