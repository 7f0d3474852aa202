"""``ssmi-cli explain``: the boundaries nearest to a character in a segment, and which of them are chosen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssmi.cli.options import dataset_option, json_option, override_option

if TYPE_CHECKING:
    from ssmi.cli.session import Session
    from ssmi.explain.explanation import Candidate, Explanation

BAR = 24
"""Cells of a bar for a cosine of 1."""
FORMS = ("svg", "png")
SOURCES = {
    "vocabulary": "a word of the vocabulary",
    "stored": "outside the vocabulary; its vector is BERT's, stored with the features",
    "encoder": "outside the vocabulary and the data set; its vector was just made with BERT",
}


@click.command()
@click.argument("character")
@click.option("--segment", required=True, help="The word that the character stands in.")
@dataset_option
@override_option
@click.option(
    "--entities",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Say whether the segment is an entity of such a file, as predict reads it.",
)
@click.option("--top", type=click.IntRange(min=0), default=10, show_default=True, help="Nearest to show, 0 for all.")
@click.option(
    "--plot", "picture", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.svg|png", help="Draw a picture."
)
@json_option
@click.pass_obj
def explain(
    session: Session,
    character: str,
    segment: str,
    dataset: str | None,
    overrides: tuple[str, ...],
    entities: Path | None,
    top: int,
    picture: Path | None,
    as_json: bool,
) -> None:
    """Show the words nearest to CHARACTER in a segment: cosines, the best, the set, the negatives.

    The stages vocab and embed must be built; selection.* is read from params.yaml and -S.

    Example: ssmi-cli explain 言 --segment 语言学 --plot figure.svg
    """
    if picture is not None and picture.suffix[1:] not in FORMS:
        raise click.UsageError(f"--plot {picture}: its name must end in .svg or .png")
    if picture is not None and not picture.parent.is_dir():
        raise click.UsageError(f"--plot {picture}: no folder {picture.parent}")
    own = _own(entities, segment)
    found = _ask(session, character, segment, dataset=dataset, overrides=overrides)
    shown = [one for one in found.candidates if not top or one.rank <= top or one.best or one.in_set or one.negative]
    if picture is not None:
        from ssmi.explain.plot import plot_candidates

        plot_candidates(found, shown, picture)
    from ssmi.cli.streams import utf8_stdout

    utf8_stdout()
    if as_json:
        body = _as_json(found, shown) | ({} if entities is None else {"entity": own})
        click.echo(json.dumps(body, ensure_ascii=False, indent=1))
        return
    _print(found, shown)
    if entities is not None:
        click.echo(_said_of(own, segment, entities))
    if picture is not None:
        click.echo(f"{picture}")


def _own(entities: Path | None, segment: str) -> dict[str, str] | None:
    """What a file of entities says of the segment."""
    if entities is None:
        return None
    from ssmi.predict.user_entities import OwnEntities

    one = OwnEntities.read(entities).get(segment)
    return None if one is None else {"label": one.label, "mode": one.mode, "where": one.where}


def _said_of(own: dict[str, str] | None, segment: str, entities: Path) -> str:
    if own is None:
        return f"{segment} is no entity of {entities}"
    what = "in place of what a tagger finds" if own["mode"] == "force" else "where a tagger finds no entity"
    return f"{segment} is an entity of {own['where']}: {own['label']}, {own['mode']} ({what})"


def _ask(
    session: Session, character: str, segment: str, *, dataset: str | None, overrides: tuple[str, ...]
) -> Explanation:
    from ssmi.explain.explanation import explain as ask
    from ssmi.pipeline.assets.resolve import find_encoder

    params = session.params(overrides)
    idle = [text for text in overrides if text.partition(".")[0].strip() not in ("selection", "encoder", "datasets")]
    if idle:
        raise click.UsageError(f"-S {idle[0]}: explain reads selection.* alone; the rest is in the features as built")
    artifacts = session.project.paths.folder

    def encoder() -> Path:
        named = params.encoder
        return find_encoder(named.name, revision=named.revision, root=session.root, reporter=session.reporter).path

    return ask(
        character,
        segment,
        vocab=artifacts / "vocab",
        embed=artifacts / "embed" / (dataset or params.datasets[0]),
        params=params.selection,
        find_encoder=encoder,
    )


def _print(found: Explanation, shown: Sequence[Candidate]) -> None:
    from ssmi.cli.tables import print_table

    n = len(found.candidates)
    over = sum(one.cosine > found.params.threshold for one in found.candidates)
    click.echo(f"{found.character} in {found.segment}: {SOURCES[found.source]}")
    click.echo(
        f"{n:,} {'word holds' if n == 1 else 'words hold'} {found.character}; {over:,} over the threshold"
        f" {found.params.threshold:g}, of which the set takes at most {found.params.max_set}"
    )
    for note in _notes(found):
        click.echo(f"note: {note}")
    rows: list[tuple[object, ...]] = []
    last = 0
    for one in shown:
        if one.rank > last + 1:
            rows.append(("", f"… {one.rank - last - 1:,} more", "", "", ""))
        rows.append((one.rank, one.word, f"{one.cosine:.3f}", _bar(one.cosine), _roles(one)))
        last = one.rank
    if last < n:
        rows.append(("", f"… {n - last:,} more", "", "", ""))
    print_table(("rank", "word", "cosine", "", "chosen as"), rows)


def _notes(found: Explanation) -> list[str]:
    notes = []
    if found.alone:
        notes.append("the vector is of the segment alone; the features take the mean over its sentences")
    if found.params.scope == "sentence":
        notes.append("selection.scope is sentence: there, only words found over the character in the sentence count")
    if found.params.choice == "random":
        notes.append("selection.choice is random: best and set are drawn, not the nearest")
    return notes


def _bar(cosine: float) -> str:
    length = round(abs(cosine) * BAR)
    return ("█" if cosine >= 0 else "░") * length


def _roles(one: Candidate) -> str:
    names = (("best", one.best), ("set", one.in_set), ("negative", one.negative))
    return ", ".join(name for name, holds in names if holds)


def _as_json(found: Explanation, shown: Sequence[Candidate]) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "character": found.character,
        "segment": found.segment,
        "vector": found.source,
        "threshold": found.params.threshold,
        "n_candidates": len(found.candidates),
        "candidates": [{**asdict(one), "cosine": round(one.cosine, 6)} for one in shown],
        "notes": _notes(found),
    }
