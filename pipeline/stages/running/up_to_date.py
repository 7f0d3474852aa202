"""Check whether a stage is up to date, and run it: into a fresh folder that is swapped in once it is complete."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import ParameterError, SsmiError
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.parquet.schema import SCHEMA_VERSION
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.contract.storage.locks import locked
from ssmi.pipeline.contract.storage.own_folders import make_private
from ssmi.pipeline.parts.share import OthersMissingError, Share
from ssmi.pipeline.parts.unfinished import UnfinishedStage, joined_meanwhile
from ssmi.pipeline.stages.running.stage import Stage, StageContext


def expected(stage: Stage, context: StageContext) -> tuple[dict[str, object], dict[str, str]]:
    """The parameters and input digests that an up-to-date manifest of the stage must hold."""
    parameters = {name: context.params.section(name) for name in stage.sections}
    inputs = dict(stage.external_inputs(context))
    inputs.update({f"artifacts/{name}": context.digest(name) for name in stage.upstream})
    return dict(parameters), inputs


def is_current(stage: Stage, context: StageContext) -> bool:
    """Whether the stage's folder was made from these parameters and inputs by this version, and is intact.

    A parameter that is missing from a manifest did not exist when it was written; the parameter's default stands for
    what the stage did then.
    """
    folder = context.folder(stage.name)
    try:
        manifest = manifests.load(folder)
    except SsmiError:
        return False
    return matches_manifest(manifest, stage, context) and manifests.is_intact(manifest, folder)


def matches_manifest(manifest: Manifest, stage: Stage, context: StageContext) -> bool:
    """Whether a manifest records these parameters and inputs and this version of the stage."""
    defaults = Params()
    parameters = {name: defaults.section(name) | dict(values) for name, values in manifest.parameters.items()}
    made_from = (manifest.version, parameters, manifest.inputs)
    return made_from == (stage.version, *expected(stage, context))


def run(stage: Stage, context: StageContext) -> Manifest:
    """Run the stage even if it is current; its old output is replaced only when the new one is complete.

    Parts left by an earlier run with the same parameters and inputs are reused.

    Returns:
        The new manifest.

    Raises:
        StaleArtifactError: A part of an upstream stage is missing.
    """
    # Read before the work: if an input changes meanwhile, the manifest does not match it and the stage is built again.
    parameters, inputs = _readable(stage, context)
    unfinished = _unfinished(stage, context, parameters, inputs)
    folder = context.folder(stage.name)
    lock = context.paths.lock_of(folder)
    what = f"{stage.name} of {context.dataset} is being built"
    with replacing.adding_filename(folder), locked(lock, what=what, reporter=context.reporter):
        make_private(context.paths.unfinished, root=context.paths.private)
        unfinished.begin()
        report = stage.work(replace(context, unfinished=unfinished), unfinished.output)
        with replacing.replacing_folder(folder) as fresh:
            unfinished.move_output(fresh)
            manifest = Manifest(
                stage=stage.name,
                dataset=context.dataset if stage.per_dataset else None,
                parameters=parameters,
                inputs=dict(sorted(inputs.items())),
                report=report,
                files=manifests.describe_files(fresh),
                version=stage.version,
            )
            manifests.save(manifest, fresh)
        unfinished.remove()
    return manifest


@dataclass(frozen=True, slots=True)
class StageShare:
    """Progress of one share of a stage's parts.

    Attributes:
        stage: Name of the stage.
        share: The share, one of several.
        missing: Number of parts of other shares that must be finished before this share can continue.
        label: The work that the missing parts belong to; empty if none is missing.
        current: Whether the stage was already current, so that nothing was done.

    """

    stage: str
    share: Share
    missing: int = 0
    label: str = ""
    current: bool = False


def run_share(stage: Stage, context: StageContext, share: Share) -> StageShare:
    """Run one share of a stage's parts and leave them for ``run``, which joins all shares.

    If the stage needs parts of all shares to continue and some are missing, this share stops there; another call
    continues it. If the stage is current, nothing is done, since nobody would join the parts.

    Raises:
        ParameterError: The stage does not work in parts.
        StaleArtifactError: A part of an upstream stage is missing.
        SsmiError: The stage was joined in the meantime.
    """
    if not stage.in_parts:
        raise ParameterError(f"{stage.name} does not work in parts", next_step=f"ssmi-cli features run {stage.name}")
    made_from = _readable(stage, context)
    unfinished = _unfinished(stage, context, *made_from, share=share)
    if is_current(stage, context):
        # Joined, perhaps on another machine: the parts that this machine made for it are of no use.
        sweep(stage, context)
        return StageShare(stage.name, share, current=True)
    make_private(context.paths.unfinished, root=context.paths.private)
    unfinished.make_folders()
    try:
        with replacing.held(unfinished.output.parent):
            stage.work(replace(context, unfinished=unfinished), unfinished.output)
    except OthersMissingError as others:
        return StageShare(stage.name, share, missing=others.n_parts, label=others.label)
    except (OSError, SsmiError) as error:
        if not unfinished.is_there():
            raise joined_meanwhile(stage.name) from error
        raise
    return StageShare(stage.name, share)


def sweep(stage: Stage, context: StageContext) -> None:
    """Remove what stopped runs of a current stage left behind: runs with other parameters, or forced runs.

    Folders that a live process works in, such as a share with other parameters, are kept.
    """
    home = _home(stage, context)
    with suppress(OSError):  # the folder does not exist, or is not empty
        for folder in home.iterdir():
            replacing.remove_unheld(folder)
        home.rmdir()


def _readable(stage: Stage, context: StageContext) -> tuple[dict[str, object], dict[str, str]]:
    """Return ``expected``, after checking that the upstream stages have all their parts."""
    parameters, inputs = expected(stage, context)
    for name in stage.upstream:
        # Stages list the parts that exist, so a missing part would be left out silently.
        manifests.check_parts(manifests.load(context.folder(name)), context.folder(name))
    return parameters, inputs


def _unfinished(
    stage: Stage,
    context: StageContext,
    parameters: Mapping[str, object],
    inputs: Mapping[str, str],
    *,
    share: Share | None = None,
) -> UnfinishedStage:
    """The stage in progress, in a folder named after the place of its output and all that the output is made from."""
    made_from = [stage.version, SCHEMA_VERSION, parameters, inputs]
    return UnfinishedStage(
        _home(stage, context),
        manifests.digest_json(made_from)[:16],
        share=share,
        artifacts=context.paths.folder,
        remote=context.remote,
    )


def _home(stage: Stage, context: StageContext) -> Path:
    """Folder of the stage's unfinished runs, one for each setting."""
    place = Path(os.path.relpath(context.folder(stage.name), context.paths.folder)).parts
    # A variant's folder is deeper, and may be anywhere.
    return context.paths.unfinished / "+".join(name if name != os.pardir else "" for name in place)
