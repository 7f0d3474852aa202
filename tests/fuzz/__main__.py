"""``make fuzz``: break good files and pass them to their readers, for a given time or number of inputs.

A reader may raise only the program's own errors, within 5 seconds of CPU time and 200 MiB per input. A failing input is
kept in a file whose name ends with its seed and number, which reproduce it.
"""

from __future__ import annotations

import argparse
import math
import resource
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from random import Random

from ssmi.pipeline.contract.errors import SsmiError
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import TARGETS, Target

SECONDS_PER_INPUT = 5.0
MAX_GROWTH = 200 << 10
"""Largest growth of this process's peak memory during one input, in KiB."""
INPUTS_PER_ROUND = 100
MAX_FAILURES = 20


def attempt(target: Target, body: bytes, folder: Path) -> str:
    """Read one input; return ``read`` or ``refused``. Raises any other outcome."""
    for name, content in target.extra_files.items():
        (folder / name).write_bytes(content)
    path = folder / target.file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(body)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.signal(signal.SIGPROF, _too_long)
    signal.setitimer(signal.ITIMER_PROF, SECONDS_PER_INPUT)
    try:
        target.read(path)
        return "read"
    except SsmiError as error:
        assert error.message and error.exit_code
        return "refused"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert growth < MAX_GROWTH, f"{growth >> 10} MiB for an input of {len(body)} bytes"


def _too_long(*_: object) -> None:
    raise TimeoutError(f"over {SECONDS_PER_INPUT} s")


def inputs(target: Target, *, seed: int, n: int) -> list[bytes]:
    """The good files and ``n`` broken ones; equal seeds give equal inputs."""
    rng = Random(f"{target.name} {seed}")
    return [*target.seeds, *(mutated(rng.choice(target.seeds), rng) for _ in range(n))]


class Count:
    """Counts of outcomes for the inputs of one target."""

    def __init__(self) -> None:
        self.read = self.refused = self.failures = 0

    def __str__(self) -> str:
        n = self.read + self.refused + self.failures
        return f"{n:,} inputs: {self.read:,} read, {self.refused:,} refused, {self.failures} failures"

    def add(self, other: Count) -> None:
        self.read += other.read
        self.refused += other.refused
        self.failures += other.failures


def one_round(target: Target, folder: Path, count: Count, *, seed: int, n: int) -> None:
    """Pass the inputs of a seed to a target and count outcomes; failures are printed and kept next to the folder."""
    folder.mkdir(exist_ok=True)
    for number, body in enumerate(inputs(target, seed=seed, n=n)):
        try:
            if attempt(target, body, folder) == "read":
                count.read += 1
            else:
                count.refused += 1
        except Exception as error:
            count.failures += 1
            saved = folder.with_name(f"{folder.name}-{seed}-{number}")
            saved.write_bytes(body)
            print(f"{target.name}: {type(error).__name__}: {str(error)[:200]}\n  {saved}", flush=True)


def main() -> int:
    """Fuzz every target in turn until the time or the inputs are used up; the exit code is 1 if anything failed."""
    arguments = _arguments()
    # A background process ignores Ctrl-C, so SIGTERM also ends the run with its counts.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    targets = [TARGETS[arguments.only]] if arguments.only else list(TARGETS.values())
    folder_of_failures = Path(tempfile.mkdtemp(prefix="ssmi-fuzz-"))
    counts = {target.name: Count() for target in targets}
    end = time.monotonic() + arguments.seconds
    seed, n_remaining = arguments.seed, arguments.inputs
    with suppress(KeyboardInterrupt):  # the counts so far are printed
        while (
            n_remaining > 0 and time.monotonic() < end and sum(one.failures for one in counts.values()) < MAX_FAILURES
        ):
            for target in targets:
                folder = folder_of_failures / target.name.replace(" ", "-")
                one_round(target, folder, counts[target.name], seed=seed, n=min(n_remaining, INPUTS_PER_ROUND))
            seed, n_remaining = seed + 1, n_remaining - INPUTS_PER_ROUND
    total = Count()
    for name, count in counts.items():
        print(f"{name:<24} {count}")
        total.add(count)
    print(f"{'all':<24} {total}")
    return 1 if total.failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--inputs", type=int, default=sys.maxsize, help="for each target, besides its good files")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=sorted(TARGETS))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
