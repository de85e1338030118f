"""Charts as inline SVG, in the style sheet's colours: curves, curves with a band, points with names, rows of dots."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from markupsafe import Markup

WIDTH, HEIGHT = 480, 250  # of a line chart
LEFT, RIGHT, TOP, BOTTOM = 56, 22, 22, 34
POINTS = 240  # of a curve, at most: more than a screen shows
COLOURS = 8  # classes c0 ... c7 in the style sheet

Curve = Sequence[tuple[float, float]]
Band = Sequence[tuple[float, float, float, float]]  # x, median, least, most


@dataclass(frozen=True)
class Axis:
    """Values low < high on the pixels from start to end; of a logarithmic axis both are above 0."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    @classmethod
    def central(cls, values: Sequence[float], start: float, end: float) -> Axis:
        """An axis of the central 98 % of the values, so that a few wild ones don't flatten the rest; of all of them, and
        logarithmic, where all are positive and span more than a factor of 30."""
        low, high = min(values), max(values)
        if low > 0 and high / low > 30:
            return cls(low, high, start, end, True)
        low, high = (float(v) for v in np.quantile(values, (0.01, 0.99)))
        return cls.around((low, high), start, end, room=0.05)

    @classmethod
    def around(
        cls, values: Sequence[float], start: float, end: float, *, log: bool = False, room: float = 0.06
    ) -> Axis:
        """An axis that holds all values with some room."""
        low, high = min(values), max(values)
        if log:
            a, b = math.log10(low), math.log10(high)
            pad = room * (b - a) or 0.1
            return cls(10 ** (a - pad), 10 ** (b + pad), start, end, True)
        pad = room * (high - low) or abs(high) * 0.1 or 1.0
        return cls(low - pad, high + pad, start, end)

    def at(self, value: float) -> float:
        """The pixel of a value, within the range."""
        v = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(v / self.low) / math.log(self.high / self.low)
        else:
            share = (v - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = 5) -> list[float]:
        """Round values on it, at most so many."""
        if not self.log:
            return nice_ticks(self.low, self.high, most)
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for steps in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
            found = [k * 10.0**e for e in decades for k in steps if self.low <= k * 10.0**e <= self.high]
            if len(found) <= most:
                break
        return found[:: math.ceil(len(found) / most)] if len(found) > most else found


