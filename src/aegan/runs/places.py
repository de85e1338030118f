"""Where the files that a run needs lie: absolute and relative to its folder, so that either may move."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aegan.data.builtin import NAMES
from aegan.errors import UserError

if TYPE_CHECKING:
    from aegan.data import Data
    from aegan.runs.settings import RunSettings

ARRAY = "array"  # as which config.yaml names data that was given in Python


@dataclass(frozen=True)
class Place:
    """A file or folder, as it was when the run was last begun."""

    absolute: str
    relative: str  # from the run's folder; empty where there is no such path (another drive)

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


def where(name: str, typed: str, settings: RunSettings, folder: Path) -> str:
    """The first place at which the file of a setting is now; as it was typed, if it is at none."""
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
        folder: the run's, from which relative places are seen.
        source: where it is now, or an array; None: where it was.
        checked: refuse data of other content than the run was trained on.

    Raises:
        UserError: it is nowhere, or has other content.
    """
    typed, run = settings.run.data, settings.run
    known = settings.fingerprint if checked else ""
    if run.data_dir is not None:
        settings = replace(settings, run=replace(run, data_dir=where("data_dir", run.data_dir, settings, folder)))
    if source is not None and not (isinstance(source, str) and source == typed):
        data = settings.open_data(progress, source)
        if known and data.fingerprint != known:
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
        pattern = "{" in path or glob.has_magic(path)
        if len(candidates) > 1 and not os.path.exists(path) and not pattern:
            continue
        try:
            data = settings.open_data(progress, path)
        except UserError as error:
            refused = refused or error
            continue
        if not known or data.fingerprint == known:
            return data, path
        changed = changed or data
    if changed is not None:
        raise UserError(
            f"The data is not what this run was trained on ({changed.source} has changed: {_unlike(changed, settings)}).",
            "Bring it back, say where it is (--data PATH), or train in a new folder with --out.",
        )
    fresh = settings.folder is None and place is None  # not of a run whose files may have moved
    if refused is not None and (fresh or typed in NAMES or os.path.exists(candidates[0])):
        raise refused
    raise UserError(
        f"The data of this run is not where it was: there is no {candidates[0]}.",
        "Say where it is now: --data PATH, or Run.data(source=...) in Python.",
    ) from refused


def _unlike(data: Data, settings: RunSettings) -> str:
    """What is different, in a few words."""
    count = len(data.train) + len(data.held_out)
    if settings.examples and settings.examples != count:
        return f"{count:,} examples, not {settings.examples:,}"
    return f"{count:,} examples of other content"
