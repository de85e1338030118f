"""The project's claims, each answered in a plain sentence from paired trials: autoencoder-based against the control.

The flagship answers for all, where it takes part; the other strategies are compared beside it, their p-values corrected
for their number. Without it the median of all strategies that use an autoencoder answers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Literal

from aegan.comparison.settings import CONTROL, FLAGSHIP
from aegan.comparison.statistics import difference, holm, least_p, rank_sum, rounded, signed_rank
from aegan.comparison.summary import Quality
from aegan.comparison.trials import Trial
from aegan.strategies import strategies
from aegan.text import plural, sentence, show

LEVEL = 0.05
SURE = 1.96  # standard errors
Verdict = Literal["supported", "not supported", "undecided"]
Cost = Callable[[Trial], float | None]  # of a trial, less is better; infinite for a failure; None where not measured


@dataclass(frozen=True)
class PairedComparison:
    """One strategy (or the median of several) against the control, seed by seed."""

    name: str  # the strategy, or "" for the median of all that use an autoencoder
    pairs: int  # seeds that both have
    wins: int  # seeds in which it was better
    losses: int
    # of the exact signed-rank test, corrected where there are several others (Holm); None without pairs, or where nothing
    # is left to chance
    p: float | None
    verdict: Verdict  # supported if p ≤ 0.05 and better; not supported if p ≤ 0.05 and worse, or if no seed was better


@dataclass(frozen=True)
class Claim:
    """A claim and its answer."""

    name: str  # stability, speed, quality, over-fitting, cost
    claim: str  # what would have to hold
    verdict: Verdict  # of the flagship, or without it of the median strategy
    p: float | None
    found: str  # what was seen, in words
    comparisons: tuple[PairedComparison, ...] = ()  # of each strategy

    @property
    def text(self) -> str:
        """The sentence."""
        said = "undecided at this number of seeds" if self.verdict == "undecided" else self.verdict
        return f"{self.name.capitalize()} ({self.claim}): {said}. {self.found}"

    def as_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "p": rounded(self.p), "text": self.text}


def claims(trials: Sequence[Trial], quality: Quality) -> list[Claim]:
    """All five; none can be answered without the control and a strategy that uses an autoencoder."""
    compared = list(dict.fromkeys(t.strategy for t in trials))
    mine = [n for n in compared if strategies()[n].uses_autoencoder]
    if CONTROL not in compared or not mine:
        return []
    return [
        _stability(trials, mine, quality),
        _speed(trials, mine),
        _quality(trials, mine, quality),
        _over_fitting(trials, mine),
        _cost(trials, mine),
    ]


def known(trials: Sequence[Trial], names: Sequence[str], cost: Cost) -> list[float]:
    """What was measured of the trials of some strategies."""
    return [c for t in trials if t.strategy in names and (c := cost(t)) is not None]


def paired_comparison(trials: Sequence[Trial], names: Sequence[str], cost: Cost) -> PairedComparison:
    """The median of some strategies against the control, in each seed in which both were measured."""
    differences = []
    for seed in sorted({t.seed for t in trials}):
        each = [t for t in trials if t.seed == seed]
        ours, theirs = known(each, names, cost), known(each, [CONTROL], cost)
        if ours and theirs:
            differences.append(difference(median(ours), theirs[0]))
    return paired_verdict(differences, names[0] if len(names) == 1 else "")


def corrected(comparisons: Sequence[PairedComparison]) -> tuple[PairedComparison, ...]:
    """The same with p-values corrected by Holm for all of them but the flagship, which was asked about first; what is
    no longer below 0.05 is undecided."""
    others = [c for c in comparisons if c.p is not None and c.name != FLAGSHIP]
    p = dict(zip((c.name for c in others), holm([c.p for c in others if c.p is not None]), strict=True))

    def verdict(c: PairedComparison) -> Verdict:
        return c.verdict if p[c.name] <= LEVEL or not c.wins else "undecided"

    return tuple(replace(c, p=p[c.name], verdict=verdict(c)) if c.name in p else c for c in comparisons)


def paired_verdict(differences: Sequence[float], name: str = "") -> PairedComparison:
    """The verdict on paired differences, below 0 where the claim held.

    >>> [paired_verdict(d).verdict for d in ([-1.0, -2.0, -1.5], [1.0, 0.0, 2.0], [-1.0] * 6)]
    ['undecided', 'not supported', 'supported']
    """
    wins, losses = sum(d < 0 for d in differences), sum(d > 0 for d in differences)
    if not differences:
        return PairedComparison(name, 0, 0, 0, None, "undecided")
    p = signed_rank(differences)
    verdict: Verdict = "undecided"
    if p <= LEVEL:
        verdict = "supported" if rank_sum(differences) < 0 else "not supported"
    elif not wins:
        verdict = "not supported"
    return PairedComparison(name, len(differences), wins, losses, p, verdict)


def subject(mine: Sequence[str]) -> list[str]:
    """Who answers the claims: the flagship if it takes part, else all strategies that use an autoencoder."""
    return [FLAGSHIP] if FLAGSHIP in mine else list(mine)


def named(mine: Sequence[str]) -> str:
    """The subject in words."""
    return f"'{FLAGSHIP}'" if FLAGSHIP in mine else "the median autoencoder-based strategy"


def _answer(
    name: str,
    claim: str,
    trials: Sequence[Trial],
    mine: Sequence[str],
    cost: Cost,
    seen: str,
    cost_for: Callable[[Sequence[str]], Cost] | None = None,
) -> Claim:
    """The claim's verdict; `cost_for`: by what each strategy is compared alone, if not by `cost`."""
    d = paired_comparison(trials, subject(mine), cost)
    each = corrected([paired_comparison(trials, [n], cost_for([n]) if cost_for else cost) for n in mine])
    if not d.pairs:
        return Claim(name, claim, "undecided", None, seen, each)
    chance = f" (p = {d.p:.2g}; {plural(d.pairs, 'seed')} cannot give less than {least_p(d.pairs):.2g})"
    better = f"{sentence(named(mine))} did better than '{CONTROL}' in {d.wins} of {d.pairs} seeds"
    worse = f" and worse in {d.losses}" if d.losses else ""
    return Claim(name, claim, d.verdict, d.p, f"{seen} {better}{worse}{chance}.", each)