def label(value: float, percent: bool = False) -> str:
    """A number at a tick.

    >>> label(0.25), label(0.25, percent=True), label(25000), label(1500)
    ('0.25', '25 %', '25k', '1,500')
    """
    if percent:
        return f"{100 * value:.3g} %"
    if abs(value) >= 10_000:
        return f"{value / 1000:,.4g}k"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def nice_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values within [low, high]: multiples of 1, 2 or 5 times a power of ten, at most `most` of them.

    >>> nice_ticks(0, 1), nice_ticks(-3, 240, 5)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 50.0, 100.0, 150.0, 200.0])
    """
    step = 10 ** math.floor(math.log10(max(high - low, 1e-300)))
    sizes = [step * k for k in (0.1, 0.2, 0.5, 1, 2, 5)]
    step = next((s for s in sizes if math.floor(high / s) - math.ceil(low / s) + 1 <= most), sizes[-1])
    return [round(i * step, 12) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def line_chart(
    title: str,
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    marks: Sequence[tuple[float, str]] = (),
    x_title: str = "step",
) -> Markup:
    """Curves with their legend; empty if none has two finite points.

    Args:
        title: what is drawn, in words.
        series: name -> (x, y), equally long; values that are not finite break a curve.
        marks: (x, name) of stage boundaries in order, drawn as dashed lines; the first one may lie left of all curves.
        x_title: below the axis.
    """
    curves = {name: _thin(*xy) for name, xy in series.items()}
    curves = {name: (x, y) for name, (x, y) in curves.items() if np.isfinite(y).sum() >= 2}
    if not curves:
        return Markup()
    xs = [float(v) for x, _ in curves.values() for v in x]
    ys = [float(v) for _, y in curves.values() for v in y if math.isfinite(v)]
    x = Axis(min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1, LEFT, WIDTH - RIGHT)
    y = Axis.central(ys, HEIGHT - BOTTOM, TOP)
    parts = [_open(WIDTH, HEIGHT, title), *_grid(x, y, 5, 7)]
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 3}" text-anchor="end">{escape(x_title)}</text>')
    parts += _marks([(x.at(at), name) for at, name in marks if at <= x.high])
    for i, (a, b) in enumerate(curves.values()):
        dashes = ' stroke-dasharray="5 3"' if i >= COLOURS else ""
        parts += [
            f'<polyline class="curve c{i % COLOURS}" points="{_points(run, x, y)}"{dashes}/>' for run in _runs(a, b)
        ]
    legend = "".join(
        f'<li><i class="c{i % COLOURS}"></i>{escape(name)} <b>{label(float(b[np.isfinite(b)][-1]))}</b></li>'
        for i, (name, (_, b)) in enumerate(curves.items())
    )
    scale = " (logarithmic)" if y.log else ""
    return Markup(
        f'<figure class="chart"><figcaption>{escape(title)}{scale}</figcaption>{"".join(parts)}</svg>'
        f'<ul class="legend">{legend}</ul></figure>'
    )


def band_chart(title: str, own: Band, others: Sequence[Curve], x: Axis, y: Axis, text: str) -> Markup:
    """One strategy's median over time within its spread, the other strategies' medians behind it in grey."""
    parts = [_open(260, 170, f"{title}: {text}")]
    parts += _grid(x, y, 3, 3)
    parts += [f'<polyline class="other" points="{_points(c, x, y)}"/>' for c in others if len(c) > 1]
    dots = [c[0] for c in others if len(c) == 1]
    parts += [f'<circle class="other" cx="{x.at(a):.1f}" cy="{y.at(b):.1f}" r="2"/>' for a, b in dots]
    if len(own) > 1:
        edge = [(a, most) for a, _, _, most in own] + [(a, least) for a, _, least, _ in reversed(own)]
        parts.append(f'<polygon class="band c0" points="{_points(edge, x, y)}"/>')
    line = [(a, m) for a, m, _, _ in own]
    parts.append(f'<polyline class="curve c0" points="{_points(line, x, y)}"/>')
    parts += [f'<circle class="dot c0" cx="{x.at(a):.1f}" cy="{y.at(m):.1f}" r="2.5"/>' for a, m in line]
    caption = f"<figcaption><b>{escape(title)}</b> {escape(text)}</figcaption>"
    return Markup(f'<figure class="chart">{caption}{"".join(parts)}</svg></figure>')


def named_points(
    points: Mapping[str, tuple[tuple[float, float], Sequence[tuple[float, float]]]],
    titles: tuple[str, str],
    control: str,
) -> Markup:
    """Shares in [0, 1]: of each name its median, large and named, and its single trials, small; the control in orange."""
    values = [v for centre, singles in points.values() for v in (centre, *singles)]
    if not values:
        return Markup()
    width, height = 640.0, 400.0
    x = Axis(0.0, max(0.1, max(a for a, _ in values)) * 1.08, 58, width - 14)
    y = Axis(0.0, max(0.1, max(b for _, b in values)) * 1.08, height - 44, 14)
    parts = [_open(width, height, f"{titles[1]} against {titles[0]}"), *_grid(x, y, 6, 6, percent=True)]
    parts.append(f'<text x="{width - 14}" y="{height - 6}" text-anchor="end">{escape(titles[0])}</text>')
    parts.append(f'<text x="4" y="10">{escape(titles[1])}</text>')
    taken: list[tuple[float, float, float, float]] = []
    for name, (centre, singles) in points.items():
        kind = "c1" if name == control else "c0"
        cx, cy = x.at(centre[0]), y.at(centre[1])
        for a, b in singles:
            parts.append(f'<line class="link" x1="{cx:.1f}" y1="{cy:.1f}" x2="{x.at(a):.1f}" y2="{y.at(b):.1f}"/>')
            parts.append(f'<circle class="dot single {kind}" cx="{x.at(a):.1f}" cy="{y.at(b):.1f}" r="2.5"/>')
        parts.append(f'<circle class="dot {kind}" cx="{cx:.1f}" cy="{cy:.1f}" r="5"/>')
        taken.append((cx - 6, cy - 6, cx + 6, cy + 6))
    for name, (centre, _) in points.items():
        cx, cy, wide = x.at(centre[0]), y.at(centre[1]), 7.2 * len(name)
        for dx, dy in _PLACES:
            left = cx + dx if dx > 0 else cx + dx - wide
            box = (left, cy + dy - 10, left + wide, cy + dy + 3)
            if box[0] > 58 and box[2] < width and box[1] > 12 and box[3] < height - 44 and not _overlaps(box, taken):
                break
        else:
            left, dy = (cx + 9 if cx + 9 + wide < width else cx - 9 - wide), 4.0
            box = (left, cy - 6, left + wide, cy + 7)
        taken.append(box)
        if abs(dy - 4) > 8:
            end = left if dx > 0 else left + wide
            parts.append(f'<line class="link" x1="{cx:.1f}" y1="{cy:.1f}" x2="{end:.1f}" y2="{cy + dy - 4:.1f}"/>')
        parts.append(f'<text class="name" x="{left:.1f}" y="{cy + dy:.1f}">{escape(name)}</text>')
    return Markup(f'<figure class="chart whole">{"".join(parts)}</svg></figure>')


_PLACES = [(side * (9 + abs(dy) / 3), 4.0 + dy) for dy in (0, -13, 13, -26, 26, -39, 39, -52, 52) for side in (1, -1)]


def dot_rows(
    rows: Mapping[str, tuple[Sequence[float], float | None, str]], title: str, log: bool, control: str
) -> Markup:
    """A row for each name: a dot for each trial, a bar at the median, and words about those that have no dot."""
    values = [v for dots, _, _ in rows.values() for v in dots]
    if not values:
        return Markup()
    step, left, width = 24.0, 150.0, 640.0
    height = step * len(rows) + 44
    noted = max((len(words) for _, _, words in rows.values()), default=0)
    log = log and min(values) > 0 and max(values) / min(values) > 4
    x = Axis.around(values, left + 8, width - 12 - (6.4 * noted if noted else 0), log=log)
    parts = [_open(width, height, title)]
    for tick in x.ticks(6):
        at = x.at(tick)
        parts.append(f'<line class="rule" x1="{at:.1f}" x2="{at:.1f}" y1="4" y2="{height - 36}"/>')
        parts.append(f'<text x="{at:.1f}" y="{height - 20}" text-anchor="middle">{label(tick)}</text>')
    parts.append(
        f'<text x="{x.end:.0f}" y="{height - 4}" text-anchor="end">{escape(title)}{" (logarithmic)" if log else ""}</text>'
    )
    for i, (name, (dots, centre, words)) in enumerate(rows.items()):
        at, kind = 4 + step * (i + 0.5), "c1" if name == control else "c0"
        parts.append(f'<text class="name" x="{left - 6}" y="{at + 4:.1f}" text-anchor="end">{escape(name)}</text>')
        if len(dots) > 1:
            a, b = x.at(min(dots)), x.at(max(dots))
            parts.append(f'<line class="reach {kind}" x1="{a:.1f}" x2="{b:.1f}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts += [f'<circle class="dot {kind}" cx="{x.at(v):.1f}" cy="{at:.1f}" r="4"/>' for v in dots]
        if centre is not None:
            m = x.at(centre)
            parts.append(f'<line class="median" x1="{m:.1f}" x2="{m:.1f}" y1="{at - 8:.1f}" y2="{at + 8:.1f}"/>')
        if words:
            parts.append(f'<text class="bad" x="{width - 6}" y="{at + 4:.1f}" text-anchor="end">{escape(words)}</text>')
    return Markup(f'<figure class="chart whole">{"".join(parts)}</svg></figure>')


def _open(width: float, height: float, text: str) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(text, quote=True)}" '
        'xmlns="http://www.w3.org/2000/svg">'
    )


def _grid(x: Axis, y: Axis, across: int, up: int, percent: bool = False) -> list[str]:
    """Rules and numbers of both axes."""
    parts = []
    for tick in y.ticks(up):
        at = y.at(tick)
        parts.append(f'<line class="rule" x1="{x.start}" x2="{x.end}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{x.start - 6}" y="{at + 4:.1f}" text-anchor="end">{label(tick, percent)}</text>')
    for tick in x.ticks(across):
        parts.append(
            f'<text x="{x.at(tick):.1f}" y="{y.start + 17}" text-anchor="middle">{label(tick, percent)}</text>'
        )
    parts.append(f'<line class="axis" x1="{x.start}" x2="{x.end}" y1="{y.start}" y2="{y.start}"/>')
    return parts


def _points(curve: Curve, x: Axis, y: Axis) -> str:
    return " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in curve)


def _overlaps(box: tuple[float, float, float, float], others: Sequence[tuple[float, float, float, float]]) -> bool:
    return any(box[0] < o[2] and o[0] < box[2] and box[1] < o[3] and o[1] < box[3] for o in others)


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
    points = itertools.groupby(zip(x.tolist(), y.tolist(), strict=True), lambda point: math.isfinite(point[1]))
    runs = [list(run) for finite, run in points if finite]
    return [run for run in runs if len(run) > 1]
