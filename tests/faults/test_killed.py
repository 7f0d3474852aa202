"""A command killed (SIGKILL) at any file operation and run again writes the same bytes and leaves nothing else.

``pytest -m heavy tests/faults/test_killed.py`` kills every command 50 times.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ssmi.dvc.pipeline_file import write_pipeline
from ssmi.pipeline.assets.datasets import find_dataset
from ssmi.pipeline.assets.registry import Asset, Checksum, RemoteFile
from ssmi.pipeline.contract.progress import Silent
from tests.faults.forks import Command, Forks, Program, dvc, ssmi_cli

EPOCHS = ("-S", "train.epochs=2")
SENTENCES = {"train": 12, "dev": 4, "test": 4}
SPLITS = {split: f"中 B-NS\n国 E-NS\n{split} O\n".encode() * 40_000 for split in ("train", "dev", "test")}


def fetch(folder: Path, arguments: Sequence[str]) -> None:
    """``ssmi-cli data fetch`` of a data set listed at an address of this machine."""
    files = tuple(
        RemoteFile(
            split,
            f"{split}.bmes",
            f"{arguments[0]}/{split}",
            Checksum("sha256", hashlib.sha256(body).hexdigest()),
            1 << 24,
        )
        for split, body in SPLITS.items()
    )
    asset = Asset("listed", "dataset", "a set", "here", "MIT", "bring it", files=files)
    find_dataset("listed", root=folder, reporter=Silent(), registry={"listed": asset})


@dataclass(frozen=True)
class Case:
    """A command to kill, and the project to run it in."""

    arguments: tuple[str, ...]
    program: Program = ssmi_cli
    project: str = "small"


COMMANDS: dict[str, Case] = {
    **{
        stage: Case(("features", stage))
        for stage in ("vocab", "prepare", "segment", "embed", "selection", "pmi", "shards")
    },
    "build": Case(("features", "build", "--force")),
    "build of a corpus": Case(("features", "build", "--corpus", "news", "--force"), project="trained"),
    "train": Case(("train", *EPOCHS)),
    "ablate": Case(("ablate", "--only", "no-bert", "--seeds", "1", *EPOCHS)),
    "ablate over folds": Case(("ablate", "--only", "no-bert", "--seeds", "1", "--folds", "2", *EPOCHS)),
    "predict": Case(("predict", "news/text.txt", "--out", "out.jsonl"), project="trained"),
    "predict of a corpus": Case(("predict", "--shards", "news"), project="trained"),
    "export": Case(("export", "--out", "pack"), project="trained"),
    "report": Case(("report", "--split", "dev", "--out", "page.html"), project="trained"),
    "convert": Case(("data", "convert", "data/tiny/train.bmes", "converted.jsonl", "--format", "jsonl")),
    "fetch": Case((), fetch, project="empty"),
    "dvc write": Case(("dvc", "write")),
    "dvc repro": Case(("repro",), dvc, project="reproduced"),
}


@dataclass(frozen=True)
class Kills:
    """Result of killing a command ``n`` times.

    ``left``: number of kills that left half-written files, which the next run removed.
    """

    n: int
    n_leftovers: int


def contents(root: Path) -> dict[str, str]:
    """Mapping from each file and folder below ``root`` to a file's digest; without machine-specific files."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(root.rglob("*"))
        if path.relative_to(root).parts[0] not in (".ssmi", ".dvc") and "locks" not in path.parts
    }


def half_written_files(root: Path) -> list[str]:
    """Half-written files anywhere below a folder, recognised by their names."""
    return sorted(str(path.relative_to(root)) for path in root.rglob(".*") if ".ssmi." in path.name)


# --- projects -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Forks:
    return Forks(tmp_path_factory.mktemp("forks"))


