"""``ssmi-cli explain``: the boundaries nearest to a character in a segment, and which of them are chosen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssmi.cli.options import InputFile, check_picture, dataset_option, json_option, override_option, plot_option

if TYPE_CHECKING:
    from ssmi.cli.session import Session
    from ssmi.explain.ask import Candidate, Explanation
    from ssmi.predict.user_entities import UserEntity

BAR = 24
"""Length of the bar for a cosine of 1, in characters."""
SOURCES = {
    "vocabulary": "a word of the vocabulary",
    "stored": "outside the vocabulary; its vector is BERT's, stored with the features",
    "encoder": "outside the vocabulary and the data set; its vector was just made with BERT",
}


@click.command()
@click.argument("character")
@click.option("--segment", required=True, help="The word that contains the character.")
@dataset_option
@override_option
@click.option(
    "--entities",
    type=InputFile(),
    help="Say whether the segment is one of your own entities in this file; format as for predict.",
)
@click.option("--top", type=click.IntRange(min=0), default=10, show_default=True, help="Words to show, 0 for all.")
@plot_option("Draw the nearest words.")
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
    # Before the candidates are ranked: a picture that cannot be written is refused at once.
    check_picture(picture)
    from ssmi.explain.ask import find_user_entity

    entity = None if entities is None else find_user_entity(segment, entities)
    explanation = session.project.explain(character, segment, dataset=dataset, overrides=overrides)
    shown = explanation.nearest(top)
    if picture is not None:
        from ssmi.explain.plot import plot_candidates

        plot_candidates(explanation, picture, top=top)
    from ssmi.cli.terminal.streams import utf8_stdout

    utf8_stdout()
    if as_json:
        body = explanation.to_json(shown)
        if entities is not None:
            body["entity"] = entity and {"label": entity.label, "mode": entity.mode, "where": entity.where}
        click.echo(json.dumps(body, ensure_ascii=False, indent=1))
        return
    _print(explanation, shown)
    if entities is not None:
        click.echo(_entity_line(entity, segment, entities))
    if picture is not None:
        click.echo(f"{picture}")


def _entity_line(entity: UserEntity | None, segment: str, file: Path) -> str:
    if entity is None:
        return f"{segment} is no entity of {file}"
    what = "in place of what a tagger finds" if entity.mode == "force" else "where a tagger finds no entity"
    return f"{segment} is an entity of {entity.where}: {entity.label}, {entity.mode} ({what})"


def _print(explanation: Explanation, shown: Sequence[Candidate]) -> None:
    from ssmi.cli.terminal.tables import print_table

    character, n, params = explanation.character, len(explanation.candidates), explanation.params
    click.echo(f"{character} in {explanation.segment}: {SOURCES[explanation.source]}")
    click.echo(
        f"{n:,} {'word contains' if n == 1 else 'words contain'} {character}; {explanation.n_over_threshold:,} over the"
        f" threshold {params.threshold:g}, of which the set takes at most {params.max_set}"
    )
    for note in explanation.notes:
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


def _bar(cosine: float) -> str:
    length = round(abs(cosine) * BAR)
    return ("█" if cosine >= 0 else "░") * length


def _roles(one: Candidate) -> str:
    names = (("best", one.best), ("set", one.in_set), ("negative", one.negative))
    return ", ".join(name for name, holds in names if holds)
