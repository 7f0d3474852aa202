"""``ssmi-cli data``: what there is to build from, fetching it, and looking hard at it before building."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import dataset_option, json_option
from cli.session import Session

if TYPE_CHECKING:
    from pipeline.datacheck import DataCheck


@click.group()
def data() -> None:
    """Data sets, vectors and encoders: list, fetch, check."""


@data.command("list")
@json_option
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """Everything that has a name, under which licence, and where it is found."""
    from cli.tables import print_table
    from pipeline.assets.resolve import list_assets

    session.say_if_nowhere()
    assets = list_assets(root=session.project_folder or Path.cwd())
    if as_json:
        click.echo(json.dumps([asdict(asset) for asset in assets], ensure_ascii=False, indent=1, default=str))
        return
    print_table(
        ("name", "kind", "found", "source", "licence"),
        [(asset.name, asset.kind, asset.found, asset.source, asset.licence) for asset in assets],
    )


@data.command()
@click.argument("name")
@click.option("--revision", help="Hub revision to pin; for hub models only.")
@click.pass_obj
def fetch(session: Session, name: str, revision: str | None) -> None:
    """Bring NAME (a listed data set, vectors or encoder, or a hub model) into the cache, checksums checked."""
    from pipeline.assets import resolve

    root, reporter = session.project_folder or Path.cwd(), session.reporter
    kind = next((asset.kind for asset in resolve.list_assets(root=root) if asset.name == name), "encoder")
    if kind == "dataset":
        for split, path in resolve.find_dataset(name, root=root, reporter=reporter).splits.items():
            click.echo(f"{split}  {path}")
    elif kind == "vectors":
        click.echo(resolve.find_vectors(name, root=root, reporter=reporter).path)
    else:
        click.echo(resolve.find_encoder(name, revision=revision, root=root, reporter=reporter).path)


@data.command()
@dataset_option
@json_option
@click.pass_obj
def check(session: Session, dataset: str | None, as_json: bool) -> None:
    """Counts by split and label, duplicates, ill-formed tags, over-long sentences, unknown characters, match rate."""
    from cli.tables import print_table
    from pipeline.assets.resolve import encoder_shape, encoder_vocabulary, find_dataset, find_encoder
    from pipeline.datacheck import check_dataset
    from pipeline.features.tokens import CharacterTokens

    params = session.params()
    files = find_dataset(dataset or params.datasets[0], root=session.root, reporter=session.reporter)
    encoder = find_encoder(
        params.encoder.name, revision=params.encoder.revision, root=session.root, reporter=session.reporter
    )
    found = check_dataset(
        files.splits,
        known_characters=CharacterTokens(encoder_vocabulary(encoder.path)).knows,
        max_characters=encoder_shape(encoder.path).max_positions - 2,
        find_words=_word_finder(session),
    )
    if as_json:
        click.echo(json.dumps(asdict(found), ensure_ascii=False, indent=1, default=str))
        return
    click.echo(f"{files.name}  ({files.origin}; {files.licence})")
    for title, header, rows in _check_tables(found):
        click.echo(f"\n{title}")
        print_table(header, rows)


def _word_finder(session: Session) -> Callable[[str], Iterable[tuple[int, int]]] | None:
    folder = session.root / "artifacts" / "vocab"
    if not (folder / "manifest.json").is_file():
        session.reporter.note("no vocabulary built yet: match rates are left out (ssmi-cli features vocab)")
        return None
    from pipeline.features.trie import Trie
    from pipeline.features.vocabulary import TRIE_FILE

    trie = Trie.open(folder / TRIE_FILE)
    return lambda text: [(start, end) for start, end, _ in trie.matches(text)]


Table = tuple[str, tuple[str, ...], list[tuple[object, ...]]]


def _check_tables(found: DataCheck) -> list[Table]:
    """(title, header, rows) of everything the check found; what was not found is left out."""
    names = list(found.splits)
    splits = found.splits.values()
    types = sorted({kind for split in splits for kind in split.entities})
    counts: list[tuple[object, ...]] = [
        ("file", *(split.file for split in splits)),
        ("tag scheme", *(split.scheme or split.format for split in splits)),
        ("sentences", *(split.sentences for split in splits)),
        ("characters", *(split.characters for split in splits)),
        ("longest sentence", *(split.longest_sentence for split in splits)),
        ("longer than the encoder takes", *(split.too_long.count for split in splits)),
        ("without an entity", *(split.sentences_without_entity for split in splits)),
        ("duplicates", *(split.duplicates for split in splits)),
        ("texts tagged two ways", *(split.texts_tagged_two_ways for split in splits)),
        ("characters unknown to the encoder", *(split.unknown_characters.count for split in splits)),
    ]
    if all(split.vocabulary for split in splits):
        matches = [split.vocabulary for split in splits if split.vocabulary]
        counts += [
            ("share of characters in a vocabulary word", *(match.covered_characters for match in matches)),
            ("share of entities that are a vocabulary word", *(match.matched_entities for match in matches)),
        ]
    tables: list[Table] = [
        ("Splits", ("", *names), counts),
        ("Entities", ("type", *names), [(kind, *(split.entities.get(kind, 0) for split in splits)) for kind in types]),
    ]
    findings: list[tuple[object, ...]] = [
        (name, kind, reason, finding.count, ", ".join(map(str, finding.first_lines)))
        for name, split in found.splits.items()
        for kind, reasons in (("repaired", split.repairs), ("left out", split.skipped))
        for reason, finding in reasons.items()
    ]
    notes = [(name, note) for name, split in found.splits.items() for note in split.notes]
    overlaps = [(o.split, o.also_in, o.sentences, o.with_other_tags) for o in found.overlaps]
    unknown = [
        (name, " ".join(f"{character!r}x{count}" for character, count in split.unknown_characters.top))
        for name, split in found.splits.items()
        if split.unknown_characters.top
    ]
    optional: list[tuple[str, tuple[str, ...], list[tuple[object, ...]]]] = [
        ("Repaired or left out", ("split", "what", "reason", "count", "first lines"), findings),
        ("Notes", ("split", "note"), list(notes)),
        ("Sentences met again", ("split", "also in", "sentences", "with other tags"), list(overlaps)),
        ("Unknown characters", ("split", "most frequent"), list(unknown)),
        ("Types that train lacks", ("type", "examples"), list(found.types_unseen_in_train.items())),
        ("Types with few examples in train", ("type", "examples"), list(found.rare_types.items())),
    ]
    return tables + [table for table in optional if table[2]]
