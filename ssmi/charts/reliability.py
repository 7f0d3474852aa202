"""The reliability of a run's probabilities: how often entities of a given probability are right (Guo et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ssmi.charts.rendering import Canvas, save_chart
from ssmi.charts.style import SIZE, SMALL, Colour
from ssmi.model.evaluation.calibration import Calibration
from ssmi.pipeline.contract.arguments import checked


@dataclass(frozen=True, slots=True)
class ReliabilityChart:
    """Precision against probability, with a bar for each non-empty bin and its number of entities."""

    calibration: Calibration
    title: str = ""
    label: str = "reliability of probabilities"
    size: tuple[float, float] = SIZE

    def draw(self, canvas: Canvas) -> None:
        """Draw the bars, a dot at the mean probability of each bin, and the line of perfect calibration."""
        axes = canvas.axes
        for each in self.calibration.bins:
            if each.n:
                middle, width = (each.low + each.high) / 2, 0.9 * (each.high - each.low)
                (bar,) = axes.bar(middle, each.precision, width=width, color=Colour.BLUE, alpha=0.8)
                canvas.add_tooltip(
                    bar,
                    f"{each.n:,} entities of mean probability {each.mean_probability:.2%}: "
                    f"{each.precision:.2%} are right",
                )
                axes.plot([each.mean_probability], [each.precision], "o", color=Colour.INK, markersize=3)
                axes.annotate(
                    f"{each.n:,}",
                    (middle, 1),
                    xytext=(0, 3),
                    textcoords="offset points",
                    ha="center",
                    fontsize=SMALL,
                )
        axes.plot([0, 1], [0, 1], color=Colour.ORANGE, linestyle="--", linewidth=1, label="perfect calibration")
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.set_title(self.title, pad=16)
        axes.set_xlabel("probability (dots: mean; numbers: entities)")
        axes.set_ylabel("precision")
        canvas.write_y_in_percent()
        axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
        axes.legend(loc="upper left", fontsize=SMALL)


@checked
def plot_reliability(calibration: Calibration, path: str | Path) -> None:
    """Write the reliability diagram of a run's probabilities, with calibration error and Brier score as its title.

    Args:
        calibration: The ``calibration`` of what ``Project.evaluate`` or ``ssmi.score_file`` returns.
        path: The .svg or .png to write.

    Raises:
        ParameterError: The file name ends in something else, or its folder does not exist.

    """
    title = f"expected calibration error {calibration.ece:.2%}, Brier {calibration.brier:.4f}"
    save_chart(ReliabilityChart(calibration, title=title), Path(path))
