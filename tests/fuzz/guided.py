"""``make fuzz-guided``: as ``make fuzz``, but guided by the code that an input reaches (atheris, libFuzzer).

Each target runs in a separate process, which starts from the target's good files and ends at the first failing input;
that input is kept. Atheris has wheels only for Linux on x86-64; elsewhere, only ``make fuzz`` is available.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

MEGABYTES = 4096
"""Memory limit of a process, including torch and everything else loaded; ``attempt`` limits the growth per input."""


@dataclass(frozen=True)
class GuidedResult:
    """Result for a target: number of inputs, places of the code reached, and libFuzzer's output."""

    n: int
    covered: int
    is_good: bool
    output: str


def fuzz_in_process(name: str, *, seconds: int, seed: int, kept: Path) -> GuidedResult:
    """Fuzz one target for ``seconds``; failing inputs are kept in the folder ``kept``."""
    options = [f"-max_total_time={seconds}", f"-seed={seed}", f"-rss_limit_mb={MEGABYTES}", "-print_final_stats=1"]
    command = [sys.executable, "-m", "tests.fuzz.guided", "--target", name, "--kept", str(kept), *options]
    completed = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    n = re.findall(r"^stat::number_of_executed_units: +(\d+)", completed.stdout, re.M)
    covered = re.findall(r"\bcov: (\d+)", completed.stdout)
    return GuidedResult(
        int(n[-1]) if n else 0, int(covered[-1]) if covered else 0, completed.returncode == 0, completed.stdout
    )


def fuzz_here(name: str, kept: Path, options: list[str]) -> None:
    """Pass inputs to a target until one fails or a limit in libFuzzer's options is reached; ends this process."""
    import atheris

    with atheris.instrument_imports(include=["ssmi"]):
        from tests.fuzz.__main__ import attempt
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    good_folder, work_folder = kept / "good", kept / "place"
    for folder in (good_folder, work_folder):
        folder.mkdir(parents=True)
    for number, body in enumerate(target.seeds):
        (good_folder / str(number)).write_bytes(body)

    def one_input(body: bytes) -> None:
        attempt(target, body, work_folder)

    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={kept}/", str(good_folder)], one_input)
    atheris.Fuzz()


def main() -> int:
    """Fuzz targets one after the other; the exit code is 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="the name of one target")
    parser.add_argument("--target", help=argparse.SUPPRESS)
    parser.add_argument("--kept", type=Path, help=argparse.SUPPRESS)
    arguments, options = parser.parse_known_args()
    if arguments.target:
        fuzz_here(arguments.target, arguments.kept, options)
    if options:
        parser.error(f"unknown: {' '.join(options)}")
    from tests.fuzz.targets import TARGETS

    kept = Path(tempfile.mkdtemp(prefix="ssmi-fuzz-"))
    all_good = True
    for name in [arguments.only] if arguments.only else TARGETS:
        result = fuzz_in_process(
            name, seconds=arguments.seconds, seed=arguments.seed, kept=kept / name.replace(" ", "-")
        )
        print(f"{name:<24} {result.n:>9,} inputs, {result.covered:,} places reached", flush=True)
        if not result.is_good:
            print(f"{result.output[-3000:]}\n  kept in {kept}", flush=True)
        all_good &= result.is_good and result.n > 0
    return 0 if all_good else 1


if __name__ == "__main__":
    sys.exit(main())