def _stability(trials: Sequence[Trial], mine: Sequence[str], quality: Quality) -> Claim:
    ours, theirs = [t for t in trials if t.strategy in subject(mine)], [t for t in trials if t.strategy == CONTROL]
    of = f" of '{FLAGSHIP}'" if FLAGSHIP in mine else ""
    bad = f"{sum(bool(t.bad) for t in ours)} of {len(ours)} trials{of} failed or collapsed, of '{CONTROL}' "
    bad += f"{sum(bool(t.bad) for t in theirs)} of {len(theirs)}."
    reached = {t.strategy: known(trials, [t.strategy], quality.cost_of) for t in trials}

    def wandering(trial: Trial) -> float | None:
        at = quality.cost_of(trial)
        if at is None:
            return None
        centre = median(reached[trial.strategy])
        return None if math.isinf(at) or math.isinf(centre) else abs(at - centre)

    def cost_for(names: Sequence[str]) -> Cost:
        """Failures where there are any, of these or of the control; else spread."""
        failed = any(t.bad for t in trials if t.strategy in (*names, CONTROL))
        return (lambda t: 1.0 if t.bad else 0.0) if failed else wandering

    cost = cost_for(subject(mine))
    claim, seen = "fewer failed or collapsed trials", bad
    if cost is wandering:
        claim, seen = "less spread between seeds", f"{bad} So spread decides."
    return _answer("stability", claim, trials, mine, cost, seen, cost_for)


def _speed(trials: Sequence[Trial], mine: Sequence[str]) -> Claim:
    target = {t.seed: min(v for _, v in t.curve) for t in trials if t.strategy == CONTROL and t.curve}
    target |= {t.seed: math.inf for t in trials if t.strategy == CONTROL and t.failed}

    def seconds(trial: Trial) -> float | None:
        if trial.failed:
            return math.inf
        if trial.seed not in target:
            return None
        return next((at for at, value in trial.curve if value <= target[trial.seed]), math.inf)

    claim = f"sooner as good as '{CONTROL}' ever became"
    if not target:
        return Claim("speed", claim, "undecided", None, f"No samples of '{CONTROL}' were scored while it trained.")
    took = known(trials, subject(mine), seconds)
    if not took:
        return Claim("speed", claim, "undecided", None, f"{sentence(named(mine))} has no trial of a seed of those.")
    theirs, ours = median(known(trials, [CONTROL], seconds)), median(took)
    reached = f"after {ours:.0f} s" if math.isfinite(ours) else "not within the budget"
    best = f"was at its best after {theirs:.0f} s" if math.isfinite(theirs) else "failed"
    seen = f"By the Fréchet distance of pixels, '{CONTROL}' {best}; {named(mine)} was as good {reached}."
    return _answer("speed", claim, trials, mine, seconds, seen)


