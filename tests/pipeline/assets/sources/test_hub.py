from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ASK_HUB = """
import sys
from ssmi.pipeline.assets.sources.hub import fetch_hub
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError
from ssmi.pipeline.contract.progress import Silent
try:
    print(fetch_hub(sys.argv[1], revision=None, reporter=Silent()))
except MissingResourceError as error:
    print("missing:", error)
except InputDataError as error:
    print("refused:", error)
"""


def _ask_hub(name: str, home: Path) -> str:
    """Ask the hub in a separate process, because its library reads its settings only once."""
    env = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-W", "error", "-c", _ASK_HUB, name]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=600, check=True).stdout


def test_an_unreachable_hub_is_reported_in_one_line(tmp_path) -> None:
    output = _ask_hub("some/model", tmp_path)
    assert output.startswith("missing: some/model:") and output.count("\n") == 1
    assert all(part in output for part in ("HF_HUB_OFFLINE", "local folder", "HF_HOME"))


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_a_model_in_the_hubs_own_cache_needs_no_network(weights: str, tmp_path) -> None:
    model = tmp_path / "hub" / "models--some--model"
    snapshot = model / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("a" * 40)
    for name, body in (("config.json", '{"model_type": "bert"}'), (weights, "x"), ("vocab.txt", "[PAD]")):
        (snapshot / name).write_text(body)
    assert _ask_hub("some/model", tmp_path).strip() == str(snapshot)
    (snapshot / "config.json").write_text('{"model_type": "gpt2"}')
    assert _ask_hub("some/model", tmp_path).startswith(f"refused: {snapshot}")
