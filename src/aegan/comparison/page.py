"""DIR/index.html: what a comparison found, for a stranger. Self-contained; reads results only; opens with no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

from markupsafe import Markup

from aegan.comparison.results import Results
from aegan.comparison.settings import CONTROL, FLAGSHIP
from aegan.comparison.statistics import least_p, median
from aegan.comparison.summary import Summary, failures, percent, scaled, spread
from aegan.files import write_text
from aegan.pages import columns, picture, render, svg
from aegan.pages.charts import Axis, Band, band_chart, dot_rows, named_points
from aegan.report.words import processor
from aegan.strategies import strategies
from aegan.text import plural, show

WIDEST = 640  # pixels of an embedded picture
TICKS = 24  # points of a curve


def write_page(results: Results, path: Path) -> Path:
    """Writes the page, whole or not at all."""
    write_text(path, page(results))
    return path


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
        subject=f"“{FLAGSHIP}”" if FLAGSHIP in s.strategies else "the median of all strategies that use an autoencoder",
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
    if not results.complete:
        of = len(results.settings.strategies) * results.settings.seeds
        out.append(f"This comparison is not finished: {len(results.trials)} of {of} trials have ended.")
    seeds = results.settings.seeds
    if least_p(seeds) > 0.05:
        out.append(
            f"With {plural(seeds, 'seed')} no exact test can give a p-value below {least_p(seeds):.2g}: whatever the "
            "figures show, a claim can be refuted by seeds that all go against it, but not supported at the 5 % level. "
            "That takes 6 seeds."
        )
    seeing = {t.strategy: t.seen for t in results.trials if t.seen}
    for name, networks in seeing.items():
        out.append(
            f"The critics of '{name}' have seen images through {networks}, of the family of the extractor "
            f"{results.settings.extractor}: its figures lean towards it. Compare by another: --extractor pixels."
        )
    if CONTROL not in results.settings.strategies:
        out.append(f"The control '{CONTROL}' was not among the strategies, so the claims are not answered.")
    return out


def _real(results: Results) -> str:
    """What real data get by the measure of quality."""
    q = results.quality
    baseline = q.baseline(results.trials)
    if baseline is None:
        return ""
    who = "Real held-out data get" if q.name == "fd" else "A perfect sampler gets"
    return f" {who} {show(baseline, q.unit)}."


def _glance(results: Results) -> dict[str, Any]:
    """The table of all strategies, best first."""
    q, kinds = results.quality, strategies()
    rows = []
    for s in results.summaries:
        name = Markup(f'<span title="{escape(kinds[s.name].summary, quote=True)}">{escape(s.name)}</span>')
        recall, precision = (percent(s.figures.get(k)) for k in ("recall", "precision"))
        rows.append(
            (name, spread(s, q), recall, precision, failures(s), scaled(s.operations), _mebibytes(s), scaled(s.weights))
        )
    heads = (
        "strategy",
        f"#{q.title}",
        "#recall",
        "#precision",
        "#failed or collapsed",
        "#operations",
        "#memory",
        "#weights",
    )
    return {"columns": columns(*heads), "rows": rows}


def _mebibytes(s: Summary) -> str:
    return "–" if s.peak_bytes is None else f"{s.peak_bytes / 2**20:,.0f} MiB"


def _curves(results: Results) -> dict[str, Any] | None:
    """Quality against seconds, a small chart for each strategy on common axes."""
    bands = {s.name: band([t.curve for t in results.trials if t.strategy == s.name]) for s in results.summaries}
    bands = {name: b for name, b in bands.items() if b}
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
        charts.append(svg(band_chart(name, own, others, x, y, text)))
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
        singles = [
            (p, r)
            for t in results.trials
            if t.strategy == s.name and (p := t.value("precision")) is not None and (r := t.value("recall")) is not None
        ]
        if singles:
            points[s.name] = ((s.figures["precision"], s.figures["recall"]), singles)
    return svg(named_points(points, ("precision", "recall"), CONTROL))


def _stability(results: Results) -> Markup:
    """Each trial's quality, and how the others ended."""
    q = results.quality
    rows = {}
    for s in results.summaries:
        bad = ", ".join(f"{n} {kind}" for kind, n in s.bad.items() if n)
        rows[s.name] = ([v for v in s.values if v is not None], s.quality, bad)
    return svg(dot_rows(rows, q.title, q.better == "lower", CONTROL))


