"""``ssmi-cli data``: what there is to build from, fetching it, and looking hard at it before building."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssmi.cli.data_convert import convert
from ssmi.cli.options import dataset_option, json_option
from ssmi.cli.session import Session

if TYPE_CHECKING:
    from ssmi.pipeline.contract.params import SegmentParams
    from ssmi.pipeline.inspect.data_findings import DataCheck
    from ssmi.pipeline.lexicon.user_dictionary import LineUse


@click.group()
def data() -> None:
    """Data sets, vectors and encoders: list, fetch, check, convert."""


data.add_command(convert)


@data.command("list")
@json_option
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """Everything that has a name, under which licence, and where it is found."""
    from ssmi.cli.tables import print_table
    from ssmi.pipeline.assets.resolve import list_assets

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
    from ssmi.pipeline.assets import resolve

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
@click.option("--encoding", metavar="NAME", help="Of the raw files, gb18030 for example; else as dataset.yaml says.")
@click.option("--offsets", metavar="UNIT", help="auto, code-points or utf-16; else as dataset.yaml says.")
@json_option
@click.pass_obj
def check(session: Session, dataset: str | None, encoding: str | None, offsets: str | None, as_json: bool) -> None:
    """Counts by split and label, duplicates, ill-formed tags, over-long sentences, unknown characters, match rate.

    --encoding and --offsets try a reading; to build with it write it into dataset.yaml beside the files.
    """
    from ssmi.cli.tables import print_table
    from ssmi.pipeline.assets.resolve import find_dataset, find_encoder
    from ssmi.pipeline.contract.encoder_vocabulary import encoder_vocabulary
    from ssmi.pipeline.contract.errors import ParameterError
    from ssmi.pipeline.features.tokens import CharacterTokens
    from ssmi.pipeline.inspect.data_check import check_dataset
    from ssmi.pipeline.lexicon.segmenter import open_both_segmenters
    from ssmi.pipeline.readers.options import options_from

    params = session.params()
    files = find_dataset(dataset or params.datasets[0], root=session.root, reporter=session.reporter)
    given = {key: value for key, value in (("encoding", encoding), ("offsets", offsets)) if value is not None}
    told = {**files.options.model_dump(exclude_unset=True), **given}
    options = options_from(told, source="options", refusal=ParameterError)
    encoder = find_encoder(
        params.encoder.name, revision=params.encoder.revision, root=session.root, reporter=session.reporter
    )
    found = check_dataset(
        files.splits,
        known_characters=CharacterTokens(encoder_vocabulary(encoder.path)).knows,
        max_characters=encoder.shape.max_window,
        find_words=_word_finder(session),
        segmenters=open_both_segmenters(hmm=params.segment.hmm),
        options=options,
    )
    uses = _user_dictionary(session, params.segment, files.splits.values())
    if as_json:
        body = {
            **asdict(found),
            "encoder": {"name": encoder.name, **asdict(encoder.shape)},
            "notes": list(files.notes),
            "user_dictionary": None if uses is None else [asdict(one) for one in uses],
        }
        click.echo(json.dumps(body, ensure_ascii=False, indent=1, default=str))
        return
    click.echo(f"{files.name}  ({files.origin}; {files.licence})")
    click.echo(f"encoder {encoder.name}  ({encoder.description})")
    for title, header, rows in [*_check_tables(found, notes=files.notes), *_dictionary_table(uses)]:
        click.echo(f"\n{title}")
        print_table(header, rows)


def _word_finder(session: Session) -> Callable[[str], Iterable[tuple[int, int]]] | None:
    folder = session.project.paths.vocabulary
    if not (folder / "manifest.json").is_file():
        session.reporter.note("no vocabulary built yet: match rates are left out (ssmi-cli features vocab)")
        return None
    from ssmi.pipeline.lexicon.trie import open_trie
    from ssmi.pipeline.lexicon.vocabulary import TRIE_FILE

    trie = open_trie(folder / TRIE_FILE)
    return lambda text: [(start, end) for start, end, _ in trie.matches(text)]


def _user_dictionary(session: Session, params: SegmentParams, files: Iterable[Path]) -> list[LineUse] | None:
    """How often each line of ``segment.user_dict`` matched in all files together; None where there is none."""
    if params.user_dict is None:
        return None
    from ssmi.pipeline.features.segmentation import segment_sentence
    from ssmi.pipeline.lexicon.segmenter import open_segmenter
    from ssmi.pipeline.lexicon.user_dictionary import count_uses, read_user_dictionary
    from ssmi.pipeline.readers import read_sentences

    path = session.root / params.user_dict
    cut = open_segmenter(params.engine, hmm=params.hmm, user_dict=path)
    session.reporter.note(f"counting how often each line of {params.user_dict} matches")
    sentences = (sentence.characters for file in files for sentence in read_sentences(file)[0])
    return count_uses(
        read_user_dictionary(path), sentences, segment=lambda characters: segment_sentence(characters, cut)[0]
    )


def _dictionary_table(uses: list[LineUse] | None) -> list[Table]:
    """The lines that never matched first, then the file's order."""
    rows: list[tuple[object, ...]] = [
        (one.line, one.word, one.segments, one.sentences, one.note or ("" if one.segments else "never matched"))
        for one in sorted(uses or [], key=lambda one: (one.segments > 0, one.line))
    ]
    return [("User dictionary", ("line", "word", "segments", "sentences", "note"), rows)] if rows else []


Table = tuple[str, tuple[str, ...], list[tuple[object, ...]]]


def _check_tables(found: DataCheck, *, notes: Sequence[str]) -> list[Table]:
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
    compared = [split.segmenters for split in splits if split.segmenters]
    if compared:
        counts += [
            ("sentences segmented by jieba and by rjieba", *(match.compared_sentences for match in compared)),
            ("of these, segmented differently", *(match.differing_sentences for match in compared)),
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
    told = [("", note) for note in notes]
    told += [(name, note) for name, split in found.splits.items() for note in split.notes]
    overlaps = [(o.split, o.also_in, o.sentences, o.with_other_tags) for o in found.overlaps]
    unknown = [
        (name, " ".join(f"{character!r}x{count}" for character, count in split.unknown_characters.top))
        for name, split in found.splits.items()
        if split.unknown_characters.top
    ]
    optional: list[tuple[str, tuple[str, ...], list[tuple[object, ...]]]] = [
        ("Repaired or left out", ("split", "what", "reason", "count", "first lines"), findings),
        ("Notes", ("split", "note"), list(told)),
        ("Sentences met again", ("split", "also in", "sentences", "with other tags"), list(overlaps)),
        ("Unknown characters", ("split", "most frequent"), list(unknown)),
        ("Types that train lacks", ("type", "examples"), list(found.types_unseen_in_train.items())),
        ("Types that differ in case only", ("types",), [(", ".join(names),) for names in found.types_alike]),
        ("Types with few examples in train", ("type", "examples"), list(found.rare_types.items())),
    ]
    return tables + [table for table in optional if table[2]]
