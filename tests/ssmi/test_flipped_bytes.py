"""Single bytes are changed in files of every kind, without changing size or time: each is found or has no effect.

A reader that raises no error must return what it returned for the original files; an error must be one of this
program's, with a next step. The heavy test draws a thousand bytes, the fast one a few of each kind.
"""

from __future__ import annotations

import os
import shutil
import signal
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

import ssmi
from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.progress import Advance, Silent
from ssmi.pipeline.executor import Serial
from ssmi.pipeline.parts.share import Share
from ssmi.pipeline.stages.running import up_to_date
from ssmi.pipeline.stages.running.registry import get_stage
from ssmi.pipeline.stages.running.stage import StageContext
from tests.ssmi import flip_readers as readers
from tests.ssmi.flip_readers import TEXTS, Read


@dataclass(frozen=True)
class Kind:
    """Files, their reader, and the number of bytes that the fast and the heavy test change."""

    patterns: tuple[str, ...]
    read: Read
    n_fast: int
    n_heavy: int

    def files(self, root: Path) -> list[Path]:
        found = {path for pattern in self.patterns for path in root.glob(pattern) if path.is_file()}
        return sorted(path for path in found if path.stat().st_size)


REBUILT = {
    "word vectors in cache",
    "finished parts of segment, when resumed",
    "parts of predict --shards, when resumed",
}
RUN = "artifacts/train/tiny"
STATS_STAGES = ("vocab", "prepare", "segment", "embed", "selection", "pmi")
KINDS: Mapping[str, Kind] = {
    "shards, read as train and evaluate do": Kind(("artifacts/shards/tiny/**/*",), readers.read_shards, 12, 420),
    "vocabulary, read by pmi": Kind(("artifacts/vocab/*",), readers.run_stage("pmi"), 4, 60),
    "prepare, read by segment": Kind(("artifacts/prepare/tiny/**/*",), readers.run_stage("segment"), 3, 50),
    "segment, read by selection": Kind(("artifacts/segment/tiny/**/*",), readers.run_stage("selection"), 2, 30),
    "embed, read by selection": Kind(("artifacts/embed/tiny/*",), readers.run_stage("selection"), 3, 40),
    "pmi, read by shards": Kind(("artifacts/pmi/tiny/**/*",), readers.run_stage("shards"), 2, 25),
    "selection, read by shards": Kind(("artifacts/selection/tiny/**/*",), readers.run_stage("shards"), 2, 25),
    "all tables, read by stats": Kind(
        tuple(f"artifacts/{stage}/**/*.parquet" for stage in STATS_STAGES), readers.query, 6, 60
    ),
    "shards, read by training with streaming": Kind(("artifacts/shards/tiny/train/*",), readers.stream, 3, 60),
    "shards, changed meanwhile": Kind(("artifacts/shards/tiny/train/*",), readers.stream_after_change, 3, 60),
    "finished parts of segment, when resumed": Kind(("finished parts/**/*",), readers.resume_segment_stage, 3, 60),
    "a corpus, read by predict --shards": Kind(
        ("artifacts/shards/news/**/*", "artifacts/prepare/news/**/*"), readers.tag_corpus, 4, 60
    ),
    "parts of predict --shards, when resumed": Kind(("artifacts/predict/tiny/news/*",), readers.resume_tagging, 3, 40),
    "word vectors in cache": Kind(("cache/word-vectors/*",), readers.encode, 10, 60),
    "state of an unfinished run, read by train --resume": Kind(("unfinished/state/*",), readers.resume_training, 2, 16),
    "checkpoint, read by predict": Kind((f"{RUN}/checkpoint/**/*",), readers.tag_texts(RUN), 3, 30),
    "pinned run features, read by predict": Kind(
        (f"{RUN}/pinned/**/*",), readers.tag_texts(RUN, project="other"), 2, 20
    ),
    "pack, read by predict": Kind(("packed/**/*",), readers.tag_texts("packed"), 3, 40),
    "scores, history and counts, read by ablate": Kind(
        (*(f"{RUN}/{name}" for name in ("metrics.json", "history.csv", "files.json")), f"{RUN}/counts/*"),
        readers.read_results,
        5,
        140,
    ),
}


# --- the project ----------------------------------------------------------------------------------------------------


class InterruptingReporter(Silent):
    """A reporter that sends Ctrl-C when a task begins."""

    def __init__(self, label: str) -> None:
        self._label = label

    @contextmanager
    def task(self, label: str, *, total: int, unit: str) -> Iterator[Advance]:
        if label == self._label:
            signal.raise_signal(signal.SIGINT)
        with super().task(label, total=total, unit=unit) as advance:
            yield advance


