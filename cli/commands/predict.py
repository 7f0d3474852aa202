"""``ssmi-cli predict``: text in, entities out, one batch at a time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssmi.cli import completion
from ssmi.cli.build_options import executor_options
from ssmi.cli.failures import RUN_AGAIN, resumable
from ssmi.cli.options import InputFile, dataset_option, device_option, run_option
from ssmi.cli.predict_options import check_encoding_option, check_usage, stdin_files
from ssmi.cli.session import Session
from ssmi.cli.terminal.streams import check_output, open_output
from ssmi.pipeline.contract.arguments import check_probability
from ssmi.pipeline.contract.text.wording import counted

if TYPE_CHECKING:
    from ssmi.predict.input.reading import Kind
    from ssmi.predict.input.text_decoding import Errors

FORMATS = ("jsonl", "conll", "doccano", "label-studio")
KINDS = ("text", "paragraphs", "jsonl", "json", "csv", "tsv")


@click.command()
@click.argument("files", nargs=-1, type=InputFile(allow_dash=True))
@run_option(packed=True)
@dataset_option
@click.option("--input", "kind", type=click.Choice(KINDS), help="Kind of input.  [default: by the name, else text]")
@click.option("--field", "text_field", metavar="NAME", help="Field or column with the text.  [default: text]")
@click.option(
    "--encoding",
    metavar="NAME",
    callback=check_encoding_option,
    shell_complete=completion.encodings,
    help="Encoding of FILES, e.g. gb18030.  [default: by the byte order mark, else utf-8]",
)
@click.option(
    "--errors",
    type=click.Choice(["strict", "replace"]),
    default="strict",
    show_default=True,
    help="Bytes that are invalid in the encoding: stop there, or read each as U+FFFD.",
)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="jsonl", show_default=True, help="Form of the output."
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write; it appears when everything is done."
)
@click.option("--batch-chars", type=click.IntRange(min=1), help="Characters tagged together.  [default: 16384]")
@click.option("--min-score", type=float, default=0.0, help="Leave out entities with a lower score; 0 to 1.")
@click.option(
    "--entities",
    type=InputFile(),
    help="Your own entities; on each line a word, a tab, its label [, a tab, add or force].",
)
@device_option
@click.option("--shards", "corpus", metavar="CORPUS", help="Tag a corpus whose features are built, into Parquet files.")
@executor_options
@click.option("--interactive", is_flag=True, help="Show the entities of each line as it is typed.")
@click.pass_obj
def predict(
    session: Session,
    files: tuple[Path, ...],
    run: Path | None,
    dataset: str | None,
    kind: Kind | None,
    text_field: str | None,
    encoding: str | None,
    errors: Errors,
    form: str,
    out: Path | None,
    batch_chars: int | None,
    min_score: float,
    entities: Path | None,
    device: str | None,
    corpus: str | None,
    workers: int,
    scheduler: str | None,
    interactive: bool,
) -> None:
    """Find the entities in FILES, or in piped text (-).

    Input is `text`, one text per line; `paragraphs`, blocks between blank lines; or rows whose text is in a field
    (--field) and whose other fields are kept: `jsonl`, one object per line; `json`, an array; `csv` and `tsv`, with
    a header. Gzipped files are read too; files that are not text are refused.

    Output is one row per text, in order: {"text", "entities": [{"start", "end", "label", "text", "score"}]}. Positions
    count code points, the end not included; the score is the probability of exactly this entity.

    Words of --entities are tagged wherever they occur: only where the run finds no entity (add), or in place of what
    it finds (force). Rows then give the "source" of each entity: model or file.

    Rows are written batch by batch; with --batch-chars 1 each row is written immediately.

    With --shards a corpus (`ssmi-cli features build --corpus`) is tagged part by part into artifacts/predict/, here or
    on workers; finished parts are kept, so an interrupted command continues where it stopped.
    """
    check_usage(interactive=interactive, corpus=corpus)
    check_probability("--min-score", min_score)
    if corpus is not None:
        with resumable(RUN_AGAIN):
            result = session.project.predict_shards(
                corpus, run=run, dataset=dataset, min_score=min_score,
                device=device or "auto", workers=workers, scheduler=scheduler,
            )  # fmt: skip
        click.echo(
            f"{counted(result.n_entities, 'entity')} in {counted(result.n_sentences, 'sentence')}: {result.folder}"
        )
        return
    if out is not None:
        check_output(out, files)
    files = files or stdin_files(interactive=interactive)
    from ssmi.predict.input.structured_files import check_field

    check_field(text_field, files, kind)
    tagger = session.open_tagger(run=run, dataset=dataset, device=device, entities=entities)
    if interactive:
        from ssmi.cli.terminal.interactive import converse

        converse(tagger, min_score=min_score)
        return
    from ssmi.predict.files import predictions
    from ssmi.predict.records import RecordSource

    source = RecordSource(
        files,
        stdin=sys.stdin.buffer,
        kind=kind,
        text_field=text_field or "text",
        encoding=encoding,
        errors=errors,
        note=session.reporter.note,
    )
    pieces = predictions(
        tagger,
        source,
        format=form,
        batch_characters=batch_chars,
        min_score=min_score,
        sources=entities is not None,
        reporter=session.reporter,
    )
    with open_output(out, session.reporter) as write:
        for piece in pieces:
            write(piece)
