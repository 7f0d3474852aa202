"""Training on shards, shared by ``train`` and ``ablate``, and the checks of the shards before training starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from ssmi.configurations import Configuration, find
from ssmi.dvc import commands
from ssmi.dvc.pipeline_file import TRAIN
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.arguments import list_of
from ssmi.pipeline.contract.errors import ParameterError, SsmiError, StaleArtifactError
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.parquet.statistics import ShardsStatistics, require_labels
from ssmi.pipeline.contract.storage.digests import short_digest
from ssmi.pipeline.contract.storage.locks import locked
from ssmi.pipeline.contract.text.wording import as_yaml
from ssmi.runs.lookup import check_labelled
from ssmi.workspace import Workspace

if TYPE_CHECKING:
    from ssmi.model.training.train import TrainResult

_IGNORED_DIFFERENCES = frozenset({"shards.matches"})
"""Parameters in which the shards may differ from the run: a network that does not read the feature is unaffected."""

__all__ = [
    "TrainResult",
    "check_shards",
    "is_main_process",
    "is_single_process",
    "train",
    "train_dataset",
]


def train_dataset(
    workspace: Workspace,
    dataset: str | None,
    *,
    configuration: str | Configuration | None,
    run: Path | None,
    overrides: Iterable[str],
    device: str | None,
    resume: bool,
) -> TrainResult:
    """Train on a data set's shards; see ``Project.train``."""
    overrides = list_of("overrides", overrides)
    named = find(configuration) if isinstance(configuration, str) else configuration
    # Overrides (-S) come last, so that they take precedence over the configuration.
    params = workspace.params((*(named.overrides if named else ()), *overrides), device=device)
    name = workspace.dataset(dataset, params=params)
    workspace.fetch_features(name)
    check_labelled(workspace, name)
    shards = workspace.paths.shards(name)
    folder = run or workspace.paths.run(name, configuration=named.name if named else None)
    # Read before the checks, so that training uses exactly the shards that were checked.
    digest = manifests.read(shards).digest
    encoder = check_shards(workspace, params, shards=shards, dataset=name, configuration=named)
    # torch is imported last, so that the checks above fail fast.
    with workspace.reporter.task("loading torch", total=0, unit=""):
        import ssmi.model.training.train  # noqa: F401  # slow to import, so shown as a task
    if is_main_process():
        _note_changed_data(workspace, name)
    result = train(
        workspace,
        shards=shards,
        encoder=encoder,
        run=folder,
        params=params,
        resume=resume,
        shards_digest=digest,
    )
    # Only this folder is an output of the train stage in dvc.yaml.
    if is_main_process() and folder.resolve() == workspace.paths.run(name).resolve():
        commands.record(workspace, name, [TRAIN], overridden=named is not None or bool(overrides))
    return result


def _note_changed_data(workspace: Workspace, dataset: str) -> None:
    """Note data that changed after the features were built, because training reads the features alone."""
    from ssmi.pipeline.stages.preparing.raw_changes import changes_since_build

    prepared, shards = workspace.paths.stage("prepare", dataset), workspace.paths.shards(dataset)
    try:
        changes = changes_since_build(dataset, root=workspace.root, prepared=prepared, shards=shards)
    except (SsmiError, OSError):  # the data cannot be compared; training does not need them
        return
    if changes:
        workspace.reporter.note(
            f"{dataset}: the features were built before this: {', '.join(changes)}; to build them again: "
            f"ssmi-cli features build --dataset {quote(dataset)}"
        )


def is_main_process() -> bool:
    """Return whether this process writes and prints: of the processes that torchrun starts, only the first one does."""
    from ssmi.model.training import distributed

    return distributed.is_main_process()


def is_single_process() -> bool:
    """Return whether this is the only training process, that is, torchrun started no others."""
    from ssmi.model.training import distributed

    return distributed.is_alone()


def check_shards(
    workspace: Workspace, params: Params, *, shards: Path, dataset: str, configuration: Configuration | None = None
) -> Path | None:
    """Check that shards fit the parameters, and find the encoder to train.

    Args:
        workspace: The project.
        params: The parameters of the run.
        shards: The folder of the shards.
        dataset: Name of the data set, for messages.
        configuration: The configuration that ``params`` were made with. If it changes features, the error message
            refers to ``ablate``, which builds its features and trains on them.

    Returns:
        The folder of the encoder, or None if no encoder is trained.

    Raises:
        MissingResourceError: The shards are not built or hold no labels.
        StaleArtifactError: The shards were built with other feature parameters or another encoder.

    """
    built = manifests.load(shards)
    require_labels(built, shards)
    remedy = f"ssmi-cli features build --dataset {quote(dataset)} with the same parameters"
    if configuration is not None and configuration.feature_changes:
        command = f"ssmi-cli ablate --dataset {quote(dataset)} --only {configuration.name}"
        remedy = f"{command} builds its features and trains on them"
    statistics = ShardsStatistics.of(built)
    made_with = {**built.parameters, **statistics.feature_parameters.to_json()}
    _check_parameters(params, made_with, dataset, remedy=remedy)
    if params.model.lexicon != "none" and not statistics.matches:
        raise StaleArtifactError(
            f"the shards of {dataset} hold no matches, which model.lexicon: {params.model.lexicon} reads",
            next_step=f"ssmi-cli features build --dataset {quote(dataset)} -S shards.matches=true",
        )
    if not params.model.trains_encoder:
        return None
    from ssmi.pipeline.assets.resolve import find_encoder

    encoder = find_encoder(
        params.encoder.name, revision=params.encoder.revision, root=workspace.root, reporter=workspace.reporter
    )
    built_with = statistics.encoder_digest
    if encoder.digest != built_with:
        raise StaleArtifactError(
            f"{shards} was built with encoder {short_digest(built_with)}, {params.encoder.name} is "
            f"{short_digest(encoder.digest)}",
            next_step=f"build with the encoder that you train: ssmi-cli features build --dataset {quote(dataset)}",
        )
    return encoder.path


