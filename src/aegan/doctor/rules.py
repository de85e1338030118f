"""Rules that turn the numbers of a log into a diagnosis: what, how it shows, and what to do.

They look at losses, gradients and the value of the game, of which a log has a line every few steps, and at what a run of
ours measures of its samples at its looks (`aegan.engine.watch`). A rule wants a trend over several lines, or two looks, so
that healthy noise is none. Thresholds were set on runs made to fail and on healthy ones: `bench/doctor.py`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aegan.events import Event, Finding, Guard, Step, Tick
from aegan.jsonl import number
from aegan.terms import kind

LEAST = 8  # lines of a stage, below which nothing is said of a trend
EARLY, HALF = 0.25, 0.5  # progress of a stage, before which samples and reconstructions may still be poor
CHANCE = -2 * math.log(2)  # V(G, D) of a critic that cannot tell


def diagnose(log: Sequence[Event]) -> list[Finding]:
    """What the lines of a log say, most certain first; empty for a healthy one.

    Args:
        log: its lines; see `read_any` for other logs.
    """
    found = [*_set_back(log)]
    steps, ticks = [x for x in log if isinstance(x, Step)], [x for x in log if isinstance(x, Tick)]
    for stage in dict.fromkeys(x.stage for x in log if isinstance(x, Step | Tick) and x.stage is not None):
        mine = [x for x in steps if x.stage == stage and x.terms is not None]
        rules = (*(TRENDS if len(mine) >= LEAST else ()), *LOOKS)
        looks = [x for x in ticks if x.stage == stage]
        found += [finding for rule in rules if (finding := rule(stage, mine, looks)) is not None]
    return found


def _set_back(log: Sequence[Event]) -> Iterable[Finding]:
    """Where the guard had to act already; or, where nothing did, numbers that are not finite."""
    acts: dict[tuple[str, str], list[str]] = {}
    for x in log:
        if isinstance(x, Guard):
            at = next((step for step in (x.from_step, x.step) if step is not None), "?")
            acts.setdefault((x.stage, x.why or "not finite"), []).append(str(at))
    for (stage, why), steps in acts.items():
        back = f"the run was set back {len(steps)} times (from step {', '.join(steps)})"
        if why == "not finite":
            yield Finding(
                "divergence", stage, f"losses or gradients were not finite: {back}",
                "Lower the rates (--set lr…=half), or train with --precision fp32.",
            )  # fmt: skip
        else:
            yield Finding(
                why, stage, f"{back}, each time with lower rates",
                "Done already. If it was not enough, see what is said below, or docs/doctor.md.",
            )  # fmt: skip
    if acts:
        return
    for x in (x for x in log if isinstance(x, Step)):
        bad = [k for group in (x.terms, x.watch) for k, v in (group or {}).items() if number(v) is None]
        if bad:
            yield Finding(
                "divergence", x.stage or "",
                f"'{bad[0]}' is not finite from step {'?' if x.step is None else x.step} on",
                "Lower the rates; clip gradients; keep losses and penalties in fp32.",
            )  # fmt: skip
            return


def _exploding(stage: str, lines: Sequence[Step], looks: Sequence[Tick]) -> Finding | None:
    """A loss that ends far above what it once was."""
    for name, values in _series(x.terms for x in lines).items():
        # a critic's loss and its penalties may rise for good reasons; a reconstruction may not
        if not _is_reconstruction(name) or min(values) <= 0:
            continue
        least, last = min(_smooth(values)), _smooth(values)[-1]
        if last > 5 * least:
            return Finding(
                "divergence", stage, f"'{name}' has risen from {least:.3g} to {last:.3g}",
                "Lower the rate of what is trained there; keep the best model: aegan evaluate RUN --checkpoint best.",
            )  # fmt: skip
    return None


def _is_reconstruction(name: str) -> bool:
    known = kind(name)
    if known is not None:
        return known == "reconstruction"
    return any(word in name for word in ("L1", "L2", "MSE", "rec", "NLL", "like"))  # the names of other programs


def _strong(stage: str, lines: Sequence[Step], looks: Sequence[Tick]) -> Finding | None:
    """A critic that is always right leaves the generator no slope."""
    for name, values in _series(x.watch for x in lines).items():
        if name.startswith("V(") and (late := _late(values)) > -0.12:
            return Finding(
                "critic too strong", stage,
                f"{name} is {late:.2f} in the last third: 0 is always right, {CHANCE:.2f} cannot tell",
                "Lower the critic's rate (--set lr_critic=half), or raise its penalty (--set gamma=…).",
            )  # fmt: skip
    return None


def _weak(stage: str, lines: Sequence[Step], looks: Sequence[Tick]) -> Finding | None:
    """A critic that learns nothing though the samples are still getting worse, or do not move."""
    margins, far = _series(x.watch for x in lines).get("margin"), _finite(x.fd_pixels for x in looks)
    if not margins or len(far) < 3 or far[0] <= 0:
        return None
    covered, scale = _finite(x.coverage for x in looks), abs(_late(margins))
    # with most of the data in reach there is little left to learn
    failing = covered[-1] < 0.5 if covered else far[-1] > 0.9 * far[0]
    if scale < 0.01 and failing:
        return Finding(
            "critic too weak", stage,
            f"its margin is {scale:.2g} in the last third, while samples stay at a distance of {far[-1]:.3g}",
            "Raise the critic's rate, or lower its penalty (--set gamma=…): gradients are punished before it learns.",
        )  # fmt: skip
    return None


def _vanishing(stage: str, lines: Sequence[Step], looks: Sequence[Tick]) -> Finding | None:
    """Gradients that die while the loss they come from has not been minimised."""
    for name, norms in _series(x.terms for x in lines).items():
        if not name.endswith("|grad|"):
            continue
        early, late = statistics.median(norms[: max(3, len(norms) // 3)]), _late(norms)
        if late < 1e-4 * early or late < 1e-9:
            return Finding(
                "vanishing gradient", stage, f"'{name}' has fallen from {early:.3g} to {late:.3g}",
                "Take a loss that does not saturate (gan: --set loss=rpgan), or a weaker critic.",
            )  # fmt: skip
    return None


def _unused_codes(stage: str, lines: Sequence[Step], looks: Sequence[Tick]) -> Finding | None:
    """KL(q(z|x) ‖ p) near 0: the posterior is the prior, codes say nothing of x."""
    for found in (_series(x.terms for x in lines), _series(x.watch for x in lines)):
        for name, values in found.items():
            if name.rpartition(".")[2] in ("KL", "L_prior", "nats") and abs(_late(values)) < 1e-4 < max(values):
                return Finding(
                    "code collapse", stage, f"'{name}' is {_late(values):.2g} in the last third: codes carry nothing",
                    "Lower the weight of the KL (--set beta=…), or take a strategy without one: latent, rae.",
                )  # fmt: skip
    return None


def _worsening(stage: str, lines: Sequence[Step], looks: Sequence[Tick]) -> Finding | None:
    """Samples that were much nearer to the data before."""
    far = _finite(x.fd_pixels for x in looks)
    if len(far) < 4 or min(far) <= 0:
        return None
    least, last = min(far), statistics.median(far[-2:])
    if last > 2 * least and far.index(least) < len(far) - 2:
        return Finding(
            "drift", stage,
            f"samples ended at a distance of {last:.3g} from the data, after {least:.3g} at look {far.index(least) + 1} of "
            f"{len(far)}",
            "Take the best model (--checkpoint best); fewer steps, lower rates, a higher gamma, or pack=2.",
        )  # fmt: skip
    return None


def _collapsed(stage: str, lines: Sequence[Step], looks: Sequence[Tick]) -> Finding | None:
    """Samples that resemble one another far more than data do."""
    late = _from(looks, EARLY)
    diversity, coverage = _finite(x.diversity for x in late), _finite(x.coverage for x in late)
    if len(diversity) < 2 or len(coverage) < 2:
        return None
    alike, covered = max(diversity[-2:]), max(coverage[-2:])
    if alike < 0.25 or (alike < 0.6 and covered < 0.2):
        return Finding(
            "mode collapse", stage,
            f"samples lie {diversity[-1]:.2f} times as far from one another as data do, and reach {coverage[-1]:.0%} of "
            "the data",
            "Lower rates, a higher gamma, or pack=2; for the control: a strategy with an autoencoder, latent.",
        )  # fmt: skip
    return None


def _copies(stage: str, lines: Sequence[Step], looks: Sequence[Tick]) -> Finding | None:
    """Samples that sit on training items as held-out ones do not."""
    novelty = _finite(x.novelty for x in looks)
    if _collapsed(stage, lines, looks):  # a heap on one training item is reported already
        return None
    if len(novelty) >= 2 and max(novelty[-2:]) < 0.4:
        return Finding(
            "memorisation", stage,
            f"samples lie {novelty[-1]:.2f} times as far from their nearest training item as held-out items do",
            "More data, fewer steps (--early-stop on), augment=on, a narrower critic; aegan evaluate shows the copies.",
        )  # fmt: skip
    return None


def _blurred(stage: str, lines: Sequence[Step], looks: Sequence[Tick]) -> Finding | None:
    """Reconstructions that have lost what is fine in the data."""
    sharp = _finite(x.sharpness for x in _from(looks, HALF))
    if _lost(stage, lines, looks) or _empty_codes(stage, lines, looks):  # of which this is only the sight
        return None
    if len(sharp) >= 2 and max(sharp[-2:]) < 0.15:
        return Finding(
            "blur", stage,
            f"held-out images come back from their codes with {sharp[-1]:.0%} of their fine detail",
            "A larger code (--set code_dim=…), more width or minutes, or a strategy that sharpens: latent, vqgan.",
        )  # fmt: skip
    return None


def _lost(stage: str, lines: Sequence[Step], looks: Sequence[Tick]) -> Finding | None:
    """Reconstructions that are worse than nothing."""
    r2 = _finite(x.r2 for x in _from(looks, EARLY))
    if len(r2) >= 2 and max(r2[-2:]) < -0.25:
        return Finding(
            "divergence", stage, f"reconstructions are {1 - r2[-1]:.1f} times as far off as the mean of the data is",
            "Lower the rate (--set lr=half).",
        )  # fmt: skip
    return None


def _empty_codes(stage: str, lines: Sequence[Step], looks: Sequence[Tick]) -> Finding | None:
    """Reconstructions no better than the mean of the data."""
    r2 = _finite(x.r2 for x in _from(looks, HALF))
    if len(r2) >= 2 and -0.25 <= max(r2[-2:]) < 0.05:
        return Finding(
            "code collapse", stage,
            f"reconstructions of held-out items explain {max(0.0, r2[-1]):.0%} of their variance: codes carry nothing",
            "Lower the weight of the KL (--set beta=…), a lower rate, or a strategy without a KL: latent, rae.",
        )  # fmt: skip
    return None


Rule = Callable[[str, Sequence[Step], Sequence[Tick]], Finding | None]
TRENDS: tuple[Rule, ...] = (_exploding, _strong, _weak, _vanishing, _unused_codes)
LOOKS: tuple[Rule, ...] = (_collapsed, _worsening, _copies, _blurred, _lost, _empty_codes)


def _from(looks: Sequence[Tick], progress: float) -> list[Tick]:
    """Those from some progress of the stage on."""
    return [x for x in looks if (number(x.progress) or 1.0) >= progress]


def _finite(values: Iterable[Any]) -> list[float]:
    return [float(value) for value in values if number(value) is not None]


def _series(groups: Iterable[dict[str, Any] | None]) -> dict[str, list[float]]:
    """Finite values by name; of names that at least `LEAST` lines have."""
    out: dict[str, list[float]] = {}
    for group in groups:
        for name, value in (group or {}).items():
            if number(value) is not None:
                out.setdefault(name, []).append(float(value))
    return {name: values for name, values in out.items() if len(values) >= LEAST}


def _late(values: Sequence[float]) -> float:
    return statistics.median(values[-max(3, len(values) // 3) :])


def _smooth(values: Sequence[float]) -> list[float]:
    """Running medians of five."""
    return [statistics.median(values[max(0, i - 4) : i + 1]) for i in range(len(values))][4:] or [values[-1]]
