"""``ssmi-cli verify``: its table, its JSON document, and its exit code."""

from __future__ import annotations

import json
from typing import Any


def test_an_intact_project_exits_with_0(built_once: Any) -> None:
    quick = built_once.ssmi("verify")
    assert quick.code == 0 and "artifacts/shards/tiny" in quick.stdout and "--deep compares every byte" in quick.stdout
    body = json.loads(built_once.ssmi("verify", "--deep", "--json").stdout)
    assert body["deep"] and not body["findings"]
    assert {"folder": "artifacts/vocab", "intact": 6, "missing": 0, "changed": 0, "foreign": 0} in body["folders"]


def test_a_changed_byte_exits_with_5_and_is_reported_with_the_remedy(project: Any) -> None:
    path = project.root / "artifacts" / "pmi" / "tiny" / "pairs.parquet"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    assert project.ssmi("verify").code == 0, "names and sizes are unchanged"
    outcome = project.ssmi("verify", "--deep")
    assert outcome.code == 5
    line = next(line for line in outcome.stdout.splitlines() if "pairs.parquet" in line)
    assert "changed" in line and "ssmi-cli features build --dataset tiny" in line
    outcome = project.ssmi("verify", "--deep", "--json")
    assert outcome.code == 5
    (finding,) = json.loads(outcome.stdout)["findings"]
    assert (finding["file"], finding["state"]) == ("artifacts/pmi/tiny/pairs.parquet", "changed")


def test_verify_outside_a_project_is_refused(tmp_path: Any, built_once: Any) -> None:
    assert built_once.ssmi("--project", str(tmp_path), "verify").code == 4