@pytest.fixture(scope="module")
def small(pristine_project: Any, copy_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A built project of few sentences."""
    project = copy_project(pristine_project, tmp_path_factory.mktemp("small"))
    for split, n in SENTENCES.items():
        blocks = project.raw(split).read_text(encoding="utf-8").split("\n\n")
        project.raw(split).write_text("\n\n".join(blocks[:n]) + "\n", encoding="utf-8")
    project.set("train", epochs=1, batch_size=8)
    project.build()
    return project


@pytest.fixture(scope="module")
def trained(small: Any, copy_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """``small`` with a run, and a built corpus in three parts."""
    project = copy_project(small, tmp_path_factory.mktemp("trained"))
    rates = {"lr_encoder": 0.002, "lr_boundaries": 0.001, "lr_crf": 0.01, "lr_new": 0.005}
    project.set("train", epochs=12, **rates)
    assert project.ssmi("train").code == 0
    (project.root / "news").mkdir()
    texts = ["王小明在北京大学任教授。", "疫苗在上海", "公司董事长生于南京市", "好", "在北京", "上海"]
    (project.root / "news" / "text.txt").write_text("\n".join(texts), encoding="utf-8")
    project.set("prepare", sentences_per_part=2)
    project.build("--corpus", "news")
    return project


@pytest.fixture(scope="module")
def reproduced(
    small: Any, copy_project: Any, forks: Forks, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """``small`` under DVC, with a change that makes it build and train again."""
    project = copy_project(small, tmp_path_factory.mktemp("reproduced"))
    for name in (".dvcignore", ".dvc/config"):
        (project.root / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(repository / name, project.root / name)
    (project.root / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n", encoding="utf-8")
    write_pipeline(project.root)
    finished = forks.run(Command(dvc, ("repro", "--quiet"), project.root, project.environment))
    assert finished.code == 0, finished.output
    project.set("shards", matches=True)
    return project


@pytest.fixture(scope="module")
def empty(small: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An empty folder, for a data set to be fetched."""
    root = tmp_path_factory.mktemp("empty") / "project"
    root.mkdir()
    return replace(small, root=root)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Address of a server with the data set to fetch."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = SPLITS[self.path[1:]]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


# --- kills ----------------------------------------------------------------------------------------------------------

Kill = Callable[[str, int], Kills]


@pytest.fixture
def kill(forks: Forks, copy_project: Any, address: str, tmp_path: Path, request: pytest.FixtureRequest) -> Kill:
    """Kill a command ``n`` times, each time in a separate project and at another operation, and run it again."""

    def command_in(name: str, subfolder: str) -> Command:
        case = COMMANDS[name]
        (tmp_path / subfolder).mkdir()
        project = copy_project(request.getfixturevalue(case.project), tmp_path / subfolder)
        environment = {
            key: value for key, value in project.environment.items() if key not in ("http_proxy", "HTTP_PROXY")
        }
        if case.program is not fetch:
            return Command(case.program, case.arguments, project.root, environment)
        return Command(fetch, (address,), project.root, {**environment, "SSMI_CACHE": str(project.root / "cache")})

    def kill(name: str, n: int) -> Kills:
        uninterrupted = command_in(name, "whole")
        finished = forks.run(uninterrupted)
        assert finished.code == 0, finished.output
        expected, n_leftovers = contents(uninterrupted.folder), 0
        killed_operations = sorted(
            random.Random(name).sample(range(1, finished.n_operations + 1), min(n, finished.n_operations))
        )
        for nth in killed_operations:
            command = command_in(name, str(nth))
            assert forks.run(replace(command, nth=nth)).code == -signal.SIGKILL
            n_leftovers += bool(half_written_files(command.folder))
            second_run = forks.run(command)
            # A pack that was already complete is not overwritten.
            already_exists = name == "export" and second_run.code == 2 and "already exists" in second_run.output
            assert second_run.code == 0 or already_exists, (nth, second_run.output)
            assert (nth, contents(command.folder)) == (nth, expected)
            assert half_written_files(command.folder) == []
            assert list(command.folder.glob(".ssmi/scratch/stages/*/*")) == []
            shutil.rmtree(command.folder)
        return Kills(len(killed_operations), n_leftovers)

    return kill


@pytest.mark.parametrize(("name", "n"), [("prepare", 2), ("build", 1), ("convert", 1), ("fetch", 2)])
def test_the_run_after_a_kill_gives_the_same_bytes(kill: Kill, name: str, n: int) -> None:
    assert kill(name, n).n == n


@pytest.mark.heavy
@pytest.mark.parametrize("name", COMMANDS)
def test_fifty_kills_change_no_byte(kill: Kill, name: str, record_property: Any) -> None:
    kills = kill(name, 50)
    record_property("kills", f"{kills.n}, something half written after {kills.n_leftovers}")  # docs/reliability.md
    assert kills.n >= 4
