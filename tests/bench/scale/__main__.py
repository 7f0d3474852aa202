"""Measure the cost of a build, or simulate a build of any size: ``make measure-scale``, ``make simulate-scale``.

``measure`` builds several thousand lines of a corpus in a copy of a project and writes figures; ``simulate`` prints the
tables of docs/scale.md from them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import islice
from pathlib import Path

from ssmi.pipeline.columns.sentences import read_sentences
from ssmi.pipeline.contract.parquet import tables as parquet
from ssmi.pipeline.contract.project.paths import ArtifactPaths
from ssmi.pipeline.lexicon.vocabulary_files import open_vocabulary
from tests.bench.scale import costs, rates, tables
from tests.bench.scale.figures import MEASURED, Figures, Growth, load, save
from tests.bench.scale.simulation import Plan, build

WORDS_ENCODED = 512


def measure(
    project: Path,
    corpus: Path,
    *,
    like: str,
    also: Sequence[str],
    sizes: tuple[int, int],
    n_tasks: int,
    n_files: int,
) -> Figures:
    """Measure all figures; ``also`` names data sets of the project whose segments are counted too."""
    known = frozenset(open_vocabulary(ArtifactPaths(project).vocabulary, digest="").words)
    texts = list(islice(costs.lines_of(corpus), sizes[1]))
    growth = {corpus.name: costs.grow(costs.lines_of(corpus), sizes=_doublings(_count(corpus)), known=known)}
    for name in also:
        sentences = list(_sentences(project, name))
        growth[name] = costs.grow(sentences, sizes=_doublings(len(sentences)), known=known)
    laws: dict[str, dict[str, Growth]] = {
        kind: {text: counts[kind] for text, counts in growth.items()} for kind in ("new_words", "segments", "queries")
    }
    segments = sorted({segment for text in texts for segment in (text[i : i + 2] for i in range(0, len(text), 2))})
    return Figures(
        when=date.today().isoformat(),
        corpus=corpus.name,
        sizes=sizes,
        characters=sum(map(len, texts)) / len(texts),
        stages=costs.costs(project, texts, like=like, sizes=sizes, parts_of=sizes[0]),
        encode=costs.encoding(project, [one for one in segments if one not in known][:WORDS_ENCODED]),
        **laws,
        segment_memory=costs.bytes_per_segment(segments),
        rates=rates.measure(n_tasks=n_tasks, n_files=n_files),
    )


def _doublings(n: int) -> list[int]:
    """Sizes up to ``n``, each about twice the one before."""
    return [n >> shift for shift in range(6, -1, -1) if n >> shift]


def _count(corpus: Path) -> int:
    return sum(1 for _ in costs.lines_of(corpus))


def _sentences(project: Path, dataset: str) -> Iterator[str]:
    folder = ArtifactPaths(project).stage("prepare", dataset)
    for split in parquet.SPLITS:
        for path in parquet.list_parts(folder, split):
            yield from read_sentences(path).texts


def main() -> None:
    """Measure or simulate."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("--project", type=Path, required=True, help="where the data set is built")
    measuring.add_argument("--corpus", type=Path, required=True)
    measuring.add_argument("--like", default="sample")
    measuring.add_argument("--also", nargs="*", default=[], help="data sets whose segments are counted too")
    measuring.add_argument("--sizes", type=int, nargs=2, default=(2048, 34_816))
    measuring.add_argument("--tasks", type=int, default=1000)
    measuring.add_argument("--files", type=int, default=100_000)
    measuring.add_argument("--figures", type=Path, default=MEASURED)
    simulating = commands.add_parser("simulate")
    simulating.add_argument("--figures", type=Path, default=MEASURED)
    simulating.add_argument("--sentences", type=int, help="one build instead of the tables")
    simulating.add_argument("--part", type=int, default=2048, help="its sentences a part")
    simulating.add_argument("--workers", type=int, default=16)
    options = parser.parse_args()
    if options.command == "measure":
        small, large = options.sizes
        figures = measure(
            options.project, options.corpus, like=options.like, also=options.also, sizes=(small, large),
            n_tasks=options.tasks, n_files=options.files,
        )  # fmt: skip
        save(figures, options.figures)
    elif options.sentences:
        _print_build(Plan(options.sentences, options.part, options.workers), load(options.figures))
    else:
        for name, table in tables.all_tables(load(options.figures)).items():
            print(f"{name}\n\n{table}\n")


def _print_build(plan: Plan, figures: Figures) -> None:
    built = build(plan, figures)
    for stage in built.stages:
        print(f"{stage.stage:12}{stage.seconds:14,.0f} s{stage.n_tasks:12,} tasks{stage.busy:8.0%} busy")
    print(f"{'all':12}{built.seconds:14,.0f} s{built.n_files:12,} files{built.n_bytes / 1e9:12,.1f} GB")


if __name__ == "__main__":
    main()
