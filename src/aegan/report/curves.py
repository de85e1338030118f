"""Line charts as inline SVG: axes, legend, stage boundaries; colours come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np

WIDTH, HEIGHT = 480, 250
LEFT, RIGHT, TOP, BOTTOM = 56, 22, 22, 34
POINTS = 240  # of a curve, at most: more than a screen shows
COLOURS = 8  # classes c0 ... c7 in the style sheet


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        title: what is drawn, in words.
        series: name -> (x, y), equally long; values that are not finite break a curve.
        marks: (x, name) of stage boundaries in order, drawn as dashed lines; the first one may lie left of all curves.
        x_title: below the axis.
    """

    title: str
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    marks: Sequence[tuple[float, str]] = field(default_factory=tuple)
    x_title: str = "step"


def line_chart(chart: Chart) -> str:
    """HTML of a chart with its legend; empty if no curve has two finite points.

    The vertical axis is logarithmic where all values are positive and span more than a factor of 30. Otherwise it
    shows the central 98 % of them, so that a few wild first steps don't flatten the rest.
    """
    curves = {name: _thin(*xy) for name, xy in chart.series.items()}
    curves = {name: (x, y) for name, (x, y) in curves.items() if np.isfinite(y).sum() >= 2}
    if not curves:
        return ""
    xs = np.concatenate([x for x, _ in curves.values()])
    ys = np.concatenate([y[np.isfinite(y)] for _, y in curves.values()])
    x0, x1 = float(xs.min()), float(xs.max())
    x1 = x1 if x1 > x0 else x0 + 1
    log = bool(ys.min() > 0 and ys.max() / ys.min() > 30)
    low, high = (float(ys.min()), float(ys.max())) if log else (float(v) for v in np.quantile(ys, (0.01, 0.99)))
    if log:
        y0, y1 = math.log10(low), math.log10(high)
        ticks = [float(10**e) for e in range(math.ceil(y0 - 0.02), math.floor(y1 + 0.02) + 1)]
        if len(ticks) < 2:
            ticks = [10 ** (y0 + (y1 - y0) * i / 3) for i in range(4)]
    else:
        room = 0.05 * (high - low) or abs(high) * 0.1 or 1.0
        y0, y1 = low - room, high + room
        ticks = nice_ticks(y0, y1)

    def px(x: float) -> float:
        return LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)

    def py(y: float) -> float:
        v = math.log10(y) if log else y
        return TOP + (1 - (min(max(v, y0), y1) - y0) / ((y1 - y0) or 1)) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.title, quote=True)}" '
        'xmlns="http://www.w3.org/2000/svg">'
    ]
    for tick in ticks[:: max(1, math.ceil(len(ticks) / 7))]:
        at = py(tick)
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{at + 4:.1f}" text-anchor="end">{_label(tick)}</text>')
    for tick in nice_ticks(x0, x1, 5):
        parts.append(f'<text x="{px(tick):.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{_label(tick)}</text>')
    parts.append(
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 3}" text-anchor="end">{escape(chart.x_title)}</text>'
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}"/>'
    )
    parts += _marks([(px(max(x, x0)), name) for x, name in chart.marks if x <= x1])
    for i, (x, y) in enumerate(curves.values()):
        for run in _runs(x, y):
            points = " ".join(f"{px(a):.1f},{py(b):.1f}" for a, b in run)
            dashes = ' stroke-dasharray="5 3"' if i >= COLOURS else ""
            parts.append(f'<polyline class="curve c{i % COLOURS}" points="{points}"{dashes}/>')
    parts.append("</svg>")
    legend = "".join(
        f'<li><i class="c{i % COLOURS}"></i>{escape(name)} <b>{_label(float(y[np.isfinite(y)][-1]))}</b></li>'
        for i, (name, (_, y)) in enumerate(curves.items())
    )
    scale = " (logarithmic)" if log else ""
    return (
        f'<figure class="chart"><figcaption>{escape(chart.title)}{scale}</figcaption>{"".join(parts)}'
        f'<ul class="legend">{legend}</ul></figure>'
    )


def nice_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values within [low, high]: multiples of 1, 2 or 5 times a power of ten, at most `most` of them.

    >>> nice_ticks(0, 1), nice_ticks(-3, 240, 5)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 50.0, 100.0, 150.0, 200.0])
    """
    step = 10 ** math.floor(math.log10(max(high - low, 1e-300)))
    sizes = [step * k for k in (0.1, 0.2, 0.5, 1, 2, 5)]
    step = next((s for s in sizes if math.floor(high / s) - math.ceil(low / s) + 1 <= most), sizes[-1])
    return [round(i * step, 12) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _marks(marks: Sequence[tuple[float, str]]) -> list[str]:
    """Stage boundaries; of several at one place the last counts, and a name that would touch another is left out."""
    out, free = [], 0.0
    for x, name in {round(x): (x, name) for x, name in marks}.values():
        if x > LEFT + 1:
            out.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{HEIGHT - BOTTOM}"/>')
        width = 6.6 * len(name)
        at = min(x + 4, WIDTH - width)
        if at >= free:
            out.append(f'<text class="stage" x="{at:.1f}" y="{TOP - 9}">{escape(name)}</text>')
            free = at + width + 8
    return out


def _thin(x: Sequence[float], y: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """At most POINTS points, each the mean of its neighbours; finite values decide where there are any."""
    a, b = np.asarray(x, float), np.asarray(y, float)
    b = np.where(np.isfinite(b), b, np.nan)
    if len(a) <= POINTS:
        return a, b
    finite = [part[np.isfinite(part)] for part in np.array_split(b, POINTS)]
    return (
        np.array([part.mean() for part in np.array_split(a, POINTS)]),
        np.array([part.mean() if len(part) else math.nan for part in finite]),
    )


def _runs(x: np.ndarray, y: np.ndarray) -> list[list[tuple[float, float]]]:
    """A curve, cut where it is not finite."""
    out: list[list[tuple[float, float]]] = [[]]
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        if math.isfinite(b):
            out[-1].append((a, b))
        elif out[-1]:
            out.append([])
    return [run for run in out if len(run) > 1]


def _label(value: float) -> str:
    """A number beside an axis or in a legend.

    >>> [_label(v) for v in (0, 0.25, 1500, 25000, 0.00004)]
    ['0', '0.25', '1,500', '25k', '4e-05']
    """
    if abs(value) >= 10_000:
        return f"{value / 1000:,.4g}k"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
