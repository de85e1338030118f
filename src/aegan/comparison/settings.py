"""What all trials of a comparison share, kept in DIR/comparison.json; what may not change when it is continued."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aegan.comparison.trials import Job
from aegan.config import RunConfig, as_plain, read_preset, with_options
from aegan.data import Data, DataSpec
from aegan.data.format import Fit
from aegan.errors import UserError
from aegan.evaluation.task import LEAST
from aegan.files import write_json
from aegan.runs.settings import open_asked, resolve
from aegan.seeds import check_seed
from aegan.space import check_strategy, works_in_space
from aegan.strategies import strategies, strategy
from aegan.strategies._space import Space

CONTROL = "gan"
FLAGSHIP = "latent"  # the strategy that the claims are about, where it takes part
SIZES = ("width", "blocks", "critic_width")  # options that decide how large the networks are
GROWS = ("strategies", "seeds")  # more of these may be asked for when a comparison is continued


@dataclass(frozen=True)
class Settings:
    """A comparison, as `aegan.compare` takes it. Trials of each strategy have the seeds 0 to seeds − 1; with a budget in
    steps the batch size is the same for all, or a step would not be a unit."""

    data: str
    strategies: tuple[str, ...]
    seeds: int = 3
    minutes: float | None = None
    steps: int | None = None
    size: int | str | None = None
    fit: Fit = "crop"
    background: str = "white"
    transparent: bool = False
    grey: bool = False
    mirror: bool = False
    space: str | None = None  # in which those that can be in one are
    classes: bool = False
    batch_size: int | None = None
    options: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    tune: int = 0
    extractor: str = "lite0"
    count: int | None = None
    device: str = "auto"
    precision: str = "auto"
    data_dir: str | None = None

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise UserError(
                "A comparison needs one budget, equal for all.", "Give --minutes or --steps, for each trial."
            )
        for what, value in (("--minutes", self.minutes), ("--steps", self.steps), ("--seeds", self.seeds)):
            if value is not None and not 0 < value < math.inf:
                raise UserError(f"{what} is {value:g}; it must be more than 0.")
        if self.tune < 0:
            raise UserError(f"--tune is {self.tune}; it must be a number of trials.", "Example: --tune 20")
        if self.count is not None and self.count < LEAST:
            raise UserError(f"--count is {self.count}; a Fréchet distance needs at least {LEAST} samples.")
        check_seed(self.seeds)
        if not self.strategies:
            raise UserError("No strategies to compare.", "Example: --strategies latent,gan")
        for name in self.strategies:
            strategy(name)
        twice = sorted({n for n in self.strategies if self.strategies.count(n) > 1})
        if twice:
            raise UserError(f"Strategy '{twice[0]}' was given twice.", "Name each once.")
        for name in self.options:
            if name and name not in self.strategies:
                raise UserError(f"--set names '{name}', which is not compared.", "Add it to --strategies.")

    @property
    def budget(self) -> str:
        """For people."""
        if self.minutes is not None:
            return f"{self.minutes:g} minute{'' if self.minutes == 1 else 's'}"
        return f"{self.steps:,} steps"

    def config(self, name: str, seed: int, out: Path) -> RunConfig:
        """The settings of one trial. Nothing is set back or stopped early: what a strategy does by itself is compared."""
        return RunConfig(
            data=self.data, strategy=name, out=str(out), minutes=self.minutes, steps=self.steps, size=self.size,
            fit=self.fit, background=self.background, transparent=self.transparent, grey=self.grey, mirror=self.mirror,
            seed=seed, batch_size=self.batch_size, device=self.device, precision=self.precision,  # type: ignore[arg-type]
            data_dir=self.data_dir, classes=self.classes, space=self.space if works_in_space(name) else None,
            guard="warn", early_stop="off",
        )  # fmt: skip

    def open_data(self, progress: bool = False) -> Data:
        """The data of every trial."""
        return open_asked(self.config(self.strategies[0], 0, Path("unused")), progress=progress)

    def chosen(self, name: str, spec: DataSpec, space: Space | None = None) -> dict[str, Any]:
        """The options of a strategy: sizes as the control has them, then what was set for all, then for it alone."""
        common = {**matched(spec), **({"space": space.text} if space else {}), **self.options.get("", {})}
        return {**{k: v for k, v in common.items() if k in _names(name)}, **self.options.get(name, {})}

    def checked(self, data: Data, space: Space | None = None) -> Settings:
        """These settings, complete, after every strategy has been found able to do what is asked of it.

        Raises:
            UserError: one is not, or an option does not exist; before anything is trained.
        """
        settings = self
        if self.steps is not None and self.batch_size is None:
            settings = dataclasses.replace(self, batch_size=_control(data.spec).batch_size)
        if settings.batch_size is not None and any("batch_size" in options for options in self.options.values()):
            raise UserError(
                "Batches are of one size in a comparison by steps or with --batch-size; --set cannot change it.",
                "Give --batch-size N, for all strategies.",
            )
        for key in self.options.get("", {}):
            if not any(key in _names(name) for name in self.strategies):
                raise UserError(f"None of the strategies has an option '{key}'.", "See: aegan strategies NAME")
        if self.space is not None and not any(map(works_in_space, self.strategies)):
            check_strategy(self.strategies[0])
        if self.classes and not data.spec.classes:
            raise UserError(f"{data.name} has no classes.", "Leave --classes out.")
        for name in self.strategies:
            resolved = resolve(settings.config(name, 0, Path("unused")), data, settings.chosen(name, data.spec, space))
            made = resolved.strategy()
            if self.classes and not made.uses_labels:
                able = ", ".join(n for n, s in strategies().items() if s().uses_labels)
                raise UserError(
                    f"Strategy '{name}' cannot use class labels, so a comparison with them would not be equal.",
                    f"Leave --classes out, or compare strategies that can: {able}.",
                )
            if "sample" not in made.capabilities:
                raise UserError(f"Strategy '{name}' makes no samples, so it cannot be compared.")
            spec = data.spec if self.classes else dataclasses.replace(data.spec, classes=())
            made.build(spec)
            made.stages(spec)
        return settings

    def unfit(self, name: str, data: Data) -> str:
        """Why a strategy cannot take part, as the rest of a sentence; empty: it can."""
        if data.spec.is_vector and not strategy(name).vectors:
            return "works on images, and this data is vectors"
        return "cannot use class labels" if self.classes and not strategy(name)().uses_labels else ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dict(as_plain(dataclasses.asdict(self)))


def sampling() -> tuple[str, ...]:
    """All strategies that make samples."""
    return tuple(name for name, kind in strategies().items() if "sample" in kind.capabilities)


def _names(name: str) -> set[str]:
    """The options that a strategy has."""
    return {f.name for f in dataclasses.fields(strategy(name))}


def matched(spec: DataSpec) -> dict[str, Any]:
    """The networks' sizes, for all strategies those of the control with its own preset, so that it is not the one
    that suffers from being matched."""
    control = _control(spec)
    return {k: getattr(control, k) for k in SIZES if hasattr(control, k)}


def _control(spec: DataSpec) -> Any:
    control = strategy(CONTROL)()
    return with_options(control, read_preset(CONTROL, control.preset(spec)), f"strategy '{CONTROL}'")


def parse_options(pairs: Sequence[str]) -> dict[str, dict[str, str]]:
    """`--set` of a comparison: strategy.key=value for one, key=value for all that have it.

    >>> parse_options(["latent.lr=1e-3", "width=32"])
    {'latent': {'lr': '1e-3'}, '': {'width': '32'}}
    """
    out: dict[str, dict[str, str]] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        name, _, option = key.strip().rpartition(".")
        if not sign or not option:
            raise UserError(f"--set {pair!r} is not strategy.key=value.", "Example: --set latent.code_dim=32")
        out.setdefault(name, {})[option] = value.strip()
    return out


def keep(settings: Settings, fingerprint: str, folder: Path, space: str = "") -> Settings:
    """Writes DIR/comparison.json, or, where there is one, refuses to go on with other conditions.

    Args:
        fingerprint, space: of the data, and of the weights of the autoencoder in whose codes some work.

    Returns:
        the settings with the strategies and seeds of both.
    """
    path = folder / "comparison.json"
    contents = {"fingerprint": fingerprint, **({"space_weights": space} if space else {})}
    mine = {**settings.as_dict(), **contents}
    if path.exists():
        try:
            since = {f.name: f.default for f in dataclasses.fields(Settings) if f.default is not dataclasses.MISSING}
            before = {**since, **json.loads(path.read_text(encoding="utf-8"))}  # an older file lacks what came later
            named = tuple(before["strategies"])
            seeds = int(before["seeds"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is damaged.", "Compare again in a new folder with --out.") from error
        for key, value in mine.items():
            if key == "options":
                value = {n: v for n, v in value.items() if n in before["options"] or n in named or not n}  # "": all
            if key not in GROWS and before.get(key) != value:
                words = {
                    "fingerprint": "the data's contents",
                    "options": "--set",
                    "space_weights": "weights in --space",
                }
                what = words.get(key, "--" + key.replace("_", "-"))
                raise UserError(
                    f"{folder} compares with another {what} ({_short(before.get(key))}, now {_short(value)}): trials "
                    "under unequal conditions are not compared.",
                    "Give the same settings to go on with it, or a new folder with --out.",
                )
        every = (*named, *(n for n in settings.strategies if n not in named))
        settings = dataclasses.replace(settings, strategies=every, seeds=max(seeds, settings.seeds))
        mine = {**settings.as_dict(), **contents}
    elif folder.is_dir() and any(p.name != "data.npy" for p in folder.iterdir()):
        raise UserError(f"{folder} is not empty and holds no comparison.", "Choose a new folder with --out.")
    write_json(path, mine)
    return settings


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else text[:37] + "…"


def order(
    settings: Settings,
    name: str,
    seed: int,
    options: Mapping[str, Any],
    folder: Path,
    place: str,
    conditions: Mapping[str, Any] | None = None,
) -> Job:
    """The job of one trial in DIR/place; `conditions`: what else the trials of a comparison must have in common, see
    `check_conditions`."""
    config = settings.config(name, seed, folder / place)
    given = {
        "config": dataclasses.asdict(config),
        "options": as_plain(options),
        "folder": place,
        "extractor": settings.extractor,
        "count": settings.count,
        **({"conditions": as_plain(conditions)} if conditions else {}),
    }
    return Job(folder / place, given, f"{name}, seed {seed}")
