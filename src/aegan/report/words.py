"""The sentences of a report: what the figures mean, said no more kindly than they are."""

from __future__ import annotations

from aegan.events import Extended
from aegan.jsonl import number
from aegan.report.facts import Facts
from aegan.text import duration, plural

FEW = 500  # held-out items below which a Fréchet distance is mostly count


def extension(event: Extended) -> str:
    """By how much a run was extended.

    >>> extension(Extended("play-2", 40, 9.0, None, 4000, ["play-2"]))
    '4,000 steps'
    """
    minutes, steps = number(event.minutes), number(event.steps)
    return f"{minutes:g} minutes" if minutes is not None else plural(steps or 0, "step")


def values(facts: Facts, name: str) -> tuple[float | None, float | None]:
    """(value, baseline) of a figure."""
    f = facts.figure(name)
    return f.value, f.baseline


def summary(facts: Facts) -> str:
    """The report in one sentence: strategy, data, count, time."""
    s, history = facts.asked, facts.history
    data = facts.evaluation.data if facts.evaluation else {}
    count = number(data.get("train")) or number(facts.spec.get("count"))
    shape = facts.spec.get("shape")
    size = ""
    if isinstance(shape, list) and len(shape) == 3:
        kinds = {1: "grey", 3: "colour", 4: "colour with alpha"}
        size = f" ({shape[2]}×{shape[1]}, {kinds.get(shape[0], f'{shape[0]} channels')})"
    of = f"{plural(count, f'training {facts.item}')} of " if count else ""
    name = data.get("name") or s.get("data", "unknown data")
    seconds = history.last("seconds")
    time = f" in {duration(seconds)} of training" if seconds is not None else ""
    more = [extension(event) for event in {event.stage: event for event in history.events(Extended)}.values()]
    time += f" (extended by {', then '.join(more)})" if more else ""
    verb = "learned from" if history.finished else "has begun to learn from"
    machine = facts.machine
    where = machine.get("gpu") or processor(history.threads, number(machine.get("cores")))
    return (
        f"The strategy “{s.get('strategy', 'unknown')}” {verb} {of}{name}{size}{time}{f' on {where}' if where else ''}."
    )


def processor(threads: list[tuple[int, int]], cores: float | None) -> str:
    """How much of a processor was used: (step, threads from there on), of the cores that the process might use, if known.

    >>> processor([(0, 2)], 2), processor([(0, 1)], 2), processor([(0, 2), (300, 1)], 2)
    ('2 threads', '1 thread of 2 CPU cores', '2 threads, 1 of 2 threads from step 300')
    """
    if not threads:
        return f"{plural(cores, 'CPU core')}" if cores else ""
    (_, first), *changes = threads
    most = max(count for _, count in threads)
    text = plural(first, "thread")
    if cores and most != cores:
        text += f" of {plural(cores, 'CPU core')}"
    if len(changes) > 3:
        counts = [count for _, count in threads]
        return f"{min(counts)} to {plural(max(counts), 'thread')}, changed {len(changes)} times"
    return ", ".join([text, *(f"{count} of {most} threads from step {step:,}" for step, count in changes)])


def verdict(facts: Facts) -> list[str]:
    """What the figures say, in sentences."""
    out: list[str] = []
    modes, of = values(facts, "modes")
    quality, perfect = values(facts, "quality")
    if modes is not None and of is not None and quality is not None and perfect is not None:
        out.append(
            f"It covers {modes:.0f} of {of:.0f} modes; {100 * quality:.1f} % of its samples lie within 3 standard "
            f"deviations of one, where a perfect sampler gets {100 * perfect:.1f} %."
        )
    spread, _ = values(facts, "spread")
    if spread is not None and spread < 0.8:
        out.append(f"The modes have shrunk: their width is {spread:.2f} of the true one.")
    fd, baseline = values(facts, "fd")
    back, _ = values(facts, "fd_reconstructions")
    if fd is not None and baseline is not None and baseline > 0:
        counts = {} if facts.evaluation is None else facts.evaluation.counts
        unseen = counts.get("held_out", 0) >= counts.get("baseline", 0)
        real = f"real {facts.item}s " + ("that it was never trained on" if unseen else "outside the reference")
        times = f"{fd / baseline:.1f}" if fd < 10 * baseline else f"{fd / baseline:,.0f}"
        near = (
            "as good as this measure can tell"
            if fd < 1.15 * baseline
            else f"{times} times the baseline; the samples below show what this means to the eye"
        )
        out.append(
            f"Its samples stand at a Fréchet distance (how far two crowds differ; lower is better) of {_n(fd)} from "
            f"the training data; {real} stand at {_n(baseline)}. That is {near}."
        )
        if back is not None and fd > 1.15 * baseline:
            out.append(
                f"Its reconstructions stand at {_n(back)}: "
                + (
                    "most of the distance is lost in encoding and decoding, the rest in making new codes."
                    if back - baseline > 0.5 * (fd - baseline)
                    else "most of the distance comes from making new codes, less from encoding and decoding."
                )
            )
    return out


def copies(facts: Facts) -> tuple[str, bool]:
    """What the test for copies says, and whether it is a warning; empty without a test."""
    share, chance = values(facts, "copies")
    if share is None or chance is None:
        why = facts.figure("copies").why
        return (f"Whether samples are copies could not be tested: {why}." if why else "", False)
    found = f"{100 * share:.1f} % of the samples look copied, where {100 * chance:.0f} % is chance"
    if share > 0.2:
        return f"The model seems to have memorised training images: {found}.", True
    if share > 3 * chance:
        return f"More samples than expected sit on one training image: {found}.", True
    return f"No sign of copying: {found}.", False


def cautions(facts: Facts) -> list[str]:
    """What a reader must know before believing the figures."""
    if facts.evaluation is None:
        return []
    out = list(facts.evaluation.remarks)
    held = facts.evaluation.counts.get("held_out")
    if held is not None and held < FEW and "fd" in facts.evaluation:
        out.append(
            f"With {plural(held, f'held-out {facts.item}')} a Fréchet distance is mostly chance: compare it with its "
            "baseline only, and with nothing that was measured at another count."
        )
    for name in ("fd", "fd_reconstructions"):
        f = facts.figure(name)
        if f.value is None and f.why:
            out.append(f"There is no {f.title}: {f.why}.")
    return out


def _n(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
