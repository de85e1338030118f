"""What each strategy must learn within seconds, and how far it got: for test_learning.py and bench/learning.py alike.

*circle*: points about a circle of radius 3. `share` of the samples lie within 0.6 of it, and `least` is how many of these
the emptiest of its eighths holds, as a part of what it would hold were they evenly spread.

*shapes*: bright squares and dim discs. `back` is the error of reconstructions as a part of what the mean image has;
`gap` is how much brighter the squares are that were asked for than the discs, of 255.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from toys import circle, shapes

import aegan
from aegan.config import read_preset
from aegan.strategies import strategies, strategy

Array = np.ndarray[Any, Any]

# a game that small networks learn within some hundred steps
GAME = {"gamma": 0.1, "penalty_every": 1, "lr_critic": 2e-3, "critic_width": 16}
PAIRED = {**GAME, "z_dim": 2, "lr_generator": 1e-3, "critic_width": 32}
# steps, and the options that make so few of them enough
CIRCLE: dict[str, tuple[int, dict[str, Any]]] = {
    "aae": (300, {"prior": "mixture"}),  # N(0, I) onto a circle by a critic of codes alone takes many times the steps
    "beta-vae": (800, {"lr": 1e-2, "beta": 1.0, "sigma": 0.2}),
    "two-stage-vae": (1200, {"lr": 1e-2, "second_lr": 3e-3}),
    "wae-gan": (300, {"prior": "mixture"}),
    "alae": (500, {**GAME, "lr_generator": 1e-3, "code_width": 32}),
    "alphagan": (600, {**GAME, "lr_generator": 2e-3, "code_width": 16, "gamma_codes": 0.1, "lam": 0.2}),
    "autoencoder": (200, {}),
    "began": (800, {}),
    "bigan": (500, {**PAIRED, "cycle": 0.0}),
    "deligan": (1000, PAIRED),
    "dfm": (500, PAIRED),
    "ebgan": (300, {"batch_size": 256}),
    "fastgan": (500, PAIRED),
    "mdgan": (500, PAIRED),
    "veegan": (500, PAIRED),
    "gan": (500, PAIRED),
    "latent": (300, {"play_width": 16, "critic_width": 16}),
    "latent-flow": (400, {"flow_matrix_lr": 0.0, "lr_flow": 3e-3}),
    "drifting": (400, {}),
    "latent-wgan": (500, {"play_width": 32, "n_critic": 1, "lr_generator": 2e-3, "lr_critic": 2e-3}),
    "soft-introvae": (700, {"beta_rec": 0.4, "beta_kl": 0.6, "beta_neg": 1.8, "lr_game": 2e-3}),
    "vae": (600, {"lr": 1e-2, "batch_size": 256}),
    "vaegan": (400, {**GAME, "lr_generator": 2e-3, "like": 0.1}),
    "vqgan": (300, {"gamma": 0.1, "critic_width": 16}),
}
SHAPES: dict[str, tuple[int, dict[str, Any]]] = {
    "age": (300, {"lr": 4e-3, "mu_generator": 10.0}),
    "alae": (400, {"lr_generator": 2e-3, "lr_critic": 2e-3, "critic_width": 16}),
    "bigan": (300, {"lr_generator": 2e-3, "lr_critic": 2e-3, "critic_width": 16}),
    "alphagan": (300, {"lam": 40.0, "lr": 4e-3, "lr_generator": 2e-3, "lr_critic": 2e-3, "critic_width": 16}),
    "latent-flow": (300, {"flow_width": 128, "flow_matrix_lr": 0.0, "lr_flow": 3e-3}),
    "drifting": (300, {}),
    "gat": (300, {}),
    "latent-wgan": (400, {}),
    "mdgan": (300, {"critic_width": 16}),
    "veegan": (150, {"critic_width": 16}),
    "vaegan": (300, {"lr": 2e-3, "lr_generator": 2e-3, "lr_critic": 2e-3, "critic_width": 16, "like": 5.0}),
}
STEPS = {"circle": 300, "shapes": 150}  # of what is not named above


def names(task: str) -> list[str]:
    """The strategies that a task is for."""
    kinds = sorted(strategies().items())
    return [name for name, kind in kinds if (kind.vectors if task == "circle" else "encode" in kind.capabilities)]


def pairs() -> list[tuple[str, str]]:
    """Every task with every strategy that it is for."""
    return [(task, name) for task in LEARN for name in names(task)]


def knows(name: str, option: str) -> bool:
    return option in {f.name for f in dataclasses.fields(strategy(name))}


def recipe(task: str, name: str) -> dict[str, Any]:
    """The steps that a strategy is given, its options, and the preset below them."""
    steps, options = (CIRCLE if task == "circle" else SHAPES).get(name, (STEPS[task], {}))
    return {"steps": steps, "options": options, "preset": read_preset(name, "toy" if task == "circle" else "32")}


@dataclass(frozen=True)
class Figure:
    """What a figure must reach.

    Args:
        limit: the test's.
        failed: the figure where nothing was learned; the limit lies between it and the worst of all measured seeds.
    """

    limit: float
    failed: float

    def reached(self, value: float) -> bool:
        return value > self.limit if self.limit > self.failed else value < self.limit

    def room(self, worst: float) -> float:
        """How far the limit is from the worst seed, as a part of the way from there to `failed`; 0: it is missed."""
        return (worst - self.limit) / (worst - self.failed) if self.reached(worst) else 0.0

    def worst(self, values: list[float]) -> float:
        return min(values) if self.limit > self.failed else max(values)


ROOM = 0.25  # of that way, at least: no seed, processor or number of threads comes near the limit
FIGURES = {
    "share": Figure(0.6, failed=0.35),  # one Gaussian fitted to the points has 0.3
    "least": Figure(0.1, failed=0.0),  # an eighth is left out
    "back": Figure(0.75, failed=1.0),  # the mean image
    "gap": Figure(30.0, failed=0.0),  # both classes alike
}
# what is not asked: known weaknesses, told on the strategies' pages
EXEMPT = {
    ("began", "least"),  # of eleven seeds one all but leaves an eighth of the circle out
    ("alae", "back"), ("veegan", "back"),  # nothing in their loss compares pixels, and so soon they do not rebuild them
    ("veegan", "gap"),  # its samples of images go to the ends of the range: a fault to mend
}  # fmt: skip


def asked(name: str, figure: str) -> Figure | None:
    """What a strategy must reach; None: nothing."""
    return None if (name, figure) in EXEMPT else FIGURES[figure]


def on_circle(points: Array) -> dict[str, float]:
    """`share` and `least` of points (N, 2)."""
    near = abs(np.hypot(*points.T) - 3) < 0.6
    angle = np.arctan2(*points[near].T)
    held = np.bincount((angle // (np.pi / 4)).astype(int) % 8, minlength=8)
    return {"share": float(near.mean()), "least": float(8 * held.min() / max(1, held.sum()))}


def learn_circle(
    name: str, seed: int, folder: Path, precision: str = "auto", steps: int | None = None, **changes: Any
) -> dict[str, float]:
    """Trains a strategy on the circle: `share` and `least` of its samples."""
    usual, options, _ = recipe("circle", name).values()
    few = {"components": "20"} if knows(name, "components") else {}
    run = aegan.fit(
        circle(2000, seed), strategy=name, out=folder, steps=steps or usual, seed=seed, device="cpu",
        precision=precision, progress=False, options={"batch_size": 64, "width": 32, **few, **options, **changes},
    )  # fmt: skip
    return on_circle(np.asarray(run.model.sample(500, seed=seed)))


def learn_shapes(
    name: str, seed: int, folder: Path, precision: str = "auto", steps: int | None = None, **changes: Any
) -> dict[str, float]:
    """Trains a strategy on the shapes: `back`, and where it knows classes `gap`."""
    images, labels = shapes(300, seed=seed)
    folder.mkdir(parents=True)
    np.savez(folder / "shapes.npz", images=images, labels=labels, classes=np.array(["square", "disc"]))
    usual, options, _ = recipe("shapes", name).values()
    few = {"components": "1,2"} if knows(name, "components") else {}
    plain = {"augment": "off"} if knows(name, "augment") else {}  # so few steps are for what it does by itself
    model = aegan.fit(
        folder / "shapes.npz", strategy=name, out=folder / "run", steps=steps or usual, seed=seed, size=16, device="cpu",
        precision=precision, progress=False,
        options={"width": 16, "batch_size": 32, **few, **plain, **options, **changes},
    ).model  # fmt: skip
    some = images[:50].astype(float)
    nothing = float(((some - images.mean(0)) ** 2).mean())
    found = {"back": float(((model.reconstruct(images[:50]) - some) ** 2).mean()) / nothing}
    if model.spec.classes:
        square, disc = (model.sample(50, label=c, seed=seed).max((1, 2, 3)).mean() for c in ("square", "disc"))
        found["gap"] = float(square) - float(disc)
    return found


LEARN = {"circle": learn_circle, "shapes": learn_shapes}
