"""Whether a stage is up to date, and the one way to make it so: into a fresh folder, swapped in when it is whole."""

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
from ssmi.pipeline.contract.storage.own_folders import make_own
from ssmi.pipeline.parts.share import OthersMissingError, Share
from ssmi.pipeline.parts.unfinished import UnfinishedStage, joined_meanwhile
from ssmi.pipeline.stages.stage import Stage, StageContext


def expected(stage: Stage, context: StageContext) -> tuple[dict[str, object], dict[str, str]]:
    """The parameters and input digests that an up-to-date manifest of the stage must hold."""
    parameters = {name: context.params.section(name) for name in stage.sections}
    inputs = dict(stage.external_inputs(context))
    inputs.update({f"artifacts/{name}": context.digest(name) for name in stage.upstream})
    return dict(parameters), inputs


def is_current(stage: Stage, context: StageContext) -> bool:
    """Whether the stage's folder was made from these parameters and inputs by this version, and is intact.

    A parameter that a manifest lacks was not there when it was written: what the stage did then is its default now.
    """
    folder = context.folder(stage.name)
    try:
        manifest = manifests.load(folder)
    except SsmiError:
        return False
    return is_of_now(manifest, stage, context) and manifests.intact(manifest, folder)


def is_of_now(manifest: Manifest, stage: Stage, context: StageContext) -> bool:
    """Whether a manifest says that its folder was made from these parameters and inputs by this version."""
    defaults = Params()
    parameters = {name: defaults.section(name) | dict(values) for name, values in manifest.parameters.items()}
    made_from = (manifest.version, parameters, manifest.inputs)
    return made_from == (stage.version, *expected(stage, context))


def run(stage: Stage, context: StageContext) -> Manifest:
    """Run the stage whatever is there; nothing of the old output is lost unless the new one is whole.

    Parts that a run of the same parameters and inputs has left are taken, not made again. Raises StaleArtifactError
    when a part of what it reads is missing.
    """
    # Before the work: where an input changes meanwhile, the manifest then says so and the stage is built again.
    parameters, inputs = _readable(stage, context)
    unfinished = _unfinished(stage, context, parameters, inputs)
    folder = context.folder(stage.name)
    lock = context.paths.lock_of(folder)
    what = f"{stage.name} of {context.dataset} is being built"
    with replacing.naming(folder), locked(lock, what=what, reporter=context.reporter):
        make_own(context.paths.unfinished, root=context.paths.private)
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
    """How far a share of a stage's parts came.

    Attributes:
        stage: The stage.
        share: Which share of how many.
        missing: Parts of other shares that must be there before it can go on.
        label: The work that they belong to; empty where nothing is missing.
        current: The stage was finished already, and nothing was done.

    """

    stage: str
    share: Share
    missing: int = 0
    label: str = ""
    current: bool = False


def run_share(stage: Stage, context: StageContext, share: Share) -> StageShare:
    """Do one share of a stage's parts and leave them to ``run``, which puts all together.

    Where the stage reads parts of all shares to go on, and some are missing, it ends there; called again it goes on.
    Where the stage is current there is nothing to do: what parts would leave, nobody would put together.

    Raises:
        ParameterError: The stage does not work in parts.
        StaleArtifactError: A part of what it reads is missing.
        SsmiError: The stage was put together meanwhile.
    """
    if not stage.in_parts:
        raise ParameterError(f"{stage.name} does not work in parts", next_step=f"ssmi-cli features run {stage.name}")
    made_from = _readable(stage, context)
    unfinished = _unfinished(stage, context, *made_from, share=share)
    if is_current(stage, context):
        # Put together on another machine: what this one had done for it is of no more use.
        sweep(stage, context)
        return StageShare(stage.name, share, current=True)
    make_own(context.paths.unfinished, root=context.paths.private)
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
    """Remove what stopped runs have left of a stage that is current: runs of other parameters, or forced ones.

    What a living process works on, such as a share of other parameters, stays.
    """
    home = _home(stage, context)
    with suppress(OSError):  # there is none, or what is in it stays
        for folder in home.iterdir():
            replacing.remove_unheld(folder)
        home.rmdir()


def _readable(stage: Stage, context: StageContext) -> tuple[dict[str, object], dict[str, str]]:
    """``expected``, of stages whose parts are all there."""
    parameters, inputs = expected(stage, context)
    for name in stage.upstream:
        # Stages list the parts that are there, so a missing one would be left out without a word.
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
    """The stage under way, in a folder named by where its output goes and by all that the output is made from."""
    made_from = [stage.version, SCHEMA_VERSION, parameters, inputs]
    return UnfinishedStage(
        _home(stage, context),
        manifests.digest_json(made_from)[:16],
        share=share,
        artifacts=context.paths.folder,
        remote=context.remote,
    )


def _home(stage: Stage, context: StageContext) -> Path:
    """Holds the stage under way, for each setting one."""
    place = Path(os.path.relpath(context.folder(stage.name), context.paths.folder)).parts
    # A variant's features lie deeper, and may lie anywhere.
    return context.paths.unfinished / "+".join(name if name != os.pardir else "" for name in place)
