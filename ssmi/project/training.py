"""What trains: one network, an encoder, the rows of a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ssmi.pipeline.contract.arguments import checked, optional_path
from ssmi.workspace import Workspace

if TYPE_CHECKING:
    from ssmi.ablation.ablate import AblationResult
    from ssmi.demo import DemoResult
    from ssmi.encoder import AdaptedEncoder
    from ssmi.paper.reproduce import PaperResult
    from ssmi.training import TrainResult


@dataclass(frozen=True)
class TrainingMethods(Workspace):
    """What trains: one network, an encoder, the rows of a table."""

    @checked
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
        """Train on a data set's shards; the best epoch on dev is kept, test is scored once.

        Args:
            dataset: The data set.
            configuration: A named network over params.yaml, ``bert-crf`` for example; ``overrides`` change it.
            run: Where to write; None for ``artifacts/train/DATASET``, with a configuration ``DATASET+NAME``.
            overrides: Changes of parameters.
            device: Where to compute; None as ``train.device`` says.
            resume: Continue the unfinished run in the run folder.

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
            run=optional_path(run),
            overrides=overrides,
            device=device,
            resume=resume,
        )

    @checked
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

        Test is not read. All layers are trained. ``encoder.name`` may then name the folder.

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

    @checked
    def ablate(
        self,
        dataset: str | None = None,
        *,
        only: Iterable[str] = (),
        variants: Iterable[str | Path] = (),
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
            variants: Configurations of one's own: ``NAME:key=value,key=value`` each, as ``--variant`` takes them, or
                the Path of a YAML file of them.
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
            ssmi.training.Interrupted: Ctrl-C, SIGTERM or SIGHUP; the same call continues.

        """
        from ssmi.ablation.ablate import AblationRequest, ablate
        from ssmi.ablation.variants import parse, read

        rows = [[parse(one)] if isinstance(one, str) else read(one) for one in variants]

        request = AblationRequest(
            only=tuple(only),
            variants=tuple(chain.from_iterable(rows)),
            n_seeds=n_seeds,
            n_folds=folds,
            n_jobs=jobs,
            keep_checkpoints=keep_checkpoints,
            dry_run=dry_run,
            overrides=tuple(overrides),
            device=device,
        )
        return ablate(self, dataset, request)

    @checked
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
            ssmi.training.Interrupted: Ctrl-C, SIGTERM or SIGHUP; the same call continues.

        """
        from ssmi.paper.reproduce import PaperRequest, reproduce

        request = PaperRequest(
            encoder=encoder,
            datasets=tuple(datasets),
            only=tuple(only),
            n_seeds=n_seeds,
            n_jobs=jobs,
            overrides=tuple(overrides),
            device=device,
        )
        return reproduce(self, request)

    @checked
    def demo(self) -> DemoResult:
        """Run ``dvc repro`` on the first data set, and keep what it built as an experiment.

        DVC writes its own output to this process's standard output and standard error; the reporter does not get it.

        Raises:
            SsmiError: It did not finish.

        """
        from ssmi.demo import run_demo

        return run_demo(self)
