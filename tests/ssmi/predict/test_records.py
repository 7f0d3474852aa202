"""Records are tagged in order, and progress is reported."""

from __future__ import annotations

from ssmi.predict.records import Progress


def test_progress_counts_tagged_text_not_read_text() -> None:
    done: list[int] = []
    progress = Progress(done.append)
    progress.read(600)
    progress.expect(200)  # one long line, three bytes per character
    for _ in range(4):
        progress.tagged(50)
    assert done == [150] * 4
    for n_bytes, n_characters in ((7, 2), (2, 0), (1, 0), (31, 10)):
        progress.read(n_bytes)
        progress.expect(n_characters)
    progress.tagged(5)
    progress.tagged(7)
    progress.read(1)
    progress.finish()
    assert sum(done) == 600 + 7 + 2 + 1 + 31 + 1
