"""Run, or at least parse, every command line and every line of Python in the documentation.

Every ssmi-cli command line, including those in blocks marked ``<!-- not run: ... -->``, must parse, with parameters,
configurations and reports that exist. Blocks without that mark are run, on a tiny project in place of the
documentation's data sets, except commands that train or build.
"""

from __future__ import annotations

import gzip
import io
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import polars as pl
import pytest

from ssmi.cli.main import cli
from ssmi.configurations import CONFIGURATIONS
from ssmi.pipeline.contract.parameters import params as parameters

# --- blocks and command lines ---------------------------------------------------------------------------------------

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted(
    [
        *(REPOSITORY / name for name in ("README.md", "README.zh-CN.md", "CONTRIBUTING.md")),
        *(REPOSITORY / "docs").rglob("*.md"),
    ]
)
_BLOCK = re.compile(r"^(<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S)
_INLINE = re.compile(r"(?<!`)`(ssmi-cli [^`]+)`(?!`)")
_SEPARATORS = ("|", "&&", ";")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: Path of the page, relative to the repository.
        line: Number of the first line of code, from 1.
        reason: Why the block is not run; None if it is run.

    """

    page: str
    line: int
    language: str
    code: str
    reason: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One command of a block, separated from the rest of its pipeline.

    Attributes:
        words: The program and its arguments.
        runs: Whether the block is run.

    """

    location: str
    words: tuple[str, ...]
    runs: bool

    def __str__(self) -> str:
        return f"{self.location}: {shlex.join(self.words)}"


def blocks(language: str) -> Iterator[Block]:
    """Yield every block of a language, on every page."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            if match["language"] == language:
                line = text[: match.start("code")].count("\n") + 1
                name = page.relative_to(REPOSITORY).as_posix()
                yield Block(name, line, language, match["code"], match["reason"])


def commands() -> Iterator[Command]:
    """Yield every command of every ``sh`` block."""
    for block in blocks("sh"):
        for number, line in enumerate(block.code.splitlines()):
            yield from _split(line, location=f"{block.page}:{block.line + number}", runs=block.reason is None)


def mentions() -> Iterator[Command]:
    """Yield every ssmi-cli command line in running text, except those whose verb is a placeholder in capitals."""
    for page in PAGES:
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
            for match in _INLINE.finditer(line):
                for command in _split(match[1], location=f"{page.relative_to(REPOSITORY)}:{number}", runs=False):
                    if not command.words[1].startswith("--") and not any(map(str.isupper, command.words[1:3])):
                        yield command


def _split(line: str, *, location: str, runs: bool) -> Iterator[Command]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, "|"]:
        if word not in _SEPARATORS:
            words.append(word)
        elif words:
            yield Command(location, tuple(words), runs)
            words = []


# --- substitutions --------------------------------------------------------------------------------------------------

COMMANDS = sorted({(one.words, one.runs): one for one in commands()}.values(), key=str)
SSMI_COMMANDS = [one for one in COMMANDS if one.words[0] == "ssmi-cli"]
OTHER_PROGRAMS = {"make", "pip", "source", "cd", "cat", "echo", "zcat", "dvc", "dask", "torchrun", "eval"}
OTHER_PROGRAMS |= {"export", "grep", "helm", "kubectl", "sbatch", "curl"}
NOT_RUN = OTHER_PROGRAMS - {"cd", "cat", "echo", "zcat"}
"""Programs whose blocks must be marked as not run."""
LONG_RUNNING = {("train",), ("ablate",), ("paper",), ("demo",), ("features", "vocab"), ("features", "prepare")}
"""Verbs that build or train; other tests run them, with parameters and data that exist."""
DATASETS = re.compile(r"^(sample|resume|weibo|msra|later|NAME)$")
RUN = re.compile(r"^artifacts/(train|ablate)/(sample|resume|weibo|DATASET)\b.*$")
TEXT = "陈思远，男，任东海科技公司经理。\n云计算平台在南北高架旁。\n"


def _parse(words: tuple[str, ...]) -> list[click.Context]:
    """Return the contexts of a command line, outermost first. Raises click's errors if the command line is invalid."""
    command: click.Command = cli
    contexts = [cli.make_context("ssmi-cli", list(words[1:]))]
    while isinstance(command, click.Group):
        context = contexts[-1]
        arguments = [*context._protected_args, *context.args]
        name, subcommand, arguments = command.resolve_command(context, arguments)
        assert subcommand is not None and name is not None
        command = subcommand
        contexts.append(command.make_context(name, arguments, parent=context))
    return contexts


def _verb(words: tuple[str, ...]) -> tuple[str, ...]:
    return words[1:3] if words[1] in ("features", "data", "dvc", "encoder") else words[1:2]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with every file named in the documentation."""
    _write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _write_files(folder: Path) -> None:
    (folder / "texts.txt").write_text(TEXT, encoding="utf-8")
    (folder / "comments.csv").write_text(f"id,content\n1,{TEXT.split()[0]}\n", encoding="utf-8")
    (folder / "export.csv").write_text(f"id,content\n1,{TEXT.split()[0]}\n", encoding="gb18030")
    (folder / "news.json.gz").write_bytes(gzip.compress('[{"text": "陈思远任经理。"}]'.encode()))
    (folder / "own.tsv").write_text("云计算平台\tPRO\n南北高架\tLOC\tforce\n", encoding="utf-8")
    row = '{"text": "陈思远任经理。", "entities": [{"start": 0, "end": 3, "label": "NAME"}]}'
    for name in ("new.jsonl", "train.jsonl", "in.json"):
        (folder / name).write_text(row + "\n", encoding="utf-8")
    for name in ("FILE.yaml", "depth.yaml"):
        (folder / name).write_text("shallow: {base: ssmi, model.encoder_layers: 2}\n", encoding="utf-8")
    (folder / "corpus.txt").write_text("李/nr 建国/nr 在/p 东海/ns 工作/v\n", encoding="gb18030")
    pl.DataFrame({"tokens": [["陈", "思", "远"]], "ner_tags": [[1, 2, 2]]}).write_parquet(folder / "train.parquet")


# --- parsing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [*SSMI_COMMANDS, *mentions()], ids=str)
def test_the_command_line_is_valid(command: Command, files: Path) -> None:
    try:
        params = _parse(command.words)[-1].params
    except click.exceptions.Exit:
        return  # --help
    except click.MissingParameter as error:
        assert len(command.words) == 1 + len(_verb(command.words)), error  # the text names only the verb
        return
    except click.UsageError as error:
        pytest.fail(f"{command}: {error.format_message()}", pytrace=False)
    parameters.load(REPOSITORY / "params.yaml", overrides=params.get("overrides") or ())
    names = {*(params.get("only") or ()), params.get("config")} - {None}
    assert names <= set(CONFIGURATIONS)


@pytest.mark.parametrize("command", [one for one in COMMANDS if one not in SSMI_COMMANDS], ids=str)
def test_other_programs_are_known_and_marked_as_not_run(command: Command) -> None:
    program, *arguments = command.words
    if "=" in program:  # a variable is set before the program
        program, *arguments = arguments
    assert program in OTHER_PROGRAMS
    assert not (command.runs and program in NOT_RUN), "mark the block: <!-- not run: why -->"
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.M)
        assert arguments[0] in targets
    if program == "dvc":
        from dvc.cli import parse_args

        namespace = parse_args(arguments)
        parameters.load(REPOSITORY / "params.yaml", overrides=getattr(namespace, "set_param", None) or ())


# --- running --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def documented(tagging_project: Any, copy_project: Any, tmp_path_factory: Any) -> Any:
    """The trained tiny project with every file named in the documentation."""
    project = copy_project(tagging_project, tmp_path_factory.mktemp("documented"))
    _write_files(project.root)
    return project


def _on_the_tiny_project(words: tuple[str, ...]) -> list[str]:
    """Adapt a command to the tiny project: its data set, its run, and a character of its vocabulary."""
    words = tuple("tiny" if DATASETS.match(word) else RUN.sub("artifacts/train/tiny", word) for word in words)
    if words[1] == "explain":
        words = ("ssmi-cli", "explain", "公", "--segment", "公司", *words[5:])
    return list(words[1:])


RUNNABLE = [
    one for one in SSMI_COMMANDS if one.runs and (_verb(one.words) not in LONG_RUNNING or "--list" in one.words)
]


@pytest.mark.parametrize(
    "command", [one for one in RUNNABLE if "init" not in one.words and "-S" not in one.words], ids=str
)
def test_the_command_succeeds(command: Command, documented: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(documented.root)
    shutil.rmtree(documented.root / "tagger", ignore_errors=True)
    words = _on_the_tiny_project(command.words)
    if words[-1] == "-":
        stdin = '[{"text": "陈思远任经理。"}]' if "json" in words else TEXT
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
    outcome = documented.ssmi(*words)
    assert outcome.code == 0, outcome.stderr


@pytest.mark.parametrize("command", [one for one in RUNNABLE if "init" in one.words], ids=str)
def test_commands_that_create_projects_succeed(
    command: Command, files: Path, documented: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    working_folder = files / "working"  # a command may create a project next to the working folder
    working_folder.mkdir()
    _write_files(working_folder)
    monkeypatch.chdir(working_folder)
    outcome = documented.ssmi(*command.words[1:])
    assert outcome.code == 0, outcome.stderr
    assert (working_folder / command.words[2] / "params.yaml").is_file()


# --- Python -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", sorted({block.page for block in blocks("python")}))
def test_the_python_code_of_a_page_runs(page: str, documented: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import ssmi

    monkeypatch.chdir(documented.root)
    (documented.root / "texts.txt").write_text(TEXT, encoding="utf-8")
    for name, value in documented.environment.items():
        monkeypatch.setenv(name, value)
    names: dict[str, Any] = {"ssmi": ssmi, "text": TEXT, "texts": [TEXT]}
    for block in blocks("python"):
        if block.page != page:
            continue
        code = re.sub(r'"(sample|resume|weibo)"', '"tiny"', block.code)
        code = re.sub(r'"artifacts/train/[\w+-]+"', '"artifacts/train/tiny"', code)
        code = code.replace('explain("言", "语言学"', 'explain("公", "公司"').replace('["PER.NAM"]', '["NAME"]')
        compiled = compile(code, str(block), "exec")
        if block.reason is None:
            exec(compiled, names)
