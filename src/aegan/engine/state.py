"""Checkpoints: the complete training state in one safetensors file, written atomically, the last two kept."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from aegan.errors import UserError
from aegan.tensor_files import NewerFormat, read_tensors, write_tensors


class Checkpoints:
    """The `checkpoints/` folder of a run."""

    keep = 2

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(self, kind: str = "step") -> list[Path]:
        """Newest first."""
        return sorted(self.folder.glob(f"{kind}-*.safetensors"), reverse=True)

    def save(self, step: int, tensors: dict[str, Tensor], meta: dict[str, Any], kind: str = "step") -> None:
        """Writes a checkpoint, or a state to go back to ("good"), then lets go of the ones before the last two."""
        path = self.folder / f"{kind}-{step:09d}.safetensors"
        write_tensors(path, tensors, meta)
        for later in self.files(kind):
            if later > path and kind == "step":  # of steps that were taken back
                later.unlink(missing_ok=True)
        for old in self.files(kind)[self.keep :]:
            old.unlink(missing_ok=True)

    def good(self, step: int) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The newest good state that a run at `step` knew of; None: there is none, or it is damaged."""
        for path in self.files("good"):
            with contextlib.suppress(UserError):
                tensors, meta = read_tensors(path)
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
                return *read_tensors(path), passed
            except NewerFormat:
                raise
            except UserError as error:
                passed.append(error.what)
        if passed:
            raise UserError(f"No whole checkpoint is left: {passed[0]}", "Start again in a new folder with --out.")
        raise UserError(f"{self.folder} holds no checkpoint.", "Start again in a new folder with --out.")


def prefixed(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Weights and buffers of several networks, by `NETWORK/key`."""
    return {f"{name}/{key}": tensor for name, net in networks.items() for key, tensor in net.state_dict().items()}


def under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those whose names begin so, by the rest of their names: with `NETWORK/`, one network of `prefixed`."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


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
    on_gpu = {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {}
    return {"cpu": torch.get_rng_state(), **on_gpu}


def load_random_state(tensors: dict[str, Tensor], device: torch.device) -> None:
    """The inverse of `random_state`."""
    torch.set_rng_state(tensors["cpu"])
    if device.type == "cuda" and "cuda" in tensors:
        torch.cuda.set_rng_state(tensors["cuda"], device)
