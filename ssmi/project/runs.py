"""What is done with trained runs: scoring, comparing, tagging; and whether all files are whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import NonNegativeInt, PositiveInt

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
    """What is done with trained runs: scoring, comparing, tagging; and whether all files are whole."""

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
            dataset: The data set; None for the one that ``run`` was trained on. With both, where there are no shards
                that the run can read, the split's own file is tagged as any text.
            run: The run folder; None for ``artifacts/train/DATASET``.
            split: ``train``, ``dev`` or ``test``; not read with ``file``.
            file: A labelled file of any known format, scored whole in place of a split.
            encoding: Of ``file``; None as a ``dataset.yaml`` beside it says.
            offsets: Of ``file``: ``auto``, ``code-points`` or ``utf-16``; None as a ``dataset.yaml`` beside it says.
            device: Where to compute.

        Returns:
            Scores, ratios from 0 to 1 with their counts, and the calibration of the probabilities.

        Raises:
            MissingResourceError: The run, the shards or the file are not there.
            StaleArtifactError: The run and the shards do not belong together.
            InputDataError: The split is empty, or the file breaks its format.

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
        n_resamples: PositiveInt = 2_000,
        device: str = "auto",
    ) -> Comparison:
        """Say how much more F1 a run has than another, with a paired bootstrap interval.

        Args:
            run: A run folder, or one that holds the runs of several seeds.
            base: What it is compared with, of the same kind.
            split: ``train``, ``dev`` or ``test``.
            n_resamples: Bootstrap samples, of sentences and, where there are several, of seeds.
            device: Where a run without counts of the split is scored.

        Returns:
            The difference of all types together and of each, with intervals.

        Raises:
            MissingResourceError: There is no run, or no shards to score it on.
            StaleArtifactError: The two were scored on different sentences.

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
        """Write one HTML page about a run: scores, confusion of types, every error with its features.

        Args:
            dataset: The data set; None for the one that ``run`` was trained on.
            run: The run folder; None for ``artifacts/train/DATASET``.
            split: ``train``, ``dev`` or ``test``.
            out: The file to write; None for ``report-SPLIT.html`` in the run folder.
            device: Where to compute.

        Returns:
            The page's path, F1 from 0 to 1, and how many errors of each kind there are.

        Raises:
            MissingResourceError: The run or the shards are not there.
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
        """Open a run for use on text.

        Args:
            run: The run folder, or a packed one; None for the data set's.
            dataset: The data set.
            device: Where to compute.
            threads: As ``Tagger.open`` takes it.
            entities: As ``Tagger.open`` takes it.

        Returns:
            A callable: text → entities.

        Raises:
            MissingResourceError: The run, or what its features are made with, is not there.
            StaleArtifactError: The features are not those that the run was trained on.

        """
        from ssmi.runs.lookup import find_run

        folder = find_run(self, run=optional_path(run), dataset=dataset)
        # With torch: a run that is not there is refused before.
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
        """Tag a corpus whose features are built, part by part, into ``artifacts/predict/RUN/CORPUS``.

        RUN is the name of the run's folder, followed by ``@`` and eight digits of its checkpoint's digest where the run
        is not in ``artifacts/train``. The entities are those that ``open_run`` finds in the same texts. Finished parts
        are kept: an interrupted call is continued by the same call. Each part is tagged on one thread, so that its
        bytes are the same in any process.

        Args:
            corpus: As ``build_features`` took it.
            run: The run folder; None for the data set's.
            dataset: The data set; None for the first of params.yaml.
            min_score: Entities with a lower score are left out; 0 to 1.
            workers: Local worker processes; 0 tags in this process.
            scheduler: The address of a Dask scheduler, in place of ``workers``.
            device: Where to compute.

        Returns:
            The folder, and how much there is in it.

        Raises:
            MissingResourceError: The run, or the features of the corpus, are not there.
            StaleArtifactError: The features are not those that the run reads text with.
            ParameterError: A data set is named in place of a corpus, the path is that of another corpus than was built
                under its name, or the score is not from 0 to 1.

        """
        from ssmi.runs.lookup import find_run

        folder = find_run(self, run=optional_path(run), dataset=dataset)
        from ssmi.predict.corpus.tagging import predict_corpus  # with torch: a run that is not there is refused before

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
        """Pack a run and all that prediction needs into one folder, which ``ssmi.open_run`` opens on any machine.

        Args:
            run: The run folder, or a packed one; None for the data set's.
            out: The folder to make; it must not be there.
            dataset: The data set.

        Returns:
            The files of the pack and their bytes.

        Raises:
            ParameterError: The folder is there already.
            MissingResourceError: The run, or what its features are made with, is not there.
            StaleArtifactError: The features are not those that the run was trained on.

        """
        from ssmi.runs.lookup import find_run

        folder = find_run(self, run=optional_path(run), dataset=dataset)
        from ssmi.predict.packing import pack  # with torch: a run that is not there is refused before

        return pack(folder, Path(out), project=self.root, reporter=self.reporter)

    @checked
    def verify(self, *, deep: bool = False) -> Verification:
        """Say whether all that stages, training and ablations wrote below ``artifacts/`` is as it was written.

        Args:
            deep: Compare every byte; otherwise names, sizes and manifests alone.

        Returns:
            Every folder with its intact files counted, and each file that is missing, changed or foreign.

        Raises:
            OSError: A folder cannot be listed.

        """
        from ssmi.verification import verify

        return verify(self, deep=deep)
