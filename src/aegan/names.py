"""Names of files and classes as other people's machines have them: any bytes, any length, quotes, line breaks.

Inside, a name is exact: what the system gave, with stray bytes as lone surrogates (PEP 383). People see `printable`, shells
get `quoted`, and files that are named after others get `FreshNames`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import PurePath, PurePosixPath

LONGEST = 255  # bytes of one name in the usual file systems
# lone surrogates too, unless they stand for a byte and the system's names are bytes
_lone = {*range(0xD800, 0xE000)} - ({*range(0xDC80, 0xDD00)} if sys.platform == "linux" else set())
FORBIDDEN = set('<>:"|?*') | {chr(c) for c in (*range(32), 0x7F, *_lone)}
# of devices on Windows, with any suffix
DEVICES = {"con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(1, 10))}


def printable(text: str) -> str:
    """Text that a terminal, a page and JSON can take, of a name that may hold line breaks, control codes or stray bytes.

    >>> printable("caf\\udce9\\n.png")
    'caf\\\\udce9\\\\n.png'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def as_bytes(text: str) -> bytes:
    r"""Names as the system has them, in UTF-8 but for stray bytes, which come back as they were.

    >>> as_bytes("caf\udce9")
    b'caf\xe9'
    """
    return text.encode("utf-8", sys.getfilesystemencodeerrors())


def is_utf8(path: str | os.PathLike[str]) -> bool:
    """Whether a name can be given to libraries whose names are UTF-8."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def quoted(name: str | os.PathLike[str]) -> str:
    r"""A name as it is typed in a command: as it is, in quotes, or with its bytes spelled out (for bash and zsh).

    >>> quoted("runs/a"), quoted("my runs/a"), quoted("caf\udce9"), quoted("-x")
    ('runs/a', "'my runs/a'", "$'caf\\xe9'", './-x')
    """
    text = os.fspath(name)
    text = f"./{text}" if text.startswith("-") else text  # it would be taken for an option
    if os.name == "nt":
        return subprocess.list2cmdline([text])
    if text.isprintable():
        return shlex.quote(text)
    spelled = (
        c.replace("\\", "\\\\").replace("'", "\\'")
        if c.isprintable()
        else "".join(f"\\x{byte:02x}" for byte in as_bytes(c))
        for c in text
    )
    return f"$'{''.join(spelled)}'"


def stem_of(data: str) -> str:
    """What is named after some data: its last part without the suffix and without the signs of a pattern.

    >>> stem_of("photos/*.png"), stem_of("sets/cats.zip"), stem_of("shards/{000..003}.tar")
    ('data', 'cats', '000..003')
    """
    plain = re.sub(r"[*?\[\]{}<>:\"|]+", "_", PurePath(data).stem).strip("_")
    return shortened(plain, 200) or "data"


def shortened(name: str, room: int = LONGEST) -> str:
    """A name of at most `room` bytes: one that is longer loses its end to a hash of all of it.

    >>> shortened("a.png"), shortened("a" * 300, 20)
    ('a.png', 'aaaaaaaaaaa-a5de59a0')
    """
    raw = name.encode("utf-8", "surrogatepass")
    if len(raw) <= room:
        return name
    mark = f"-{hashlib.blake2b(raw, digest_size=4).hexdigest()}"
    return raw[: room - len(mark)].decode("utf-8", "ignore") + mark


def safe(name: str) -> str:
    """A name without its suffix, as a path under a folder on any system; stray bytes are kept on Linux alone, else `_`.

    >>> safe("../../etc/passwd.png"), safe("cats/a:b.jpg"), safe("/abs"), safe("//abs"), safe(".."), safe("con.png")
    ('etc/passwd', 'cats/a_b', 'abs', 'abs', 'image', '_con')
    """
    parts = []
    for part in PurePosixPath(name.replace("\\", "/")).parts:
        clean = "".join("_" if c in FORBIDDEN else c for c in part).strip(" .")
        if clean.strip("/"):  # POSIX has two roots, / and //
            parts.append(f"_{clean}" if clean.partition(".")[0].lower() in DEVICES else clean)
    if not parts:
        return "image"
    stem, dot, _ = parts[-1].rpartition(".")
    parts[-1] = (stem if dot and stem else parts[-1]).rstrip(" .")
    return "/".join(shortened(part, 200) for part in parts)


class FreshNames:
    """Gives out paths that no file has yet, also where capital letters do not count (Windows, macOS)."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def of(self, stem: str, suffix: str) -> str:
        """`stem` and suffix, with -2, -3, … behind the stem, and behind a folder of it whose name a file has.

        >>> fresh = FreshNames()
        >>> fresh.of("twin", ".png"), fresh.of("Twin", ".png"), fresh.of("twin-2", ".png")
        ('twin.png', 'Twin-2.png', 'twin-2-2.png')
        >>> fresh.of("twin.png/a", ".png"), fresh.of("dir.png/a", ".png"), fresh.of("dir", ".png")
        ('twin.png-2/a.png', 'dir.png/a.png', 'dir-2.png')
        """
        *folders, name = stem.split("/")
        root = ""
        for folder in folders:
            path = _free(root + folder, "", self._files)
            self._folders.add(path.casefold())
            root = f"{path}/"
        path = _free(root + name, suffix, self._files, self._folders)
        self._files.add(path.casefold())
        return path


def _free(stem: str, suffix: str, *taken: set[str]) -> str:
    path, n = stem + suffix, 1
    while any(path.casefold() in names for names in taken):
        n += 1
        path = f"{stem}-{n}{suffix}"
    return path
