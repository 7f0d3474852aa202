"""The score tables of ``train`` and ``evaluate``: every figure is compared with hand-counted values."""

from __future__ import annotations

import pytest

from ssmi.cli.terminal.scores import calibration_line, print_scores
from ssmi.model.evaluation.calibration import calibrate
from ssmi.model.evaluation.scoring import score
from ssmi.pipeline.contract.labels import Span

GOLD = [[Span(0, 2, "PER.NAM"), Span(3, 5, "LOC.NAM")], [Span(1, 2, "PER.NOM")], []]
PREDICTED = [[Span(0, 2, "PER.NAM"), Span(3, 5, "ORG.NAM")], [], [Span(0, 1, "PER.NAM")]]


def _table(lines: list[str]) -> dict[str, list[str]]:
    """Map the first column to the other columns."""
    return {name: cells for name, *cells in (line.rsplit(maxsplit=6) for line in lines if line[:1] not in ("", "─"))}


def test_scores_are_printed_per_type_group_and_overall(capsys: pytest.CaptureFixture[str]) -> None:
    scores = score(GOLD, PREDICTED, groups={"named": ("*.NAM",)}, ill_formed=4)
    print_scores({"dev": scores, "test": score([[]] * 1_200, [[]] * 1_200)})
    dev, test = capsys.readouterr().out.split("\ntest: ")
    assert dev.startswith("\ndev: 3 sentences\n")
    assert _table([line.strip() for line in dev.splitlines()[2:-1]]) == {
        "type": ["P", "R", "F1", "gold", "predicted", "correct"],
        "LOC.NAM": ["0.00", "0.00", "0.00", "1", "0", "0"],
        "ORG.NAM": ["0.00", "0.00", "0.00", "0", "1", "0"],
        "PER.NAM": ["50.00", "100.00", "66.67", "1", "2", "1"],
        "PER.NOM": ["0.00", "0.00", "0.00", "1", "0", "0"],
        "named": ["33.33", "50.00", "40.00", "2", "3", "1"],
        "all": ["33.33", "33.33", "33.33", "3", "3", "1"],
        "span only": ["66.67", "66.67", "66.67", "3", "3", "2"],
    }
    assert dev.splitlines()[-1] == "type accuracy 50.00; ill-formed predictions 4"
    assert test.startswith("1,200 sentences\n")
    assert list(_table([line.strip() for line in test.splitlines()[1:-1]])) == ["type", "all", "span only"]


def test_calibration_is_one_line() -> None:
    predictions = [(0.95, True), (0.85, True), (0.9, False)]
    brier = (0.05**2 + 0.15**2 + 0.9**2) / 3
    line = calibration_line(calibrate(predictions))
    assert line.startswith("calibration: 3 predicted entities, mean probability 90.00%, precision 66.67%; ")
    assert line.endswith(f"Brier score {brier:.4f}")
    assert calibration_line(calibrate([])) == "calibration: no entity was predicted"
