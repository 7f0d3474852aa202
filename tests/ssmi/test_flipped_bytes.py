"""Single bytes changed in files of every kind, with size and time kept: each is found, or changes nothing.

A reader that ends without an error must give what it gave of the files as they were written; an error must be one of
this program's, which names the file. The heavy test draws a thousand bytes, the fast one a few of each kind.
"""

from __future__ import annotations

import os
import pickle
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

import ssmi
from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.data.split import RequiredFeatures
from ssmi.model.runs import counts_file, history, metrics_file
from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.progress import Advance, Silent
from ssmi.pipeline.executor import Serial
from ssmi.pipeline.inspect.warehouse import VIEWS
from ssmi.pipeline.lexicon import segment_vector_files, vocabulary_files
from ssmi.pipeline.stages import pmi, up_to_date
from ssmi.pipeline.stages.encoding import encode_words
from ssmi.pipeline.stages.registry import get_stage
from ssmi.pipeline.stages.stage import StageContext

TEXTS = ["王小明在北京大学任教授。", "疫苗在上海", "公司董事长生于南京市"]
WORDS = ["疫苗", "北京大学", "教授", "熊猫"]
EVERYTHING = RequiredFeatures(
    **dict.fromkeys(("best", "local", "sets", "negatives", "segment_positions", "boundary_roles"), True),
    **dict.fromkeys(("cosine_gates", "hidden", "special_states", "matches"), True),
)
Read = Callable[[Path], object]
"""Reads what a command reads of a project in a folder; equal answers mean that it used the same bytes."""


# --- what reads -----------------------------------------------------------------------------------------------------


def _forget() -> None:
    """What a process keeps open would hide that a file changed."""
    vocabulary_files._open.cache_clear()
    segment_vector_files.open_segment_vectors.cache_clear()
    pmi.open_weights.cache_clear()


def read_shards(root: Path) -> object:
    """What ``train`` and ``evaluate`` read."""
    opened = open_shards(root / "artifacts" / "shards" / "tiny")
    splits = [
        read_split(opened, name, boundaries=opened.boundaries, wanted=EVERYTHING) for name in ("train", "dev", "test")
    ]
    columns = [(s.token_ids, s.tag_ids, s.best_rows, s.set_rows, s.local_rows, s.negative_rows) for s in splits]
    more = [(s.cosine_gates, s.boundary_roles, s.segment_positions, s.window_starts) for s in splits]
    states = [part.tobytes() for s in splits for held in (s.hidden, s.special_states) if held for part in held.parts]
    gold = [s.gold for s in splits]
    return pickle.dumps((columns, more, states, gold, opened.boundaries.vectors, opened.labels))


def run_stage(name: str) -> Read:
    """A single stage, as DVC runs it: the digests of what it writes. Its output is put back as it was."""

    def read(root: Path) -> object:
        project = ssmi.open_project(root)
        context = StageContext(root, "tiny", project.params(), Serial(), Silent())
        folder, kept = context.folder(name), root / "kept" / name
        if not kept.exists():
            shutil.copytree(folder, kept)
        files = up_to_date.run(get_stage(name), context).files
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        return files

    return read


def query(root: Path) -> object:
    """Every table, as ``stats`` reads them."""
    project = ssmi.open_project(root)
    views = [view for view in VIEWS if view not in ("shards", "sources")]  # sources are those of a corpus
    return [repr(project.sql(f"SELECT * FROM {view} ORDER BY ALL").rows) for view in views]


def tag(run: str, *, project: str | None = None) -> Read:
    """What ``predict`` reads of a run."""

    def read(root: Path) -> object:
        tagger = ssmi.open_run(root / run, project=None if project is None else root / project, device="cpu")
        return [[astuple(entity) for entity in tagger(text)] for text in TEXTS]

    return read


def read_results(root: Path) -> object:
    """What ``ablate``, ``compare`` and ``report`` read of a finished run."""
    run = root / "artifacts" / "train" / "tiny"
    counts = [counts_file.read(run, split) for split in ("dev", "test")]
    return metrics_file.read(run), history.read(run / "history.csv"), counts


def encode(root: Path) -> object:
    """Words through the frozen encoder, most of them from the cache."""
    project = ssmi.open_project(root)
    return encode_words(WORDS, StageContext(root, "tiny", project.params(), Serial(), Silent()), label="").tobytes()


def resume(root: Path) -> object:
    """``train --resume``."""
    run = root / "resumed"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(root / "unfinished", run)
    result = ssmi.open_project(root).train(resume=True, run=run)
    return [astuple(record) for record in result.history], result.test


@dataclass(frozen=True)
class Kind:
    """Files, what reads them, and how many of their bytes the fast and the heavy test change."""

    patterns: tuple[str, ...]
    read: Read
    n_fast: int
    n_heavy: int

    def files(self, root: Path) -> list[Path]:
        found = {path for pattern in self.patterns for path in root.glob(pattern) if path.is_file()}
        return sorted(path for path in found if path.stat().st_size)


