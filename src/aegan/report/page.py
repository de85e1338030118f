"""RUN/report.html: one page for a stranger, made only of what lies in the run folder. Opens from disk, no network."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from aegan.cells import picture
from aegan.files import write_text
from aegan.jsonl import number
from aegan.report import words
from aegan.report.curves import Chart, line_chart
from aegan.report.facts import Facts
from aegan.report.html import document, section
from aegan.text import duration, plural, show

WIDEST = 1200  # pixels of an embedded picture; larger ones are reduced, so that the page stays small
GROWTH, GROWTH_WIDEST = 8, 420


def write_report(run_path: str | Path) -> Path:
    """Writes RUN/report.html and returns its path. Unfinished runs, missing and damaged parts are said on the page.

    Raises:
        UserError: the folder is no run (it holds no config.yaml), or cannot be written.
    """
    facts = Facts(Path(run_path))
    facts.config_text  # noqa: B018  raises where there is no run
    path = facts.path / "report.html"
    write_text(path, render(facts))
    return path


def render(facts: Facts) -> str:
    """The page as HTML."""
    s = facts.settings
    title = f"{s.get('strategy', 'run')} on {Path(str(s.get('data', facts.path.name))).name}"
    body = [
        f'<h1>{escape(title)}</h1><p class="lead">{escape(words.summary(facts))}</p>',
        "".join(f"<p>{escape(v)}</p>" for v in words.verdict(facts)),
        _state(facts),
        _tiles(facts),
        f'<div class="pair"><div>{_samples(facts)}</div><div>{_reconstructions(facts)}</div></div>',
        _interpolation(facts),
        _figures(facts),
        _best(facts),
        _happenings(facts),
        _curves(facts),
        _growth(facts),
        _nearest(facts),
        _data(facts),
        _repeat(facts),
    ]
    return document(title, "".join(body), source=f"{facts.path.name}/")


# --- sections -----------------------------------------------------------------------------------------------------


def _state(facts: Facts) -> str:
    """Warnings: unfinished, not evaluated, copied, few data."""
    out = []
    if not facts.finished:
        at = facts.steps[-1]["step"] if facts.steps else 0
        out.append(f"This run is not finished: its log ends at step {at:,.0f}. Everything below is as of then.")
    if facts.evaluation is None:
        out.append("This run has not been evaluated, so there are no scores. Evaluate it: aegan evaluate RUN")
    text, alarming = words.copies(facts)
    if alarming:
        out.append(text)
    return "".join(f'<p class="warn">{escape(w)}</p>' for w in out + words.cautions(facts))


def _tiles(facts: Facts) -> str:
    """The figures to remember."""
    tiles: list[tuple[str, str]] = []
    for name, what in (
        ("modes", "modes covered, of {}"),
        ("quality", "high-quality samples; a perfect sampler gets {}"),
        ("fd", "Fréchet distance of samples; real held-out data get {}"),
        ("fd_reconstructions", "Fréchet distance of reconstructions"),
        ("psnr", "PSNR of reconstructions"),
    ):
        f = words.figure(facts, name)
        value, floor = words.values(facts, name)
        if value is not None:
            unit = "" if name == "modes" else str(f.get("unit", ""))
            what = what if floor is not None else what.partition("; ")[0].replace(", of {}", "")
            perfect = "" if floor is None else show(floor, unit).replace(" ", "\u00a0")
            tiles.append((show(value, unit), what.format(perfect)))
    if facts.seconds is not None:
        images = next((n for line in reversed(facts.log) if (n := number(line.get("images")))), None)
        seen = f", {plural(images, words.item(facts))} seen" if images else ""
        tiles.append((duration(facts.seconds), f"of training{seen}"))
    items = "".join(f"<li><b>{escape(a)}</b><span>{escape(b)}</span></li>" for a, b in tiles)
    return f'<ul class="tiles">{items}</ul>' if items else ""


def _samples(facts: Facts) -> str:
    path = facts.picture("samples")
    if path is not None:
        if words.item(facts) == "vector":
            what = "Samples in blue over training data in grey; red marks on the edge are samples outside the frame."
        else:
            what = "The first 64 samples of the evaluation, in the order in which they came; none was chosen."
        return section("Samples", what, _image(path, "Samples of the model"))
    previews = facts.previews(2)
    if not previews:
        return section("Samples", "There are none yet.")
    step, stage, path = previews[-1]
    what = f"The run has not been evaluated; this is its last picture, of step {step:,} in stage “{stage}”."
    return section("Samples", what, _image(path, f"Picture of step {step}"))


def _reconstructions(facts: Facts) -> str:
    path = facts.picture("reconstructions")
    if path is None:
        return ""
    what = (
        "Held-out vectors in grey, what comes back from their codes in blue."
        if words.item(facts) == "vector"
        else "Images that were not trained on, each above what comes back from its code."
    )
    return section("Reconstructions", what, _image(path, "Originals above their reconstructions"))


def _interpolation(facts: Facts) -> str:
    path = facts.picture("interpolation")
    what = (
        "Each row walks in a straight line from the code of one sample (left) to that of another (right). Where the "
        "way between stays believable, the codes are well filled."
    )
    return "" if path is None else section("Interpolation", what, _image(path, "Walks between samples"))


def _figures(facts: Facts) -> str:
    """The table, and how to read it."""
    e = facts.evaluation
    if e is None:
        return ""
    rows = []
    for name in e["figures"]:
        f = words.figure(facts, name)
        value, floor = words.values(facts, name)
        unit = str(f.get("unit", ""))
        shown = words.interval(f)
        why = f" No value: {f['why']}." if value is None and f.get("why") else ""
        rows.append(
            f"<tr><td>{escape(str(f.get('title', name)))}</td><td class=n>{escape(shown)}</td>"
            f'<td class=n data-label="perfect:">{"–" if floor is None else escape(show(floor, unit))}</td>'
            f'<td class=n data-label="measured on:">{_count(f)}</td>'
            f"<td>{escape(_BETTER.get(str(f.get('better')), ''))} {escape(str(f.get('meaning', '')) + why)}</td></tr>"
        )
    table = (
        '<div class="wide"><table class="figures"><thead><tr><th>figure</th><th class=n>value</th>'
        "<th class=n>perfect</th><th class=n>measured on</th><th>meaning</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
    x = e.get("extractor") or {}
    features = (
        f"Distances are between features of the network “{x.get('name')}” (weights sha256 {str(x.get('sha256'))[:16]}…; "
        f"images resized to {x.get('resizing')}). They are not FID, which is defined by another network, and cannot be "
        "compared with published FIDs, nor with distances at other counts or on other data."
        if x
        else "Distances are between the vectors themselves."
    )
    if x and not x.get("sha256"):
        features = (
            f"Distances are between plain {x.get('name')} ({x.get('resizing')}), which see layout and brightness, but "
            "hardly sharpness."
        )
    c = e.get("counts") or {}
    how = (
        f"Measured on {_int(c.get('samples'))} samples against {_int(c.get('reference'))} training items, seed "
        f"{e.get('seed')}, in {duration(number(e.get('seconds')) or 0)}, by aegan {e.get('aegan')}. “Perfect” is "
        f"what {_int(c.get('floor', c.get('held_out')))} real items outside of those get, or chance alone. In brackets: "
        f"the 95 % interval. Weights: {e.get('weights')}."
    )
    return section("Figures", "", f"{table}<p>{escape(features)}</p><p>{escape(how)}</p>")


def _best(facts: Facts) -> str:
    """Last beside best, where the best model while training has been scored too; never the best alone."""
    ticks = [line for line in facts.events("tick") if number(line.get("fd_pixels")) is not None]
    if not ticks:
        return ""
    least = min(ticks, key=lambda line: line["fd_pixels"])
    said = (
        f"While training, the samples were nearest to training data at step {_int(least.get('step'))} "
        f"(Fréchet distance on small pixels {show(least['fd_pixels'])}; at the last look, step "
        f"{_int(ticks[-1].get('step'))}, {show(ticks[-1]['fd_pixels'])}). Everything above is of the last step."
    )
    if facts.best is None or facts.evaluation is None:
        return section("Last and best", f"{said} Score the best too: aegan evaluate RUN --checkpoint both")
    rows = []
    for name, best in facts.best["figures"].items():
        last = words.figure(facts, name)
        cells = [words.interval(f) for f in (last, best) if isinstance(f, dict)]
        if len(cells) == 2 and number(last.get("value")) is not None:
            rows.append(
                f"<tr><td>{escape(str(best.get('title', name)))}</td>"
                + "".join(f"<td class=n>{escape(cell)}</td>" for cell in cells)
                + "</tr>"
            )
    table = (
        '<div class="wide"><table><thead><tr><th>figure</th><th class=n>last</th><th class=n>best</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
    return section("Last and best", f"{said} The best was chosen without the held-out items.", table)


_BETTER = {"lower": "Lower is better.", "higher": "Higher is better.", "near": "Best near the perfect value."}


def _happenings(facts: Facts) -> str:
    """What the stages noted and decided, and where the guard had to step in."""
    rows = []
    for line in facts.log:
        kind = line.get("event")
        if kind not in ("note", "guard", "diagnosis", "stop", "init", "extended"):
            continue
        rest = {k: v for k, v in line.items() if k not in ("event", "stage", "step", "took")}
        text = ", ".join(f"{k}: {_plain(v)}" for k, v in rest.items())
        if kind == "guard":
            text = (
                f"{line.get('why', 'not finite')} at step {_int(line.get('from_step'))}: training was set back, and its "
                f"rates multiplied by {_plain(line.get('rate_scale', 1))}, the critic's by "
                f"{_plain(line.get('critic_scale', 1))} more"
            )
        elif kind == "diagnosis":
            text = f"{line.get('name')}: {line.get('evidence')}. {line.get('remedy')}"
        elif kind == "init":
            text = "; ".join(str(note) for note in line.get("notes") or [])
        elif kind == "extended":
            text = f"the run had ended here, and was trained for {words.extension(line)} more"
        elif kind == "stop":
            text = (
                f"{line.get('why')} at step {_int(line.get('from_step'))}: the stage ended with the model of this step"
            )
        elif "kept" in rest:
            others = ", ".join(f"{k} {_plain(v)}" for k, v in rest.items() if k != "kept")
            text = f"kept the {_plain(rest['kept'])} ({others})"
        if (number(line.get("took")) or 0) >= 1:
            text += f"; took {duration(line['took'])}"
        step = number(line.get("step"))
        rows.append(
            f"<tr><td>{escape(str(line.get('stage', '')))}</td><td class=n>{'' if step is None else f'{step:,.0f}'}</td>"
            f"<td>{escape(text)}</td></tr>"
        )
    rows = list(dict.fromkeys(rows))  # a run that was killed and resumed may say something again
    if not rows:
        return ""
    table = (
        '<div class="wide"><table><thead><tr><th>stage</th><th class=n>step</th><th>what it found</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
    return section("What the stages found and decided", "", table)


def _curves(facts: Facts) -> str:
    """V(G, D) over the whole run, then the losses of each stage, one chart a phase; the rest folded away."""
    if not facts.steps:
        return section("Training", "The log holds no losses yet.")
    names = list(dict.fromkeys(str(line.get("stage", "")) for line in facts.steps))
    marks = [(x, name) for x, name in facts.stages if name in names]
    # the game's value is one curve over all stages; its phase's name in front of it says nothing more
    value = {k: v for k, v in _series(facts.steps, "watch").items() if "V(G" in k}
    parts = [
        '<div class="charts">'
        + line_chart(Chart("V(G, D): the value of the game", value, marks))
        + line_chart(Chart("speed: examples per second", _series(facts.steps, "images_per_second"), marks))
        + "</div>"
    ]
    hidden: list[str] = []
    for name in names:
        lines = [line for line in facts.steps if str(line.get("stage", "")) == name]
        losses: dict[str, dict[str, Any]] = {}
        for key, xy in _series(lines, "terms").items():
            phase, _, term = key.rpartition(".")
            if "|grad|" not in term:
                losses.setdefault(phase, {})[term] = xy
        charts = [
            line_chart(Chart(f"{phase}: losses" if phase else "losses", group)) for phase, group in losses.items()
        ]
        watched = {k.rpartition(".")[2]: v for k, v in _series(lines, "watch").items() if "V(G" not in k}
        charts.append(line_chart(Chart("watched", watched)))
        parts.append(f'<h3>Stage “{escape(name)}”</h3><div class="charts">{"".join(charts)}</div>')
        gradients = {k.rpartition(".")[0]: v for k, v in _series(lines, "terms").items() if "|grad|" in k}
        hidden.append(line_chart(Chart(f"{name}: size of gradients", gradients)))
        hidden.append(line_chart(Chart(f"{name}: learning rates", _series(lines, "rates"))))
    if any(hidden):
        parts.append(
            f'<details><summary>Gradients and learning rates</summary><div class="charts">{"".join(hidden)}</div></details>'
        )
    what = (
        "Each point is a mean since the one before; the number beside a name is the last one. Names are those of the "
        "terms in the strategy's formulas; losses of different stages or phases are not on one scale."
    )
    return section("Training", what, "".join(parts))


def _growth(facts: Facts) -> str:
    previews = facts.previews(GROWTH)
    if len(previews) < 2:
        return ""
    figures = "".join(
        f"<figure>{picture(path, f'Picture of step {step}', GROWTH_WIDEST)}"
        f"<figcaption>step {step:,}, {escape(stage)}</figcaption></figure>"
        for step, stage, path in previews
    )
    what = (
        "The same noise as training went on; where a stage only reconstructs, the same held-out examples above what "
        "came back from their codes."
    )
    return section("Growth", what, f'<div class="growth">{figures}</div>')


def _nearest(facts: Facts) -> str:
    path, worst = facts.picture("nearest"), facts.picture("copied")
    if path is None:
        return ""
    text, alarming = words.copies(facts)
    what = (
        "Left in each pair: a sample. Right: the training image nearest to it, pixel by pixel, among all of them. A "
        "model that copies shows equal pairs; one that has learned shows relatives."
    )
    said = f"<p{' class=warn' if alarming else ''}>{escape(text)}</p>" if text else ""
    shown = _image(path, "Samples beside their nearest training images") + said
    if worst is not None:
        shown += (
            "<p>The 16 pairs that look most like copies, the worst first: those whose sample is far nearer to one "
            f"training image than to the others.</p>{_image(worst, 'The most copied samples')}"
        )
    return section("Nearest training images", what, shown)


def _data(facts: Facts) -> str:
    """What the run learned from, in the words of `aegan check`."""
    if not facts.data:
        return ""
    items = "".join(f"<li>{escape(line)}</li>" for line in facts.data)
    return section(
        "Data", "What was read, left out and converted; data.json holds the same in full.", f"<ul>{items}</ul>"
    )


def _repeat(facts: Facts) -> str:
    machine = ", ".join(f"{k} {v}" for k, v in facts.machine.items())
    done = (
        "The budget in minutes was turned into steps when the run began; the configuration holds them, so that the "
        "same number of steps is repeated."
        if facts.settings.get("minutes")
        else ""
    )
    return section(
        "How to repeat it",
        done,
        "<pre>aegan train --config config.yaml --out AGAIN</pre>"
        f"<details><summary>config.yaml, complete</summary><pre>{escape(facts.config_text.strip())}</pre></details>"
        + (f"<p>Made with {escape(machine)}.</p>" if machine else "")
        + "<p>Steps repeat bit for bit on the same machine and versions; elsewhere expect close figures, not equal "
        "bits.</p>",
    )


# --- pieces -------------------------------------------------------------------------------------------------------


def _image(path: Path, alt: str) -> str:
    return f"<figure>{picture(path, alt, WIDEST)}</figure>"


def _series(lines: list[dict[str, Any]], group: str) -> dict[str, tuple[list[float], list[float]]]:
    """Curves by name: (steps, values) of a group of logged values, or of one plain value."""
    out: dict[str, tuple[list[float], list[float]]] = {}
    for line in lines:
        content = line.get(group)
        named = content if isinstance(content, dict) else {group.replace("_", " "): content} if content else {}
        for key, value in named.items():
            x, y = out.setdefault(str(key), ([], []))
            found = number(value)
            x.append(float(line["step"]))
            y.append(float("nan") if found is None else found)
    return out


def _plain(value: Any) -> str:
    """A value of a note, for people."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


def _int(value: Any) -> str:
    found = number(value)
    return "?" if found is None else f"{found:,.0f}"


def _count(f: dict[str, Any]) -> str:
    """How many items on either side."""
    count, against = number(f.get("count")), number(f.get("against"))
    if not count:
        return "–"
    return f"{count:,.0f}" if not against or against == count else f"{count:,.0f} : {against:,.0f}"
