"""Mutated copies of good files: bits, bytes, numbers and ranges are changed, removed or doubled."""

from __future__ import annotations

import random
from collections.abc import Callable

_PIECES = (
    b"\x00", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\n", b"\r", b"\r\n\r\n", b"\t", b" ", b'"', b"'", b"\\", b"/",
    b"../", b"{", b"}", b"[", b"]", b"[" * 3000, b'{"a":' * 1500, b":", b",", b"-", b"NaN", b"1e999", b"-1", b"0",
    b"9" * 20, b"9" * 5000, b"null", b"true", b"\xe2\x80\xae", b"\xe2\x80\xa8", b"\xc2\x85", b"\xed\xa0\x80",
    b"\x1b[2J", b"O", b"B-", b"I-X", b"\x80\x04", b"PK\x03\x04", b"\x1f\x8b\x08", b"BZh91AY&SY", b"PAR1",
    b"ustar", b"#", b"|", b"!!python/object:os.system", b"&a [*a]",
)  # fmt: skip


def mutated(body: bytes, rng: random.Random) -> bytes:
    """A copy with one to eight changes."""
    changed = bytearray(body)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        rng.choice(_CHANGES)(changed, rng)
    return bytes(changed)


def _place(body: bytearray, rng: random.Random) -> int:
    """Choose a position: anywhere, near the beginning, or near the end, where headers and footers are."""
    n = max(1, len(body))
    return rng.choice((rng.randrange(n), rng.randrange(min(n, 64)), n - 1 - rng.randrange(min(n, 512))))


def _flip(body: bytearray, rng: random.Random) -> None:
    if body:
        body[_place(body, rng)] ^= 1 << rng.randrange(8)


def _overwrite(body: bytearray, rng: random.Random) -> None:
    piece = rng.choice(_PIECES)
    place = _place(body, rng)
    body[place : place + len(piece)] = piece


def _insert(body: bytearray, rng: random.Random) -> None:
    place = _place(body, rng)
    body[place:place] = rng.choice(_PIECES)


def _number(body: bytearray, rng: random.Random) -> None:
    """Overwrite bytes with an extreme binary number of 2, 4 or 8 bytes."""
    width = rng.choice((2, 4, 8))
    value = rng.choice((0, 1, -1, 2**31 - 1, -(2**31), 2**15, 2**62, rng.getrandbits(30)))
    place = _place(body, rng)
    body[place : place + width] = (value % (1 << 8 * width)).to_bytes(width, "little")


def _cut(body: bytearray, rng: random.Random) -> None:
    place = _place(body, rng)
    del body[place : place + rng.choice((1, 2, 16, 256, len(body)))]


def _double(body: bytearray, rng: random.Random) -> None:
    first, place = _place(body, rng), _place(body, rng)
    body[place:place] = body[first : first + rng.choice((1, 8, 64, 1024))]


_CHANGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip,
    _flip,
    _overwrite,
    _insert,
    _number,
    _cut,
    _double,
)
