"""The methods of a project that train: a network, an encoder, or the rows of a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import NonNegativeInt, PositiveInt

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
    """Methods that train: a network, an encoder, or the rows of a table."""

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
        """Train on a data set's shards, keep the best epoch on dev, and score test once.

        Args:
            dataset: The data set; None for the first one in params.yaml.
            configuration: A named network, for example ``bert-crf``, whose changes apply to params.yaml before
                ``overrides``.
            run: The run folder to write; None for ``artifacts/train/DATASET``, or ``artifacts/train/DATASET+NAME`` with
                a configuration.
            overrides: Parameter changes, ``section.key=value`` each.
            device: Device to compute on; None for that of ``train.device``.
            resume: Whether to continue the unfinished run in the run folder.

        Returns:
            The run folder, the history by epoch, and the scores of the best epoch on dev and test.

        Raises:
            MissingResourceError: The shards are not built, or there is nothing to resume.
            StaleArtifactError: The shards were built with other feature parameters or another encoder.
            DivergedError: The loss or its gradient is not finite.
            SsmiError: Another process trains in the run folder.
            ssmi.Interrupted: Ctrl-C, SIGTERM or SIGHUP stopped the training, after its state was saved; a
                KeyboardInterrupt.

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
        epochs: PositiveInt = 10,
        seed: NonNegativeInt = 13,
        batch_size: PositiveInt = 16,
        lr: float | None = None,
        overrides: Iterable[str] = (),
        device: str | None = None,
    ) -> AdaptedEncoder:
        """Train the project's encoder on masked words of a data set's train and dev text, and write it to a new folder.

        The test split is not read. All layers are trained. The new folder may then be given as ``encoder.name``.

        Args:
            dataset: The data set, whose features must be built; None for the first one in params.yaml.
            out: The encoder folder to create; it must not exist.
            epochs: Number of epochs.
            seed: Seed of the masks, the order of sentences, dropout and the choice of held-out sentences.
            batch_size: Number of sentences in a batch.
            lr: Peak learning rate of the encoder; None derives it from the encoder's width.
            overrides: Parameter changes, ``section.key=value`` each. Of ``train``, only device, threads, precision,
                warm-up, decay and clip have an effect.
            device: Device to compute on; None for that of ``train.device``.

        Returns:
            The folder, its value for ``encoder.name``, and the losses on held-out sentences before and after.

        Raises:
            ParameterError: ``out`` exists already, or ``seed`` or ``lr`` is out of range.
            MissingResourceError: The data set does not exist, its features are not built, or the encoder has no
                [MASK] token.
            StaleArtifactError: The features were built with other parameters or another encoder.
            DivergedError: The loss or its gradient is not finite.

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
        """Train configurations of the network with several seeds, and write one table. Finished runs are reused.

        Args:
            dataset: The data set; None for the first one in params.yaml.
            only: Names of configurations; if empty, all configurations, or none of them if there are variants.
            variants: Your own configurations: ``NAME:key=value,key=value`` each, as for ``--variant``, or the Path of
                a YAML file that lists them.
            n_seeds: Number of runs per configuration, with the seed ``train.seed`` and the numbers after it.
            folds: Cross-validate on this number of folds of train and dev, without reading test; None for the splits
                of the data set.
            jobs: Number of runs at once, each in its own process if there are several; 0 for one per GPU, or one per
                physical core without a GPU.
            keep_checkpoints: Whether to keep the weights of finished runs; None keeps them unless ``folds`` is given.
            dry_run: Whether to report the expected duration to the reporter and stop before training.
            overrides: Parameter changes for all configurations, ``section.key=value`` each.
            device: Device to compute on; None for that of ``train.device``.

        Returns:
            The table, its folder, and the runs that diverged or failed.

        Raises:
            ParameterError: A configuration or parameter is unknown, a variant is malformed, or a number is too small.
            MissingResourceError: The data set, the encoder, the vectors or a file of variants does not exist.
            InputDataError: A file of variants or the data set cannot be read.
            ssmi.Interrupted: Ctrl-C, SIGTERM or SIGHUP stopped the ablation; repeating the call continues it.

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
        """Train the paper's rows on its data sets with an encoder, and write a page that compares the scores.

        The features of every data set are built first; then ``ablate`` makes a table for each data set. Finished runs
        are reused.

        Args:
            encoder: A folder, a listed name, or the name of a hub model; None for the encoder of params.yaml.
            datasets: Names of data sets; empty for those of the paper that are on this machine.
            only: Names of configurations; empty for BERT-CRF, SSMI and the peers.
            n_seeds: Number of runs per configuration, with the seed ``train.seed`` and the numbers after it.
            jobs: Number of runs at once, each in its own process if there are several; 0 for one per GPU, or one per
                physical core without a GPU.
            overrides: Parameter changes for all runs, ``section.key=value`` each.
            device: Device to compute on; None for that of ``train.device``.

        Returns:
            The page, the table of each data set, the data sets that were not found, and the runs that diverged or
            failed.

        Raises:
            MissingResourceError: None of the data sets exists, or the encoder does not.
            ssmi.Interrupted: Ctrl-C, SIGTERM or SIGHUP stopped the runs; repeating the call continues them.

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
    def write_dvc(self, *, check: bool = False) -> list[str]:
        """Write the stages of this program into the project's dvc.yaml; DVC does not need to be installed.

        Stages of other names and other keys of the file stay as they are.

        Args:
            check: Whether to write nothing, and to raise an error if the file is out of date.

        Returns:
            The stages that were out of date and are now written, in order; empty if the file was current.

        Raises:
            StaleArtifactError: With ``check``, the file is out of date; the message names the stages.
            ParameterError: params.yaml or an existing dvc.yaml cannot be read.

        """
        from ssmi.dvc.pipeline_file import update_pipeline

        return update_pipeline(self.root, check=check)

    @checked
    def demo(self) -> DemoResult:
        """Run ``dvc repro`` for the first data set, and keep the result as an experiment.

        DVC writes its output to the standard output and standard error of this process, not to the reporter.

        Returns:
            Counts of the features that were built, and the scores of the trained run.

        Raises:
            SsmiError: ``dvc repro`` did not finish.

        """
        from ssmi.demo import run_demo

        return run_demo(self)
