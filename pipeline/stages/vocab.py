"""Word vectors → vocabulary, trie, character index, mappable matrix (paper: Match Latent Word Boundaries)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.assets.resolve import VectorsFile, find_vectors
from pipeline.contract.errors import InputDataError
from pipeline.contract.manifest import StageReport
from pipeline.features.vectors import read_vectors
from pipeline.features.vocabulary import keep_words, save_vocabulary
from pipeline.stages.stage import Stage, StageContext


def sources(context: StageContext) -> Mapping[str, str]:
    """The vector file."""
    found = _find(context)
    return {f"vectors/{Path(found.name).name}": found.sha256}


def work(context: StageContext, folder: Path) -> StageReport:
    """Keep the words that can be boundaries and index them."""
    params = context.params.vocab
    found = _find(context)
    context.reporter.note(f"vocab: reading {found.name}")
    table = read_vectors(found.path)
    kept, dropped = keep_words(table.words, table.matrix, max_word_len=params.max_word_len, max_words=params.max_words)
    if not len(kept):
        raise InputDataError(
            f"{found.path}: no word of 2 to {params.max_word_len} characters with a CJK character",
            next_step="choose Chinese word vectors (vocab.vectors)",
        )
    save_vocabulary(folder, words=[table.words[row] for row in kept], matrix=table.matrix[kept])
    return StageReport(
        rows_in=len(table.words),
        rows_out=len(kept),
        skipped=dropped,
        statistics={
            "width": int(table.matrix.shape[1]),
            "format": table.format,
            "repairs": dict(sorted(table.repairs.items())),
            "licence": found.licence,
        },
    )


def _find(context: StageContext) -> VectorsFile:
    return find_vectors(context.params.vocab.vectors, root=context.root, reporter=context.reporter)


STAGE = Stage(
    name="vocab",
    summary="word vectors → vocabulary, trie, character index",
    sections=("vocab",),
    needs=(),
    sources=sources,
    work=work,
)
