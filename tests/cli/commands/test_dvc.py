"""``ssmi-cli dvc``, and the stage versions that dvc.yaml requires."""

from __future__ import annotations

from typing import Any

import pytest


def test_dvc_yaml_is_written_and_checked(fresh_project: Any) -> None:
    outcome = fresh_project.ssmi("dvc", "write", "--check")
    assert outcome.code == 5 and "vocab, prepare" in outcome.stderr and "ssmi-cli dvc write" in outcome.stderr
    assert not (fresh_project.root / "dvc.yaml").exists()
    assert fresh_project.ssmi("dvc", "write").code == 0
    assert fresh_project.ssmi("dvc", "write", "--check").stdout == "dvc.yaml: current\n"


@pytest.mark.parametrize("command", [("features", "pmi"), ("train",)])
def test_a_stage_of_another_version_is_refused(project: Any, command: tuple[str, ...]) -> None:
    before = project.artifacts()
    outcome = project.ssmi(*command, "--stage-version", "0")
    assert outcome.code == 5 and "asks for version 0" in outcome.stderr and "ssmi-cli dvc write" in outcome.stderr
    assert project.artifacts() == before
