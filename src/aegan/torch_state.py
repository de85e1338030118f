"""What torch keeps for the whole process: inside as this package needs it, afterwards as the caller had it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

CPU = torch.device("cpu")


@contextmanager
def usual_torch() -> Iterator[None]:
    """Tensors are float32, on the CPU and with gradients where nothing else is said, whatever the caller has set.

    >>> with torch.inference_mode(), usual_torch():
    ...     torch.ones(1, requires_grad=True).square().requires_grad
    True
    """
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    with contextlib.ExitStack() as held:
        held.enter_context(torch.inference_mode(False))
        held.enter_context(torch.enable_grad())
        if dtype != torch.float32:
            held.callback(torch.set_default_dtype, dtype)
            torch.set_default_dtype(torch.float32)
        if device != CPU:  # the context costs a little at each call of torch
            held.enter_context(CPU)
        yield


@contextmanager
def kept_random(device: torch.device = CPU) -> Iterator[None]:
    """Afterwards torch's random generators are where they were: of the CPU, of `device`, and of GPUs already in use.

    >>> torch.manual_seed(0).initial_seed()
    0
    >>> with kept_random():
    ...     a = torch.rand(1)
    >>> torch.equal(torch.rand(1), a)
    True
    """
    # a GPU that is not in use has no state yet, and asking for it would start CUDA
    gpus = torch.cuda.device_count() if device.type == "cuda" or torch.cuda.is_initialized() else 0
    mps = torch.mps.get_rng_state() if device.type == "mps" else None
    try:
        with torch.random.fork_rng(devices=range(gpus)):
            yield
    finally:
        if mps is not None:
            torch.mps.set_rng_state(mps)


def seed_random(seed: int, device: torch.device = CPU) -> None:
    """Seeds the generators of the CPU and of `device`; `torch.manual_seed` also those that `kept_random` leaves alone."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
