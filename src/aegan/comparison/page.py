"""DIR/index.html: what a comparison found, for a stranger. Self-contained; reads results only; opens with no network."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import fields, replace
from html import escape
from statistics import median
from typing import Any

from markupsafe import Markup

from aegan.comparison.claims import named
from aegan.comparison.results import Results
from aegan.comparison.settings import CONTROL, FLAGSHIP
from aegan.comparison.statistics import least_p
from aegan.comparison.summary import mebibytes, scaled, whole
from aegan.pages import columns, picture, render
from aegan.pages.charts import Axis, Band, band_chart, dot_rows, named_points
from aegan.report.words import processor
from aegan.strategies import strategies
from aegan.text import plural, show

WIDEST = 640  # pixels of an embedded picture
TICKS = 24  # points of a curve
SAID_IF_UNUSUAL = (
    "size", "fit", "background", "transparent", "grey", "mirror", "space", "classes", "batch_size", "tune", "extractor",
    "count", "precision", "device", "data_dir",
)  # fmt: skip


def page(results: Results) -> str:
    """The page as HTML."""
    s, d, q = results.settings, results.data, results.quality
    failed = [(t.strategy, t.seed, t.bad, t.reason or t.collapsed) for t in results.trials if t.bad]
    return render(
        "comparison.html",
        title=f"{plural(len(s.strategies), 'strategy').replace('strategys', 'strategies')} on {d.get('name', s.data)}",
        source=f"{results.folder.name}/",
        control=CONTROL,
        flagship=FLAGSHIP,
        subject=named(s.strategies),
        lead=_lead(results),
        warnings=_warnings(results),
        claims=results.claims,
        quality=q,
        real=_real(results),
        glance=_glance(results),
        curves=_curves(results),
        manifold=_manifold(results),
        stability=_stability(results),
        cost=_cost(results),
        samples=_samples(results),
        failed={"columns": columns("strategy", "#seed", "how", "why"), "rows": failed},
        pairs=_pairs(results),
        command=command(results),
        machine=", ".join(f"{k} {v}" for k, v in results.machine.items()),
        tune=s.tune,
    )


def _lead(results: Results) -> str:
    s, d, m = results.settings, results.data, results.machine
    shape = d.get("shape") or []
    what = f"images of {shape[2]}×{shape[1]}" if len(shape) == 3 else "vectors"
    used = [(0, int(m["threads"]))] if m.get("threads") else []
    where = m.get("gpu") or processor(used, m.get("cores")) or "a CPU"
    labels = "with class labels" if s.classes else "without class labels, since some strategies cannot use them"
    return (
        f"Every strategy was trained with {s.budget} and {plural(s.seeds, 'seed')}, on the same {d.get('train', 0):,} "
        f"{what}, {labels}, with networks of the same width, on {where}; then all were measured in the same way, against "
        f"{d.get('held_out', 0):,} held-out items where new data are needed."
    )


def _warnings(results: Results) -> list[str]:
    """Unfinished, too few seeds, extractors that critics have seen through, no control."""
    out = []
    compared, seeds = results.settings.strategies, results.settings.seeds
    if not results.complete:
        of = len(compared) * seeds
        out.append(f"This comparison is not finished: {len(results.trials)} of {of} trials have ended.")
    if least_p(seeds) > 0.05:
        out.append(
            f"With {plural(seeds, 'seed')} no exact test can give a p-value below {least_p(seeds):.2g}: whatever the "
            "figures show, a claim can be refuted by seeds that all go against it, but not supported at the 5 % level. "
            "That takes 6 seeds."
        )
    for name, networks in {t.strategy: t.seen for t in results.trials if t.seen}.items():
        out.append(
            f"The critics of '{name}' have seen images through {networks}, of the family of the extractor "
            f"{results.settings.extractor}: its figures lean towards it. Compare by another: --extractor pixels."
        )
    if CONTROL not in compared:
        out.append(f"The control '{CONTROL}' was not among the strategies, so the claims are not answered.")
    return out


def _real(results: Results) -> str:
    """What real data get by the measure of quality."""
    q = results.quality
    baseline = q.baseline(results.trials)
    who = "Real held-out data get" if q.name == "fd" else "A perfect sampler gets"
    return "" if baseline is None else f" {who} {show(baseline, q.unit)}."


def _glance(results: Results) -> dict[str, Any]:
    """The table of all strategies, best first."""
    q, kinds = results.quality, strategies()
    rows = []
    for s in results.summaries:
        name, spread, recall, precision, failed, _, *costs = s.cells(q)
        shown = Markup(f'<span title="{escape(kinds[name].summary, quote=True)}">{escape(name)}</span>')
        rows.append((shown, spread, recall, precision, failed, *costs))
    heads = columns(
        "strategy", f"#{q.title}", "#recall", "#precision", "#failed or collapsed", "#operations", "#memory", "#weights"
    )
    return {"columns": heads, "rows": rows}


def _curves(results: Results) -> dict[str, Any] | None:
    """Quality against seconds, a small chart for each strategy on common axes."""
    bands = {s.name: b for s in results.summaries if (b := band([t.curve for t in results.of(s.name)]))}
    if not bands:
        return None
    points = [p for b in bands.values() for p in b]
    log = min(least for _, _, least, _ in points) > 0
    x = Axis(0.0, max(p[0] for p in points), 46, 252)
    y = Axis.around([v for p in points for v in p[1:]], 144, 8, log=log)
    charts = []
    for name, own in bands.items():
        others = [[(a, m) for a, m, _, _ in b] for n, b in bands.items() if n != name]
        text = f"{own[-1][1]:,.3g} after {own[-1][0]:,.0f} s"
        charts.append(band_chart(name, own, others, x, y, text))
    return {"log": log, "charts": charts}


def band(curves: Sequence[Sequence[Sequence[float]]]) -> Band:
    """Median, least and most of several curves at common times, from when all of them have begun; each holds its last
    value until its next."""
    known = [c for c in curves if c]
    if not known:
        return []
    start, end = max(c[0][0] for c in known), max(c[-1][0] for c in known)
    times = sorted({at for c in known for at, _ in c if start <= at <= end})
    times = times[:: max(1, len(times) // TICKS)] + times[-1:]
    out = []
    for at in dict.fromkeys(times):
        values = [[v for t, v in c if t <= at][-1] for c in known]
        out.append((at, median(values), min(values), max(values)))
    return out


def _manifold(results: Results) -> Markup:
    """Recall against precision."""
    points = {}
    for s in results.summaries:
        mine = [(t.value("precision"), t.value("recall")) for t in results.of(s.name)]
        singles = [(p, r) for p, r in mine if p is not None and r is not None]
        if singles:
            points[s.name] = ((s.figures["precision"], s.figures["recall"]), singles)
    return named_points(points, ("precision", "recall"), CONTROL)


def _stability(results: Results) -> Markup:
    """Each trial's quality, and how the others ended."""
    q = results.quality
    rows = {}
    for s in results.summaries:
        bad = ", ".join(f"{n} {kind}" for kind, n in s.bad.items() if n)
        rows[s.name] = ([v for v in s.values if v is not None], s.quality, bad)
    return dot_rows(rows, q.title, q.better == "lower", CONTROL)


