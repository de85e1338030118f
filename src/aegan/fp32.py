"""Where a network computes in 32 bits whatever the precision of the training."""

from __future__ import annotations

import torch
from torch import Tensor


def in_fp32(x: Tensor) -> torch.autocast:
    """Autocast off on the device of `x`: gradients of gradients and small differences lose too much in 16 bits."""
    return torch.autocast(x.device.type, enabled=False)
