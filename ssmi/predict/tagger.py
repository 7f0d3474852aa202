"""A trained run, opened for use on text; joins the feature pipeline and the network."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from ssmi.model.data.batches import MAX_PADDED_CHARACTERS
from ssmi.model.network.network import Network
from ssmi.pipeline.contract.arguments import check_probability, checked
from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.label_groups import LabelGroups
from ssmi.pipeline.contract.labels import LabelSet
from ssmi.pipeline.contract.parquet.feature_rows import FeatureRow
from ssmi.pipeline.contract.progress import Advance, Reporter, Silent
from ssmi.pipeline.contract.text.wording import abbreviated, counted
from ssmi.pipeline.online import OnlineFeatures
from ssmi.predict.entity import Entity, Words
from ssmi.predict.opened_run import OpenedRun, RunSource, open_again, open_for_use
from ssmi.predict.pieces import Piece, Text, cut
from ssmi.predict.user_entities import UserEntities, merge_entities

BATCH_CHARACTERS = 4 * MAX_PADDED_CHARACTERS
"""Number of characters whose features are computed together."""


class Tagger:
    """A callable from text to entities. Any number of threads may share it: they take turns, batch by batch.

    The entities do not depend on the number of threads. Two taggers of one process take turns too, because torch's
    number of threads applies to the whole process. A pickled tagger contains only where it was opened from: another
    process opens the run again (once, with the first text), which fails if the run was trained again in between. A copy
    is the tagger itself, because using it does not change it.
    """

    def __init__(self, source: RunSource, user_entities: UserEntities, opened: OpenedRun | None = None) -> None:
        self._source = source
        self._user_entities = user_entities
        self._opened = opened

    @classmethod
    @checked
    def open(
        cls,
        run: str | Path,
        *,
        project: str | Path | None = None,
        device: str = "auto",
        threads: int | None = None,
        entities: str | Path | Words | None = None,
        reporter: Reporter | None = None,
    ) -> Tagger:
        """Open a run folder or a packed run; see ``open_run`` for arguments, result and errors."""
        reporter = reporter or Silent()
        opened = open_for_use(
            Path(run),
            project=None if project is None else Path(project),
            device=device,
            threads=threads,
            reporter=reporter,
        )
        named = UserEntities() if entities is None else UserEntities.read(entities)
        for note in named.notes_for(opened.spans.labels.entity_types, longest=MAX_PADDED_CHARACTERS):
            reporter.note(note)
        return cls(opened.source, named, opened)

    def __repr__(self) -> str:
        """The run, its entity types and the device, in one line."""
        if self._opened is None:  # repr must not open the run
            return f"<Tagger of {self.run}, to be opened by its first text>"
        spans = self._opened.spans
        types = spans.labels.entity_types
        own = self._user_entities.entities
        named = f", with {counted(len(own), 'entity')} of your own" if own else ""
        what = f"{counted(len(types), 'entity type')} ({abbreviated(types)})"
        return f"<Tagger of {self.run}: {what}, on {spans.network.device}{named}>"

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self._source, self._user_entities))

    def __copy__(self) -> Tagger:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Tagger:
        return self

    @overload
    def __call__(self, texts: str, *, min_score: float = 0.0) -> list[Entity]: ...  # type: ignore[overload-overlap]  # a str is asked for first
    @overload
    def __call__(self, texts: Iterable[str], *, min_score: float = 0.0) -> list[list[Entity]]: ...
    def __call__(self, texts: str | Iterable[str], *, min_score: float = 0.0) -> list[Entity] | list[list[Entity]]:
        """Find the entities of one text or of several, in text order. Entities never overlap.

        Args:
            texts: A text, or several.
            min_score: Lowest score of an entity that the run finds, 0 to 1; entities below it are left out.

        Returns:
            The entities of the text, or one list for each of several texts.

        Raises:
            ParameterError: A text is not a str, or ``min_score`` is not from 0 to 1.
        """
        if isinstance(texts, str):
            return next(self.stream([texts], min_score=min_score))
        return list(self.stream(texts, min_score=min_score))

    def stream(
        self,
        texts: Iterable[str],
        *,
        batch_characters: int = BATCH_CHARACTERS,
        min_score: float = 0.0,
        advance: Advance | None = None,
    ) -> Iterator[list[Entity]]:
        """Yield the entities of each text in turn; at most ``batch_characters`` and one text are kept in memory.

        Texts are tagged as soon as they reach this number of characters (an empty text counts as one), and at the end.
        A text longer than 4,096 characters is read in pieces, cut at the best punctuation mark available; a text with
        blank lines is cut at them. ``advance`` gets the number of characters as they are tagged, while other threads
        wait for their turn; threads do not wait for the consumer of the stream.
        """
        if isinstance(texts, str):
            raise ParameterError(
                "stream: takes texts one after another, not a single one",
                next_step="call the tagger itself with a str, or give a list",
            )
        several: object = texts
        # Bytes are numbers one after another, and are given for a text by mistake.
        if isinstance(several, bytes | bytearray) or not isinstance(several, Iterable):
            raise _not_a_text(several)
        _check(batch_characters=batch_characters, min_score=min_score)
        opened = self._opened_run()
        if os.getpid() != opened.process and opened.spans.threads > 1:
            # torch's threads do not survive a fork: it would wait for them forever
            raise RuntimeError(
                "this tagger was opened in another process: open it in this one, spawn and do not fork, or threads=1"
            )
        texts_open: deque[Text] = deque()
        pieces: list[Piece] = []
        size = 0
        for given in texts:
            if not isinstance(given, str):
                raise _not_a_text(given)
            text = Text(given, n_waiting=1)
            texts_open.append(text)
            for piece in cut(text):
                text.n_waiting += 1
                pieces.append(piece)
                size += max(1, len(piece.text))
                if size >= batch_characters:
                    self._tag(pieces, min_score, advance)
                    pieces, size = [], 0
            text.n_waiting -= 1
            while texts_open and not texts_open[0].n_waiting:
                yield texts_open.popleft().entities
        self._tag(pieces, min_score, advance)
        for text in texts_open:
            yield text.entities

    @property
    def run(self) -> Path:
        """The folder of the run or of the pack, absolute."""
        return self._source.run

    @property
    def labels(self) -> LabelSet:
        """The entity types and the tag scheme of the run."""
        return self._opened_run().spans.labels

    @property
    def label_groups(self) -> LabelGroups:
        """Groups of entity types that are also scored together, as declared by the run's data set."""
        return self._opened_run().label_groups

    @property
    def user_entities(self) -> UserEntities:
        """The user entities that the tagger was opened with."""
        return self._user_entities

    @property
    def network(self) -> Network:
        """The network, on its device."""
        return self._opened_run().spans.network

    @property
    def features(self) -> OnlineFeatures:
        """The feature pipeline that turns text into rows; ``features.statistics()`` counts its work."""
        return self._opened_run().features

    def _opened_run(self) -> OpenedRun:
        """The run opened in this process; an unpickled tagger opens it on first use."""
        if self._opened is None:
            self._opened = open_again(self._source)
        return self._opened

    def _tag(self, pieces: Sequence[Piece], min_score: float, advance: Advance | None) -> None:
        full = [piece for piece in pieces if piece.text]
        for piece in pieces:
            piece.parent.n_waiting -= 1
        unseen = sum(piece.n_source_characters - len(piece.text) for piece in pieces)
        if advance is not None and unseen:
            advance(unseen)
        if not full:
            return
        opened = self._opened_run()
        named = [self._user_entities.matches(piece.text) for piece in full]
        types = opened.spans.labels.entity_types
        # The run has no probability for a label that it does not know.
        asked = [[match.span for match in matches if match.span.label in types] for matches in named]
        with opened.spans.locked():
            sentences = opened.features.segment([list(piece.text) for piece in full])
            hidden = None
            if opened.spans.required.hidden:
                hidden = opened.features.hidden_states([one.characters for one in sentences])

            def rows_of(indices: Sequence[int]) -> Sequence[FeatureRow]:
                return opened.features.rows_of_segmented([sentences[index] for index in indices])

            lengths = np.array([len(one.characters) for one in sentences])
            tagged = opened.spans.tag(lengths, rows_of, hidden=hidden, advance=advance, extra_spans=asked)
        for piece, spans, matches in zip(full, tagged, named, strict=True):
            piece.add(merge_entities(spans, matches, n_characters=len(piece.text), min_score=min_score))


