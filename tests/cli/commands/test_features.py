"""``features run``: one stage, or independent shares of its parts."""

from __future__ import annotations

from typing import Any

import pytest

import ssmi

SMALL = ("-S", "prepare.sentences_per_part=8", "-S", "embed.context=sentence")
DIVIDED_STAGES = ("segment", "embed", "selection", "pmi", "shards")
N_SHARES = 3


@pytest.fixture(scope="module")
def prepared(pristine_project: Any, copy_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project with the outputs of the two stages that are not divided into parts."""
    project = copy_project(pristine_project, tmp_path_factory.mktemp("prepared"))
    for stage in ("vocab", "prepare"):
        outcome = project.ssmi("features", "run", stage, *SMALL)
        assert outcome.code == 0 and outcome.stdout.startswith(f"{stage}: "), outcome.stderr
    return project


@pytest.fixture(scope="module")
def serial_artifacts(prepared: Any, copy_project: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The artifacts of a build by one process."""
    project = copy_project(prepared, tmp_path_factory.mktemp("whole"))
    assert project.build(*SMALL).built == set(DIVIDED_STAGES), "the outputs of `run` are current"
    artifacts: dict[str, str] = project.artifacts()
    return artifacts


def test_shares_of_every_stage_give_the_same_bytes(
    prepared: Any, copy_project: Any, serial_artifacts: dict[str, str], tmp_path: Any
) -> None:
    """Run two rounds, because some stages read the outputs of all shares; the last call builds what is missing."""
    project = copy_project(prepared, tmp_path)
    for stage in DIVIDED_STAGES:
        for index in 2 * list(range(N_SHARES, 0, -1)):
            outcome = project.ssmi("features", "run", stage, *SMALL, "--part", f"{index}/{N_SHARES}")
            assert outcome.code == 0, outcome.stderr
            assert outcome.stdout.startswith(f"{stage}: part {index}/{N_SHARES} is done")
        assert not (project.root / "artifacts" / stage).exists()
        outcome = project.ssmi("features", "run", stage, *SMALL)
        assert outcome.code == 0 and f"{stage}: " in outcome.stdout, outcome.stderr
    assert project.artifacts() == serial_artifacts


def test_missing_parts_of_other_shares_are_reported(prepared: Any, copy_project: Any, tmp_path: Any) -> None:
    project = copy_project(prepared, tmp_path)
    outputs = [project.ssmi("features", "run", "segment", *SMALL, "--part", f"{index}/2").stdout for index in (1, 2)]
    first, second = outputs
    assert first.startswith("segment: part 1/2 is done; segment: ")
    assert first.endswith(" parts of others are missing: run all parts again when they have ended\n")
    assert second == "segment: part 2/2 is done\n"
    final = project.ssmi("features", "run", "segment", *SMALL)
    assert final.stderr.splitlines()[-1].startswith("segment: ") and "parts are already finished" in final.stderr


def test_shares_can_be_run_from_python(prepared: Any, copy_project: Any, tmp_path: Any) -> None:
    root = copy_project(prepared, tmp_path).root
    project = ssmi.open_project(root)
    overrides = SMALL[1::2]
    first = project.run_stage("segment", overrides=overrides, part=(1, 2))
    assert (first.stage, str(first.share), first.label) == ("segment", "1/2", "segment") and first.missing > 3
    second = project.run_stage("segment", overrides=overrides, part=(2, 2))
    assert (second.missing, second.label) == (0, "")
    report = project.run_stage("segment", overrides=overrides)
    assert report.rows_in == report.rows_out > 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("segment", "--part", "half"), "'half' is not I/N; the second of four is 2/4"),
        (("segment", "--part", "5/4"), "share 5/4: out of range"),
        (("segment", "--part", "0/4"), "shares of 4 are 1/4 to 4/4"),
        (("prepare", "--part", "1/4"), "prepare does not work in parts"),
        (("vocab", "--part", "1/4"), "vocab does not work in parts"),
        (("train", "--part", "1/4"), "'train' is not one of"),
    ],
)
def test_invalid_parts_are_refused(prepared: Any, arguments: tuple[str, ...], message: str) -> None:
    outcome = prepared.ssmi("features", "run", *arguments)
    assert outcome.code == 2 and message in outcome.stderr


def test_a_share_with_missing_inputs_is_refused(fresh_project: Any) -> None:
    outcome = fresh_project.ssmi("features", "run", "segment", "--part", "1/2")
    assert outcome.code == 4 and "not built" in outcome.stderr
