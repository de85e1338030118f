"""What a network holds fixed stays as it was drawn, although phases make all parameters of what they train trainable."""

from __future__ import annotations

from typing import Any

import torch
from narrow import narrow

from aegan.data import Data


def test_the_mixing_of_a_projected_critic_is_not_trained(pictures: Data, make_engine: Any) -> None:
    engine = make_engine(narrow("projected", eyes="lite1"), pictures, "mixing", steps=4)
    outcome = engine.run()
    F = outcome.networks["F"]
    fixed = {name: w.clone() for name, w in F.mixer.named_buffers()}
    assert len(fixed) == 7 and not list(F.mixer.parameters())  # four maps, three steps from coarse to fine
    again = make_engine(narrow("projected", eyes="lite1"), pictures, "mixing-longer", steps=9).run()
    for name, w in again.networks["F"].mixer.named_buffers():
        assert torch.equal(w, fixed[name]), name
    weights = list(F.heads.parameters())
    others = list(again.networks["F"].heads.parameters())
    assert not all(torch.equal(p, q) for p, q in zip(weights, others, strict=True)), "the heads are"
