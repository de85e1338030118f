"""What a term of a loss is for, by its symbol: all that is known of it outside of the strategy that computes it."""

from __future__ import annotations

from typing import Literal

Kind = Literal["reconstruction", "adversarial", "regulariser", "penalty"]

_SYMBOLS: dict[Kind, tuple[str, ...]] = {
    # how far an image is from what comes back of it
    "reconstruction": ("L1", "L2", "Llap", "MSE", "rec", "NLL", "L_like", "L_rec", "L_V", "D"),
    # a player's part of the game
    "adversarial": (
        "L_D", "L_G", "L_E", "L_EG", "L_C", "L_H", "L_f", "L_G1", "L_G2", "L_GF", "l(x)", "-k l(G)", "l(G)", "e(x)", "e(G)",
        "[m-e(G)]+", "FM", "penalty", "L_dn", "KL_x", "KL_made", "−KL_made", "expELBO",
    ),
    # what shapes codes, features or samples without a second player
    "regulariser": (
        "KL", "L_prior", "nats", "code", "commit", "spread", "PT", "cos", "mean", "cov", "R", "bits", "L_view", "L_X",
        "anchor", "features", "cycle", "theta", "L_r", "L_w", "L_F", "decoder",
    ),
    # what keeps a critic smooth
    "penalty": ("R1", "R2", "GP", "drift"),
}  # fmt: skip
_KINDS = {symbol: kind for kind, symbols in _SYMBOLS.items() for symbol in symbols}


def kind(name: str) -> Kind | None:
    """The kind of a term, by its name in a log; None for one of somebody else's strategy.

    >>> kind("AE.L1"), kind("D.R1"), kind("L_G"), kind("mine")
    ('reconstruction', 'penalty', 'adversarial', None)
    """
    return _KINDS.get(name.rpartition(".")[2])
