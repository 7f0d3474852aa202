"""The reliability of a run's probabilities as a picture: how often entities of a probability are right."""

from __future__ import annotations

from pathlib import Path

from ssmi.model.evaluation.calibration import Calibration
from ssmi.plotting import drawing

_BARS, _DIAGONAL = "#56728f", "#d55e00"


def plot(calibration: Calibration, path: Path) -> None:
    """Draw precision against probability, a bar a bin with its number of entities, into an .svg or .png file.

    The same figures give the same bytes.
    """
    with drawing(path, height=4.6, width=5.2) as axes:
        for one in calibration.bins:
            if one.n:
                middle = (one.low + one.high) / 2
                axes.bar(middle, one.precision, width=0.09, color=_BARS, alpha=0.75)
                axes.plot([one.mean_probability], [one.precision], "o", color="black", markersize=3)
                axes.annotate(
                    f"{one.n:,}",
                    (middle, one.precision),
                    xytext=(0, 3),
                    textcoords="offset points",
                    ha="center",
                    fontsize=7,
                )
        axes.plot([0, 1], [0, 1], color=_DIAGONAL, linestyle="--", linewidth=1, label="as it should be")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.07)
        axes.set_xlabel("probability of the predicted entity (dots: mean of the bin)")
        axes.set_ylabel("share that is right (figures: entities)")
        axes.set_title(
            f"expected calibration error {100 * calibration.ece:.2f}, Brier {calibration.brier:.4f}",
            fontsize="medium",
        )
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, loc="upper left")
