"""The base of what is fitted rather than trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Fitted(nn.Module):
    """A module whose tensors are of sizes that only fitting knows.

    Loading a state_dict takes each tensor's size from the file, so that a fresh, unfitted module can be filled.
    """

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        for name, old in (*self._buffers.items(), *self._parameters.items()):
            new = state_dict.get(prefix + name)
            if isinstance(new, Tensor) and old is not None and new.shape != old.shape:
                empty = torch.empty(new.shape, dtype=old.dtype, device=old.device)
                setattr(self, name, nn.Parameter(empty) if isinstance(old, nn.Parameter) else empty)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    @property
    def fitted(self) -> bool:
        """Whether `fit` was called or a fitted state loaded."""
        return all(b is None or b.numel() > 0 for b in self._buffers.values())

    def _check(self) -> None:
        if not self.fitted:
            raise RuntimeError(f"{type(self).__name__} has not been fitted")
