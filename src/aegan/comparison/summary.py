"""One strategy over its seeds, and the figure that decides which is better."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from aegan.comparison.statistics import rounded
from aegan.comparison.trials import Trial
from aegan.text import show


@dataclass(frozen=True)
class Quality:
    """What decides: the Fréchet distance of the samples (lower is better), or where the modes are known the share of
    them that is covered times the share of high-quality samples over a perfect sampler's, at most 1 (higher is better):
    a Fréchet distance knows nothing of modes.
    """

    name: str = "fd"  # or modes_quality
    title: str = "Fréchet distance"
    better: str = "lower"
    unit: str = ""

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> Quality:
        """The one that these trials have."""
        if any("modes" in t.figures for t in trials):
            return cls("modes_quality", "modes × quality", "higher", "%")
        return cls()

    def value(self, trial: Trial) -> float | None:
        """Of one trial; None if it failed or has no such figure."""
        if trial.failed:
            return None
        if self.name == "fd":
            return trial.value("fd")
        modes, of = trial.value("modes"), trial.baseline("modes")
        share, perfect = trial.value("quality"), trial.baseline("quality")
        if modes is None or share is None or not of or not perfect:
            return None
        return modes / of * min(1.0, share / perfect)

    def cost(self, value: float | None) -> float:
        """As a number of which less is better: the logarithm of a distance; a failure is infinite."""
        if value is None or not math.isfinite(value):
            return math.inf
        return math.log(max(value, 1e-12)) if self.better == "lower" else -value

    def cost_of(self, trial: Trial) -> float | None:
        """The cost of what one trial reached: infinite of a failure, None where it was not measured."""
        value = self.value(trial)
        return None if value is None and not trial.failed else self.cost(value)

    def why_none(self, trials: Sequence[Trial]) -> str:
        """Why finished trials have no such figure, as the first of them says."""
        said = (t.figures.get(self.name, {}).get("why") for t in trials if not t.failed)
        return next((why for why in said if why), "it was not measured")

    def baseline(self, trials: Sequence[Trial]) -> float | None:
        """What real data or a perfect sampler gets."""
        if self.name != "fd":
            return 1.0
        return next((f for t in trials if (f := t.baseline("fd")) is not None), None)


@dataclass(frozen=True)
class Summary:
    """One strategy over its seeds; failed trials count as infinitely bad in `quality`, and are not in the other figures."""

    name: str
    trials: int
    quality: float | None  # the median; None if half of the trials or more failed, or it was not measured
    least: float | None  # over finished trials
    most: float | None
    values: tuple[float | None, ...]  # of each trial in the order of seeds; None where it failed or was not measured
    median_seed: int | None  # of the trial nearest to the median
    median_folder: str
    figures: dict[str, float]  # medians over finished trials, by name
    bad: dict[str, int]  # number of trials by kind of failure: diverged, crashed, collapsed
    seconds: float | None  # this and the others are medians over trials that have them
    operations: float | None
    peak_bytes: float | None
    weights: float | None
    parameters: dict[str, int]
    steps: float | None
    images: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {k: rounded(v) if isinstance(v, float) else v for k, v in dataclasses.asdict(self).items()}

    def cells(self, quality: Quality) -> tuple[str, ...]:
        """A row of the table."""
        return (
            self.name,
            spread(self, quality),
            percent(self.figures.get("recall")),
            percent(self.figures.get("precision")),
            failures(self),
            whole(self.seconds),
            scaled(self.operations),
            mebibytes(self.peak_bytes),
            scaled(self.weights),
        )


def summarise(name: str, trials: Sequence[Trial], quality: Quality) -> Summary:
    """Of the trials of one strategy, by seed."""
    values = [quality.value(t) for t in trials]
    known = [v for v in values if v is not None]
    ended = [t for t in trials if not t.failed]
    costs = [c for t in trials if (c := quality.cost_of(t)) is not None]
    centre = median(costs) if costs else math.inf
    # where the median is a failure, the worst that ended stands nearest to it
    far = 1e9 if math.isinf(centre) else centre
    nearest = min(ended, key=lambda t: abs((quality.cost_of(t) or 0.0) - far), default=None)
    value = None if math.isinf(centre) else (math.exp(centre) if quality.better == "lower" else -centre)
    names = sorted({k for t in ended for k in t.figures if t.value(k) is not None})
    return Summary(
        name=name,
        trials=len(trials),
        quality=value,
        least=min(known, default=None),
        most=max(known, default=None),
        values=tuple(values),
        median_seed=nearest.seed if nearest else None,
        median_folder=nearest.folder if nearest else "",
        figures={n: median([v for t in ended if (v := t.value(n)) is not None]) for n in names},
        bad={kind: sum(t.bad == kind for t in trials) for kind in ("diverged", "crashed", "collapsed")},
        seconds=_median([t.seconds for t in ended]),
        operations=_median([t.operations for t in ended if t.operations]),
        peak_bytes=_median([float(t.peak_bytes) for t in ended if t.peak_bytes]),
        weights=_median([float(sum(t.parameters.values())) for t in ended]),
        parameters=ended[0].parameters if ended else {},
        steps=_median([float(t.steps) for t in ended]),
        images=_median([float(t.images) for t in ended]),
    )


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def spread(s: Summary, quality: Quality) -> str:
    """The median with the least and the most."""
    if s.least is None or s.most is None:
        return "–" if s.steps is not None or not s.trials else "all failed"
    ends = f"[{show(s.least, quality.unit).removesuffix(' %')} to {show(s.most, quality.unit).removesuffix(' %')}]"
    return f"{'failed' if s.quality is None else show(s.quality, quality.unit)} {ends}"


def failures(s: Summary) -> str:
    """Diverged, crashed and collapsed trials of how many."""
    kinds = [f"{n} {kind}" for kind, n in s.bad.items() if n]
    return f"{', '.join(kinds)} of {s.trials}" if kinds else f"0 of {s.trials}"


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def whole(number: float | None) -> str:
    return "–" if number is None else f"{number:,.0f}"


def mebibytes(count: float | None) -> str:
    return "–" if count is None else f"{count / 2**20:,.0f} MiB"


def scaled(number: float | None) -> str:
    """A large number in short.

    >>> scaled(1_234_567), scaled(3.2e9), scaled(950), scaled(None)
    ('1.23 M', '3.20 G', '950', '–')
    """
    if number is None:
        return "–"
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}" if number / size >= 100 else f"{number / size:.2f} {letter}"
    return f"{number:.0f}"
