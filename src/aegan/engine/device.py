"""Which device, which precision: decided once, from what the machine has."""

from __future__ import annotations

import contextlib
import platform

import torch

from aegan.cores import usable
from aegan.errors import UserError


def pick_device(name: str) -> torch.device:
    """`auto` takes cuda, then mps, then cpu; anything else must exist."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # `meta` computes nothing
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"Device '{name}' cannot be used: {reason}", "Leave --device out, or say --device cpu."
        ) from None
    return device


def pick_precision(name: str, device: torch.device) -> str:
    """`auto` is bf16 on CPUs that have AVX512-BF16 or AMX, and fp32 elsewhere.

    On a GPU the networks here are small: what takes time is to start their kernels, of which casts are more. On an H100
    bf16 and fp16 gave 0.6 to 1.0 times the images/s of fp32 (with TF32 convolutions), `python bench/gpu.py`.
    """
    if name != "auto":
        if name == "fp16" and device.type == "cpu":
            raise UserError("--precision fp16 does not train on a CPU.", "Use auto, bf16 or fp32.")
        return name
    if device.type == "cpu" and getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)():
        return "bf16"
    return "fp32"


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """The autocast region for a forward pass; a no-op in fp32."""
    if precision == "fp32":
        return contextlib.nullcontext()
    # The cache of weight casts pays off, but must not outlive a step in which weights change; torch drops it on exit.
    return torch.autocast(device.type, torch.bfloat16 if precision == "bf16" else torch.float16)


def describe_machine(device: torch.device) -> dict[str, object]:
    """Hardware and versions, for logs and reports; `threads` are those that compute at this moment."""
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as info:
        cpu = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), cpu)
    out: dict[str, object] = {
        "cpu": cpu,
        "cores": usable(),
        "threads": torch.get_num_threads(),
        "device": str(device),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
    }
    if device.type == "cuda":
        out["gpu"] = torch.cuda.get_device_name(device)
    return out
