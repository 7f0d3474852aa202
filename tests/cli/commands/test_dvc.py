"""``ssmi-cli dvc``, and the stage versions that dvc.yaml requires."""

from __future__ import annotations

from typing import Any

import pytest


def test_the_command_line_writes_and_checks(fresh_project: Any) -> None:
    refused = fresh_project.ssmi("dvc", "write", "--check")
    assert refused.code == 5 and "vocab, prepare" in refused.stderr and "ssmi-cli dvc write" in refused.stderr
    assert not (fresh_project.root / "dvc.yaml").exists()
    assert fresh_project.ssmi("dvc", "write").code == 0
    assert fresh_project.ssmi("dvc", "write", "--check").stdout == "dvc.yaml: current\n"


@pytest.mark.parametrize("command", [("features", "pmi"), ("train",)])
def test_a_stage_is_not_run_for_a_dvc_yaml_of_another_version(project: Any, command: tuple[str, ...]) -> None:
    before = project.artifacts()
    outcome = project.ssmi(*command, "--stage-version", "0")
    assert outcome.code == 5 and "asks for version 0" in outcome.stderr and "ssmi-cli dvc write" in outcome.stderr
    assert project.artifacts() == before
