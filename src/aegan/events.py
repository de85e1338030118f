"""What a run writes to log.jsonl: the kinds of its lines, and how a line becomes one of them again."""

from __future__ import annotations

from dataclasses import MISSING, Field, asdict, dataclass, fields
from typing import Any, ClassVar

KINDS: dict[str, type[Event]] = {}
TYPES = {"str": str, "bool": bool, "dict": dict, "list": list}
Rest = dict[str, Any]  # all of a line that has no field of its own


@dataclass(frozen=True)
class Event:
    """A line of the log. Its fields are in the order of the line, those of the last base first.

    Fields without a default are always written, the others unless they are None. What a line lacks, since another version
    wrote it or it was damaged, or has of another type, reads as None, or as "", False or nothing.
    """

    kind: ClassVar[str] = ""

    def __init_subclass__(cls, kind: str | None = None) -> None:
        if kind is not None:
            cls.kind, KINDS[kind] = kind, cls

    def line(self) -> dict[str, Any]:
        """As JSON has it."""
        out: dict[str, Any] = {"event": self.kind} if self.kind else {}
        for f in fields(self):
            value = getattr(self, f.name)
            if f.type == "Rest":
                out |= value
            elif value is not None or f.default is MISSING:
                out[_key(f)] = value
        return out


@dataclass(frozen=True)
class Other(Event):
    """A line of another version."""

    event: str
    rest: Rest


@dataclass(frozen=True)
class AtStep(Event):
    """What happens at a step of the run."""

    step: float | None


@dataclass(frozen=True)
class InStage(Event):
    """What happens in a stage."""

    stage: str
    step: float | None


@dataclass(frozen=True)
class Step(AtStep, kind=""):
    """Means since the last such line, by name; it alone has no `event`."""

    stage: str | None
    stage_step: float | None = None
    seconds: float | None = None
    images: float | None = None
    images_per_second: float | None = None
    terms: dict[str, Any] | None = None
    watch: dict[str, Any] | None = None
    rates: dict[str, Any] | None = None
    skipped: float | None = None


@dataclass(frozen=True)
class Start(Event, kind="start"):
    """The run begins, or goes on; `machine`: hardware and versions."""

    resumed: bool
    machine: Rest


@dataclass(frozen=True)
class Init(AtStep, kind="init"):
    """Another model's weights were taken; see `aegan.initial.take`."""

    source: str
    strategy: str
    hash: str
    taken: dict[str, Any]
    fresh: dict[str, Any]
    notes: list[Any]


@dataclass(frozen=True)
class Stage(InStage, kind="stage"):
    """A stage begins, or goes on."""

    seconds: float | None


@dataclass(frozen=True)
class Plan(InStage, kind="plan"):
    """The steps of a stage were counted, or counted again."""

    knots: list[Any]


@dataclass(frozen=True)
class Note(InStage, kind="note"):
    """What a stage in closed form found, in how many seconds."""

    found: Rest
    took: float | None = None


@dataclass(frozen=True)
class Threads(AtStep, kind="threads"):
    """Another number of threads; see `aegan.engine.thread_record`."""

    taken: float | None
    trial: bool
    from_: float | None
    to: float | None
    speeds: dict[str, Any] | None = None


@dataclass(frozen=True)
class Memory(InStage, kind="memory"):
    """Memory ran out; batches go on in parts."""

    phase: str
    parts: float | None
    micro_batch: float | None


@dataclass(frozen=True)
class Look:
    """What one look at a model finds; None: it cannot be had of this strategy or of so little data.

    Attributes:
        fd_pixels: Fréchet distance of samples to training items.
        diversity: how far samples lie from their nearest other sample, as a multiple of the same among training items.
        coverage: the share of training items with a sample in reach (PRDC, Naeem et al. 2020, 2002.09797).
        kernel, kernel_error: kernel distance of samples to held-out items, on standardised items, and its standard error.
        novelty: how far samples lie from their nearest training item, as a multiple of the same of held-out items.
        r2: 1 − |x − G(E(x))|² / |x − mean|² of held-out items.
        sharpness: energy of the Laplacian of G(E(x)) over that of x, of held-out images.
    """

    fd_pixels: float | None = None
    diversity: float | None = None
    coverage: float | None = None
    kernel: float | None = None
    kernel_error: float | None = None
    novelty: float | None = None
    r2: float | None = None
    sharpness: float | None = None

    def found(self) -> dict[str, float]:
        """The figures that could be had."""
        return {k: v for k, v in asdict(self).items() if v is not None}


@dataclass(frozen=True)
class Looked(InStage):
    """When a look was; `kept`: no samples before were nearer to training items."""

    seconds: float | None = None
    progress: float | None = None
    kept: bool = False


@dataclass(frozen=True)
class Tick(Look, Looked, kind="tick"):
    """A look at the model, and when it was."""


@dataclass(frozen=True)
class Finding:
    """One diagnosis."""

    name: str  # of the failure mode
    stage: str  # empty where the log names no stages
    evidence: str  # the numbers it is read from
    remedy: str  # what to change first

    def __str__(self) -> str:
        where = f" in stage '{self.stage}'" if self.stage else ""
        return f"{self.name}{where}: {self.evidence}\n  → {self.remedy}"


@dataclass(frozen=True)
class Diagnosis(Finding, AtStep, kind="diagnosis"):
    """What the doctor said, and when."""


@dataclass(frozen=True)
class Guard(InStage, kind="guard"):
    """The run was set back from a step to an earlier one, or ended, since it diverged."""

    action: str
    why: str | None = None
    from_step: float | None = None
    rate_scale: float | None = None
    critic_scale: float | None = None


@dataclass(frozen=True)
class Stop(InStage, kind="stop"):
    """A stage was ended early, with the model of an earlier step."""

    from_step: float | None
    why: str
    knots: list[Any]


@dataclass(frozen=True)
class Extended(InStage, kind="extended"):
    """A run that had ended is trained for longer."""

    seconds: float | None
    minutes: float | None
    steps: float | None
    stages: list[Any]


@dataclass(frozen=True)
class Done(AtStep, kind="done"):
    """The run has ended."""

    seconds: float | None
    images: float | None


def parse(line: dict[str, Any]) -> Event:
    """A line of a log.

    >>> parse({"event": "done", "step": 40, "seconds": "a few", "of": "a later version"})
    Done(step=40, seconds=None, images=None)
    >>> parse({"event": "note", "stage": "fit", "step": 40, "components": 2})
    Note(stage='fit', step=40, found={'components': 2}, took=None)
    """
    kind = KINDS.get(str(line.get("event", "")), Other)
    own = {_key(f): f for f in fields(kind) if f.type != "Rest"}
    values = {f.name: _value(str(f.type), line.get(key)) for key, f in own.items()}
    rest = {k: v for k, v in line.items() if k not in own and k != "event"}
    return kind(**values, **{f.name: rest for f in fields(kind) if f.type == "Rest"})


def _key(f: Field[Any]) -> str:
    return f.name.rstrip("_")  # `from` is a word of Python's


def _value(kind: str, value: Any) -> Any:
    if kind.startswith("float"):  # or an int, which stays one
        if value in ("inf", "-inf", "nan"):  # as `finite` writes them
            return float(value)
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    of = TYPES[kind.partition("[")[0].partition(" ")[0]]
    return value if isinstance(value, of) else None if kind.endswith("None") else of()
