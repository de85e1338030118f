"""The engine on several devices or machines: one process for each, called a rank, all with the same weights.

Fabric reads what `torchrun` has set, picks the device and connects the processes. Its module wrapper, torch's
DistributedDataParallel, is not used: it averages gradients in hooks that count on one `forward` of one module before
each `backward`, and a strategy calls several networks, by other methods than `forward` too, some twice, and trains them
with several optimisers. Instead every phase sends its gradients, its loss and its logged values in one flat vector
behind its `backward`. Nothing overlaps with the backward pass, which is what this costs; see docs/scale.md.

All ranks take the same decisions, since they have the same numbers: the averaged loss and gradients, and for what
depends on time or on signals, rank 0's or anybody's answer, asked for every few steps.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from safetensors.torch import load, save
from torch import Tensor, nn

from aegan.collectives import Share, broken_connections, mean_over_ranks
from aegan.engine.state import prefixed, under
from aegan.errors import UserError
from aegan.launch import is_rank

Plain = TypeVar("Plain")
TIMEOUT = timedelta(hours=6)  # that ranks wait for one that fits, writes or draws pictures


@dataclass(frozen=True)
class Ranks:
    """This process among the processes of a run; alone unless `start` says otherwise."""

    rank: int = 0
    size: int = 1
    first_here: bool = True  # on its machine
    device: torch.device | None = None  # None: as the run's settings say

    @property
    def first(self) -> bool:
        """Whether this process writes and speaks for the run."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        return self.size > 1

    # --- a step ---------------------------------------------------------------------------------------------------

    def divide(self, batch_size: int, grain: int = 1) -> Share:
        """Which rows of a batch are this rank's.

        Raises:
            UserError: the batch cannot be shared out evenly.
        """
        step = self.size * grain
        if batch_size % step:
            packs = f" in packs of {grain}" if grain > 1 else ""
            near = max(step, batch_size // step * step)
            raise UserError(
                f"A batch of {batch_size}{packs} cannot be shared out evenly over {self.size} processes.",
                f"--batch-size is that of all of them together: --batch-size {near}",
            )
        return Share(self.rank, self.size, grain)

    def average(self, parameters: list[nn.Parameter], logged: dict[str, Tensor]) -> dict[str, Tensor]:
        """Puts the mean over ranks in the place of the gradients; gives that of the scalars in `logged`."""
        if not self.several:
            return logged
        gradients = [p.grad for p in parameters if p.grad is not None]
        parts = [g.reshape(-1).float() for g in gradients] + [v.detach().float().reshape(1) for v in logged.values()]
        means = mean_over_ranks(torch.cat(parts), self.size).split([len(p) for p in parts])
        for gradient, mean in zip(gradients, means, strict=False):
            gradient.copy_(mean.view_as(gradient))
        return dict(zip(logged, (m[0] for m in means[len(gradients) :]), strict=True))

    # --- decisions ------------------------------------------------------------------------------------------------

    def broadcast(self, *values: float) -> tuple[float, ...]:
        """Rank 0's numbers."""
        if not self.several:
            return values
        sent = torch.tensor(values, dtype=torch.float64, device=self.device)
        with broken_connections():
            dist.broadcast(sent, 0)
        return tuple(sent.tolist())

    def highest(self, value: int) -> int:
        """The greatest of all ranks' numbers."""
        if not self.several:
            return value
        sent = torch.tensor(value, device=self.device)
        with broken_connections():
            dist.all_reduce(sent, dist.ReduceOp.MAX)
        return int(sent)

    # --- from rank 0 to all ---------------------------------------------------------------------------------------

    def broadcast_object(self, make: Callable[[], Plain]) -> Plain:
        """What `make` gives on rank 0, as JSON carries it. Where it fails there, the others end without a word."""
        return self.tensors_from_first(lambda: ({}, make()))[1]

    def tensors_from_first(
        self, make: Callable[[], tuple[dict[str, Tensor], Plain]]
    ) -> tuple[dict[str, Tensor], Plain]:
        """The same, with tensors, on the CPU."""
        if not self.several:
            return make()
        if not self.first:
            note = self._broadcast(b"")
            if not note:
                raise SystemExit(2)
            return load(self._broadcast(b"")), json.loads(note)
        try:
            tensors, plain = make()
        except BaseException:
            self._broadcast(b"")
            raise
        self._broadcast(json.dumps(plain).encode())
        self._broadcast(save({k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}))
        return tensors, plain

    def _broadcast(self, content: bytes) -> bytes:
        """Rank 0's bytes, which are empty where it has failed."""
        (length,) = self.broadcast(len(content))
        if not length:
            return b""
        mine = bytearray(content) if self.first else bytearray(int(length))
        sent = torch.frombuffer(mine, dtype=torch.uint8).to(self.device)
        with broken_connections():
            dist.broadcast(sent, 0)
        return sent.cpu().numpy().tobytes()

    def take_first(self, networks: dict[str, nn.Module]) -> None:
        """All ranks take rank 0's weights and buffers, of whatever sizes a fit has given them."""
        if not self.several:
            return
        tensors, _ = self.tensors_from_first(lambda: (prefixed(networks), None))
        if self.first:
            return
        for name, net in networks.items():
            net.load_state_dict(under(tensors, f"{name}/"))

    def wait(self) -> None:
        """Until all ranks are here."""
        self.highest(0)

    def in_turn(self, make: Callable[[], Plain]) -> Plain:
        """What `make` gives, on the first rank of each machine before the others: what it caches is there for them."""
        made = [make()] if self.first_here else []
        self.wait()
        return made[0] if made else make()


def start(device: str) -> Ranks:
    """Connects this process with the others that `torchrun` or `--devices` has started, if there are any.

    Raises:
        UserError: this machine has fewer devices than processes.
    """
    if not is_rank():
        return Ranks()
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import TorchElasticEnvironment
    from lightning_fabric.strategies import DDPStrategy

    here, size = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
    kind = device.partition(":")[0]
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    if kind not in ("cpu", "cuda"):
        raise UserError(f"Device '{device}' cannot be shared by several processes.", "Use --device cuda or cpu.")
    found = torch.cuda.device_count()
    if kind == "cuda" and found < here:
        raise UserError(f"This machine has {found} GPUs for {here} processes.", "Start fewer, or add --device cpu.")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    fabric = Fabric(
        accelerator=kind, devices=here, num_nodes=max(1, size // here), plugins=TorchElasticEnvironment(),
        strategy=DDPStrategy(timeout=TIMEOUT),
    )  # fmt: skip
    with broken_connections():
        fabric.launch()
    atexit.register(_leave)  # left to the interpreter's end, the connections' threads can abort the process
    return Ranks(fabric.global_rank, fabric.world_size, fabric.local_rank == 0, fabric.device)


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
