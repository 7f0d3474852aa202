"""Charts as inline SVG: drawn here, coloured by the page's style sheet, readable without a script."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 20, 40


@dataclass(frozen=True, slots=True)
class Series:
    """One line; ``style`` is its class in the style sheet."""

    name: str
    style: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class _Frame:
    """The place of the axes: data to pixels, and ticks."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def x(self, value: float) -> float:
        low, high = self.x_range
        return LEFT + (value - low) / ((high - low) or 1) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return HEIGHT - BOTTOM - (value - low) / ((high - low) or 1) * (HEIGHT - TOP - BOTTOM)


def line_chart(
    xs: Sequence[float],
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    show: Callable[[float], str],
    mark: tuple[float, str] | None = None,
) -> str:
    """Lines over common ``xs``; ``show`` writes a value, ``mark`` is a vertical line and its words."""
    values = [value for one in series for value in one.values]
    ticks = nice_ticks(min(values), max(values))
    frame = _Frame((min(xs), max(xs) if len(xs) > 1 else min(xs) + 1), (ticks[0], ticks[-1]))
    body = [_y_axis(frame, ticks, show), _x_axis(frame, _whole_ticks(xs), "{:.0f}".format, x_label)]
    if mark is not None:
        body.append(_mark(frame, *mark))
    for one in series:
        points = [(frame.x(x), frame.y(value)) for x, value in zip(xs, one.values, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dots = "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2"><title>{escape(one.name)}, {x_label} {at:g}: {show(value)}'
            "</title></circle>"
            for (x, y), at, value in zip(points, xs, one.values, strict=True)
        )
        body.append(f'<g class="line {one.style}"><polyline points="{path}"/>{dots}</g>')
    return _svg(title, body) + legend(series)


def bar_chart(names: Sequence[str], values: Sequence[float], *, title: str, x_label: str) -> str:
    """Vertical bars of shares (0 to 1), each with its per cent on top."""
    ticks = nice_ticks(0, max(values, default=0))
    frame = _Frame((0, len(names)), (0, ticks[-1]))
    body = [_y_axis(frame, ticks, _whole_percent)]
    slot = (WIDTH - LEFT - RIGHT) / max(len(names), 1)
    for index, (name, value) in enumerate(zip(names, values, strict=True)):
        x, y = frame.x(index) + 0.12 * slot, frame.y(value)
        middle = frame.x(index + 0.5)
        body.append(
            f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="{0.76 * slot:.1f}" height="{frame.y(0) - y:.1f}" rx="2">'
            f"<title>{escape(name)}: {value:.2%}</title></rect>"
            f'<text class="small" x="{middle:.1f}" y="{y - 3:.1f}" text-anchor="middle">{percent(value)}</text>'
            f'<text class="small" x="{middle:.1f}" y="{HEIGHT - BOTTOM + 13}" text-anchor="middle">'
            f"{escape(name)}</text>"
        )
    body.append(_x_label(x_label))
    return _svg(title, body)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar between two values of x, its height from 0 to 1, the words above it and those of its tooltip."""

    low: float
    high: float
    height: float
    above: str
    words: str


def reliability_chart(bars: Sequence[Bar], *, title: str, x_label: str) -> str:
    """Shares over probabilities, both from 0 to 1, with the line on which the two are the same."""
    frame = _Frame((0, 1), (0, 1))
    ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    body = [_y_axis(frame, ticks, _whole_percent), _x_axis(frame, ticks, "{:g}".format, x_label)]
    for bar in bars:
        x, y, width = frame.x(bar.low) + 2, frame.y(bar.height), frame.x(bar.high) - frame.x(bar.low) - 4
        body.append(
            f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{frame.y(0) - y:.1f}" rx="2">'
            f"<title>{escape(bar.words)}</title></rect>"
            f'<text class="small" x="{x + width / 2:.1f}" y="{y - 3:.1f}" text-anchor="middle">'
            f"{escape(bar.above)}</text>"
        )
    body.append(
        f'<g class="mark"><line x1="{frame.x(0):.1f}" y1="{frame.y(0):.1f}" x2="{frame.x(1):.1f}" '
        f'y2="{frame.y(1):.1f}"/></g>'
    )
    return _svg(title, body)


def step_chart(
    edges: Sequence[float], series: Sequence[Series], *, title: str, x_label: str, mark: tuple[float, str] | None
) -> str:
    """Histograms as filled steps: ``edges`` has one more item than each of the series, whose values are shares.

    One bar that is far above all others (the segment itself, at a cosine of 1) is cut off, and its share written
    beside it: the others would be flat.
    """
    bars = sorted(max(values) for values in zip(*(one.values for one in series), strict=True))
    second, highest = [0.0, *bars][-2:]
    cut = highest > 2.5 * second > 0
    ticks = nice_ticks(0, 1.15 * second if cut else highest)
    frame = _Frame((edges[0], edges[-1]), (0, ticks[-1]))
    body = [
        _y_axis(frame, ticks, _whole_percent),
        _x_axis(frame, nice_ticks(edges[0], edges[-1]), "{:g}".format, x_label),
    ]
    for one in series:
        steps = "".join(
            f"V{frame.y(min(value, ticks[-1])):.1f}H{frame.x(right):.1f}"
            for right, value in zip(edges[1:], one.values, strict=True)
        )
        start = f"M{frame.x(edges[0]):.1f},{frame.y(0):.1f}"
        body.append(f'<path class="steps {one.style}" d="{start}{steps}V{frame.y(0):.1f}Z"/>')
    if cut:
        body += [_cut_off(frame, edges, one) for one in series if max(one.values) == highest]
    if mark is not None:
        body.append(_mark(frame, *mark))
    return _svg(title, body) + legend(series)


def _cut_off(frame: _Frame, edges: Sequence[float], series: Series) -> str:
    x = frame.x(edges[list(series.values).index(max(series.values))])
    right = x > WIDTH * 0.6
    return (
        f'<text class="small" x="{x + (-4 if right else 12):.1f}" y="{TOP + 12}" '
        f'text-anchor="{"end" if right else "start"}">{percent(max(series.values))} ↑</text>'
    )


def legend(series: Sequence[Series]) -> str:
    """The names of series with their colours."""
    keys = "".join(f'<span class="key {one.style}">{escape(one.name)}</span>' for one in series)
    return f'<p class="keys">{keys}</p>'


def percent(value: float) -> str:
    """0.123 → 12%; small ones with a decimal."""
    return f"{100 * value:.0f}%" if value >= 0.0995 or not value else f"{100 * value:.1f}%"


def _whole_percent(value: float) -> str:
    return f"{100 * value:g}%"


def nice_ticks(low: float, high: float, *, most: int = 6) -> list[float]:
    """Round figures that enclose low to high, about ``most`` at most; ends as good as equal are given a range."""
    if high - low <= 1e-9 * max(1.0, abs(low)):
        high = low + (abs(low) if abs(low) > 1e-6 else 1.0)
    rough = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def _whole_ticks(xs: Sequence[float]) -> list[float]:
    return sorted({float(round(tick)) for tick in nice_ticks(min(xs), max(xs), most=9) if min(xs) <= tick <= max(xs)})


def _y_axis(frame: _Frame, ticks: Sequence[float], show: Callable[[float], str]) -> str:
    """Lines across, each with its value."""
    return "".join(
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{frame.y(tick):.1f}" y2="{frame.y(tick):.1f}"/>'
        f'<text x="{LEFT - 6}" y="{frame.y(tick) + 4:.1f}" text-anchor="end">{show(tick)}</text>'
        for tick in ticks
    )


def _x_axis(frame: _Frame, ticks: Sequence[float], show: Callable[[float], str], label: str) -> str:
    marks = "".join(
        f'<text x="{frame.x(tick):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{show(tick)}</text>'
        for tick in ticks
    )
    return marks + _x_label(label)


def _x_label(label: str) -> str:
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    return f'<text class="label" x="{middle:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(label)}</text>'


def _mark(frame: _Frame, at: float, words: str) -> str:
    x = frame.x(at)
    right = x > WIDTH * 0.6
    return (
        f'<g class="mark"><line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text class="small" x="{x + (-5 if right else 5):.1f}" y="{TOP - 8}" '
        f'text-anchor="{"end" if right else "start"}">{escape(words)}</text></g>'
    )


def _svg(title: str, body: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(body)}</svg>'
