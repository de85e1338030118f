"""Rules that turn the numbers of a log into a diagnosis: what, how it shows, and what to do.

They look at losses, gradients and the value of the game, of which a log has a line every few steps, and at what a run of
ours measures of its samples at its looks (`aegan.engine.monitor`). A rule wants a trend over several lines, or two looks, so
that healthy noise is none. Thresholds were set on runs made to fail and on healthy ones: `bench/doctor.py`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aegan.events import Event, Finding, Guard, Step, Tick
from aegan.jsonl import number
from aegan.terms import kind

LEAST = 8  # lines of a stage, below which nothing is said of a trend
EARLY, HALF = 0.25, 0.5  # progress of a stage, before which samples and reconstructions may still be poor
CHANCE = -2 * math.log(2)  # V(G, D) of a critic that cannot tell


@dataclass(frozen=True)
class _Stage:
    """What the lines of one stage hold."""

    terms: dict[str, list[float]]
    watch: dict[str, list[float]]
    ticks: Sequence[Tick]

    def looks(self, figure: str, since: float = 0.0) -> list[float]:
        """A figure of the looks from some progress of the stage on, where it is finite."""
        late = (getattr(x, figure) for x in self.ticks if (number(x.progress) or 1.0) >= since)
        return [float(value) for value in late if number(value) is not None]


Shows = Callable[[_Stage], str]  # how a failure mode shows; "" where it does not
_RULES: list[tuple[str, str, Shows]] = []


def _rule(name: str, remedy: str) -> Callable[[Shows], Shows]:
    """A failure mode and what to do; the function below says how it shows."""

    def add(shows: Shows) -> Shows:
        _RULES.append((name, remedy, shows))
        return shows

    return add


def diagnose(log: Sequence[Event]) -> list[Finding]:
    """What the lines of a log say, most certain first; empty for a healthy one.

    Args:
        log: its lines; see `read_any` for other logs.
    """
    found = [*_set_back(log)]
    for stage in dict.fromkeys(x.stage for x in log if isinstance(x, Step | Tick) and x.stage is not None):
        lines = [x for x in log if isinstance(x, Step) and x.stage == stage and x.terms is not None]
        ticks = [x for x in log if isinstance(x, Tick) and x.stage == stage]
        mine = _Stage(_series(x.terms for x in lines), _series(x.watch for x in lines), ticks)
        found += [Finding(name, stage, shown, remedy) for name, remedy, shows in _RULES if (shown := shows(mine))]
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


@_rule(
    "divergence", "Lower the rate of what is trained there; keep the best model: aegan evaluate RUN --checkpoint best."
)
def _exploding(stage: _Stage) -> str:
    """A loss that ends far above what it once was."""
    for name, values in stage.terms.items():
        # a critic's loss and its penalties may rise for good reasons; a reconstruction may not
        if _is_reconstruction(name) and min(values) > 0:
            least, last = min(_smooth(values)), _smooth(values)[-1]
            if last > 5 * least:
                return f"'{name}' has risen from {least:.3g} to {last:.3g}"
    return ""


def _is_kl(name: str) -> bool:
    """A divergence between q(z|x) and the prior."""
    return name.rpartition(".")[2] in ("KL", "L_prior", "nats")


def _is_reconstruction(name: str) -> bool:
    known = kind(name)
    if known is not None:
        return known == "reconstruction"
    return any(word in name for word in ("L1", "L2", "MSE", "rec", "NLL", "like"))  # the names of other programs


@_rule("critic too strong", "Lower the critic's rate (--set lr_critic=half), or raise its penalty (--set gamma=…).")
def _strong(stage: _Stage) -> str:
    """A critic that is always right leaves the generator no slope."""
    for name, values in stage.watch.items():
        if name.startswith("V(") and (late := _late(values)) > -0.12:
            return f"{name} is {late:.2f} in the last third: 0 is always right, {CHANCE:.2f} cannot tell"
    return ""


@_rule(
    "critic too weak",
    "Raise the critic's rate, or lower its penalty (--set gamma=…): gradients are punished before it learns.",
)
def _weak(stage: _Stage) -> str:
    """A critic that learns nothing though the samples are still getting worse, or do not move."""
    margins, far, covered = stage.watch.get("margin"), stage.looks("fd_pixels"), stage.looks("coverage")
    if not margins or len(far) < 3 or far[0] <= 0:
        return ""
    scale = abs(_late(margins))
    # with most of the data in reach there is little left to learn
    failing = covered[-1] < 0.5 if covered else far[-1] > 0.9 * far[0]
    if scale < 0.01 and failing:
        return f"its margin is {scale:.2g} in the last third, while samples stay at a distance of {far[-1]:.3g}"
    return ""


@_rule("vanishing gradient", "Take a loss that does not saturate (gan: --set loss=rpgan), or a weaker critic.")
def _vanishing(stage: _Stage) -> str:
    """Gradients that die while the loss they come from has not been minimised."""
    for name, norms in stage.terms.items():
        early, late = statistics.median(norms[: max(3, len(norms) // 3)]), _late(norms)
        if name.endswith("|grad|") and (late < 1e-4 * early or late < 1e-9):
            return f"'{name}' has fallen from {early:.3g} to {late:.3g}"
    return ""


@_rule(
    "code collapse", "Lower the weight of the KL (beta, beta_kl or kl), or take a strategy without one: latent, rae."
)
def _unused_codes(stage: _Stage) -> str:
    """KL(q(z|x) ‖ p) near 0: the posterior is the prior, codes say nothing of x."""
    for name, values in (*stage.terms.items(), *stage.watch.items()):
        if _is_kl(name) and abs(_late(values)) < 1e-4 < max(values):
            return f"'{name}' is {_late(values):.2g} in the last third: codes carry nothing"
    return ""


@_rule(
    "mode collapse", "Lower rates, a higher gamma, or pack=2; for the control: a strategy with an autoencoder, latent."
)
def _collapsed(stage: _Stage) -> str:
    """Samples that resemble one another far more than data do."""
    diversity, coverage = stage.looks("diversity", EARLY), stage.looks("coverage", EARLY)
    if len(diversity) < 2 or len(coverage) < 2:
        return ""
    alike, covered = max(diversity[-2:]), max(coverage[-2:])
    if alike < 0.25 or (alike < 0.6 and covered < 0.2):
        return (
            f"samples lie {diversity[-1]:.2f} times as far from one another as data do, and reach {coverage[-1]:.0%} of "
            "the data"
        )
    return ""


@_rule("drift", "Take the best model (--checkpoint best); fewer steps, lower rates, a higher gamma, or pack=2.")
def _worsening(stage: _Stage) -> str:
    """Samples that were much nearer to the data before."""
    far = stage.looks("fd_pixels")
    if len(far) < 4 or min(far) <= 0:
        return ""
    least, last = min(far), statistics.median(far[-2:])
    if last > 2 * least and far.index(least) < len(far) - 2:
        return (
            f"samples ended at a distance of {last:.3g} from the data, after {least:.3g} at look {far.index(least) + 1} of "
            f"{len(far)}"
        )
    return ""


@_rule(
    "memorisation",
    "More data, fewer steps (--early-stop on), augment=on, a narrower critic; aegan evaluate shows the copies.",
)
def _copies(stage: _Stage) -> str:
    """Samples that sit on training items as held-out ones do not."""
    novelty = stage.looks("novelty")
    # a heap on one training item is reported already
    if len(novelty) >= 2 and max(novelty[-2:]) < 0.4 and not _collapsed(stage):
        return f"samples lie {novelty[-1]:.2f} times as far from their nearest training item as held-out items do"
    return ""


@_rule("blur", "A larger code (--set code_dim=…), more width or minutes, or a strategy that sharpens: latent, vqgan.")
def _blurred(stage: _Stage) -> str:
    """Reconstructions that have lost what is fine in the data."""
    sharp = stage.looks("sharpness", HALF)
    # of what is lost or empty this is only the sight
    if len(sharp) >= 2 and max(sharp[-2:]) < 0.15 and not _lost(stage) and not _unlike(stage):
        return f"held-out images come back from their codes with {sharp[-1]:.0%} of their fine detail"
    return ""


@_rule("divergence", "Lower the rate (--set lr=half).")
def _lost(stage: _Stage) -> str:
    """Reconstructions that are worse than nothing."""
    r2 = stage.looks("r2", EARLY)
    if len(r2) >= 2 and max(r2[-2:]) < -0.25:
        return f"reconstructions are {1 - r2[-1]:.1f} times as far off as the mean of the data is"
    return ""


@_rule(
    "code collapse",
    "Lower the weight of the KL (beta, beta_kl or kl: see aegan strategies NAME), or take a strategy without one: "
    "latent, rae.",
)
def _empty_codes(stage: _Stage) -> str:
    """Reconstructions no better than the mean of the data, where a KL may have emptied the codes."""
    return _unlike(stage) if any(map(_is_kl, (*stage.terms, *stage.watch))) else ""


@_rule(
    "poor reconstructions",
    "If training images come back well, it knows them by heart: more data, or fewer steps (--early-stop on). Else train for "
    "longer.",
)
def _not_learned(stage: _Stage) -> str:
    """The same where there is no KL: too little was learned, or the training images alone."""
    return "" if _empty_codes(stage) else _unlike(stage)


def _unlike(stage: _Stage) -> str:
    r2 = stage.looks("r2", HALF)
    if len(r2) >= 2 and -0.25 <= max(r2[-2:]) < 0.05:
        return f"reconstructions of held-out items explain {max(0.0, r2[-1]):.0%} of their variance"
    return ""


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
