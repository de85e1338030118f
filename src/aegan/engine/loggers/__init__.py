"""Where a run is also logged, beside its own log.jsonl: TensorBoard, Weights & Biases or trackio, on this machine.

What goes wrong there is kept away from training.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from aegan.errors import UserError, first_line, unknown

# by the name of their package, which is also that of their module here
LOGGERS = ("tensorboard", "trackio", "wandb")


class Logger(Protocol):
    """A place that a run is logged to. Its module here has a function `logger(folder)` that makes one for a run folder."""

    def begin(self, config: Mapping[str, Any], step: int) -> None:
        """A run begins, or goes on from `step`; `config` holds its settings as plain values."""
        ...

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers of a step, by names like compress/terms/AE.L1."""
        ...

    def images(self, step: int, name: str, path: Path) -> None:
        """A picture of a step, as the file that was written."""
        ...

    def end(self) -> None:
        """The run has ended, in whatever way."""
        ...


def chosen(names: str) -> tuple[str, ...]:
    """The loggers that --logger asks for.

    Args:
        names: some of `LOGGERS` with commas between; `none`; or `auto`, which is tensorboard where it is installed, unless
            the environment variable AEGAN_TENSORBOARD is 0.

    Raises:
        UserError: a name is not known, or its package is missing.

    >>> chosen("none"), chosen("")
    ((), ())
    """
    if names == "auto":
        off = os.environ.get("AEGAN_TENSORBOARD", "auto") == "0"
        return () if off or find_spec("tensorboard") is None else ("tensorboard",)
    wanted = tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip() not in ("", "none")))
    for name in wanted:
        if name not in LOGGERS:
            raise unknown("logger", name, (*LOGGERS, "auto", "none"))
        if find_spec(name) is None:
            raise UserError(
                f"--logger {name} needs the package {name}, which is missing.", 'pip install "aegan[loggers]"'
            )
    return wanted


class Loggers:
    """Several loggers as one. One that fails is reported once and is off from then on; training never stops for it."""

    def __init__(self, names: tuple[str, ...], folder: Path, say: Callable[[str], None]) -> None:
        self._say = say
        self._on: dict[str, Logger] = {}
        for name in names:
            with self._off_if_it_fails(name):
                # importing some of them takes seconds, so only those that were asked for
                self._on[name] = import_module(f"aegan.engine.loggers.{name}").logger(folder)

    @contextmanager
    def _off_if_it_fails(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # other people's code, disks, services
            self._on.pop(name, None)
            self._say(f"The logger {name} has failed and is off; training goes on. {first_line(error)}")

    def _each(self, call: Callable[[Logger], None]) -> None:
        for name, logger in list(self._on.items()):
            with self._off_if_it_fails(name):
                call(logger)

    def begin(self, config: Mapping[str, Any], step: int) -> None:
        """As `Logger.begin`, for all; the others likewise."""
        self._each(lambda logger: logger.begin(config, step))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._each(lambda logger: logger.scalars(step, values))

    def images(self, step: int, name: str, path: Path) -> None:
        self._each(lambda logger: logger.images(step, name, path))

    def end(self) -> None:
        self._each(lambda logger: logger.end())
