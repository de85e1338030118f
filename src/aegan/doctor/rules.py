"""Rules that turn the numbers of a log into a diagnosis: what, how it shows, and what to do.

They look at losses, gradients and the value of the game, of which a log has a line every few steps, and at what a run of
ours measures of its samples at its looks (`aegan.engine.watch`). A rule wants a trend over several lines, or two looks, so
that healthy noise is none. Thresholds were set on runs made to fail and on healthy ones: `bench/doctor.py`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aegan.jsonl import number
from aegan.terms import kind

LEAST = 8  # lines of a stage, below which nothing is said of a trend
EARLY, HALF = 0.25, 0.5  # progress of a stage, before which samples and reconstructions may still be poor
CHANCE = -2 * math.log(2)  # V(G, D) of a critic that cannot tell

Line = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """One diagnosis.

    Attributes:
        name: of the failure mode.
        stage: where, if the log names stages.
        evidence: the numbers it is read from.
        remedy: what to change first.
    """

    name: str
    stage: str
    evidence: str
    remedy: str

    def __str__(self) -> str:
        where = f" in stage '{self.stage}'" if self.stage else ""
        return f"{self.name}{where}: {self.evidence}\n  → {self.remedy}"


def diagnose(lines: Sequence[Line]) -> list[Finding]:
    """What the lines of a log say, most certain first; empty for a healthy one.

    Args:
        lines: as in `log.jsonl`: `step`, `stage`, `terms` and `watch` by name, and events; see `read_any` for other logs.
    """
    found = [*_set_back(lines)]
    steps = [line for line in lines if isinstance(line.get("terms"), dict)]
    for stage in dict.fromkeys(str(line.get("stage", "")) for line in lines if "stage" in line):
        mine = [line for line in steps if str(line.get("stage", "")) == stage]
        looks = [line for line in lines if line.get("event") == "tick" and str(line.get("stage", "")) == stage]
        rules = (*(TRENDS if len(mine) >= LEAST else ()), *LOOKS)
        found += [finding for rule in rules if (finding := rule(stage, mine, looks)) is not None]
    return found


def _set_back(lines: Sequence[Line]) -> Iterable[Finding]:
    """Where the guard had to act already; or, where nothing did, numbers that are not finite."""
    acts = [line for line in lines if line.get("event") == "guard"]
    for stage, why in dict.fromkeys((str(line.get("stage", "")), str(line.get("why", "not finite"))) for line in acts):
        mine = [x for x in acts if (str(x.get("stage", "")), str(x.get("why", "not finite"))) == (stage, why)]
        steps = ", ".join(str(line.get("from_step", line.get("step", "?"))) for line in mine)
        if why == "not finite":
            yield Finding(
                "divergence", stage,
                f"losses or gradients were not finite: the run was set back {len(mine)} times (from step {steps})",
                "Lower the rates (--set lr…=half), or train with --precision fp32.",
            )  # fmt: skip
        else:
            yield Finding(
                why, stage, f"the run was set back {len(mine)} times (from step {steps}), each time with lower rates",
                "Done already. If it was not enough, see what is said below, or docs/doctor.md.",
            )  # fmt: skip
    if acts:
        return
    for line in lines:
        groups = [line.get(group) for group in ("terms", "watch")]
        bad = [k for group in groups if isinstance(group, dict) for k, v in group.items() if number(v) is None]
        if bad:
            yield Finding(
                "divergence", str(line.get("stage", "")),
                f"'{bad[0]}' is not finite from step {line.get('step', '?')} on",
                "Lower the rates; clip gradients; keep losses and penalties in fp32.",
            )  # fmt: skip
            return


def _exploding(stage: str, lines: Sequence[Line], looks: Sequence[Line]) -> Finding | None:
    """A loss that ends far above what it once was."""
    for name, values in _series(lines, "terms").items():
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


def _strong(stage: str, lines: Sequence[Line], looks: Sequence[Line]) -> Finding | None:
    """A critic that is always right leaves the generator no slope."""
    for name, values in _series(lines, "watch").items():
        if name.startswith("V(") and (late := _late(values)) > -0.12:
            return Finding(
                "critic too strong", stage,
                f"{name} is {late:.2f} in the last third: 0 is always right, {CHANCE:.2f} cannot tell",
                "Lower the critic's rate (--set lr_critic=half), or raise its penalty (--set gamma=…).",
            )  # fmt: skip
    return None


def _weak(stage: str, lines: Sequence[Line], looks: Sequence[Line]) -> Finding | None:
    """A critic that learns nothing though the samples are still getting worse, or do not move."""
    margins, far = _series(lines, "watch").get("margin"), _figure(looks, "fd_pixels")
    if not margins or len(far) < 3 or far[0] <= 0:
        return None
    covered, scale = _figure(looks, "coverage"), abs(_late(margins))
    # with most of the data in reach there is little left to learn
    failing = covered[-1] < 0.5 if covered else far[-1] > 0.9 * far[0]
    if scale < 0.01 and failing:
        return Finding(
            "critic too weak", stage,
            f"its margin is {scale:.2g} in the last third, while samples stay at a distance of {far[-1]:.3g}",
            "Raise the critic's rate, or lower its penalty (--set gamma=…): gradients are punished before it learns.",
        )  # fmt: skip
    return None


def _vanishing(stage: str, lines: Sequence[Line], looks: Sequence[Line]) -> Finding | None:
    """Gradients that die while the loss they come from has not been minimised."""
    for name, norms in _series(lines, "terms").items():
        if not name.endswith("|grad|"):
            continue
        early, late = statistics.median(norms[: max(3, len(norms) // 3)]), _late(norms)
        if late < 1e-4 * early or late < 1e-9:
            return Finding(
                "vanishing gradient", stage, f"'{name}' has fallen from {early:.3g} to {late:.3g}",
                "Take a loss that does not saturate (gan: --set loss=rpgan), or a weaker critic.",
            )  # fmt: skip
    return None


def _unused_codes(stage: str, lines: Sequence[Line], looks: Sequence[Line]) -> Finding | None:
    """KL(q(z|x) ‖ p) near 0: the posterior is the prior, codes say nothing of x."""
    for group in ("terms", "watch"):
        for name, values in _series(lines, group).items():
            if name.rpartition(".")[2] in ("KL", "L_prior", "nats") and abs(_late(values)) < 1e-4 < max(values):
                return Finding(
                    "code collapse", stage, f"'{name}' is {_late(values):.2g} in the last third: codes carry nothing",
                    "Lower the weight of the KL (--set beta=…), or take a strategy without one: latent, rae.",
                )  # fmt: skip
    return None


def _worsening(stage: str, lines: Sequence[Line], looks: Sequence[Line]) -> Finding | None:
    """Samples that were much nearer to the data before."""
    far = _figure(looks, "fd_pixels")
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


def _collapsed(stage: str, lines: Sequence[Line], looks: Sequence[Line]) -> Finding | None:
    """Samples that resemble one another far more than data do."""
    diversity, coverage = (_figure(looks, name, after=EARLY) for name in ("diversity", "coverage"))
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


def _copies(stage: str, lines: Sequence[Line], looks: Sequence[Line]) -> Finding | None:
    """Samples that sit on training items as held-out ones do not."""
    novelty = _figure(looks, "novelty")
    if _collapsed(stage, lines, looks):  # a heap on one training item is reported already
        return None
    if len(novelty) >= 2 and max(novelty[-2:]) < 0.4:
        return Finding(
            "memorisation", stage,
            f"samples lie {novelty[-1]:.2f} times as far from their nearest training item as held-out items do",
            "More data, fewer steps (--early-stop on), augment=on, a narrower critic; aegan evaluate shows the copies.",
        )  # fmt: skip
    return None


def _blurred(stage: str, lines: Sequence[Line], looks: Sequence[Line]) -> Finding | None:
    """Reconstructions that have lost what is fine in the data."""
    sharp = _figure(looks, "sharpness", after=HALF)
    if _lost(stage, lines, looks) or _empty_codes(stage, lines, looks):  # of which this is only the sight
        return None
    if len(sharp) >= 2 and max(sharp[-2:]) < 0.15:
        return Finding(
            "blur", stage,
            f"held-out images come back from their codes with {sharp[-1]:.0%} of their fine detail",
            "A larger code (--set code_dim=…), more width or minutes, or a strategy that sharpens: latent, vqgan.",
        )  # fmt: skip
    return None


def _lost(stage: str, lines: Sequence[Line], looks: Sequence[Line]) -> Finding | None:
    """Reconstructions that are worse than nothing."""
    r2 = _figure(looks, "r2", after=EARLY)
    if len(r2) >= 2 and max(r2[-2:]) < -0.25:
        return Finding(
            "divergence", stage, f"reconstructions are {1 - r2[-1]:.1f} times as far off as the mean of the data is",
            "Lower the rate (--set lr=half).",
        )  # fmt: skip
    return None


def _empty_codes(stage: str, lines: Sequence[Line], looks: Sequence[Line]) -> Finding | None:
    """Reconstructions no better than the mean of the data."""
    r2 = _figure(looks, "r2", after=HALF)
    if len(r2) >= 2 and -0.25 <= max(r2[-2:]) < 0.05:
        return Finding(
            "code collapse", stage,
            f"reconstructions of held-out items explain {max(0.0, r2[-1]):.0%} of their variance: codes carry nothing",
            "Lower the weight of the KL (--set beta=…), a lower rate, or a strategy without a KL: latent, rae.",
        )  # fmt: skip
    return None


Rule = Callable[[str, Sequence[Line], Sequence[Line]], Finding | None]
TRENDS: tuple[Rule, ...] = (_exploding, _strong, _weak, _vanishing, _unused_codes)
LOOKS: tuple[Rule, ...] = (_collapsed, _worsening, _copies, _blurred, _lost, _empty_codes)


def _figure(looks: Sequence[Line], name: str, *, after: float = 0.0) -> list[float]:
    """Finite values of a figure, at looks from some progress of the stage on."""
    late = (look for look in looks if (number(look.get("progress")) or 1.0) >= after)
    return [value for look in late if (value := number(look.get(name))) is not None]


def _series(lines: Sequence[Line], group: str) -> dict[str, list[float]]:
    """Finite values by name; of names that at least `LEAST` lines have."""
    out: dict[str, list[float]] = {}
    for line in lines:
        for name, value in (line.get(group) or {}).items():
            if number(value) is not None:
                out.setdefault(name, []).append(float(value))
    return {name: values for name, values in out.items() if len(values) >= LEAST}


def _late(values: Sequence[float]) -> float:
    return statistics.median(values[-max(3, len(values) // 3) :])


def _smooth(values: Sequence[float]) -> list[float]:
    """Running medians of five."""
    return [statistics.median(values[max(0, i - 4) : i + 1]) for i in range(len(values))][4:] or [values[-1]]
