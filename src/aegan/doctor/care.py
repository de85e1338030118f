"""What the doctor does while a model trains: at each look it reads the stage's log, says what is new, may ask for a change.

Everything is read from the log, so that a run that was killed and resumed is treated as one that was not. A change is asked
for only where it is safe to go back and change one rate, only where two looks in a row show the same failure mode, and only
so often; whatever needs judgement is said and left to people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aegan.doctor.rules import diagnose
from aegan.events import Diagnosis, Event, Finding, Guard, Step, Tick
from aegan.jsonl import number

PATIENCE = 3  # looks that a stage may come no nearer to held-out items, where it is to be stopped early
SURE = 2.0  # standard errors by which it must have become worse


@dataclass(frozen=True)
class Change:
    """Back to the last good state, and one thing changed."""

    why: str  # the diagnosis
    what: Literal["rates", "critic", "stop"]  # half the rates of all; half the critics'; the stage ends there


# What can be tried without anybody's judgement; all else is said only. The rule of a collapse wants two looks by itself.
SAFE: dict[str, Literal["rates", "critic", "stop"]] = {
    "divergence": "rates",
    "mode collapse": "rates",
    "critic too strong": "critic",
}
AT_ONCE = frozenset({"mode collapse"})


@dataclass(frozen=True)
class TickDiagnosis:
    """What one look leads to."""

    new: tuple[Finding, ...]  # that no earlier look of the stage had
    good: bool  # whether the present state is one to go back to
    change: Change | None  # what to do now, if anything


def diagnose_tick(
    log: Sequence[Event], stage: str, *, guard: Literal["auto", "warn", "off"], early_stop: bool, changes_left: int
) -> TickDiagnosis:
    """The doctor's answer to the log as it stands after a look.

    Args:
        log: its lines so far; the last tick is the present one.
        stage: that runs.
        changes_left: how often the run may still be set back.
    """
    lines = since_change(log, stage)
    ticks = [x for x in lines if isinstance(x, Tick)]
    ended = bool(ticks) and ticks[-1].progress == 1
    found = diagnose(lines) if guard != "off" else []
    places = [i for i, x in enumerate(lines) if isinstance(x, Tick)]
    before = diagnose(lines[: places[-2] + 1]) if guard != "off" and len(places) > 1 else []
    known = {x.name for x in log if isinstance(x, Diagnosis) and x.stage == stage}
    new = tuple(f for f in found if f.name not in known)
    lasting = {f.name for f in found} & {f.name for f in before}
    if early_stop and not ended and (why := _no_nearer(ticks)):
        return TickDiagnosis(new, good=False, change=Change(why, "stop"))
    if guard == "auto" and changes_left > 0 and not ended:
        for name, what in SAFE.items():
            if name in lasting or (name in AT_ONCE and any(f.name == name for f in found)):
                return TickDiagnosis(new, good=False, change=Change(name, what))
    # rules want two looks; a state to go back to should not have the first sign of a failure either
    suspected = diagnose([*lines, *ticks[-1:]]) if guard != "off" else []
    far = [value for value, _ in _distances(ticks)]
    nearest = not early_stop or not far or far[-1] <= min(far)
    return TickDiagnosis(new, good=nearest and not any(f.name in SAFE for f in suspected), change=None)


def since_change(log: Sequence[Event], stage: str) -> list[Event]:
    """What the rules read of the stage since it was last set back."""
    mine: list[Event] = [x for x in log if isinstance(x, Step | Tick | Guard) and x.stage == stage]
    last = max((i for i, x in enumerate(mine) if isinstance(x, Guard)), default=-1)
    return mine[last + 1 :]


def _distances(ticks: Sequence[Tick]) -> list[tuple[float, float]]:
    """(distance to held-out items, its standard error) of each look: of samples, or else of reconstructions."""
    found = []
    for tick in ticks:
        value, error, r2 = number(tick.kernel), number(tick.kernel_error), number(tick.r2)
        if value is not None and error is not None:
            found.append((value, error))
        elif tick.fd_pixels is None and r2 is not None:
            found.append((1 - r2, 0.01 * max(1 - r2, 0.01)))
    return found


def _no_nearer(ticks: Sequence[Tick]) -> str:
    """Why a stage should end now: for some looks it has come no nearer to held-out items, and is farther off; "": go on."""
    found = _distances(ticks)
    if len(found) <= PATIENCE:
        return ""
    least = min(range(len(found)), key=lambda i: found[i][0])
    value, error = found[least]
    if least < len(found) - PATIENCE and found[-1][0] > value + SURE * error:
        return f"no nearer to held-out data since {len(found) - 1 - least} looks"
    return ""