def _cost(results: Results) -> dict[str, Any]:
    rows = []
    for s in sorted(results.summaries, key=lambda s: (s.operations is None, s.operations or 0)):
        each = ", ".join(f"{k} {scaled(v)}" for k, v in s.parameters.items())
        whole = None if s.operations is None or s.images is None else s.operations * s.images
        counts = (_number(s.seconds), _number(s.steps), _number(s.images))
        rows.append((s.name, *counts, scaled(s.operations), scaled(whole), _mebibytes(s), each))
    *heads, weights = columns(
        "strategy", "#seconds", "#steps", "#examples seen", "#operations an example", "#operations in all", "#peak memory",
        "weights",
    )  # fmt: skip
    return {"columns": [*heads, replace(weights, kind="list")], "rows": rows}


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _samples(results: Results) -> list[tuple[str, str, Markup]]:
    """Name, figure and picture of the trial nearest to each strategy's median."""
    out = []
    for s in results.summaries:
        path = results.folder / s.median_folder / "evaluation" / "samples.png"
        if s.median_folder and path.is_file():
            note = f"{_value(s, results)}, seed {s.median_seed}"
            out.append((s.name, note, picture(path, f"Samples of {s.name}", WIDEST)))
    return out


def _value(s: Summary, results: Results) -> str:
    trial = next(t for t in results.trials if t.strategy == s.name and t.seed == s.median_seed)
    value = results.quality.value(trial)
    return "" if value is None else show(value, results.quality.unit)


def _pairs(results: Results) -> dict[str, Any]:
    """Each strategy against the control, claim by claim."""
    found = results.claims
    names = list(dict.fromkeys(d.name for c in found for d in c.comparisons))
    rows = []
    for name in names:
        cells = []
        for c in found:
            d = next((d for d in c.comparisons if d.name == name), None)
            if d is None or (not d.pairs and d.p is None and c.name != "cost"):
                cells.append("–")
            elif d.p is None:
                cells.append(d.verdict)
            else:
                cells.append(f"{d.verdict}: {d.wins} of {d.pairs}, p = {d.p:.2g}")
        rows.append((name, *cells))
    return {"columns": columns("strategy", *(c.name for c in found)), "rows": rows}


def command(results: Results) -> str:
    """What repeats the comparison."""
    s = results.settings
    words = ["aegan compare", s.data, "--strategies", ",".join(s.strategies), f"--seeds {s.seeds}"]
    words.append(f"--minutes {s.minutes:g}" if s.minutes is not None else f"--steps {s.steps}")
    words += [f"--size {s.size}"] if s.size else []
    words += [f"--fit {s.fit}"] if s.fit != "crop" else []
    words += [f"--background {s.background}"] if s.background != "white" else []
    flags = {"--transparent": s.transparent, "--grey": s.grey, "--mirror": s.mirror}
    words += [flag for flag, on in flags.items() if on]
    words += ["--classes"] if s.classes else []
    words += [f"--batch-size {s.batch_size}"] if s.batch_size else []
    words += [f"--tune {s.tune}"] if s.tune else []
    words += [f"--extractor {s.extractor}"] if s.extractor != "lite0" else []
    words += [f"--count {s.count}"] if s.count else []
    words += [f"--set {n + '.' if n else ''}{k}={v}" for n, each in s.options.items() for k, v in each.items()]
    return " ".join(words)
