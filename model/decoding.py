"""Best tag sequences → entities: the same ones for scoring and for tagging."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.contract.labels import LabelSet, Span, spans_to_tags, strict_spans
from pipeline.contract.words import whole_words


def entities_of(path: Sequence[int], kinds: Sequence[int], *, labels: LabelSet) -> list[Span]:
    """The entities of a sentence's tag ids, at the edges of whole words; ``kinds``: what ``words.edges`` says of it."""
    names = labels.tags
    return whole_words(strict_spans([names[tag_id] for tag_id in path], scheme=labels.scheme)[0], kinds)


def tags_of(path: Sequence[int], kinds: Sequence[int], *, labels: LabelSet) -> list[str]:
    """The same as tags. Where no entity moves they are the path's own, ill-formed pieces included."""
    tags = [labels.tags[tag_id] for tag_id in path]
    spans, _ = strict_spans(tags, scheme=labels.scheme)
    moved = whole_words(spans, kinds)
    return tags if moved == spans else spans_to_tags(moved, n_characters=len(tags), scheme=labels.scheme)
