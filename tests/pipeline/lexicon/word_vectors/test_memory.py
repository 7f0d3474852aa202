"""Memory depends on the kept words, not on the file: dropped rows are not stored, and vectors are written to disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BUILD_PROGRAM = """
import resource, sys
from pathlib import Path
from ssmi.pipeline.lexicon.vocabulary_builder import VocabularyBuilder
from ssmi.pipeline.lexicon.word_vectors import open_vectors

for number, path in enumerate(sys.argv[1:]):
    folder = Path(path).parent / f"vocabulary{number}"
    folder.mkdir()
    with VocabularyBuilder(folder, min_word_len=2, max_word_len=10) as builder:
        with open_vectors(Path(path)) as reader:
            for words, matrix in reader.blocks():
                builder.add(words, matrix)
        kept = len(builder.words)
        builder.finish()
    print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
"""
PEAK_PROGRAM = """
import resource, subprocess, sys

subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)
"""
LIMIT_MIB = 1024


def _peaks(*paths: Path) -> list[tuple[int, int]]:
    """Number of kept words and peak memory in MiB after each file, read one after the other by one process."""
    completed = subprocess.run(
        [sys.executable, "-c", BUILD_PROGRAM, *map(str, paths)], capture_output=True, text=True, check=True
    )
    return [(int(kept), int(peak)) for kept, peak in map(str.split, completed.stdout.splitlines())]


def _write(path: Path, words: list[str], *, width: int) -> Path:
    """word2vec binary whose rows differ."""
    rng = np.random.default_rng(3)
    with path.open("wb") as stream:
        stream.write(f"{len(words)} {width}\n".encode())
        for word in words:
            stream.write(word.encode() + b" " + rng.random(width, dtype=np.float32).tobytes())
    return path


def test_dropped_rows_take_no_memory(tmp_path) -> None:
    few = _write(tmp_path / "few", [f"w{n}" if n % 100 else f"词{n}" for n in range(20_000)], width=20)
    many = _write(tmp_path / "many", [f"w{n}" if n % 1000 else f"词{n}" for n in range(200_000)], width=20)
    (kept_few, before), (kept_many, after) = _peaks(few, many)
    assert kept_few == kept_many == 200
    assert after - before < 8  # the rows are 14 MiB of numbers; as Python's objects they were 200


def test_vectors_are_not_held_in_memory(tmp_path) -> None:
    narrow = _write(tmp_path / "narrow", [f"词{n}" for n in range(6000)], width=8)
    wide = _write(tmp_path / "wide", [f"词{n}" for n in range(6000)], width=6000)
    (_, before), (kept, after) = _peaks(narrow, wide)
    assert kept == 6000
    assert after - before < 110  # 137 MiB of vectors; a block of them is 25, of which there are three or four


@pytest.mark.heavy
@pytest.mark.timeout(3600)
def test_two_million_words_stay_under_a_gibibyte(fresh_project, tmp_path) -> None:
    n, width = 2_000_000, 50
    tails = [
        " ".join(f"{((i * 7919 + j * 104729) % 2000 - 999.5) / 1000:.4f}" for j in range(width)) for i in range(97)
    ]
    with (tmp_path / "v.txt").open("w", encoding="utf-8") as stream:
        stream.write(f"{n} {width}\n")
        for row in range(n):
            quotient, remainder = divmod(row, 1500)
            suffix = chr(0x4E00 + (quotient * 7 + remainder) % 1500) if row % 3 else ""
            stream.write(f"{chr(0x4E00 + remainder)}{chr(0x4E00 + quotient)}{suffix} {tails[row % 97]}\n")
    command = [sys.executable, "-m", "ssmi.cli.main", "features", "vocab", "-S", f"vocab.vectors={tmp_path / 'v.txt'}"]
    completed = subprocess.run(
        [sys.executable, "-c", PEAK_PROGRAM, *command],
        cwd=fresh_project.root,
        env=dict(fresh_project.environment),
        capture_output=True,
        text=True,
        check=True,
    )
    report = json.loads((fresh_project.root / "artifacts" / "vocab" / "manifest.json").read_text("utf-8"))["report"]
    assert (report["rows_in"], report["rows_out"]) == (n, n)
    assert int(completed.stdout.split()[-1]) < LIMIT_MIB
