"""Checkpoints: the complete training state in one safetensors file, written atomically, the last two kept."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from aegan.errors import UserError
from aegan.names import LONGEST, is_utf8, shortened

FORMAT = 1


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns the operating system's refusals while writing `path` into one line a person can act on."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(
                f"The disk is full: {path} could not be written.",
                "Free space, then give the same command again, of a training with --resume.",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise UserError(f"No permission to write {path}.", "Choose another folder with --out.") from error
        why = error.strerror or error
        raise UserError(f"{path} could not be written: {why}.", "Choose another place with --out.") from error


def part_of(path: Path) -> Path:
    """Where a file is written before it gets its name; `sweep` finds it."""
    mine = f".{os.getpid()}.part"
    return path.with_name(f".{shortened(path.name, LONGEST - len(mine) - 1)}{mine}")


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a whole file or nothing: beside its place first, flushed to disk, then renamed over it."""
    part = part_of(path)
    with explained(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(part, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
            _settle(path.parent)
        except BaseException:  # Ctrl-C too
            with contextlib.suppress(OSError):
                part.unlink()
            raise


def write_text(path: Path, text: str) -> None:
    """A whole text file or nothing, UTF-8 on every machine.

    Stray bytes of names, which are lone surrogates, become `\\udcNN`: to JSON the very same name, to people its spelling.
    """
    write_atomically(path, text.encode("utf-8", "backslashreplace"))


def _settle(folder: Path) -> None:
    """Flushes a folder's entries: without it, a power cut may take a new name back after older files have been let go."""
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Removes what a process that was killed while writing has left below `folder`; nobody else may be writing there."""
    for part in folder.rglob(".*.part"):
        with contextlib.suppress(OSError):
            part.unlink()


def digest(tensors: dict[str, Tensor]) -> str:
    """Content hash of named tensors: safetensors notices a cut file, this notices a flipped bit."""
    h = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        t = tensors[name].detach().cpu().contiguous()
        h.update(f"{name} {t.dtype} {tuple(t.shape)}".encode())
        h.update(t.reshape(-1).view(torch.uint8).numpy().data)
    return h.hexdigest()


def write_tensors(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """One safetensors file with a JSON header that holds `meta`, the format's version and the content hash."""
    plain: dict[str, Tensor] = {}
    seen: set[int] = set()
    for (
        name,
        tensor,
    ) in tensors.items():  # the format has no two names for one tensor, and networks may have tied weights
        t = tensor.detach().cpu().contiguous()
        place = t.untyped_storage().data_ptr()
        plain[name] = t.clone() if place in seen else t
        seen.add(place)
    header = json.dumps({"format": FORMAT, "digest": digest(plain), **meta})
    write_atomically(path, save(plain, {"aegan": header}))


@contextmanager
def _openable(path: Path) -> Iterator[str]:
    """A name of a file that safetensors can open: it takes UTF-8 alone, where names on Linux are any bytes."""
    if is_utf8(path):
        yield str(path)
        return
    with open(path, "rb") as file:
        yield f"/dev/fd/{file.fileno()}"


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what `write_tensors` wrote, and checks it.

    Raises:
        UserError: the file is damaged, is not ours, or is from a newer version.
    """
    try:
        with _openable(path) as where, safe_open(where, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("aegan", "null"))
            if header is not None and header["format"] > FORMAT:
                raise UserError(
                    f"{path} has format {header['format']}, newer than this aegan knows ({FORMAT}).",
                    "Update: pip install --upgrade aegan",
                )
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is damaged and cannot be read ({type(error).__name__}).") from error
    if header is None:
        raise UserError(f"{path} was not written by aegan.")
    if header.pop("digest", None) != digest(tensors):
        raise UserError(f"{path} is damaged: its content does not match its checksum.")
    header.pop("format")
    return tensors, header


class Checkpoints:
    """The `checkpoints/` folder of a run."""

    keep = 2

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(self) -> list[Path]:
        """Newest first."""
        return sorted(self.folder.glob("step-*.safetensors"), reverse=True)

    def save(self, step: int, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """Writes a checkpoint, then lets go of the ones before the last two, and of those of steps that were taken back."""
        path = self.folder / f"step-{step:09d}.safetensors"
        write_tensors(path, tensors, meta)
        for later in self.files():
            if later > path:
                later.unlink(missing_ok=True)
        for old in self.files()[self.keep :]:
            old.unlink(missing_ok=True)

    def save_good(self, step: int, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """Writes the state to go back to where a later one proves to be ill; the last two are kept, as above."""
        write_tensors(self.folder / f"good-{step:09d}.safetensors", tensors, meta)
        for old in sorted(self.folder.glob("good-*.safetensors"), reverse=True)[self.keep :]:
            old.unlink(missing_ok=True)

    def good(self, step: int) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The newest good state that a run at `step` knew of; None: there is none, or it is damaged."""
        for path in sorted(self.folder.glob("good-*.safetensors"), reverse=True):
            try:
                tensors, meta = read_tensors(path)
            except UserError:
                continue
            if meta["counters"]["step"] <= step:
                return tensors, meta
        return None

    def head(self) -> dict[str, Any] | None:
        """The plain values of the newest checkpoint that has any, its tensors unread and unchecked; None: there is none."""
        for path in self.files():
            with contextlib.suppress(SafetensorError, OSError, ValueError), safe_open(path, framework="pt") as file:
                return dict(json.loads((file.metadata() or {})["aegan"]))
        return None

    def newest(self) -> tuple[dict[str, Tensor], dict[str, Any], list[str]]:
        """The newest whole checkpoint, and the messages about damaged ones that were passed over.

        Raises:
            UserError: there is none, or none is whole.
        """
        passed: list[str] = []
        for path in self.files():
            try:
                tensors, meta = read_tensors(path)
            except UserError as error:
                if "newer than this aegan" in error.what:
                    raise
                passed.append(error.what)
                continue
            return tensors, meta, passed
        if passed:
            raise UserError(f"No whole checkpoint is left: {passed[0]}", "Start again in a new folder with --out.")
        raise UserError(f"{self.folder} holds no checkpoint.", "Start again in a new folder with --out.")


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's state as named tensors: `0.exp_avg`, `0.exp_avg_sq`, `0.step`, `1.momentum`, ..."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{key}": torch.as_tensor(value) for i, entry in state.items() for key, value in entry.items()}


def load_optimizer_state(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """The inverse of `optimizer_state`."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    entries: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        p = parameters[int(index)]
        if tensor.shape == p.shape:
            # The fused kernels walk through memory, so a moment must lie as its parameter does (channels_last, say).
            tensor = torch.empty_like(p).copy_(tensor)
        entries.setdefault(int(index), {})[key] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": entries, "param_groups": groups})


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The states of the random generators that training draws from."""
    out = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        out["cuda"] = torch.cuda.get_rng_state(device)
    return out


def load_random_state(tensors: dict[str, Tensor], device: torch.device) -> None:
    """The inverse of `random_state`."""
    torch.set_rng_state(tensors["cpu"])
    if device.type == "cuda" and "cuda" in tensors:
        torch.cuda.set_rng_state(tensors["cuda"], device)
