"""A small packed file with a huge line or sentence is refused with its line number, in bounded memory."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.readers import read_sentences

HUGE = 1 << 26
"""Size of the unpacked files in bytes."""
MAX_GROWTH = 420
"""Maximum growth of the peak memory during reading, in MiB."""


def _bomb(path: Path, beginning: str, repeated: str) -> Path:
    block = repeated.encode() * (1 << 16)
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(beginning.encode())
        for _ in range(HUGE // len(block)):
            stream.write(block)
    return path


READ = """
import resource, sys
from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.readers import read_sentences
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    for _ in read_sentences(__import__("pathlib").Path(sys.argv[1]))[0]:
        pass
except InputDataError as error:
    print(error.message)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "beginning", "repeated", "expected"),
    [
        ("train.txt.gz", "京 B-LOC\n", "a", ":2: a line is longer than 16 MiB"),
        ("train.jsonl.gz", '{"text": "', "a", ":1: a line is longer than 16 MiB"),
        ("train.csv.gz", 'text,entities\n"', "a", "a line is longer than 16 MiB"),
        ("train.bmes.gz", "京 O\n\n", "a O\n", "a sentence of over 1,048,576 characters"),
        ("train.csv.gz", "sentence_id,token,tag\n1,a,O\n", ",a,O\n", "a sentence of over 1,048,576 characters"),
    ],
)
def test_a_packed_bomb_is_refused_with_its_line(
    tmp_path: Path, name: str, beginning: str, repeated: str, expected: str
) -> None:
    path = _bomb(tmp_path / name, beginning, repeated)
    assert path.stat().st_size < HUGE >> 5
    result = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True)
    message, growth = result.stdout.splitlines()
    assert message.startswith(str(path)) and expected in message
    assert int(growth) < MAX_GROWTH


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("train.txt.gz", "京 B-LOC\n" + "a" * (1 << 24) + "\n", ":2: a line is longer than 16 MiB"),
        ("train.bmes.gz", "京 O\n\n" + "a O\n" * ((1 << 20) + 1), "a sentence of over 1,048,576 characters"),
    ],
)
def test_content_just_over_the_limit_is_refused(tmp_path: Path, name: str, body: str, expected: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(body.encode(), compresslevel=1))
    with pytest.raises(InputDataError, match=expected):
        list(read_sentences(tmp_path / name)[0])
