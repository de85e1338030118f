"""Models on the Hugging Face Hub, through its own package: their names, and how one is fetched."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aegan.errors import UserError, first_line, required

FILES = ("*.safetensors", "*.json", "*.png", "*.md")  # all that is ever asked for: nothing here executes
_part = r"[A-Za-z0-9][\w.-]{0,95}"
_name = re.compile(rf"({_part})/({_part})")
_marked = re.compile(r"hf:/{1,2}(.*)")  # a path on the command line loses one of two slashes

# by name: which client the package uses depends on its version
UNREACHED = {"ConnectionError", "TimeoutError", "TransportError", "Timeout"}  # Python's, httpx's, and those of requests


@dataclass(frozen=True)
class HubName:
    """owner/name, and which revision of it; None: the newest."""

    repo: str
    revision: str | None = None


def is_name(text: str) -> bool:
    """Whether it can be a model's name on the Hub: owner/name.

    >>> is_name("me/garments"), is_name("garments"), is_name("a/b/c"), is_name("../garments")
    (True, False, False, False)
    """
    return bool(_name.fullmatch(text))


def hub_name(path: str | os.PathLike[str]) -> HubName | None:
    """The model on the Hub that is meant, or None if it is a folder that is meant.

    `hf://owner/name` always is one; `owner/name` is one if there is neither such a folder nor a folder `owner`, in which
    it was looked for. Either may end in `@revision`.

    >>> hub_name("hf://me/garments@v1"), hub_name("/no/such/folder")
    (HubName(repo='me/garments', revision='v1'), None)
    """
    text = path if isinstance(path, str) else Path(path).as_posix()
    marked = _marked.fullmatch(text)
    repo, _, revision = (marked.group(1) if marked else text).partition("@")
    if marked or (is_name(repo) and not Path(text).exists() and not Path(repo).parent.is_dir()):
        return HubName(repo, revision or None)
    return None


def fetch(name: HubName) -> Path:
    """The folder of a model of the Hub, downloaded, or as it was downloaded before where there is no network.

    Raises:
        UserError: the package is missing, there is no such model, or it cannot be reached and was never downloaded.
    """
    folder = download(name, FILES, "model.safetensors")
    for file in ("model.safetensors", "config.json"):
        if not (folder / file).is_file():
            raise UserError(f"{name.repo} on the Hugging Face Hub is no model of aegan: it has no {file}.")
    return folder


def download(name: HubName, files: tuple[str, ...], weights: str) -> Path:
    """The folder into which those `files` of a repository of the Hub were downloaded; `weights` names the chief one.

    Raises:
        UserError: the package is missing, there is no such repository, or it cannot be reached and was never downloaded.
    """
    if not is_name(name.repo):
        raise UserError(f"'{name.repo}' is no name of a model on the Hub.", "Write it as owner/name.")
    hub = hub_package(f"There is no folder {name.repo}, and models")
    try:
        return Path(hub.snapshot_download(name.repo, revision=name.revision, allow_patterns=list(files)))
    except Exception as error:  # the package's own, those of its HTTP client, and the system's
        raise UserError(
            f"There is no folder {name.repo}, and the model cannot be fetched from the Hugging Face Hub: "
            f"{why_not(hub, error, 'there is no connection, and it was not downloaded before.')}",
            f"Or give a folder that holds its {weights} and config.json.",
        ) from error


def hub_package(what: str = "Models") -> Any:
    with required(f"{what} of the Hugging Face Hub need huggingface_hub", '"aegan[hub]"'):
        import huggingface_hub
    return huggingface_hub


def why_not(hub: Any, error: Exception, offline: str) -> str:
    """One line: what was in the way; `offline` where there is no connection."""
    match error:
        case hub.errors.GatedRepoError():
            return "its owner gives it only to those who ask."
        case hub.errors.RepositoryNotFoundError():
            return "there is no such model, or it is private and you are not logged in."
        case hub.errors.RevisionNotFoundError():
            return "there is no such revision."
        case hub.errors.LocalEntryNotFoundError() | hub.errors.OfflineModeIsEnabled():
            return offline
    if UNREACHED & {kind.__name__ for kind in type(error).__mro__}:
        return offline
    return first_line(error)
