"""Names of models on the Hugging Face Hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_part = r"[A-Za-z0-9][\w.-]{0,95}"
_name = re.compile(rf"({_part})/({_part})")
_marked = re.compile(r"hf:/{1,2}(.*)")  # a path on the command line loses one of two slashes


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


def hub_name(path: str | Path) -> HubName | None:
    """The model on the Hub that is meant, or None if it is a folder that is meant.

    `hf://owner/name` always is one; `owner/name` is one if there is neither such a folder nor a folder `owner`, in which
    it was looked for. Either may end in `@revision`.

    >>> hub_name("hf://me/garments@v1"), hub_name("/no/such/folder")
    (HubName(repo='me/garments', revision='v1'), None)
    """
    text = str(path)
    marked = _marked.fullmatch(text)
    repo, _, revision = (marked.group(1) if marked else text).partition("@")
    if marked or (is_name(repo) and not Path(text).exists()):
        owner = Path(repo.split("/")[0])
        if marked or not owner.is_dir():
            return HubName(repo, revision or None)
    return None
