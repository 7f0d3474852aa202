"""A project as Python sees it: every verb of the command line as a method with a typed result.

::

    project = ssmi.open_project(".")
    project.build_features("resume", workers=2)
    project.train("resume", configuration="bert-crf")
    project.stats("coverage", dataset="resume").pl()

Each method imports what it needs when it is called. None prints: progress and notes go to the reporter. ``demo`` alone
lets another program write to the screen, which is DVC.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

from ssmi.pipeline.contract.arguments import list_of
from ssmi.pipeline.contract.progress import Reporter, Silent
from ssmi.pipeline.contract.storage.replacing import sweep_below
from ssmi.workspace import Workspace, find_root

if TYPE_CHECKING:
    from ssmi.ablation.ablate import AblationResult
    from ssmi.data import DatasetReport
    from ssmi.demo import DemoResult
    from ssmi.encoder import AdaptedEncoder
    from ssmi.evaluation.comparison import Comparison
    from ssmi.evaluation.evaluate import Evaluation
    from ssmi.explain.ask import Explanation
    from ssmi.features import FeatureBuild
    from ssmi.paper.reproduce import PaperResult
    from ssmi.pipeline.contract.manifest import StageReport
    from ssmi.pipeline.stages.up_to_date import StageShare
    from ssmi.predict.corpus.tagging import CorpusPrediction
    from ssmi.predict.tagger import Tagger
    from ssmi.predict.user_entities import Words
    from ssmi.report.write import ReportResult
    from ssmi.statistics import Statistics
    from ssmi.training import TrainResult
    from ssmi.verification import Verification


def open_project(
    folder: str | Path = ".", *, upward: bool = True, reporter: Reporter | None = None, storage: str | None = None
) -> Project:
    """Open a project; what a killed process left half written in its artifacts goes.

    Args:
        folder: The folder with params.yaml.
        upward: Whether it may also be a folder above.
        reporter: Told of progress and notes; None for silence.
        storage: URL of storage that holds the features too (``s3://BUCKET/FOLDER``, ``gs://...``, ``file:///...``).
            Whatever reads features first takes those in it that are others than here; a build takes what is current
            there and sends what it makes. Keys are the driver's matter, by its environment variables.

    Raises:
        MissingResourceError: There is no params.yaml.

    """
    project = Project(find_root(Path(folder), upward=upward), reporter or Silent(), storage)
    sweep_below(project.paths.folder)
    return project


@dataclass(frozen=True)
class Project(Workspace):
    """A project folder: its parameters, its artifacts, and what can be done with them.

    Where a method takes ``dataset``, None means the first data set that params.yaml lists. ``overrides`` are
    ``section.key=value`` over params.yaml, the later ones over the earlier. ``device`` is ``auto``, ``cpu``, ``cuda``,
    ``cuda:1`` and so on. Every method raises ParameterError for parameters that are not known or do not fit.

    Attributes:
        root: The folder that holds params.yaml, absolute.
        reporter: Told of progress and notes; silent by default.
        storage: URL of storage that holds the features too; None where they lie here alone.

    """

    def build_features(
        self,
        dataset: str | None = None,
        *,
        corpus: str | None = None,
        like: str | None = None,
        workers: int = 0,
        scheduler: str | None = None,
        overrides: Iterable[str] = (),
        force: bool = False,
    ) -> FeatureBuild:
        """Run every feature stage that is not current, and tell DVC where the project is under it.

        Args:
            dataset: The data set.
            corpus: In its place text without labels: a name of ``corpora`` in params.yaml or of a folder of data, or
                the path of a folder or file below the project.
            like: The data set whose map and pairs' weights a corpus gets, as a run on it reads new text; None for the
                first of params.yaml.
            workers: Local worker processes; 0 builds in this process. The bytes are the same.
            scheduler: The address of a Dask scheduler, in place of ``workers``.
            overrides: Changes of parameters.
            force: Run every stage, current or not.

        Returns:
            Each stage with its folder, ``built`` or ``current``.

        Raises:
            MissingResourceError: The data set, the corpus, vectors or encoder are not there.
            InputDataError: A raw file breaks its format, with ``file:line``.
            StaleArtifactError: The features of ``like`` are not of these parameters.

        """
        from ssmi import features

        subject = features.Subject(dataset, corpus, like)
        return features.build(self, subject, workers=workers, scheduler=scheduler, overrides=overrides, force=force)

    @overload
    def run_stage(
        self,
        name: str,
        dataset: str | None = None,
        *,
        corpus: str | None = None,
        like: str | None = None,
        workers: int = 0,
        scheduler: str | None = None,
        overrides: Iterable[str] = (),
        part: None = None,
    ) -> StageReport: ...

    @overload
    def run_stage(
        self,
        name: str,
        dataset: str | None = None,
        *,
        corpus: str | None = None,
        like: str | None = None,
        workers: int = 0,
        scheduler: str | None = None,
        overrides: Iterable[str] = (),
        part: tuple[int, int],
    ) -> StageShare: ...

    def run_stage(
        self,
        name: str,
        dataset: str | None = None,
        *,
        corpus: str | None = None,
        like: str | None = None,
        workers: int = 0,
        scheduler: str | None = None,
        overrides: Iterable[str] = (),
        part: tuple[int, int] | None = None,
    ) -> StageReport | StageShare:
        """Run one feature stage whether it is current or not, or one share of its parts.

        Args:
            name: The stage: ``vocab``, ``prepare``, ``segment``, ``embed``, ``selection``, ``pmi`` or ``shards``.
            dataset: The data set.
            corpus: As for ``build_features``.
            like: As for ``build_features``.
            workers: As for ``build_features``.
            scheduler: As for ``build_features``.
            overrides: Changes of parameters.
            part: Which share of how many to do, from (1, n) to (n, n). When all are done, a call without it puts them
                together; the bytes are the same.

        Returns:
            Its rows in and out, what was left out and why, and its statistics; of a share, how far it came.

        Raises:
            MissingResourceError: A stage that it reads is not built.
            ParameterError: There is no such part, or the stage does not work in parts.

        """
        from ssmi import features

        subject = features.Subject(dataset, corpus, like)
        if part is not None:
            return features.run_share(
                self, name, subject, part=part, workers=workers, scheduler=scheduler, overrides=overrides
            )
        return features.run_stage(self, name, subject, workers=workers, scheduler=scheduler, overrides=overrides)

    def train(
        self,
        dataset: str | None = None,
        *,
        configuration: str | None = None,
        run: str | Path | None = None,
        overrides: Iterable[str] = (),
        device: str | None = None,
        resume: bool = False,
    ) -> TrainResult:
        """Train on a data set's shards; dev picks the epoch, test is read once.

        Args:
            dataset: The data set.
            configuration: A named network over params.yaml, ``bert-crf`` for example; ``overrides`` change it.
            run: Where to write; None for ``artifacts/train/DATASET``, with a configuration ``DATASET+NAME``.
            overrides: Changes of parameters.
            device: Where to compute; None as ``train.device`` says.
            resume: Go on with the unfinished run in the run folder.

        Returns:
            The run folder, the history by epoch, and the scores of the best epoch on dev and test.

        Raises:
            MissingResourceError: The shards are not built, or there is nothing to resume.
            StaleArtifactError: The shards are of other feature parameters or another encoder.
            DivergedError: The loss stopped being a number.
            SsmiError: Another process trains in the run folder.
            ssmi.training.Interrupted: Ctrl-C, SIGTERM or SIGHUP, after everything was saved; a KeyboardInterrupt.

        """
        from ssmi import training

        return training.train_dataset(
            self,
            dataset,
            configuration=configuration,
            run=_path(run),
            overrides=overrides,
            device=device,
            resume=resume,
        )

    def adapt_encoder(
        self,
        dataset: str | None = None,
        *,
        out: str | Path,
        epochs: int = 10,
        seed: int = 13,
        batch_size: int = 16,
        lr: float | None = None,
        overrides: Iterable[str] = (),
        device: str | None = None,
    ) -> AdaptedEncoder:
        """Train the project's encoder on masked words of a data set's train and dev text, into a folder of its own.

        Test is not read. All layers are trained. The folder then does for ``encoder.name``.

        Args:
            dataset: The data set; its features are built.
            out: The encoder folder to make; it must not be there.
            epochs: Number of epochs.
            seed: Of masks, order and dropout, and of what is held out to measure with.
            batch_size: Sentences in a batch.
            lr: Peak learning rate of the encoder; None follows its width.
            overrides: Changes of parameters; of ``train`` only device, threads, precision, warm-up, decay and clip.
            device: Where to compute; None as ``train.device`` says.

        Returns:
            The folder, its name for ``encoder.name``, and the losses on held-out sentences before and after.

        Raises:
            ParameterError: The folder is there already.
            MissingResourceError: There is no such data set, its features are not built, or the encoder has no [MASK].
            StaleArtifactError: The features are of other parameters or another encoder.
            DivergedError: The loss stopped being a number.

        """
        from ssmi import encoder

        return encoder.adapt(
            self,
            dataset,
            out=Path(out),
            epochs=epochs,
            seed=seed,
            batch_size=batch_size,
            lr=lr,
            overrides=overrides,
            device=device,
        )

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
            return evaluate.evaluate_split(self, run=_path(run), dataset=dataset, split=split, device=device)
        return evaluate.evaluate_file(
            find_run(self, run=_path(run), dataset=dataset),
            Path(file),
            project=self.root,
            encoding=encoding,
            offsets=offsets,
            device=device,
            reporter=self.reporter,
        )

    def ablate(
        self,
        dataset: str | None = None,
        *,
        only: Iterable[str] = (),
        variants: Iterable[str] = (),
        n_seeds: int = 3,
        folds: int | None = None,
        jobs: int = 1,
        keep_checkpoints: bool | None = None,
        dry_run: bool = False,
        overrides: Iterable[str] = (),
        device: str | None = None,
    ) -> AblationResult:
        """Train configurations of the network over seeds, and write one table. Finished runs are kept.

        Args:
            dataset: The data set.
            only: Names of configurations; empty for all, or for none where there are variants.
            variants: Configurations of one's own, ``NAME:key=value,key=value`` each, as ``--variant`` takes them.
            n_seeds: Runs of each, with ``train.seed`` and the numbers after it.
            folds: Cross-validate on so many parts of train and dev, and read no test; None for the splits as they are.
            jobs: Runs at once, each in a process of its own; 0 for one a GPU, or a physical core without any.
            keep_checkpoints: Whether the weights of finished runs stay; None for those of runs without folds.
            dry_run: Tell the reporter how long it will take, and stop.
            overrides: Changes of parameters, of all configurations.
            device: Where to compute; None as ``train.device`` says.

        Returns:
            The table, its folder, and the runs that diverged or failed.

        Raises:
            ssmi.training.Interrupted: Ctrl-C, SIGTERM or SIGHUP; the same call goes on.

        """
        from ssmi.ablation.ablate import AblationRequest, ablate
        from ssmi.ablation.variants import parse

        request = AblationRequest(
            only=list_of("only", only),
            variants=tuple(map(parse, list_of("variants", variants))),
            n_seeds=n_seeds,
            n_folds=folds,
            n_jobs=jobs,
            keep_checkpoints=keep_checkpoints,
            dry_run=dry_run,
            overrides=list_of("overrides", overrides),
            device=device,
        )
        return ablate(self, dataset, request)

    def paper(
        self,
        encoder: str | None = None,
        *,
        datasets: Iterable[str] = (),
        only: Iterable[str] = (),
        n_seeds: int = 5,
        jobs: int = 1,
        overrides: Iterable[str] = (),
        device: str | None = None,
    ) -> PaperResult:
        """Train the paper's rows on its data sets with an encoder, and write one page beside the paper's figures.

        Features of every data set are built first; then ``ablate`` makes the table of each. Finished runs are kept.

        Args:
            encoder: A folder, a name of the list, or the name of a hub model; None for that of params.yaml.
            datasets: Names of data sets; empty for those of the paper that are on this machine.
            only: Names of configurations; empty for BERT-CRF, SSMI and the peers.
            n_seeds: Runs of each, with ``train.seed`` and the numbers after it.
            jobs: Runs at once, each in a process of its own; 0 for one a GPU, or a physical core without any.
            overrides: Changes of parameters, of all runs.
            device: Where to compute; None as ``train.device`` says.

        Returns:
            The page, the table of each data set, what was not found, and the runs that diverged or failed.

        Raises:
            MissingResourceError: None of the data sets is there, or the encoder is not.
            ssmi.training.Interrupted: Ctrl-C, SIGTERM or SIGHUP; the same call goes on.

        """
        from ssmi.paper.reproduce import PaperRequest, reproduce

        request = PaperRequest(
            encoder=encoder,
            datasets=list_of("datasets", datasets),
            only=list_of("only", only),
            n_seeds=n_seeds,
            n_jobs=jobs,
            overrides=list_of("overrides", overrides),
            device=device,
        )
        return reproduce(self, request)

    def compare(
        self,
        run: str | Path,
        base: str | Path,
        *,
        split: str = "dev",
        n_resamples: int = 2_000,
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
            run, base, split=split, n_resamples=n_resamples, project=self.root, device=device, reporter=self.reporter
        )

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

        return write_report(self, dataset, run=_path(run), split=split, out=_path(out), device=device)

    def explain(
        self, character: str, segment: str, *, dataset: str | None = None, overrides: Iterable[str] = ()
    ) -> Explanation:
        """Rank the words that hold a character by their cosine with its segment, and choose as the features do.

        Args:
            character: One character.
            segment: The word that it stands in.
            dataset: The data set whose segment vectors are read.
            overrides: Changes of ``selection.*``.

        Returns:
            All candidates, the nearest first, with what each is chosen as.

        Raises:
            MissingResourceError: The stages vocab and embed are not built.
            SsmiError: No word holds the character.

        """
        from ssmi.explain.ask import explain_character

        return explain_character(self, character, segment, dataset=dataset, overrides=overrides)

    def stats(self, report: str = "overview", *, dataset: str | None = None, limit: int | None = None) -> Statistics:
        """Answer a named report about a data set's artifacts.

        Args:
            report: Its name; ``ssmi.statistics.list_reports`` lists them.
            dataset: The data set.
            limit: Most rows; None for all.

        Returns:
            Columns and rows; ``.pl()`` makes a polars frame of them.

        Raises:
            MissingResourceError: A stage that it reads is not built.

        """
        from ssmi import statistics

        return statistics.report(self, report, dataset=dataset, limit=limit)

    def sql(self, query: str, *, dataset: str | None = None, limit: int | None = None) -> Statistics:
        """Answer a SELECT over the views of a data set's artifacts.

        Args:
            query: One SELECT, SHOW, DESCRIBE or SUMMARIZE; ``SHOW TABLES`` lists the views.
            dataset: The data set.
            limit: Most rows; None for all.

        Returns:
            Columns and rows; ``.pl()`` makes a polars frame of them.

        Raises:
            ParameterError: The statement is wrong, in DuckDB's words, or would do more than read the views.
            MissingResourceError: A stage that it reads is not built.
            SsmiError: DuckDB fails at it.

        """
        from ssmi import statistics

        return statistics.sql(self, query, dataset=dataset, limit=limit)

    def check_data(
        self, dataset: str | None = None, *, encoding: str | None = None, offsets: str | None = None
    ) -> DatasetReport:
        """Read a data set's raw files from start to end and say what is odd in them.

        Args:
            dataset: The data set.
            encoding: Of the raw files; None as ``dataset.yaml`` says.
            offsets: ``auto``, ``code-points`` or ``utf-16``; None as ``dataset.yaml`` says.

        Returns:
            Counts by split and type, duplicates, overlaps, repairs, unknown characters, vocabulary matches.

        Raises:
            MissingResourceError: The data set or the encoder is not there.
            InputDataError: A raw file breaks its format, with ``file:line``.

        """
        from ssmi import data

        return data.check_dataset(self, dataset, encoding=encoding, offsets=offsets)

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

        folder = find_run(self, run=_path(run), dataset=dataset)
        # With torch: a run that is not there is refused before.
        from ssmi.predict.tagger import Tagger

        return Tagger.open(
            folder, project=self.root, device=device, threads=threads, entities=entities, reporter=self.reporter
        )

    def predict_shards(
        self,
        corpus: str,
        *,
        run: str | Path | None = None,
        dataset: str | None = None,
        min_score: float = 0.0,
        workers: int = 0,
        scheduler: str | None = None,
        device: str = "auto",
    ) -> CorpusPrediction:
        """Tag a corpus whose features are built, part by part, into ``artifacts/predict/RUN/CORPUS``.

        The entities are those that ``open_run`` finds in the same texts. Parts that are finished stay: what was
        interrupted goes on with the others. Each is tagged on one thread, so that its bytes depend on no process.

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
            ParameterError: A data set is named in place of a corpus, or the score is not from 0 to 1.

        """
        from ssmi.runs.lookup import find_run

        folder = find_run(self, run=_path(run), dataset=dataset)
        from ssmi.predict.corpus.tagging import predict_corpus  # with torch: a run that is not there is refused before

        return predict_corpus(
            self,
            corpus,
            run=folder,
            min_score=min_score,
            workers=workers,
            scheduler=scheduler,
            device=device,
        )

    def demo(self) -> DemoResult:
        """Run ``dvc repro`` on the first data set, and keep what it built as an experiment.

        DVC writes its own output to this process's standard output and standard error; the reporter does not get it.

        Raises:
            SsmiError: It did not finish.

        """
        from ssmi.demo import run_demo

        return run_demo(self)


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
