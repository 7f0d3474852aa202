"""``make fuzz``: break good files and give them to what reads them, for a given time.

Nothing but the program's own errors may come out, within 5 seconds of CPU time and 200 MB an input. An input that fails
is kept, with the seed that makes it again.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from ssmi.pipeline.contract.errors import SsmiError
from tests.fuzz.mutations import broken
from tests.fuzz.targets import TARGETS, Target

SECONDS_AN_INPUT = 5.0
MOST_GROWTH = 200 << 10
"""KiB by which the peak of this process may grow in one input."""


def attempt(target: Target, body: bytes, folder: Path) -> str:
    """Read one input; ``read`` or ``refused``. Raises whatever is neither."""
    for name, beside in target.beside.items():
        (folder / name).write_bytes(beside)
    path = folder / target.file
    path.write_bytes(body)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.signal(signal.SIGPROF, _too_long)
    signal.setitimer(signal.ITIMER_PROF, SECONDS_AN_INPUT)
    try:
        target.read(path)
        return "read"
    except SsmiError as error:
        assert error.message and error.exit_code
        return "refused"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < MOST_GROWTH, f"{grown >> 10} MiB for an input of {len(body)} bytes"


def _too_long(*_: object) -> None:
    raise TimeoutError(f"over {SECONDS_AN_INPUT} s")


def inputs(target: Target, *, seed: int, n: int) -> list[bytes]:
    """The good files and ``n`` broken ones; the same for the same seed."""
    rng = Random(f"{target.name} {seed}")
    return [*target.seeds, *(broken(rng.choice(target.seeds), rng) for _ in range(n))]


def main() -> int:
    """Fuzz every target in turn until the time is up; the exit code says whether anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=sorted(TARGETS))
    arguments = parser.parse_args()
    chosen = [TARGETS[arguments.only]] if arguments.only else list(TARGETS.values())
    kept, counts, seed, failures = Path(tempfile.mkdtemp(prefix="ssmi-fuzz-")), Counter[str](), arguments.seed, 0
    end = time.monotonic() + arguments.seconds
    while time.monotonic() < end and failures < 20:
        for target in chosen:
            folder = kept / target.name.replace(" ", "-")
            folder.mkdir(exist_ok=True)
            for number, body in enumerate(inputs(target, seed=seed, n=100)):
                try:
                    counts[attempt(target, body, folder)] += 1
                except Exception as error:
                    failures += 1
                    saved = kept / f"{folder.name}-{seed}-{number}"
                    saved.write_bytes(body)
                    print(f"{target.name}: {type(error).__name__}: {str(error)[:200]}\n  {saved}")
        seed += 1
    print(f"{counts.total():,} inputs: {counts['read']:,} read, {counts['refused']:,} refused, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
