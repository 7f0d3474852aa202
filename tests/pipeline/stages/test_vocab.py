"""The vocab stage reports what it read and where it stopped."""

from __future__ import annotations

import bz2
import json
from typing import Any


def _report(project: Any) -> dict[str, Any]:
    body = json.loads((project.root / "artifacts" / "vocab" / "manifest.json").read_text("utf-8"))
    report: dict[str, Any] = body["report"]
    return report


def test_what_was_read_is_reported_and_recorded(fresh_project: Any) -> None:
    lines = ["2 2", "New York 1 2", "电子 商务 3 4", "中国 5 6", "坏行 1", *(f"词{n} {n + 1} 0" for n in range(100))]
    (fresh_project.root / "own.bz2").write_bytes(bz2.compress("\n".join(lines).encode("gb18030")))
    outcome = fresh_project.ssmi("features", "vocab", "-S", "vocab.vectors=own.bz2", "-S", "vocab.encoding=gb18030")
    assert outcome.code == 0, outcome.stderr
    assert (
        "word2vec text in bzip2, gb18030, 104 rows of 2 numbers, 1 header counts other rows, 2 words with blanks"
        in outcome.stderr
    )
    assert "vocab: 104 rows in, 102 out, 1 no-cjk, 1 wrong width" in outcome.stdout
    report = _report(fresh_project)
    assert report["skipped"] == {"no-cjk": 1, "wrong width": 1}
    assert report["statistics"] == {
        "container": "bzip2",
        "encoding": "gb18030",
        "extra_words": None,
        "format": "word2vec text",
        "licence": report["statistics"]["licence"],
        "member": None,
        "members_passed_over": 0,
        "read_to_the_end": True,
        "repairs": {"header counts other rows": 1, "words with blanks": 2},
        "rows_in_header": 2,
        "width": 2,
    }


def test_reading_stops_at_max_words_and_this_is_reported(fresh_project: Any) -> None:
    rows = [f"{chr(0x4E00 + n // 100)}{chr(0x4E00 + n % 100)} {n + 1} 1" for n in range(5000)]
    rows[4000:] = ["not a row of numbers at all"] * 1000  # never reached
    (fresh_project.root / "own.txt").write_text("\n".join(["5000 2", *rows]), encoding="utf-8")
    outcome = fresh_project.ssmi("features", "vocab", "-S", "vocab.vectors=own.txt", "-S", "vocab.max_words=1500")
    assert outcome.code == 0, outcome.stderr
    assert "reading stopped after 2,048 rows of the 5,000 that its header names: the rest is unread" in outcome.stderr
    report = _report(fresh_project)
    assert (report["rows_in"], report["rows_out"]) == (2048, 1500)
    assert report["skipped"] == {"over-max-words": 548} and not report["statistics"]["read_to_the_end"]
