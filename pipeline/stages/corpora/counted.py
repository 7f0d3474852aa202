"""The texts that PMI is counted on in addition to train: ``pmi.unlabelled``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ssmi.pipeline.assets.corpora import open_corpus
from ssmi.pipeline.assets.names import is_plain, path_below
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import MissingResourceError
from ssmi.pipeline.contract.manifest import MANIFEST_NAME, digest_file, digest_json
from ssmi.pipeline.contract.parquet import tables
from ssmi.pipeline.readers.texts import holds_rows
from ssmi.pipeline.remote.addresses import is_url
from ssmi.pipeline.remote.downloads import download
from ssmi.pipeline.stages.running.stage import StageContext


@dataclass(frozen=True, slots=True)
class CountedTexts:
    """One entry of ``pmi.unlabelled``."""

    files: Mapping[str, Path]
    """Name below the entry → path, of files of text or the parts of a prepared corpus."""
    prepared: Path | None
    """The folder of the prepared corpus; None for files of text."""


def counted_texts(context: StageContext) -> list[CountedTexts]:
    """Find the entries of ``pmi.unlabelled``: files, folders and URLs of text, and names of prepared corpora.

    Raises:
        MissingResourceError: An entry is none of these, or a folder holds no text.
        StaleArtifactError: A prepared corpus is incomplete.
    """
    return [_entry(context, name) for name in context.params.pmi.unlabelled]


def counted_inputs(context: StageContext) -> Mapping[str, str]:
    """The texts counted in addition to train, as external inputs: name → digest. Raises what ``counted_texts`` does."""
    # Without paths, since manifests hold no machine's paths; with an index, since two folders may share file names.
    return {
        f"unlabelled/{index}/{name}": digest
        for index, entry in enumerate(counted_texts(context))
        for name, digest in _digests(entry, field=context.params.prepare.text_field)
    }


def _entry(context: StageContext, name: str) -> CountedTexts:
    url = is_url(name)
    path = download(name, what="pmi.unlabelled", reporter=context.reporter) if url else path_below(context.root, name)
    if path.is_dir():
        return CountedTexts(open_corpus(path, name=path.resolve().name).files, None)
    if path.exists():
        return CountedTexts({path.name: path}, None)
    prepared = context.paths.stage("prepare", name) if is_plain(name) else None
    if prepared is None or not (parts := tables.list_parts(prepared, tables.TEXT)):
        raise MissingResourceError(
            f"{path}: no such text, and no prepared corpus of this name",
            next_step="fix pmi.unlabelled in params.yaml; `ssmi-cli features prepare --corpus NAME` prepares a corpus",
        )
    manifests.check_parts(manifests.load(prepared), prepared)
    return CountedTexts({part.name: part for part in parts}, prepared)


def _digests(entry: CountedTexts, *, field: str) -> Iterator[tuple[str, str]]:
    if entry.prepared is not None:
        yield entry.prepared.name, digest_file(entry.prepared / MANIFEST_NAME)
        return
    yield from ((name, digest_file(path)) for name, path in entry.files.items())
    if any(map(holds_rows, entry.files.values())):
        yield "text_field", digest_json(field)
