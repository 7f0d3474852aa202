"""Tag a text file and print its most frequent entities, however long the file is.

python examples/count_entities.py RUN FILE
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import ssmi


def main(run: str, file: str) -> None:
    """Tag the lines of ``file`` with the tagger in the folder ``run``."""
    tagger = ssmi.open_run(run)
    counts: Counter[tuple[str, str]] = Counter()
    with Path(file).open(encoding="utf-8") as lines:
        for entities in tagger.stream(lines, min_score=0.5):
            counts.update((entity.text, entity.label) for entity in entities)

    for (text, label), count in counts.most_common(20):
        print(f"{count:>6}  {label:<10} {text}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python examples/count_entities.py RUN FILE")
    main(*sys.argv[1:])