def _create_finished_parts(root: Path) -> None:
    """Create the finished parts that an interrupted segment stage leaves behind."""
    backup = (root / "artifacts/segment/tiny").rename(
        root / "aside"
    )  # a share of a finished stage would have nothing to do
    context = StageContext(root, "tiny", ssmi.open_project(root).params(), Serial(), Silent())
    up_to_date.run_share(get_stage("segment"), context, Share(1, 2))
    shutil.move(root / ".ssmi" / "scratch", root / "finished parts")
    backup.rename(root / "artifacts/segment/tiny")


@pytest.fixture(scope="module")
def root(built_once: Any, copy_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with all kinds of files: hidden states, matches, a run, its pack, and an interrupted run."""
    project = copy_project(built_once, tmp_path_factory.mktemp("flips"))
    project.set("shards", hidden=True, matches=True)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in project.environment.items():
            patch.setenv(name, value)
        patch.setenv("SSMI_CACHE", str(project.root / "cache"))
        opened = ssmi.open_project(project.root)
        opened.build_features()
        opened.train(overrides=["train.lr_encoder=0.002"])
        with pytest.raises(KeyboardInterrupt):
            ssmi.open_project(project.root, reporter=InterruptingReporter("epoch 2/2")).train(
                run=project.root / "unfinished"
            )
        assert project.ssmi("export", "--out", str(project.root / "packed")).code == 0
        # A project in which nothing is built: a run that is opened there reads its pinned features.
        shutil.copytree(project.root / "encoder", project.root / "other" / "encoder")
        shutil.copy(project.root / "params.yaml", project.root / "other")
        (project.root / "news.txt").write_text("\n".join(TEXTS), encoding="utf-8")
        opened.build_features(corpus="news.txt", like="tiny", overrides=["prepare.sentences_per_part=2"])
        _create_finished_parts(project.root)
        # Cache only these words, because no others are read.
        shutil.rmtree(project.root / "cache" / "word-vectors", ignore_errors=True)
        readers.encode(project.root)
        yield project.root


# --- the flips ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Flip:
    """A change of one byte in a file."""

    path: Path
    offset: int
    by: int

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Change the byte within the ``with`` block."""
        original = self.path.read_bytes()
        changed = bytearray(original)
        changed[self.offset] ^= self.by
        self._write(bytes(changed))
        try:
            yield
        finally:
            self._write(original)

    def _write(self, content: bytes) -> None:
        """Write in place with the time kept, so that hard links are preserved and only the content differs."""
        times = self.path.stat() if self.path.exists() else None  # the vector cache removes invalid databases
        self.path.write_bytes(content)
        if times is not None:
            os.utime(self.path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _outcome(root: Path, flip: Flip, read: Read, expected: object) -> str:
    readers.clear_caches()
    try:
        with flip.applied():
            result = read(root)
    except SsmiError as error:
        return "found" if error.next_step else f"without a next step: {error}"
    except Exception as error:
        return f"foreign error: {error!r} for {flip}"
    return "harmless" if result == expected else f"used: {flip}"


def _flips(files: Sequence[Path], n: int, random: Random) -> Iterator[Flip]:
    for index in range(n):
        path = files[index % len(files)]
        yield Flip(path, random.randrange(path.stat().st_size), random.randrange(1, 256))


def _count_outcomes(root: Path, kind: Kind, n: int, seed: int) -> Counter[str]:
    readers.clear_caches()
    expected = kind.read(root)
    files = kind.files(root)
    random = Random(seed)
    random.shuffle(files)
    return Counter(_outcome(root, flip, kind.read, expected) for flip in _flips(files, n, random))


@pytest.mark.parametrize("name", KINDS)
def test_no_changed_byte_is_used(root: Path, name: str) -> None:
    outcomes = _count_outcomes(root, KINDS[name], KINDS[name].n_fast, seed=zlib.crc32(name.encode()))
    assert outcomes.keys() <= {"found", "harmless"}, outcomes
    assert outcomes["found"] or name in REBUILT, "damage is refused, or the file is rebuilt"


@pytest.mark.heavy
@pytest.mark.parametrize("name", KINDS)
def test_none_of_many_changed_bytes_is_used(
    root: Path, name: str, record_property: Callable[[str, object], None]
) -> None:
    outcomes = _count_outcomes(root, KINDS[name], KINDS[name].n_heavy, seed=1)
    record_property("outcomes", dict(outcomes))  # the table in docs/reliability.md
    assert outcomes.keys() <= {"found", "harmless"}, outcomes


def test_the_heavy_test_changes_over_a_thousand_bytes() -> None:
    assert sum(kind.n_heavy for kind in KINDS.values()) >= 1_000
