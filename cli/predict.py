"""``ssmi-cli predict``: text in, entities out, one batch at a time."""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ssmi.cli.options import dataset_option, device_option, run_option
from ssmi.cli.session import Session
from ssmi.pipeline.contract.errors import InputDataError

if TYPE_CHECKING:
    from ssmi import Entity
    from ssmi.cli.progress import Bars, Lines
    from ssmi.pipeline.contract.progress import Advance
    from ssmi.predict.formats import Tagged
    from ssmi.predict.reading import Kind, Record
    from ssmi.predict.text_decoding import Errors

STDIN = "-"
FORMATS = ("jsonl", "conll", "doccano", "label-studio")
KINDS = ("text", "paragraphs", "jsonl", "json", "csv", "tsv")
ENCODINGS = ("utf-8", "gb18030", "gbk", "big5", "utf-16", "utf-16-le", "utf-16-be")
"""Those that a person may well want, for completion."""
Write = Callable[[str], object]
Stream = Callable[..., "Iterator[list[Entity]]"]
_NOT_TYPED = {
    "files": "FILES",
    "kind": "--input",
    "text_field": "--field",
    "encoding": "--encoding",
    "errors": "--errors",
    "form": "--format",
    "out": "--out",
    "batch_chars": "--batch-chars",
}
"""Parameters that mean nothing to --interactive."""


