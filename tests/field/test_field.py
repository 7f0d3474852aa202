"""Problems reported for Chinese NER tools and their data, each a folder that runs on its own.

They run on a project in which `make demo` was run, given by ``SSMI_FIELD_PROJECT``; `make field` sets it by default.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CASES = sorted(path.parent.name for path in HERE.glob("*/cmd.sh"))
SLOW = frozenset[str]()
"""Cases that take minutes."""
FULL = ("02-english-word-tokens",)
"""Cases that also train and predict with ``FULL=1``."""


def _cases() -> list[object]:
    heavy = pytest.mark.heavy
    plain = [pytest.param(name, "0", id=name, marks=[heavy] if name in SLOW else []) for name in CASES]
    return [*plain, *(pytest.param(name, "1", id=f"{name}-full", marks=[heavy]) for name in FULL)]


@pytest.fixture(scope="module")
def built() -> Path:
    folder = os.environ.get("SSMI_FIELD_PROJECT")
    if not folder:
        pytest.skip("SSMI_FIELD_PROJECT does not name a project in which `make demo` was run")
    root = Path(folder).absolute()
    assert (root / "artifacts" / "train" / "sample" / "metrics.json").is_file(), (
        f"{root}: `make demo` has not finished there"
    )
    return root


def test_every_case_names_its_source() -> None:
    assert len(CASES) >= 37
    assert {*SLOW, *FULL} <= set(CASES)
    for name in CASES:
        assert (HERE / name / "expected.txt").read_text(encoding="utf-8").startswith("Source: ")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("name", "full"), _cases())
def test_the_case_passes(built: Path, name: str, full: str) -> None:
    scripts = Path(sys.executable).parent
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("SSMI_", "DVC_"))},
        **{key: value for key, value in os.environ.items() if key == "SSMI_CACHE"},
        "PROJ": str(built),
        "SSMI": str(scripts / "ssmi-cli"),
        "PY": sys.executable,
        "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(HERE.parents[1]),
        "FULL": full,
    }
    completed = subprocess.run(
        ["bash", str(HERE / name / "cmd.sh")], env=environment, stdout=-1, stderr=subprocess.STDOUT, check=False
    )
    output = completed.stdout.decode(errors="replace")
    assert completed.returncode == 0 and output.splitlines()[-1] == "PASS", output