RUN = "artifacts/train/tiny"
STAGES_OF_STATS = ("vocab", "prepare", "segment", "embed", "selection", "pmi")
KINDS: Mapping[str, Kind] = {
    "shards, read as train and evaluate do": Kind(("artifacts/shards/tiny/**/*",), read_shards, 12, 420),
    "vocabulary, read by pmi": Kind(("artifacts/vocab/*",), run_stage("pmi"), 4, 60),
    "prepare, read by segment": Kind(("artifacts/prepare/tiny/**/*",), run_stage("segment"), 3, 50),
    "segment, read by selection": Kind(("artifacts/segment/tiny/**/*",), run_stage("selection"), 2, 30),
    "embed, read by selection": Kind(("artifacts/embed/tiny/*",), run_stage("selection"), 3, 40),
    "pmi, read by shards": Kind(("artifacts/pmi/tiny/**/*",), run_stage("shards"), 2, 25),
    "selection, read by shards": Kind(("artifacts/selection/tiny/**/*",), run_stage("shards"), 2, 25),
    "all tables, read by stats": Kind(tuple(f"artifacts/{one}/**/*.parquet" for one in STAGES_OF_STATS), query, 6, 60),
    "kept vectors of words": Kind(("cache/word-vectors/*",), encode, 10, 60),
    "state of an unfinished run, read by train --resume": Kind(("unfinished/state/*",), resume, 2, 16),
    "checkpoint, read by predict": Kind((f"{RUN}/checkpoint/**/*",), tag(RUN), 3, 30),
    "what a run has kept, read by predict": Kind((f"{RUN}/pinned/**/*",), tag(RUN, project="other"), 2, 20),
    "pack, read by predict": Kind(("packed/**/*",), tag("packed"), 3, 40),
    "scores, history and counts, read by ablate": Kind(
        (*(f"{RUN}/{name}" for name in ("metrics.json", "history.csv", "files.json")), f"{RUN}/counts/*"),
        read_results,
        5,
        140,
    ),
}


# --- the project ----------------------------------------------------------------------------------------------------


class StopIn(Silent):
    """A reporter that sends Ctrl-C when a task begins."""

    def __init__(self, label: str) -> None:
        self._label = label

    @contextmanager
    def task(self, label: str, *, total: int, unit: str) -> Iterator[Advance]:
        if label == self._label:
            signal.raise_signal(signal.SIGINT)
        with super().task(label, total=total, unit=unit) as advance:
            yield advance


@pytest.fixture(scope="module")
def root(built_once: Any, copy_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with everything in it: hidden states, matches, a run, its pack, and a run that was stopped."""
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
            ssmi.open_project(project.root, reporter=StopIn("epoch 2/2")).train(run=project.root / "unfinished")
        assert project.ssmi("export", "--out", str(project.root / "packed")).code == 0
        # A project in which nothing is built: of a run that is opened there, what it has kept is read.
        shutil.copytree(project.root / "encoder", project.root / "other" / "encoder")
        shutil.copy(project.root / "params.yaml", project.root / "other")
        # Only these words: of the others nothing is read.
        shutil.rmtree(project.root / "cache" / "word-vectors", ignore_errors=True)
        encode(project.root)
        yield project.root


# --- the flips ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Flip:
    """A byte of a file that becomes another."""

    path: Path
    place: int
    by: int

    @contextmanager
    def done(self) -> Iterator[None]:
        """Change it for as long as the block lasts."""
        whole = self.path.read_bytes()
        changed = bytearray(whole)
        changed[self.place] ^= self.by
        self._write(bytes(changed))
        try:
            yield
        finally:
            self._write(whole)

    def _write(self, content: bytes) -> None:
        """In place, with the time kept: a hard link stays one, and nothing but the content tells."""
        times = self.path.stat() if self.path.exists() else None  # what keeps vectors removes what is no database
        self.path.write_bytes(content)
        if times is not None:
            os.utime(self.path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _outcome(root: Path, flip: Flip, read: Read, expected: object) -> str:
    _forget()
    try:
        with flip.done():
            answer = read(root)
    except SsmiError as error:
        return "found" if error.next_step else f"without a next step: {error}"
    except Exception as error:
        return f"foreign error: {error!r} for {flip}"
    return "harmless" if answer == expected else f"used: {flip}"


def _flips(files: Sequence[Path], n: int, random: Random) -> Iterator[Flip]:
    for index in range(n):
        path = files[index % len(files)]
        yield Flip(path, random.randrange(path.stat().st_size), random.randrange(1, 256))


def _try(root: Path, kind: Kind, n: int, seed: int) -> Counter[str]:
    _forget()
    expected = kind.read(root)
    files = kind.files(root)
    random = Random(seed)
    random.shuffle(files)
    return Counter(_outcome(root, flip, kind.read, expected) for flip in _flips(files, n, random))


@pytest.mark.parametrize("name", KINDS)
def test_no_changed_byte_is_used(root: Path, name: str) -> None:
    outcomes = _try(root, KINDS[name], KINDS[name].n_fast, seed=len(name))
    assert outcomes.keys() <= {"found", "harmless"}, outcomes
    assert outcomes["found"] or "kept vectors" in name, "what is damaged there is computed again"


@pytest.mark.heavy
def test_none_of_a_thousand_changed_bytes_is_used(root: Path, record_property: Callable[[str, object], None]) -> None:
    total: Counter[str] = Counter()
    for name, kind in KINDS.items():
        outcomes = _try(root, kind, kind.n_heavy, seed=1)
        record_property(name, dict(outcomes))  # docs/reliability.md has the table
        total += outcomes
    assert total.keys() <= {"found", "harmless"}, total
    assert total.total() >= 1_000
