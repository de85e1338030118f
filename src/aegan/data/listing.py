"""The files under a folder, and which are safe and worth reading: what programs, aegan too, leave there is never data."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from aegan.data.decode import MOST_BYTES, TOO_LARGE

LITTER = ("__macosx", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "@eadir", "icon\r")
EMPTY_FOLDER = "an empty folder"
UNREAD = "can't be read"
RUN = "a run's folder: its pictures are results, not data"
TOOLS = "a program's own folder"
_TOOLS = {
    "lightning_logs", "wandb", "mlruns", "node_modules", "__pycache__", "site-packages", "tensorboard", "tb_logs",
}  # fmt: skip
# each line is one program's sign: a folder that holds all of these is one of its results
_SIGNS = [
    ["config.yaml", r"log\.jsonl|checkpoints"],  # aegan
    ["config.json", r"(diffusion_)?(pytorch_)?model.*\.(safetensors|bin)"],  # a model of aegan, transformers, diffusers
    ["model_index.json"],
    ["training_options.json"],  # StyleGAN2, StyleGAN3, EDM
    [r"fakes.*\.(png|jpg)", r"reals\.(png|jpg)|log\.txt|network-.*\.pkl"],
    [r"train_opt\.txt|loss_log\.txt"],  # CycleGAN, pix2pix
    ["hparams.yaml", "checkpoints"],  # Lightning
    ["trainer_state.json"],
    [r"events\.out\.tfevents\..*"],
    ["args.yaml", "weights"],  # YOLO
    [r"\.config\.json", r"model_.*\.pt"],  # lightweight-gan
    ["pyvenv.cfg"],
]
_COMPILED = [[re.compile(sign) for sign in signs] for signs in _SIGNS]
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
_OWN = {"checkpoints", "samples", "model", "model-best", "runs"}  # of a run whose folder is the data's own


class Listed(NamedTuple):
    """One file."""

    name: str  # its path inside the folder, with forward slashes
    path: str
    why: str = ""  # it is not to be read; "" if it may be
    size: int = 0  # bytes
    changed: str = ""  # differs after every change

    @property
    def suffix(self) -> str:
        return os.path.splitext(self.name)[1].lower()


def walk(root: Path) -> Iterator[Listed]:
    """Every file under a folder, sorted by name; links to folders, and links out of it, are reported, not followed.

    Folders that a program left (a run of aegan or of others) are reported in one line each, and so are empty ones.

    Plain strings and directory entries, no `Path` a file: with those, listing 50,000 files took seconds.
    """
    real = os.path.realpath(root)
    inside = [real]
    parent, snapshots = os.path.split(os.path.dirname(real))
    if snapshots == "snapshots":  # the Hugging Face cache: snapshots/REVISION is made of links into blobs
        inside.append(os.path.join(parent, "blobs"))
    yield from _walk(os.fspath(root), "", tuple(os.path.join(each, "") for each in inside))


def _walk(folder: str, prefix: str, within: tuple[str, ...]) -> Iterator[Listed]:
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError:
        if not prefix:
            raise
        yield Listed(prefix[:-1], folder, UNREAD)
        return
    inside = [entry.name for entry in entries]
    if prefix and (why := left_by_a_program(os.path.basename(folder), inside) or ("" if entries else EMPTY_FOLDER)):
        yield Listed(prefix[:-1], folder, why)
        return
    results = set() if prefix else results_inside(inside)
    for entry in entries:
        name = prefix + entry.name
        try:
            link, is_folder = entry.is_symlink(), entry.is_dir()
            if hidden((entry.name,)):
                yield Listed(name, entry.path, "hidden")
            elif entry.name in results:
                yield Listed(name, entry.path, RUN)
            elif link and is_folder:
                yield Listed(name, entry.path, "linked folder")
            elif link and not os.path.realpath(entry.path).startswith(within):
                yield Listed(name, entry.path, "symbolic link that leads out of the folder")
            elif is_folder:
                yield from _walk(entry.path, name + "/", within)
            else:
                status = entry.stat()
                why = unfit(status.st_size) if stat.S_ISREG(status.st_mode) else "not a file"
                yield Listed(name, entry.path, why, status.st_size, changed(status))
        except OSError:
            yield Listed(name, entry.path, "broken symbolic link" if entry.is_symlink() else UNREAD)


def changed(status: os.stat_result) -> str:
    """When a file's content and its entry were last changed, nanoseconds; nobody can set back the second."""
    return f"{status.st_mtime_ns}\0{status.st_ctime_ns}"


def hidden(parts: Sequence[str]) -> bool:
    """Whether a path is one that file managers and archivers keep for themselves.

    >>> hidden(("__MACOSX", "cat.png")), hidden(("cats", "cat.png"))
    (True, False)
    """
    return any(part.startswith(".") or part.lower() in LITTER for part in parts)


def unfit(size: int) -> str:
    """Why a file of such a size must not be read as an image; "" if it may be."""
    return "empty" if size == 0 else TOO_LARGE if size > MOST_BYTES else ""


def left_by_a_program(name: str, inside: Collection[str]) -> str:
    """Why a folder is nobody's data, by its name and the names of what it holds; "" if it may be.

    >>> left_by_a_program("latent-1", ["checkpoints", "config.yaml", "samples"]) == RUN
    True
    >>> left_by_a_program("cats", ["1.png", "config.yaml"])
    ''
    """
    if name in _TOOLS:
        return TOOLS
    # a folder may hold a million pictures, and few names that are looked for end as theirs do
    few = [each for each in inside if not each.lower().endswith(_PICTURES) or each.startswith(("fakes", "reals"))]
    for signs in _COMPILED:
        if all(any(sign.fullmatch(each) for each in few) for sign in signs):
            return RUN
    return ""


def results_inside(inside: Collection[str]) -> set[str]:
    """Of what the data's own folder holds, the sub-folders that a run wrote whose `--out` it was.

    >>> results_inside(["1.png", "config.yaml", "log.jsonl", "samples"])
    {'samples'}
    """
    return _OWN & set(inside) if left_by_a_program("", inside) else set()