def _encoding(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if not value or context.resilient_parsing:  # a completion: nothing heavy
        return None
    from ssmi.predict.text_decoding import check_encoding

    return check_encoding(value)


def _complete_encoding(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in ENCODINGS if name.startswith(incomplete.lower())]


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@run_option
@dataset_option
@click.option(
    "--input", "kind", type=click.Choice(KINDS), help="[default: by the name (.jsonl .json .csv ...), else text]"
)
@click.option(
    "--field", "text_field", metavar="NAME", default="text", show_default=True, help="Where rows hold the text."
)
@click.option(
    "--encoding",
    metavar="NAME",
    callback=_encoding,
    shell_complete=_complete_encoding,
    help="Of FILES, e.g. gb18030.  [default: what a byte order mark says, else utf-8]",
)
@click.option("--errors", type=click.Choice(["strict", "replace"]), default="strict", show_default=True)
@click.option("--format", "form", type=click.Choice(FORMATS), default="jsonl", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write, whole or not at all.")
@click.option("--batch-chars", type=click.IntRange(min=1), help="Characters tagged together.  [default: 16384]")
@click.option("--min-score", type=float, default=0.0, help="Leave out what is less probable; 0 to 1.")
@click.option(
    "--entities",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your own: a word, a tab, its label [, a tab, add or force] a line.",
)
@device_option
@click.option("--interactive", is_flag=True, help="Show the entities of each line as it is typed.")
@click.pass_obj
def predict(
    session: Session,
    files: tuple[Path, ...],
    run: Path | None,
    dataset: str | None,
    kind: Kind | None,
    text_field: str,
    encoding: str | None,
    errors: Errors,
    form: str,
    out: Path | None,
    batch_chars: int | None,
    min_score: float,
    entities: Path | None,
    device: str | None,
    interactive: bool,
) -> None:
    """Find the entities of any text: of FILES, or of what is piped in (-).

    Input is `text`, a line a row; `paragraphs`, blocks between blank lines; or rows whose text stands in a field
    (--field) and whose other fields are kept: `jsonl`, an object a line; `json`, an array; `csv` and `tsv`, under a
    header. Files packed with gzip are read too; what is no text is refused.

    Output is a row a text, in order: {"text", "entities": [{"start", "end", "label", "text", "score"}]}. Positions
    count code points, the end not included; the score is the probability of exactly this entity.

    Words of --entities are entities wherever they stand: where the run finds none (add) or in place of what it finds
    (force); rows then say of each entity its "source", model or file.

    Rows are written whenever a batch is full; --batch-chars 1 writes each at once.
    """
    _check_usage(files, interactive=interactive, out=out)
    if not 0.0 <= min_score <= 1.0:
        raise click.UsageError(f"--min-score {min_score}: a probability, 0 to 1")
    if not files and not interactive:
        if sys.stdin.isatty():
            raise click.UsageError("no FILES, and nothing is piped in: name files, or try --interactive")
        files = (Path(STDIN),)
    from ssmi.cli.runs import run_folder

    folder, project = run_folder(session, run=run, dataset=dataset)
    with uncollected():
        from ssmi.model.runs.files import METRICS
        from ssmi.predict.formats import FORMATS as WRITERS
        from ssmi.predict.formats import Origin
        from ssmi.predict.run_features import version
        from ssmi.predict.tagger import BATCH_CHARACTERS, Tagger

        tagger = Tagger.open(
            folder, project=project, device=device or "auto", threads=0, entities=entities, reporter=session.reporter
        )
    if not (folder / METRICS).is_file():
        session.reporter.note(f"{folder}: an unfinished run (no {METRICS}); these are its best weights so far")
    if interactive:
        from ssmi.cli.interactive import converse

        converse(tagger, min_score=min_score)
        return
    origin = Origin(tagger.labels, version(folder) if form == "label-studio" else "", sources=entities is not None)
    with (
        _output(out, session.reporter) as write,
        session.reporter.task("predict", total=_n_bytes(files), unit="bytes") as advance,
    ):
        progress = Progress(advance)
        ways = {"errors": errors, "text_field": text_field, "encoding": encoding, "advance": progress.read}
        records = _records(files, kind, ways)
        stream = partial(tagger.stream, batch_characters=batch_chars or BATCH_CHARACTERS, min_score=min_score)
        for piece in WRITERS[form](_tagged(stream, records, progress), origin):
            write(piece)
        progress.finish()


def _check_usage(files: Sequence[Path], *, interactive: bool, out: Path | None) -> None:
    given = click.get_current_context()
    idle = [
        said for name, said in _NOT_TYPED.items() if given.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if interactive and idle:
        raise click.UsageError(f"--interactive reads what is typed, without {', '.join(idle)}")
    if out is not None and not (out.parent.is_dir() and (out.is_file() or not out.exists())):
        raise click.UsageError(f"--out {out}: no folder {out.parent}, or something there that is no file")
    if out is not None and out.exists() and any(path.exists() and path.samefile(out) for path in files):
        raise click.UsageError(f"--out {out}: one of the FILES, which would be lost; name another")


@contextmanager
def uncollected() -> Iterator[None]:
    """Leave the garbage collector out while what stays for good is imported and read.

    Looking through it again and again took a fifth of the time: importing ``ssmi`` fell from 5.7 to 4.4 s of CPU time.
    """
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def _n_bytes(files: Sequence[Path]) -> int:
    """Of all files; 0, for unknown, when stdin is among them."""
    return 0 if Path(STDIN) in files else sum(path.stat().st_size for path in files)


def _records(files: Sequence[Path], kind: Kind | None, ways: Mapping[str, Any]) -> Iterator[Record]:
    """``ways``: further arguments of ``read_records``."""
    from ssmi.predict.reading import read_records
    from ssmi.predict.sniffing import kind_of_name

    for path in files:
        if str(path) == STDIN:
            yield from read_records(sys.stdin.buffer, name="stdin", kind=kind, **ways)
            continue
        with path.open("rb") as stream:
            yield from read_records(stream, name=str(path), kind=kind or kind_of_name(path), **ways)


class Progress:
    """Bytes that were read are done as their characters are tagged: one line may take minutes."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._bytes = self._characters = 0

    def read(self, n_bytes: int) -> None:
        """So many bytes more are waiting."""
        self._bytes += n_bytes

    def found(self, n_characters: int) -> None:
        """They hold so many characters to tag."""
        self._characters += n_characters

    def tagged(self, n_characters: int) -> None:
        """Of the characters that are waiting, so many are done."""
        n_bytes = self._bytes * n_characters // self._characters
        self._bytes -= n_bytes
        self._characters -= n_characters
        self._advance(n_bytes)

    def finish(self) -> None:
        """What is left holds no character."""
        self._advance(self._bytes)


def _tagged(stream: Stream, records: Iterator[Record], progress: Progress) -> Iterator[Tagged]:
    """Each record with its entities; no more records are held than the tagger holds texts."""
    waiting: deque[Record] = deque()
    wrong: list[InputDataError] = []

    def texts() -> Iterator[str]:
        try:
            for record in records:
                waiting.append(record)
                progress.found(len(record.text))
                yield record.text
        except InputDataError as error:  # what came before it is tagged first
            wrong.append(error)

    for entities in stream(texts(), advance=progress.tagged):
        yield waiting.popleft(), entities
    if wrong:
        raise wrong[0]


@contextmanager
def _output(out: Path | None, reporter: Bars | Lines) -> Iterator[Write]:
    """What writes a piece: to a file that appears when all is done, or to stdout at once."""
    if out is None:
        from ssmi.cli.streams import utf8_stdout

        stdout = utf8_stdout()  # a progress bar puts its own in its place

        def write(piece: str) -> None:
            if stdout.isatty():
                reporter.make_room()
            stdout.write(piece)
            stdout.flush()

        yield write
        return
    from ssmi.pipeline.contract.tables import writing

    with writing(out) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        yield stream.write
