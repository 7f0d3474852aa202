"""A corpus of awkward texts in a built project."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LINES = [
    "吴重阳先生毕业于北京大学，任公司董事长。",
    "",
    "　　陈思远，男，任东海\u200b科技公司 经理。",
    "我 在𠮷野家吃饭😀，真好 吃！ COVID-19疫苗",
    "\u3000 \ufeff",
    "南京市长江大桥\u2029研究员在北京\x00",
]
ROWS = ["李明在北京\n\n人民公司董事长", "半个\ud800代理"]


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """The texts of the corpus, in order."""
    return [*LINES, *ROWS]


@pytest.fixture(scope="session")
def write_corpus() -> Callable[[Path], None]:
    """A function that writes the corpus into a folder, as lines and as JSON lines."""

    def write(folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "a.txt").write_bytes("\n".join(LINES).encode())
        (folder / "b.jsonl").write_text("".join(json.dumps({"text": row}) + "\n" for row in ROWS))
        (folder / "notes.md").write_text("about it")

    return write


@pytest.fixture
def with_corpus(project: Any, write_corpus: Callable[[Path], None]) -> Any:
    """A built project with a corpus ``news`` of which nothing is built."""
    write_corpus(project.root / "data" / "news")
    return project
