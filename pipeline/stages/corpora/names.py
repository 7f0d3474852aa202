"""Artifacts are found by a corpus's name: one that a data set or another corpus has is refused."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from ssmi.pipeline.assets.corpora import CorpusFiles, source_path
from ssmi.pipeline.assets.datasets import is_dataset
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import ParameterError, SsmiError
from ssmi.pipeline.contract.parquet import tables
from ssmi.pipeline.contract.parquet.statistics import PrepareStatistics
from ssmi.pipeline.contract.project.paths import ArtifactPaths
from ssmi.pipeline.stages.corpora.texts import file_inputs


def check_corpus_name(files: CorpusFiles, *, paths: ArtifactPaths, datasets: Sequence[str]) -> None:
    """Refuse a corpus whose name another has: the two would have one folder of artifacts.

    Args:
        files: The corpus.
        paths: The project.
        datasets: The data sets of params.yaml.

    Raises:
        ParameterError: A data set has the name, or a corpus of other files from another place.
        MissingResourceError: ``SSMI_DATA`` names no folder.
    """
    prepared = paths.stage("prepare", files.name)
    is_prepared = any(tables.list_parts(prepared, split) for split in tables.SPLITS)
    if files.name in datasets or is_prepared or is_dataset(files.name, root=paths.root):
        raise ParameterError(f"corpus {files.name}: a data set has this name", next_step="give its folder another name")
    check_same_corpus(files, paths=paths)


def check_no_corpus_has_it(dataset: str, *, paths: ArtifactPaths) -> None:
    """Refuse a data set where the features of a corpus lie, which its own would replace.

    Args:
        dataset: Its name.
        paths: The project.

    Raises:
        ParameterError: A corpus was built under the name.
    """
    prepared = paths.stage("prepare", dataset)
    if tables.list_parts(prepared, tables.TEXT):
        below = prepared.relative_to(paths.root).as_posix()
        raise ParameterError(
            f"data set {dataset}: the features of this name are those of a corpus",
            next_step=f"rename one of the two, or remove {quote(below)} to build the data set in its place",
        )


def check_same_corpus(files: CorpusFiles, *, paths: ArtifactPaths) -> None:
    """Refuse files that are not those of the corpus that was built under their name.

    Files that changed in their place are the corpus as it is now, and files that were moved are still the corpus.

    Raises:
        ParameterError: They are other files in another place.
    """
    prepared = paths.stage("prepare", files.name)
    try:
        built = manifests.load(prepared)
        source = PrepareStatistics.of(built).source
    except SsmiError:  # nothing is there that could be taken for this corpus
        return
    if source is None or source_path(source, root=paths.root) == source_path(files.source, root=paths.root):
        return
    inputs = file_inputs(files)
    if inputs == {name: digest for name, digest in built.inputs.items() if name.startswith("raw/")}:
        return
    below = prepared.relative_to(paths.root).as_posix()
    raise ParameterError(
        f"corpus {files.name}: features of this name were built from {source}, and {files.source} holds other texts",
        next_step=f"rename one of the two, or remove {quote(below)} to build this one in its place",
    )
