"""Folders that other programs, and aegan itself, leave beside images: their pictures are results, never data."""

from __future__ import annotations

import re
from collections.abc import Collection

RUN = "a run's folder: its pictures are results, not data"
TOOLS = "a program's own folder"
_TOOLS = {
    "lightning_logs", "wandb", "mlruns", "node_modules", "__pycache__", "site-packages", "tensorboard", "tb_logs",
}  # fmt: skip
# each line is one program's sign: a folder that holds all of these is one of its results
_SIGNS = [
    ["config.yaml", r"log\.jsonl|checkpoints"],  # aegan
    ["config.json", r"(diffusion_)?(pytorch_)?model.*\.(safetensors|bin)"],  # a model of aegan, transformers, diffusers
    ["model_index.json"],
    ["training_options.json"],  # StyleGAN2, StyleGAN3, EDM
    [r"fakes.*\.(png|jpg)", r"reals\.(png|jpg)|log\.txt|network-.*\.pkl"],
    [r"train_opt\.txt|loss_log\.txt"],  # CycleGAN, pix2pix
    ["hparams.yaml", "checkpoints"],  # Lightning
    ["trainer_state.json"],
    [r"events\.out\.tfevents\..*"],
    ["args.yaml", "weights"],  # YOLO
    [r"\.config\.json", r"model_.*\.pt"],  # lightweight-gan
    ["pyvenv.cfg"],
]
_COMPILED = [[re.compile(sign) for sign in signs] for signs in _SIGNS]
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
_OWN = {"checkpoints", "samples", "model", "model-best", "runs"}  # of a run whose folder is the data's own


def left_by_a_program(name: str, inside: Collection[str]) -> str:
    """Why a folder is nobody's data, by its name and the names of what it holds; "" if it may be.

    >>> left_by_a_program("latent-1", ["checkpoints", "config.yaml", "samples"]) == RUN
    True
    >>> left_by_a_program("cats", ["1.png", "config.yaml"])
    ''
    """
    if name in _TOOLS:
        return TOOLS
    # a folder may hold a million pictures, and few names that are looked for end as theirs do
    few = [each for each in inside if not each.lower().endswith(_PICTURES) or each.startswith(("fakes", "reals"))]
    for signs in _COMPILED:
        if all(any(sign.fullmatch(each) for each in few) for sign in signs):
            return RUN
    return ""


def results_inside(inside: Collection[str]) -> set[str]:
    """Of what the data's own folder holds, the sub-folders that a run wrote whose `--out` it was.

    >>> results_inside(["1.png", "config.yaml", "log.jsonl", "samples"])
    {'samples'}
    """
    return _OWN & set(inside) if left_by_a_program("", inside) else set()
