"""Check of a data set before anything is built: its counts, its irregularities, and the uses of a user dictionary."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssmi.pipeline.assets import resolve
from ssmi.pipeline.assets.resolve import DatasetFiles, EncoderFolder
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.arguments import list_of
from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.parameters.params import SegmentParams, other_sections
from ssmi.pipeline.contract.storage.digests import digest_file
from ssmi.pipeline.contract.text.wording import counted
from ssmi.pipeline.lexicon.user_dictionary import LineUse, count_uses, read_user_dictionary
from ssmi.pipeline.readers import read_sentences
from ssmi.pipeline.readers.options import ReadOptions, options_from
from ssmi.workspace import Workspace

if TYPE_CHECKING:
    from ssmi.pipeline.inspect.data_findings import DataCheck

__all__ = ["DataCheck", "DatasetReport", "LineUse", "check_dataset"]

_SECTIONS = ("segment", "encoder")
"""Sections of params.yaml that the check reads."""


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """Findings of a complete read of a data set.

    Attributes:
        files: The data set's files, where they were found and how they are read.
        encoder: The encoder whose vocabulary and longest window the data set was checked against.
        check: Counts, duplicates, repairs and other findings.
        user_dictionary: How often each line of ``segment.user_dict`` matched; None without one.

    """

    files: DatasetFiles
    encoder: EncoderFolder
    check: DataCheck
    user_dictionary: tuple[LineUse, ...] | None

    def __repr__(self) -> str:
        """Return the sentences and entities of each split, in one line."""
        splits = (
            f"{name} of {counted(one.sentences, 'sentence')} and {counted(sum(one.entities.values()), 'entity')}"
            for name, one in self.check.splits.items()
        )
        return f"<DatasetReport of {self.files.name}: {', '.join(splits)}>"

    def to_json(self) -> dict[str, Any]:
        """Return what ``ssmi-cli data check --json`` prints; some values are paths."""
        return {
            **asdict(self.check),
            "encoder": {"name": self.encoder.name, **asdict(self.encoder.shape)},
            "notes": list(self.files.notes),
            "user_dictionary": None if self.user_dictionary is None else [asdict(one) for one in self.user_dictionary],
        }


def check_dataset(
    workspace: Workspace,
    dataset: str | None,
    *,
    encoding: str | None,
    offsets: str | None,
    overrides: Iterable[str] = (),
) -> DatasetReport:
    """Read a data set from start to end; see ``Project.check_data``."""
    from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
    from ssmi.pipeline.features.text.tokens import CharacterTokens
    from ssmi.pipeline.inspect.data_check import check_splits
    from ssmi.pipeline.lexicon.segmenter import open_both_segmenters

    overrides = list_of("overrides", overrides)
    params = workspace.params(overrides)
    if unread := other_sections(overrides, read=_SECTIONS):
        raise ParameterError(
            f"{unread[0]}: data check reads {' and '.join(_SECTIONS)} alone",
            next_step="leave it out",
        )
    name = workspace.dataset(dataset, params=params)
    files = resolve.find_dataset(name, root=workspace.root, reporter=workspace.reporter)
    given = {key: value for key, value in (("encoding", encoding), ("offsets", offsets)) if value is not None}
    options = options_from(
        {**files.options.model_dump(exclude_unset=True), **given}, source="options", refusal=ParameterError
    )
    named = params.encoder
    encoder = resolve.find_encoder(
        named.name, revision=named.revision, root=workspace.root, reporter=workspace.reporter
    )
    checked = check_splits(
        files.splits,
        known_characters=CharacterTokens(encoder_vocabulary(encoder.path)).knows,
        max_characters=encoder.shape.max_window,
        find_words=_word_finder(workspace),
        segmenters=open_both_segmenters(hmm=params.segment.hmm),
        options=options,
    )
    uses = _count_dictionary_uses(workspace, params.segment, files.splits.values(), options)
    return DatasetReport(files, encoder, checked, uses)


def _word_finder(workspace: Workspace) -> Callable[[str], Iterable[tuple[int, int]]] | None:
    """Return a function that finds (start, end) of every vocabulary word in a text; None if no vocabulary is built."""
    folder = workspace.paths.vocabulary
    if not (folder / manifests.MANIFEST_NAME).is_file():
        workspace.reporter.note("no vocabulary built yet: match rates are left out (ssmi-cli features vocab)")
        return None
    from ssmi.pipeline.lexicon.trie_file import open_trie
    from ssmi.pipeline.lexicon.vocabulary_files import TRIE_FILE

    trie = open_trie(folder / TRIE_FILE)
    return lambda text: [(start, end) for start, end, _ in trie.matches(text)]


def _count_dictionary_uses(
    workspace: Workspace, params: SegmentParams, files: Iterable[Path], options: ReadOptions
) -> tuple[LineUse, ...] | None:
    """Count how often each line of ``segment.user_dict`` matches in all files together; None without a dictionary."""
    if params.user_dict is None:
        return None
    from ssmi.pipeline.features.text.blanks import visible_sentences
    from ssmi.pipeline.features.text.segmentation import segment_sentence
    from ssmi.pipeline.lexicon.segmenter import open_segmenter

    path = workspace.root / params.user_dict
    # A missing dictionary is refused when it is opened, with the name of its parameter.
    digest = digest_file(path) if path.is_file() else ""
    cut = open_segmenter(params.engine, hmm=params.hmm, user_dict=path, digest=digest)
    workspace.reporter.note(f"counting how often each line of {params.user_dict} matches")
    reads = (read_sentences(file, options=options) for file in files)
    sentences = (sentence.characters for read in reads for sentence in visible_sentences(*read))
    uses = count_uses(
        read_user_dictionary(path), sentences, segment=lambda characters: segment_sentence(characters, cut)[0]
    )
    return tuple(uses)