def _quality(trials: Sequence[Trial], mine: Sequence[str], quality: Quality) -> Claim:
    claim = "better samples at the end of the budget"
    reached = {n: known(trials, [n], quality.cost_of) for n in (*mine, CONTROL)}
    centre = {n: median(costs) for n, costs in reached.items() if costs}
    mine = [n for n in mine if n in centre]
    if CONTROL not in centre or not mine:
        return Claim("quality", claim, "undecided", None, f"{quality.title}: none, {quality.why_none(trials)}.")

    def words(cost: float) -> str:
        if math.isinf(cost):
            return "failure"
        return show(math.exp(cost) if quality.better == "lower" else -cost, quality.unit)

    best = min(mine, key=lambda n: centre[n])
    seen = (
        f"{quality.title}: '{CONTROL}' {words(centre[CONTROL])}, {named(mine)} "
        f"{words(median([centre[n] for n in subject(mine)]))}, the best with an autoencoder, '{best}', "
        f"{words(centre[best])}."
    )
    return _answer("quality", claim, trials, mine, quality.cost_of, seen)


def _over_fitting(trials: Sequence[Trial], mine: Sequence[str]) -> Claim:
    claim = "samples repeat the training set less"
    if not any(t.value("gap") is not None for t in trials):
        return Claim("over-fitting", claim, "undecided", None, "It was not measured.")

    def repeats(trial: Trial) -> float | None:
        gap = trial.value("gap")
        return math.inf if trial.failed else None if gap is None else -gap

    def centre(names: Sequence[str]) -> str:
        gaps = known(trials, names, lambda t: t.value("gap"))
        return f"{median(gaps):.3g}" if gaps else "unknown"

    seen = (
        "Fréchet distance to training data less that to held-out data (far below 0: the training set is repeated), in "
        f"the median trial: {centre(subject(mine))}, of '{CONTROL}' {centre([CONTROL])}."
    )
    answer = _answer("over-fitting", claim, trials, mine, repeats, seen)
    each = tuple(c if _apart(trials, [c.name]) else replace(c, p=None, verdict="undecided") for c in answer.comparisons)
    if answer.verdict == "undecided" or _apart(trials, subject(mine)):
        return replace(answer, comparisons=each)
    found = (
        f"{answer.found} All seeds share the training and the held-out items that are compared with, which a test over "
        "seeds cannot see; the difference is within the error that this choice of items leaves."
    )
    return replace(answer, verdict="undecided", p=None, found=found, comparisons=each)


def _apart(trials: Sequence[Trial], names: Sequence[str]) -> bool:
    """Whether the gaps of some strategies and of the control differ by more than the error over items, which seeds share."""
    sides = [[t for t in trials if t.strategy in some] for some in (names, [CONTROL])]
    if any(t.failed for side in sides for t in side):
        return True  # then failures decide
    gaps = [[v for t in side if (v := t.value("gap")) is not None] for side in sides]
    errors = [
        [float(t.figures["gap"].get("standard_error") or 0.0) for t in side if "gap" in t.figures] for side in sides
    ]
    if not all(gaps):
        return True
    return abs(median(gaps[0]) - median(gaps[1])) > SURE * math.hypot(*map(median, errors))


def _cost(trials: Sequence[Trial], mine: Sequence[str]) -> Claim:
    def median_of(names: Sequence[str], what: Cost) -> float | None:
        found = [v for v in known([t for t in trials if not t.failed], names, what) if v]
        return median(found) if found else None

    claim, asked = "no more operations for each training example", subject(mine)
    ours, theirs = (median_of(n, lambda t: t.operations) for n in (asked, [CONTROL]))
    if ours is None or theirs is None:
        return Claim("cost", claim, "undecided", None, "Operations could not be counted.")
    memory = [median_of(n, lambda t: float(t.peak_bytes)) or 0.0 for n in (asked, [CONTROL])]
    weights = [median_of(n, lambda t: float(sum(t.parameters.values()))) or 0.0 for n in (asked, [CONTROL])]
    seen = (
        f"{sentence(named(mine))} takes {ours / theirs:.2f} times the operations of '{CONTROL}', "
        f"{memory[0] / max(memory[1], 1):.2f} times its memory and {weights[0] / max(weights[1], 1):.2f} times its weights "
        "(counted, not left to chance: no p-value)."
    )
    comparisons = []
    for name in mine:
        each = median_of([name], lambda t: t.operations)
        verdict: Verdict = "undecided" if each is None else ("supported" if each <= theirs else "not supported")
        comparisons.append(PairedComparison(name, 0, 0, 0, None, verdict))
    return Claim("cost", claim, "supported" if ours <= theirs else "not supported", None, seen, tuple(comparisons))
