"""A pipe in place of a file below ``artifacts/``: commands refuse it in one line, report or replace it; none hangs."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PART = "part-00000.parquet"
CHECKPOINT = "train/tiny/checkpoint"
READERS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "predict": (
        ("predict", "{text}"),
        tuple(
            f"{CHECKPOINT}/{name}"
            for name in ("checkpoint.json", "params.json", "files.json", "model.safetensors", "encoder/config.json")
        ),
    ),
    "predict --shards": (
        ("predict", "--shards", "news", "--min-score", "0.5"),
        (
            *("shards/news/manifest.json", "shards/news/boundaries.parquet", f"shards/news/text/{PART}"),
            *("prepare/news/manifest.json", f"prepare/news/sources/{PART}", f"{CHECKPOINT}/model.safetensors"),
        ),
    ),
    "train": (("train", "--run", "other"), ("shards/tiny/manifest.json", f"shards/tiny/train/{PART}")),
    "evaluate": (("evaluate", "--split", "dev"), ("shards/tiny/boundaries.parquet", f"shards/tiny/dev/{PART}")),
    "stats": (("stats", "coverage"), ("vocab/manifest.json", "vocab/words.parquet", f"prepare/tiny/dev/{PART}")),
    "explain": (("explain", "京", "--segment", "北京"), ("vocab/manifest.json", "embed/tiny/manifest.json")),
    "features selection": (
        ("features", "selection"),
        (f"segment/tiny/train/{PART}", "embed/tiny/vectors.npy", "embed/tiny/manifest.json"),
    ),
    "report": (("report", "--out", "{out}"), (f"{CHECKPOINT}/checkpoint.json", f"shards/tiny/test/{PART}")),
    "compare": (
        ("compare", "{run}", "{run}"),
        (f"{CHECKPOINT}/checkpoint.json", "train/tiny/files.json"),
    ),
}
"""Commands that read artifacts, each with some of the files that it needs."""
CASES = [(reader, file) for reader, (_, files) in READERS.items() for file in files]


@pytest.fixture(scope="module")
def shared(tagging_project: Any, copy_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project with a run and a corpus."""
    project = copy_project(tagging_project, tmp_path_factory.mktemp("shared"))
    (project.root / "news").mkdir()
    (project.root / "news" / "text.txt").write_text("王小明在北京大学任教授。\n疫苗在上海\n", encoding="utf-8")
    project.build("--corpus", "news")
    return project


@contextmanager
def _replaced_by_pipe(path: Path, backup: Path) -> Iterator[list[Path]]:
    """Replace a file with a pipe until the block ends.

    The yielded list records every reader that opens the pipe; the reader then gets the end of the file, so that the
    test cannot hang.
    """
    shutil.move(path, backup)
    os.mkfifo(path)
    opened: list[Path] = []
    stopped = threading.Event()

    def watch() -> None:
        while not stopped.wait(0.005):
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
                if stat.S_ISFIFO(os.fstat(descriptor).st_mode):  # not the file that was built in its place
                    opened.append(path)
                os.close(descriptor)
            except OSError as error:
                if error.errno != errno.ENXIO:  # ENXIO: there is no reader
                    return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield opened
    finally:
        stopped.set()
        watcher.join()
        path.unlink(missing_ok=True)
        shutil.move(backup, path)


@pytest.mark.parametrize(("reader", "file"), CASES)
def test_a_pipe_is_refused_in_one_line(shared: Any, tmp_path: Path, reader: str, file: str) -> None:
    path, text, out = shared.root / "artifacts" / file, tmp_path / "text.txt", tmp_path / "out"
    text.write_text("疫苗在上海\n", encoding="utf-8")
    run = shared.root / "artifacts" / "train" / "tiny"
    command = [word.format(text=text, out=out, run=run) for word in READERS[reader][0]]
    with _replaced_by_pipe(path, tmp_path / "aside") as opened:
        outcome = shared.ssmi(*command)
    assert not opened, outcome.stderr
    assert outcome.code in (4, 5), outcome.stderr
    (error,) = [line for line in outcome.stderr.splitlines() if line.startswith("error: ")]
    (advice,) = [line for line in outcome.stderr.splitlines() if line.startswith("  next: ")]
    assert path.name in error or path.parent.name in error
    assert len(advice) > len("  next: ") and "--debug" not in outcome.stderr
    assert not out.exists()


@pytest.mark.parametrize("options", [(), ("--deep",)], ids=["names", "bytes"])
@pytest.mark.parametrize("file", sorted({file for _, file in CASES}))
def test_verify_reports_the_pipe(shared: Any, tmp_path: Path, file: str, options: tuple[str, ...]) -> None:
    with _replaced_by_pipe(shared.root / "artifacts" / file, tmp_path / "aside") as opened:
        outcome = shared.ssmi("verify", "--json", *options)
    assert not opened and outcome.code == 5, outcome.stderr
    names = [finding["file"] for finding in json.loads(outcome.stdout)["findings"]]
    # If the list of a checkpoint is missing, the report names the list.
    assert any(name in (f"artifacts/{file}", f"artifacts/{file.rpartition('/')[0]}/files.json") for name in names)


@pytest.mark.parametrize("file", ["manifest.json", PART])
def test_predictions_for_a_corpus_are_rebuilt(shared: Any, tmp_path: Path, file: str) -> None:
    assert shared.ssmi("predict", "--shards", "news").code == 0  # earlier tests may have prevented it
    folder = shared.root / "artifacts" / "predict" / "tiny" / "news"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with _replaced_by_pipe(folder / file, tmp_path / "aside") as opened:
        outcome = shared.ssmi("predict", "--shards", "news")
        assert not opened and outcome.code == 0, outcome.stderr
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("file", ["vocab/trie.bin", f"pmi/tiny/dev/{PART}", "shards/tiny/manifest.json"])
def test_a_build_replaces_the_pipe(
    built_once: Any, copy_project: Callable[..., Any], tmp_path: Path, file: str
) -> None:
    project = copy_project(built_once, tmp_path)
    before = project.artifacts()
    with _replaced_by_pipe(project.root / "artifacts" / file, tmp_path / "aside") as opened:
        outcome = project.build()
        assert not opened and file.partition("/")[0] in outcome.built
        assert project.artifacts() == before
