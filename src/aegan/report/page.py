"""RUN/report.html: one page for a stranger, made only of what lies in the run folder. Opens from disk, no network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aegan.data.record import NAME as DATA_JSON
from aegan.data.record import describe
from aegan.events import Diagnosis, Extended, Guard, Init, Note, Step, Stop, Tick
from aegan.figures import Evaluation
from aegan.files import write_text
from aegan.jsonl import number
from aegan.pages import Column, columns, line_chart, picture, render
from aegan.report import words
from aegan.report.facts import Facts
from aegan.runs.reading import RunFolder, RunHistory
from aegan.text import duration, plural, show

WIDEST = 1200  # pixels of an embedded picture; larger ones are reduced, so that the page stays small
GROWTH, GROWTH_WIDEST = 8, 420
PICTURES = {
    "samples": "Samples of the model",
    "reconstructions": "Originals above their reconstructions",
    "interpolation": "Walks between samples",
    "nearest": "Samples beside their nearest training images",
    "copied": "The most copied samples",
}
BETTER = {"lower": "Lower is better.", "higher": "Higher is better.", "near": "Best near the baseline."}
Told = Note | Guard | Diagnosis | Stop | Init | Extended
Curves = dict[str, tuple[list[float], list[float]]]


def write_report(run: str | Path) -> Path:
    """Writes RUN/report.html and returns its path. Unfinished runs, missing and damaged parts are said on the page.

    Raises:
        UserError: the folder is no run (it holds no config.yaml), or cannot be written.
    """
    folder = RunFolder(run)
    path = folder.path / "report.html"
    write_text(path, page(Facts(folder)))
    return path


def page(facts: Facts) -> str:
    """The report as HTML."""
    folder, asked, e = facts.folder, facts.asked, facts.evaluation
    pictures = {
        name: None if (path := folder.picture(name)) is None else picture(path, alt, WIDEST)
        for name, alt in PICTURES.items()
    }
    text, alarming = words.copies(facts)
    growth = folder.previews(GROWTH)
    return render(
        "report.html",
        title=f"{asked.get('strategy', 'run')} on {Path(str(asked.get('data', folder.path.name))).name}",
        source=f"{folder.path.name}/",
        summary=words.summary(facts),
        verdict=words.verdict(facts),
        warnings=_warnings(facts, text if alarming else ""),
        tiles=_tiles(facts),
        item=facts.item,
        pictures=pictures,
        newest=_preview(*growth[-1], WIDEST) if growth and pictures["samples"] is None else None,
        figures=_figures(e) if e else None,
        extractor=e.extractor if e else {},
        best=_best(facts),
        findings={"columns": columns("stage", "#step", "what it found"), "rows": _findings(facts.history)},
        charts=_charts(facts.history) if facts.history.steps else None,
        growth=[_preview(*preview, GROWTH_WIDEST) for preview in growth],
        copies={"text": text, "alarming": alarming},
        data=describe(folder.json(DATA_JSON)),
        minutes=asked.get("minutes"),
        config=folder.config_text.strip(),
        machine=", ".join(f"{k} {v}" for k, v in facts.machine.items()),
    )


def _preview(step: int, stage: str, path: Path, widest: int) -> dict[str, Any]:
    return {"step": f"{step:,}", "stage": stage, "picture": picture(path, f"Picture of step {step}", widest)}


def _warnings(facts: Facts, copied: str) -> list[str]:
    """Unfinished, not evaluated, copied (what is said of that; empty: it is not), few data."""
    out = []
    if not facts.history.finished:
        at = facts.history.step
        out.append(f"This run is not finished: its log ends at step {at:,.0f}. Everything below is as of then.")
    if facts.unreadable:
        out.append(facts.unreadable)
    if facts.evaluation is None:
        out.append("This run has not been evaluated, so there are no scores. Evaluate it: aegan evaluate RUN")
    return out + ([copied] if copied else []) + words.cautions(facts)


def _tiles(facts: Facts) -> list[tuple[str, str]]:
    """The figures to remember."""
    tiles: list[tuple[str, str]] = []
    for name, what in (
        ("modes", "modes covered, of {}"),
        ("quality", "high-quality samples; a perfect sampler gets {}"),
        ("fd", "Fréchet distance of samples; real held-out data get {}"),
        ("fd_reconstructions", "Fréchet distance of reconstructions"),
        ("psnr", "PSNR of reconstructions"),
    ):
        f = facts.figure(name)
        if f.value is not None:
            unit = "" if name == "modes" else f.unit
            what = what if f.baseline is not None else what.partition("; ")[0].replace(", of {}", "")
            perfect = "" if f.baseline is None else show(f.baseline, unit).replace(" ", "\u00a0")
            tiles.append((show(f.value, unit), what.format(perfect)))
    seconds, images = facts.history.last("seconds"), facts.history.last("images")
    if seconds is not None:
        seen = f", {plural(images, facts.item)} seen" if images else ""
        tiles.append((duration(seconds), f"of training{seen}"))
    return tiles


def _figures(e: Evaluation) -> dict[str, Any]:
    """The table, and how the figures were measured."""
    rows = []
    for f in e.figures:
        why = f" No value: {f.why}." if f.value is None and f.why else ""
        perfect = "–" if f.baseline is None else show(f.baseline, f.unit)
        rows.append((f.title, f.text, perfect, f.measured_on, f"{BETTER.get(f.better, '')} {f.meaning}{why}"))
    c = e.counts
    how = (
        f"Measured on {_count(c.get('samples'))} samples against {_count(c.get('reference'))} training items, seed "
        f"{e.seed}, in {duration(e.seconds)}, by aegan {e.version}. “Baseline” is what "
        f"{_count(c.get('baseline', c.get('held_out')))} real items outside of those get, or chance alone. In brackets: the "
        f"95 % interval. Weights: {e.weights}."
    )
    heads = [
        Column("figure"), Column("value", True), Column("baseline", True, "baseline:"),
        Column("measured on", True, "measured on:"), Column("meaning"),
    ]  # fmt: skip
    return {"columns": heads, "rows": rows, "how": how}


def _best(facts: Facts) -> dict[str, Any] | None:
    """Last beside best, where the best model while training has been scored too; never the best alone."""
    looks = facts.history.events(Tick)
    ticks = [(far, tick.step) for tick in looks if (far := number(tick.fd_pixels)) is not None]
    if not ticks:
        return None
    (least, at), (last_far, last_at) = min(ticks, key=lambda tick: tick[0]), ticks[-1]
    said = (
        f"While training, the samples were nearest to training data at step {_count(at)} "
        f"(Fréchet distance on small pixels {show(least)}; at the last look, step {_count(last_at)}, {show(last_far)}). "
        "Everything above is of the last step."
    )
    if facts.best is None or facts.evaluation is None:
        return {"said": f"{said} Score the best too: aegan evaluate RUN --checkpoint both", "rows": []}
    pairs = [(facts.figure(best.name), best) for best in facts.best.figures]
    rows = [(best.title, last.text, best.text) for last, best in pairs if last.value is not None]
    said += " The best was chosen without the held-out items."
    return {"said": said, "columns": columns("figure", "#last", "#best"), "rows": rows}


# --- what happened ------------------------------------------------------------------------------------------------


def _findings(history: RunHistory) -> list[tuple[str, str, str]]:
    """What the stages noted and decided, and where the guard had to step in."""
    rows = []
    told: list[Told] = history.events(Note, Guard, Diagnosis, Stop, Init, Extended)
    for event in told:
        text = _in_words(event)
        if isinstance(event, Note) and (took := number(event.took) or 0) >= 1:
            text += f"; took {duration(took)}"
        step = number(event.step)
        stage = "" if isinstance(event, Init) else event.stage
        rows.append((stage, "" if step is None else f"{step:,.0f}", text))
    return list(dict.fromkeys(rows))  # a run that was killed and resumed may say something again


def _in_words(event: Told) -> str:
    match event:
        case Guard():
            return (
                f"{event.why or 'not finite'} at step {_count(event.from_step)}: training was set back, and its rates "
                f"multiplied by {_plain(event.rate_scale or 1)}, the critic's by {_plain(event.critic_scale or 1)} more"
            )
        case Diagnosis():
            return f"{event.name}: {event.evidence}. {event.remedy}"
        case Init():
            return "; ".join(str(note) for note in event.notes)
        case Extended():
            return f"the run had ended here, and was trained for {words.extension(event)} more"
        case Stop():
            return f"{event.why} at step {_count(event.from_step)}: the stage ended with the model of this step"
    notes = {k: _plain(v) for k, v in event.found.items()}
    if "kept" in notes:
        kept = notes.pop("kept")
        return f"kept the {kept} ({', '.join(f'{k} {v}' for k, v in notes.items())})"
    return ", ".join(f"{k}: {v}" for k, v in notes.items())


def _charts(history: RunHistory) -> dict[str, Any]:
    """V(G, D) over the whole run, then the losses of each stage, one chart a phase; the rest folded away."""
    names = list(dict.fromkeys(line.stage or "" for line in history.steps))
    marks = [(x, name) for x, name in history.stages if name in names]
    # the game's value is one curve over all stages; its phase's name in front of it says nothing more
    value = {k: v for k, v in _series(history.steps, lambda x: x.watch).items() if "V(G" in k}
    speed = _series(history.steps, lambda x: {"images per second": x.images_per_second} if x.images_per_second else {})
    whole = [
        line_chart("V(G, D): the value of the game", value, marks),
        line_chart("speed: examples per second", speed, marks),
    ]
    stages, folded = [], []
    for name in names:
        lines = [line for line in history.steps if (line.stage or "") == name]
        terms = _series(lines, lambda x: x.terms)
        losses: dict[str, dict[str, Any]] = {}
        for key, xy in terms.items():
            phase, _, term = key.rpartition(".")
            if "|grad|" not in term:
                losses.setdefault(phase, {})[term] = xy
        charts = [line_chart(f"{phase}: losses" if phase else "losses", group) for phase, group in losses.items()]
        watched = {k.rpartition(".")[2]: v for k, v in _series(lines, lambda x: x.watch).items() if "V(G" not in k}
        stages.append((name, [*charts, line_chart("watched", watched)]))
        gradients = {k.rpartition(".")[0]: v for k, v in terms.items() if "|grad|" in k}
        folded.append(line_chart(f"{name}: size of gradients", gradients))
        folded.append(line_chart(f"{name}: learning rates", _series(lines, lambda x: x.rates)))
    return {"whole": whole, "stages": stages, "folded": folded}


def _series(lines: list[Step], group: Callable[[Step], dict[str, Any] | None]) -> Curves:
    """(steps, values) by name, of a group of logged values."""
    out: Curves = {}
    for line in lines:
        for key, value in (group(line) or {}).items():
            x, y = out.setdefault(str(key), ([], []))
            found = number(value)
            x.append(float(line.step or 0))
            y.append(float("nan") if found is None else found)
    return out


def _plain(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


def _count(value: Any) -> str:
    found = number(value)
    return "?" if found is None else f"{found:,.0f}"