def _cost(results: Results) -> dict[str, Any]:
    rows = []
    for s in sorted(results.summaries, key=lambda s: (s.operations is None, s.operations or 0)):
        each = ", ".join(f"{k} {scaled(v)}" for k, v in s.parameters.items())
        total = None if s.operations is None or s.images is None else s.operations * s.images
        counts = (whole(s.seconds), whole(s.steps), whole(s.images))
        rows.append((s.name, *counts, scaled(s.operations), scaled(total), mebibytes(s.peak_bytes), each))
    *heads, weights = columns(
        "strategy", "#seconds", "#steps", "#examples seen", "#operations an example", "#operations in all", "#peak memory",
        "weights",
    )  # fmt: skip
    return {"columns": [*heads, replace(weights, kind="list")], "rows": rows}


def _samples(results: Results) -> list[tuple[str, str, Markup]]:
    """Name, figure and picture of the trial nearest to each strategy's median."""
    out = []
    for s in results.summaries:
        path = results.folder / s.median_folder / "evaluation" / "samples.png"
        if s.median_seed is not None and path.is_file():
            values = {t.seed: results.quality.value(t) or 0.0 for t in results.of(s.name)}
            note = f"{show(values[s.median_seed], results.quality.unit)}, seed {s.median_seed}"
            out.append((s.name, note, picture(path, f"Samples of {s.name}", WIDEST)))
    return out


def _pairs(results: Results) -> dict[str, Any]:
    """Each strategy against the control, claim by claim."""
    cells: dict[str, dict[str, str]] = {}
    for c in results.claims:
        for d in c.comparisons:
            said = d.verdict if d.p is None else f"{d.verdict}: {d.wins} of {d.pairs}, p = {d.p:.2g}"
            cells.setdefault(d.name, {})[c.name] = said if d.pairs or c.name == "cost" else "–"
    names = [c.name for c in results.claims]
    rows = [(strategy, *(own.get(name, "–") for name in names)) for strategy, own in cells.items()]
    return {"columns": columns("strategy", *names), "rows": rows}


def command(results: Results) -> str:
    """What repeats the comparison."""
    s = results.settings
    words = ["aegan compare", shlex.quote(s.data), "--strategies", ",".join(s.strategies), f"--seeds {s.seeds}"]
    words.append(f"--minutes {s.minutes:g}" if s.minutes is not None else f"--steps {s.steps}")
    for f in fields(s):
        value = getattr(s, f.name)
        if f.name in SAID_IF_UNUSUAL and value != f.default:
            words.append(f"--{f.name.replace('_', '-')}" + ("" if value is True else f" {shlex.quote(str(value))}"))
    chosen = [(f"{n}." if n else "", k, v) for n, each in s.options.items() for k, v in each.items()]
    words += [f"--set {shlex.quote(f'{of}{k}={v}')}" for of, k, v in chosen]
    return " ".join(words)
