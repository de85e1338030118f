"""Where the files that a run needs lie: absolute and relative to its folder, so that either may move."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aegan.data.builtin import NAMES
from aegan.errors import UserError

if TYPE_CHECKING:
    from aegan.data import Data
    from aegan.runs.settings import RunSettings

ARRAY = "array"  # as which config.yaml names data that was given in Python
SAY = "Say where it is now: --data PATH, or Run.data(source=...) in Python."


@dataclass(frozen=True)
class Place:
    """A file or folder.

    Args:
        absolute: its path when the run was last begun.
        relative: the same from the run's folder; empty where there is no such path (another drive).
    """

    absolute: str
    relative: str

    @classmethod
    def of(cls, path: str, folder: Path) -> Place:
        """The place of a path as it was typed, for a run in `folder`."""
        absolute = os.path.abspath(os.path.expanduser(path))
        try:
            relative = os.path.relpath(absolute, os.path.realpath(folder))
        except ValueError:
            relative = ""
        return cls(absolute, relative)

    def candidates(self, typed: str, folder: Path) -> list[str]:
        """Where it may be now, for a run in `folder`, the likeliest first."""
        near = os.path.normpath(os.path.join(os.path.realpath(folder), self.relative)) if self.relative else ""
        found = [self.absolute, near, os.path.abspath(os.path.expanduser(typed))]
        return [path for path in dict.fromkeys(found) if path]


def read_places(plain: Any) -> dict[str, Place]:
    """The inverse of `plain_places`."""
    return {str(name): Place(str(p["absolute"]), str(p["relative"])) for name, p in dict(plain or {}).items()}


def plain_places(places: Mapping[str, Place]) -> dict[str, dict[str, str]]:
    """As plain values."""
    return {name: asdict(place) for name, place in places.items()}


def where(name: str, typed: str, settings: RunSettings, folder: Path) -> str:
    """The first place at which a file named in the settings is now; as it was typed, if it is at none.

    Args:
        name: of the setting.
        typed: its value, a path.
        folder: the run's.
    """
    place = settings.places.get(name)
    candidates = place.candidates(typed, folder) if place else []
    return next((path for path in candidates if os.path.exists(path)), typed)


def is_path(data: str) -> bool:
    """Whether data is named by a path: not a built-in set, nor an array."""
    return data not in NAMES and data != ARRAY


def find_data(
    settings: RunSettings, folder: Path, *, source: Any = None, progress: bool = False, checked: bool = True
) -> tuple[Data, str]:
    """The data of a run, opened, wherever it lies now, and the path or name that led there.

    Args:
        settings: the run's.
        folder: the run's; relative places are seen from there.
        source: where it is now, or an array; None: where it was.
        checked: refuse data of other content than the run was trained on.

    Raises:
        UserError: it is nowhere, or has other content.
    """
    typed, run = settings.run.data, settings.run
    if run.data_dir is not None:
        settings = replace(settings, run=replace(run, data_dir=where("data_dir", run.data_dir, settings, folder)))
    if source is not None and (not isinstance(source, str) or source != typed):
        data = settings.open_data(progress, source)
        if checked and _differs(data, settings):
            raise UserError(
                f"{data.source} is not the data that this run was trained on: {_unlike(data, settings)}.",
                "Name that data, or train on this in a new folder: --out NEW, with --init RUN to begin from its weights.",
            )
        return data, source if isinstance(source, str) else typed
    if typed == ARRAY and not os.path.exists(typed):
        raise UserError(
            "This run was trained on an array that was given in Python, which no file of the run holds.",
            "Give it again: --data FILE.npy, Run.data(source=...), or aegan.fit(data, out=..., resume=True).",
        )
    place = settings.places.get("data") if is_path(typed) else None
    candidates = place.candidates(typed, folder) if place else [typed]
    changed: Data | None = None
    refused: UserError | None = None
    for path in candidates:
        if len(candidates) > 1 and not os.path.exists(path) and "{" not in path:
            continue
        try:
            data = settings.open_data(progress, path)
        except UserError as error:
            refused = refused or error
            continue
        if not checked or not _differs(data, settings):
            return data, path
        changed = changed or data
    if changed is not None:
        raise UserError(
            f"The data is not what this run was trained on ({changed.source} has changed: {_unlike(changed, settings)}).",
            "Bring it back, say where it is (--data PATH), or train in a new folder with --out.",
        )
    if refused is not None and os.path.exists(candidates[0]):
        raise refused
    raise UserError(f"The data of this run is not where it was: there is no {candidates[0]}.", SAY) from refused


def _differs(data: Data, settings: RunSettings) -> bool:
    return bool(settings.fingerprint) and data.fingerprint != settings.fingerprint


def _unlike(data: Data, settings: RunSettings) -> str:
    """What is different, in a few words."""
    count = len(data.train) + len(data.held_out)
    if settings.examples and settings.examples != count:
        return f"{count:,} examples, not {settings.examples:,}"
    return f"{count:,} examples of other content"