def train(
    workspace: Workspace,
    *,
    shards: Path,
    encoder: Path | None,
    run: Path,
    params: Params,
    resume: bool,
    shards_digest: str | None,
) -> TrainResult:
    """Call ``model.training.train``, and pin the features needed for prediction in the run folder from the start.

    Even an interrupted run can then be used on text, whatever is built in the project later.

    Raises:
        ParameterError: The run folder holds files that are not a run's.
        SsmiError: Another process trains in the run folder.

    """
    from ssmi.model.training import distributed

    _require_run_folder(run)
    with _alone_in(run, workspace) if distributed.is_main_process() else nullcontext():
        return _train(
            workspace,
            shards=shards,
            encoder=encoder,
            run=run,
            params=params,
            resume=resume,
            shards_digest=shards_digest,
        )


def _require_run_folder(run: Path) -> None:
    """Check that a folder is missing, empty or a run's, because a training replaces files in it."""
    from ssmi.model.runs import files
    from ssmi.runs.pins import PINNED

    # A killed process may have left hidden temporary files.
    if not run.is_dir() or all(path.name.startswith(".") for path in run.iterdir()):
        return
    checkpoint = f"{files.CHECKPOINT}/{files.METADATA}"
    results = (files.RESULT_FILES, files.HEADLINE, files.KEPT_METADATA)
    if not any((run / name).exists() for name in (files.STATE, PINNED, checkpoint, files.DROP_CHECKPOINT, *results)):
        raise ParameterError(
            f"{run}: holds files but is not a run folder, and training could replace them",
            next_step="name another folder with --run (in Python: run=FOLDER), or empty this one",
        )


def _alone_in(run: Path, workspace: Workspace) -> AbstractContextManager[None]:
    return locked(
        workspace.paths.lock_of(run),
        what=f"{run} is being trained",
        reporter=workspace.reporter,
        # Do not wait for the other process: its result would then be replaced.
        next_step_if_held="wait until it is done, or name another folder with --run (in Python: run=FOLDER)",
    )


def _train(
    workspace: Workspace,
    *,
    shards: Path,
    encoder: Path | None,
    run: Path,
    params: Params,
    resume: bool,
    shards_digest: str | None,
) -> TrainResult:
    from ssmi.model.training import distributed
    from ssmi.model.training.train import train as train_model
    from ssmi.runs import pins

    if distributed.is_main_process():
        _keep_features(workspace, shards=shards, run=run, params=params)
    try:
        result = train_model(
            shards=shards,
            encoder=encoder,
            run=run,
            params=params,
            reporter=workspace.reporter,
            resume=resume,
            shards_digest=shards_digest,
        )
    except (SsmiError, OSError):
        if distributed.is_main_process() and pins.find_pinned(run) is None:  # rejected before the run began
            pins.unpin_others(run)
        raise
    # Not earlier: until the new checkpoint is written, the previous checkpoint may still need its features.
    if distributed.is_main_process():
        pins.unpin_others(run)
    return result


def _keep_features(workspace: Workspace, *, shards: Path, run: Path, params: Params) -> None:
    from ssmi.predict.run_features import project_folders
    from ssmi.runs import pins

    try:
        stored = manifests.read(shards)
        store = project_folders(run, stored.manifest, params, project=workspace.root, reporter=workspace.reporter)
        pins.pin(run, shards=stored, store=store)
    except (SsmiError, OSError) as error:
        workspace.reporter.note(
            f"{run}: can be scored, but not used on text: what {shards} was built from no longer exists ({error})"
        )


def _check_parameters(params: Params, built: Mapping[str, Mapping[str, Any]], dataset: str, *, remedy: str) -> None:
    """Reject shards built with other feature parameters: the run would be recorded with parameters it did not use."""
    differing = [
        f"{section}.{key} is {as_yaml(value)} in the shards, "
        f"{as_yaml(params.section(section).get(key))} in the parameters"
        for section, values in built.items()
        for key, value in values.items()
        if params.section(section).get(key) != value and f"{section}.{key}" not in _IGNORED_DIFFERENCES
    ]
    if differing:
        raise StaleArtifactError(
            f"the shards of {dataset} are not what the parameters say: {'; '.join(differing)}",
            next_step=remedy,
        )
