"""Whether a stage is up to date, and the one way to make it so: into a fresh folder, swapped in when it is whole."""

from __future__ import annotations

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.storage import replacing
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
    defaults = Params()
    parameters = {name: defaults.section(name) | dict(values) for name, values in manifest.parameters.items()}
    made_from = (manifest.version, parameters, manifest.inputs)
    return made_from == (stage.version, *expected(stage, context)) and manifests.intact(manifest, folder)


def run(stage: Stage, context: StageContext) -> Manifest:
    """Run the stage whatever is there; nothing of the old output is lost unless the new one is whole.

    Raises StaleArtifactError when a part of what it reads is missing.
    """
    # Before the work: where an input changes meanwhile, the manifest then says so and the stage is built again.
    parameters, inputs = expected(stage, context)
    for name in stage.upstream:
        # Stages list the parts that are there, so a missing one would be left out without a word.
        manifests.check_parts(manifests.load(context.folder(name)), context.folder(name))
    with replacing.replacing_folder(context.folder(stage.name)) as fresh:
        report = stage.work(context, fresh)
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
    return manifest
