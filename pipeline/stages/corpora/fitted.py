"""What a corpus takes from its ``like`` data set: the map from BERT's space, and the weights of PMI pairs.

A network reads new text with the map and the weights of the data set that it was trained on. A corpus therefore uses
those of such a data set, and its rows are the same as those that online prediction makes from its text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import ParameterError, StaleArtifactError
from ssmi.pipeline.contract.manifest import MANIFEST_NAME, Manifest, digest_file
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.text.wording import as_yaml
from ssmi.pipeline.stages.running.encoding import encoder_inputs
from ssmi.pipeline.stages.running.stage import Corpus, StageContext

_PARAMETERS: Mapping[str, tuple[str, ...]] = {"embed": ("segment", "embed"), "pmi": ("pmi",)}
"""Stage that is read from the data set → stages of the data set whose parameters must be those of the corpus."""


def reference_folder(context: StageContext, corpus: Corpus, stage: str) -> Path:
    """Folder of a stage of the corpus's ``like`` data set."""
    return context.paths.stage(stage, corpus.like)


def reference_inputs(context: StageContext, *stages: str) -> Mapping[str, str]:
    """What a corpus takes from its data set, as external inputs: ``like/STAGE`` → digest; empty for a data set.

    Args:
        context: Context of the corpus or data set.
        stages: ``embed`` for the map, ``pmi`` for the pairs' weights.

    Raises:
        ParameterError: ``embed.context`` is ``sentence``.
        MissingResourceError: The data set's features are not built.
        StaleArtifactError: The features were made with other parameters, another vocabulary, another encoder or another
            user dictionary.
    """
    corpus = context.corpus
    if corpus is None:
        return {}
    for stage in stages:
        _check_like(context, corpus, stage)
    return {f"like/{stage}": digest_file(reference_folder(context, corpus, stage) / MANIFEST_NAME) for stage in stages}


def check_like_is_built(context: StageContext) -> None:
    """Check that the features of a corpus's data set are built, before any stage of the corpus runs.

    Raises:
        ParameterError: ``embed.context`` is ``sentence``.
        MissingResourceError: The data set's features are not built.
        StaleArtifactError: Another version built the data set's features.
    """
    if context.corpus is not None:
        _check_context(context.params)
        for stage in _PARAMETERS:
            manifests.load(reference_folder(context, context.corpus, stage))


def _check_context(params: Params) -> None:
    if params.embed.context == "sentence":
        raise ParameterError(
            "embed.context: sentence gives a segment the mean of its vectors in all sentences, so a corpus would not"
            " have the features that are made of each text on line",
            next_step="build and train with -S embed.context=isolated, or give the text to `ssmi-cli predict`",
        )


def _check_like(context: StageContext, corpus: Corpus, stage: str) -> None:
    made = {name: manifests.load(reference_folder(context, corpus, name)) for name in _PARAMETERS[stage]}
    problems = [problem for manifest in made.values() for problem in _other_parameters(context, manifest)]
    if made[stage].inputs.get("artifacts/vocab") != context.digest("vocab"):
        problems.append(f"its {stage} stage was built with another vocabulary")
    if stage == "embed":
        problems += _other_inputs(context, made)
    if problems:
        raise StaleArtifactError(
            f"corpus {context.dataset} like {corpus.like}: {'; '.join(problems)}",
            next_step=f"ssmi-cli features build --dataset {quote(corpus.like)}, with the same parameters",
        )


def _other_inputs(context: StageContext, made: Mapping[str, Manifest]) -> Iterator[str]:
    _check_context(context.params)
    if not encoder_inputs(context).items() <= made["embed"].inputs.items():
        yield "its embed stage was built with another encoder"
    then, now = (_user_dictionary(one) for one in (made["segment"], manifests.load(context.folder("segment"))))
    if then != now:
        yield "its segment stage was built with another user dictionary"


def _user_dictionary(segment: Manifest) -> Mapping[str, str]:
    return {name: digest for name, digest in segment.inputs.items() if name.startswith("user_dict/")}


def _other_parameters(context: StageContext, made: Manifest) -> Iterator[str]:
    defaults = Params()
    for section, values in made.parameters.items():
        then, now = defaults.section(section) | dict(values), context.params.section(section)
        yield from (
            f"{section}.{key} is {as_yaml(then[key])} there, {as_yaml(now[key])} here"
            for key in now
            if then[key] != now[key]
        )
