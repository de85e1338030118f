"""Charts: points stand where they should, scales are chosen by rule, broken values break the curve."""

import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from aegan.pages.charts import BOTTOM, COLOURS, HEIGHT, LEFT, POINTS, RIGHT, TOP, WIDTH, line_chart, nice_ticks


def polylines(html: str) -> list[list[tuple[float, float]]]:
    found = re.findall(r'<polyline[^>]* points="([^"]*)"', html)
    return [[(float(x), float(y)) for x, y in (p.split(",") for p in points.split())] for points in found]


def test_a_curve_runs_from_corner_to_corner_of_the_frame() -> None:
    (points,) = polylines(line_chart("t", {"a": ([10, 20, 30], [0.0, 1.0, 2.0])}))
    assert points[0][0] == LEFT and points[-1][0] == WIDTH - RIGHT
    assert points[0][1] > points[1][1] > points[2][1]
    assert all(TOP <= y <= HEIGHT - BOTTOM for _, y in points)


def test_values_over_several_powers_of_ten_are_drawn_logarithmically() -> None:
    html = line_chart("loss", {"a": ([0, 1, 2], [1.0, 0.01, 0.0001])})
    (points,) = polylines(html)
    assert "loss (logarithmic)" in html
    assert points[1][1] == pytest.approx((points[0][1] + points[2][1]) / 2, abs=0.2)
    assert "(logarithmic)" not in line_chart("loss", {"a": ([0, 1, 2], [1.0, -0.01, 0.0001])})


def test_one_wild_step_does_not_flatten_the_rest() -> None:
    y = np.concatenate([[1000.0], np.linspace(-1, 1, 199)])
    (points,) = polylines(line_chart("t", {"a": (range(200), y)}))
    assert points[1][1] - points[-1][1] > 0.5 * (HEIGHT - TOP - BOTTOM)


def test_values_that_are_not_finite_break_the_curve_and_do_not_scale_it() -> None:
    y = [1.0, 2.0, math.nan, 3.0, math.inf, 4.0, 5.0]
    assert [len(p) for p in polylines(line_chart("t", {"a": (range(7), y)}))] == [2, 2]


@pytest.mark.parametrize("y", [[], [1.0], [math.nan, 1.0], [math.nan] * 3])
def test_nothing_to_draw_is_nothing(y: list[float]) -> None:
    assert line_chart("t", {"a": (range(len(y)), y)}) == ""


def test_a_constant_and_a_single_step_have_a_chart() -> None:
    assert polylines(line_chart("t", {"a": ([1, 2], [0.0, 0.0]), "b": ([1, 2], [0.0, 0.0])}))
    assert polylines(line_chart("t", {"a": ([5, 5], [1.0, 2.0])}))


def test_long_logs_are_thinned_by_means() -> None:
    (points,) = polylines(line_chart("t", {"a": (range(10_000), np.sin(np.arange(10_000) / 900))}))
    assert len(points) == POINTS


def test_stages_are_marked_and_names_do_not_collide() -> None:
    marks = [(0, "compress"), (50, "fit"), (50, "play"), (51, "choose"), (90, "sharpen")]
    html = line_chart("t", {"a": (range(100), range(100))}, marks)
    named = re.findall(r'class="stage"[^>]*>([^<]*)<', html)
    assert named == ["compress", "play", "sharpen"]
    assert html.count('class="mark"') == 3  # none at the left edge; play and choose each have a line


def test_names_are_escaped_and_the_legend_names_every_curve() -> None:
    series = {f"<b>{i}": ([0, 1], [float(i), 2.0]) for i in range(COLOURS + 1)}
    html = line_chart('"><script>', series)
    assert "<script>" not in html and "<b>0" not in html
    assert html.count("<li>") == len(polylines(html)) == COLOURS + 1 and html.count("stroke-dasharray") == 1
    HTMLParser().feed(html)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.7, 911), (1e-9, 3e-9), (5, 5 + 1e-6), (-1e7, 1e7)])
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    ticks = nice_ticks(low, high)
    assert 2 <= len(ticks) <= 6
    assert all(low - 1e-9 * abs(low) <= t <= high + 1e-9 * abs(high) for t in ticks)