def _check(*, batch_characters: int, min_score: float) -> None:
    # type rather than isinstance, which would accept True as 1.
    if not (type(batch_characters) is int and batch_characters >= 1):
        raise ParameterError(f"batch_characters={batch_characters!r}: not an int of at least 1", next_step="give one")
    check_probability("min_score", min_score)


def _not_a_text(given: object) -> ParameterError:
    return ParameterError(f"a text is a str, not {type(given).__name__}", next_step="give a str, or a list of them")


@checked
def open_run(
    run: str | Path,
    *,
    project: str | Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    entities: str | Path | Words | None = None,
    reporter: Reporter | None = None,
) -> Tagger:
    """Open a run folder, or one that ``ssmi-cli export`` packed, for use on text.

    Args:
        run: Folder of the run or of the pack.
        project: Folder whose ``artifacts/`` contain the run's features; by default the nearest one with params.yaml
            above the run, else above the working folder. A packed run needs no project.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.
        threads: Number of CPU threads that torch uses while tagging: 0 for one per physical core, at most 1,024,
            None for torch's current setting.
        entities: Words with labels that are entities wherever they occur, as a file or a mapping; see
            ``UserEntities.read`` and ``merge_entities``.
        reporter: Receives notes and progress; None for silence.

    Returns:
        A callable from text to entities.

    Raises:
        MissingResourceError: The run, or something that its features are computed from, does not exist.
        StaleArtifactError: The features are not those that the run was trained on; the message names both.
        ParameterError: The device or the number of threads is invalid.
        InputDataError: The file of ``entities`` is malformed.

    """
    return Tagger.open(run, project=project, device=device, threads=threads, entities=entities, reporter=reporter)
