"""DIR/index.html: what a comparison found, for a stranger. Self-contained; reads results only; opens with no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from aegan.cells import picture
from aegan.comparison.claims import Claim
from aegan.comparison.figures import Axis, Band, band_chart, dot_rows, named_points
from aegan.comparison.results import Results
from aegan.comparison.settings import CONTROL
from aegan.comparison.statistics import least_p, median
from aegan.comparison.summary import Summary, failures, percent, scaled, spread
from aegan.files import write_text
from aegan.report.html import document, section
from aegan.report.words import processor
from aegan.strategies import strategies
from aegan.text import plural, show

WIDEST = 640  # pixels of an embedded picture
TICKS = 24  # points of a curve


def write_page(results: Results, path: Path) -> Path:
    """Writes the page, whole or not at all."""
    write_text(path, render(results))
    return path


def render(results: Results) -> str:
    """The page as HTML."""
    s, d = results.settings, results.data
    title = f"{plural(len(s.strategies), 'strategy').replace('strategys', 'strategies')} on {d.get('name', s.data)}"
    body = [
        f'<h1>{escape(title)}</h1><p class="lead">{escape(_lead(results))}</p>',
        _state(results),
        _claims(results),
        _table(results),
        _curves(results),
        _manifold(results),
        _stability(results),
        _cost(results),
        _samples(results),
        _failures(results),
        _paired_comparisons(results),
        _repeat(results),
    ]
    style = files("aegan.comparison").joinpath("style.css").read_text(encoding="utf-8")
    return document(title, "".join(body), style, f"{results.folder.name}/")


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


def _state(results: Results) -> str:
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
    return "".join(f'<p class="warn">{escape(w)}</p>' for w in out)


def _claims(results: Results) -> str:
    found = results.claims
    if not found:
        return ""
    items = "".join(
        f"<li><b>{escape(c.name.capitalize())}: {escape(c.claim)}</b> {_badge(c)}<p>{escape(c.found)}</p></li>"
        for c in found
    )
    what = (
        f"Each claim is about strategies that use an autoencoder, against the control “{CONTROL}”, which has none. In each "
        "seed the middle one of those strategies (the median) is set beside the control with the same seed, and the "
        "differences are tested with the exact signed-rank test, two-sided. Supported: p ≤ 0.05 in favour. Not supported: "
        "p ≤ 0.05 against, or better in no seed. A failed trial counts as worse than any that ended."
    )
    return section("The claims", what, f'<ul class="claims">{items}</ul>')


def _badge(claim: Claim) -> str:
    p = "" if claim.p is None else f", p = {claim.p:.2g}"
    return f'<span class="badge {claim.verdict.split()[0]}">{claim.verdict}{p}</span>'


def _table(results: Results) -> str:
    q = results.quality
    heads = (q.title, "recall", "precision", "failed or collapsed", "operations", "memory", "weights")
    kinds = strategies()
    rows = []
    for s in results.summaries:
        cells = (
            spread(s, q), percent(s.figures.get("recall")), percent(s.figures.get("precision")), failures(s),
            scaled(s.operations), "–" if s.peak_bytes is None else f"{s.peak_bytes / 2**20:,.0f} MiB", scaled(s.weights),
        )  # fmt: skip
        numbers = "".join(f"<td class=n>{escape(c)}</td>" for c in cells)
        rows.append(f'<tr><td title="{escape(kinds[s.name].summary, quote=True)}">{escape(s.name)}</td>{numbers}</tr>')
    floor = q.floor(results.trials)
    perfect = "" if floor is None else f" {'Real held-out data get' if q.name == 'fd' else 'A perfect sampler gets'} "
    perfect += "" if floor is None else f"{show(floor, q.unit)}."
    better = "lower is better" if q.better == "lower" else "higher is better"
    what = (
        f"Best first. {q.title}: the median over seeds [least to most], {better}.{perfect} Recall: share of real data that "
        "samples reach; precision: share of samples that lie among real data. Operations are floating-point operations "
        "for each training example."
    )
    head = "".join(f"<th class=n>{escape(h)}</th>" for h in heads)
    table = f'<div class="wide"><table class="table"><thead><tr><th>strategy</th>{head}</tr></thead>'
    return section("At a glance", what, f"{table}<tbody>{''.join(rows)}</tbody></table></div>")


def _curves(results: Results) -> str:
    """Quality against seconds, a small chart for each strategy on common axes."""
    bands = {s.name: band([t.curve for t in results.trials if t.strategy == s.name]) for s in results.summaries}
    bands = {name: b for name, b in bands.items() if b}
    if not bands:
        return ""
    points = [p for b in bands.values() for p in b]
    log = min(least for _, _, least, _ in points) > 0
    x = Axis(0.0, max(p[0] for p in points), 46, 252)
    y = Axis.around([v for p in points for v in p[1:]], 144, 8, log=log)
    charts = []
    for name, own in bands.items():
        others = [[(a, m) for a, m, _, _ in b] for n, b in bands.items() if n != name]
        charts.append(band_chart(name, own, others, x, y, f"{own[-1][1]:,.3g} after {own[-1][0]:,.0f} s"))
    what = (
        "Seconds of training across; up, the Fréchet distance of 500 samples to training data in pixels (or in the vectors "
        f"themselves), which is cheap enough to take while training{'; logarithmic' if log else ''}, lower is better. "
        "Blue: the median over seeds and its spread; grey: the other strategies. A strategy that begins by compressing "
        "makes no samples at first. Pixels see layout and brightness more than sharpness: the table above decides."
    )
    return section("Quality against seconds", what, f'<div class="small">{"".join(charts)}</div>')


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


def _manifold(results: Results) -> str:
    points = {}
    for s in results.summaries:
        singles = [
            (p, r)
            for t in results.trials
            if t.strategy == s.name and (p := t.value("precision")) is not None and (r := t.value("recall")) is not None
        ]
        if singles:
            points[s.name] = ((s.figures["precision"], s.figures["recall"]), singles)
    chart = named_points(points, ("precision", "recall"), CONTROL)
    what = (
        "Up: more of the real data is reached. Right: more of the samples lie among real data. Large: the median; small: "
        "each seed; orange: the control. Blurred samples may lie beside real data and score low in both."
    )
    return section("Recall against precision", what, chart) if chart else ""


def _stability(results: Results) -> str:
    q = results.quality
    rows = {}
    for s in results.summaries:
        bad = ", ".join(f"{n} {kind}" for kind, n in s.bad.items() if n)
        rows[s.name] = ([v for v in s.values if v is not None], s.quality, bad)
    chart = dot_rows(rows, q.title, q.better == "lower", CONTROL)
    what = (
        "A dot is a trial, the bar their median. Diverged: the losses or the samples were not finite though the rates were "
        "lowered three times. Crashed: any other error. Collapsed: it ended, but recall and coverage are both below a "
        "tenth of what real data get, or (where the modes are known) it covers less than half of them."
    )
    return section("Stability", what, chart) if chart else ""


def _cost(results: Results) -> str:
    rows = []
    for s in sorted(results.summaries, key=lambda s: (s.operations is None, s.operations or 0)):
        each = ", ".join(f"{k} {scaled(v)}" for k, v in s.parameters.items())
        cells = (
            _number(s.seconds), _number(s.steps), _number(s.images), scaled(s.operations),
            scaled(None if s.operations is None or s.images is None else s.operations * s.images),
            "–" if s.peak_bytes is None else f"{s.peak_bytes / 2**20:,.0f} MiB",
        )  # fmt: skip
        numbers = "".join(f"<td class=n>{escape(c)}</td>" for c in cells)
        rows.append(f"<tr><td>{escape(s.name)}</td>{numbers}<td class=list>{escape(each)}</td></tr>")
    heads = ("seconds", "steps", "examples seen", "operations an example", "operations in all", "peak memory")
    head = "".join(f"<th class=n>{escape(h)}</th>" for h in heads)
    what = (
        "Medians over trials that ended. Operations are those of matrix products and convolutions, forward, backward and "
        "penalties, as counted by PyTorch; a multiply-add is two. Memory is that of the whole process while it trained. "
        "Weights are those of each network."
    )
    table = (
        f'<div class="wide"><table class="table"><thead><tr><th>strategy</th>{head}<th>weights</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
    return section("Cost", what, table)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _samples(results: Results) -> str:
    figures = []
    for s in results.summaries:
        path = results.folder / s.median_folder / "evaluation" / "samples.png"
        if s.median_folder and path.is_file():
            caption = f"<b>{escape(s.name)}</b> {escape(_value(s, results))}, seed {s.median_seed}"
            figures.append(
                f"<figure><figcaption>{caption}</figcaption>{picture(path, f'Samples of {s.name}', WIDEST)}</figure>"
            )
    if not figures:
        return ""
    what = "Of each strategy the trial that is nearest to its median, best strategy first; no sample was chosen."
    return section("Samples", what, f'<div class="made">{"".join(figures)}</div>')


def _value(s: Summary, results: Results) -> str:
    trial = next(t for t in results.trials if t.strategy == s.name and t.seed == s.median_seed)
    value = results.quality.value(trial)
    return "" if value is None else show(value, results.quality.unit)


def _failures(results: Results) -> str:
    rows = [
        f"<tr><td>{escape(t.strategy)}</td><td class=n>{t.seed}</td><td>{t.bad}</td>"
        f"<td>{escape(t.reason or t.collapsed)}</td></tr>"
        for t in results.trials
        if t.bad
    ]
    if not rows:
        return ""
    table = (
        '<div class="wide"><table class="table"><thead><tr><th>strategy</th><th class=n>seed</th><th>how</th><th>why</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
    return section("Trials that failed", "None was left out of any figure.", table)


def _paired_comparisons(results: Results) -> str:
    found = results.claims
    if not found or not found[0].comparisons:
        return ""
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
        rows.append(f"<tr><td>{escape(name)}</td>{''.join(f'<td>{escape(c)}</td>' for c in cells)}</tr>")
    head = "".join(f"<th>{escape(c.name)}</th>" for c in found)
    table = (
        f'<div class="wide"><table class="table"><thead><tr><th>strategy</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
    what = (
        f"Verdict, seeds in which it was better than “{CONTROL}”, p-value. The p-values are not corrected for the number of "
        "strategies: of twenty without any merit, one would pass 0.05 by chance."
    )
    return section("Each strategy against the control", what, f"<details><summary>The table</summary>{table}</details>")


def _repeat(results: Results) -> str:
    s = results.settings
    what = (
        "Runs of the same seed and steps repeat on the same machine and versions; with a budget in minutes the number of "
        "steps depends on the machine. results.json holds every figure of every trial; each run's folder holds the run."
    )
    machine = ", ".join(f"{k} {v}" for k, v in results.machine.items())
    return section(
        "How to repeat it", what, f"<pre>{escape(command(results))}</pre><p>Made with {escape(machine)}.</p>"
        + (f"<p>Options were searched first, with {s.tune} trials for each strategy.</p>" if s.tune else ""),
    )  # fmt: skip


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
