"""The published protocols, and in what ours differ."""

from __future__ import annotations

from dataclasses import dataclass

from aegan.benchmarks.published import ROWS, STACKED, TOY, Row


@dataclass(frozen=True)
class Protocol:
    """How a benchmark is run and counted."""

    name: str
    data: str  # a built-in name
    modes: int
    samples: int
    steps: int  # of ours, if none are asked for
    published_steps: int  # of the papers, where they say
    about: str  # data and threshold, in a sentence
    differences: tuple[str, ...]  # of every row of ours from PacGAN's protocol, besides the number of steps
    rows: tuple[Row, ...]  # of the papers
    published: str = ""  # preset of `gan` with the paper's own networks, optimiser and batch; empty: none
    published_batch: int = 100


_TOY = (
    "our networks, optimisers and losses",
    "data standardised, samples brought back to its units",
    "an average of G's weights where the strategy keeps one",
)

PROTOCOLS: dict[str, Protocol] = {
    p.name: p
    for p in (
        Protocol(
            "ring", "ring", 8, 2500, 50_000, TOY,
            "8 Gaussians of sd 0.01 on a circle of radius 1, 100,000 fixed points; a sample is of high quality within 3 sd "
            "of the nearest centre, a mode is covered by one such sample",
            _TOY, ROWS["ring"], "pacgan",
        ),
        Protocol(
            "grid", "grid", 25, 2500, 50_000, TOY,
            "25 Gaussians of sd 0.05 at {-4, -2, 0, 2, 4}², 100,000 fixed points; a sample is of high quality within 3 sd "
            "of the nearest centre, a mode is covered by one such sample",
            _TOY, ROWS["grid"], "pacgan",
        ),
        Protocol(
            "stacked", "stacked", 1000, 26_000, 20_000, STACKED,
            "three digits drawn alike in three colour channels, 128,000 fixed images; a classifier names each channel's "
            "digit, the triple is the mode",
            (
                "digits of scikit-learn, 8×8, instead of MNIST's 28×28: 1,596 to draw from instead of 70,000",
                "our networks, optimisers and losses",
                "images and generator share one range; in the papers' code G ends in (-1, 1) and the data lies in [0, 1]",
                "an average of G's weights where the strategy keeps one",
                        ),
            ROWS["stacked"], published_batch=64,
        ),
    )
}  # fmt: skip
