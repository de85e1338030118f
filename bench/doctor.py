"""Whether the doctor is right: runs made to fail, one way each, and runs that are well.

    python bench/doctor.py                          about 25 minutes on one core
    python bench/doctor.py --only digits-kl --out /tmp/doctor.json       one of them
    python bench/doctor.py --runs /tmp/runs          keeps the runs, and reads those that are there already

Each run trains with `--guard warn`, so that nothing is changed, and all that is said at its looks is counted. A run that was
made to fail should be told of by its illness (a true alarm); of a healthy one nothing should be said (else it is a false
alarm). At the end, some of the runs that fail train again with `--guard auto`: whether going back and changing one thing
helped them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

import aegan
from aegan.data import open_data
from aegan.doctor import diagnose
from aegan.engine.device import describe_machine
from aegan.events import parse
from aegan.jsonl import read_log


@dataclass(frozen=True)
class Case:
    """A run, and what should be said of it: "" is nothing."""

    name: str
    data: str
    strategy: str
    ill: str = ""
    steps: int = 2000
    few: int = 0  # training images taken; 0: all
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)


HEALTHY = (
    *(Case(f"ring-{s}", "ring", s) for s in ("autoencoder", "latent", "vae", "gan", "rae")),
    *(Case(f"grid-{s}", "grid", s) for s in ("latent", "gan")),
    *(Case(f"digits-{s}", "digits", s) for s in ("autoencoder", "latent", "vae", "rae", "two-stage-vae")),
    *(Case(f"digits-latent-{seed}", "digits", "latent", seed=seed) for seed in (1, 2)),
    *(Case(f"fashion-{s}", "fashion", s, steps=1500) for s in ("autoencoder", "latent", "vae")),
    *(Case(f"fashion-latent-{seed}", "fashion", "latent", steps=1500, seed=seed) for seed in (1, 2)),
    Case("fashion-beta-vae", "fashion", "beta-vae", steps=1500),
)
STILL = {"lr_generator": 1e-9}
WILD = {"gamma": 0.0, "lr_generator": 5e-3}
ILL = (
    Case("ring-still", "ring", "gan", "critic too strong", options={**STILL, "gamma": 0.0, "loss": "nonsaturating"}),
    Case("digits-still", "digits", "gan", "critic too strong", options={**STILL, "gamma": 0.0, "loss": "nonsaturating"}),
    Case("digits-gamma", "digits", "gan", "critic too weak", options={"gamma": 1e5}),
    Case("digits-minimax", "digits", "gan", "vanishing gradient",
         options={**STILL, "gamma": 0.0, "loss": "minimax", "lr_critic": 1e-2}),
    Case("digits-rate", "digits", "autoencoder", "divergence", options={"lr": 3.0}),
    Case("ring-wild", "ring", "gan", "drift", options={**WILD, "loss": "minimax"}),
    Case("digits-collapse", "digits", "gan", "mode collapse", options={**WILD, "loss": "hinge"}),
    Case("digits-gan-copies", "digits", "gan", "memorisation", few=120, steps=3000),
    Case("digits-kl", "digits", "beta-vae", "code collapse", options={"beta": 1000.0}),
    Case("fashion-narrow", "fashion", "autoencoder", "blur", steps=1500, options={"code_dim": 1, "width": 8}),
)  # fmt: skip


def trained(case: Case, guard: str, folder: Path) -> dict[str, Any]:
    """What was said of it while it trained, what is said afterwards, and what it was set back for."""
    data: str | np.ndarray[Any, Any] = case.data
    if case.few:
        both = open_data(case.data)
        items = np.concatenate([both.train.items, both.held_out.items])  # training items alone would all be trained on
        data = np.random.default_rng(0).permutation(items)[: case.few * 10 // 9]
    lost = ""
    done = any(line.get("event") == "done" for line in read_log(folder / "log.jsonl"))
    try:
        done or aegan.fit(
            data, strategy=case.strategy, out=folder, steps=case.steps, seed=case.seed, device="cpu", progress=False,
            options=case.options, guard=guard, early_stop="off", logger="none",
        )  # fmt: skip
    except aegan.UserError as error:
        lost = error.what
    lines = read_log(folder / "log.jsonl")
    log = [parse(line) for line in lines]
    at = [i for i, line in enumerate(lines) if line.get("event") == "tick"]
    ticks = [x for x in lines if x.get("event") == "tick"]
    keep = ("fd_pixels", "diversity", "coverage", "kernel", "novelty", "r2", "sharpness")
    return {
        "name": case.name, "ill": case.ill, "seconds": round(max(line.get("seconds", 0.0) for line in lines), 1),
        "while_training": sorted({found.name for i in at for found in diagnose(log[: i + 1])}),
        "afterwards": sorted({finding.name for finding in diagnose(log)}),
        "set_back": [str(x.get("why")) for x in lines if x.get("event") == "guard"],
        "looks": len(ticks), "last_look": {k: ticks[-1][k] for k in keep if k in ticks[-1]} if ticks else {},
        **({"lost": lost} if lost else {}),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="the name of one run")
    parser.add_argument("--runs", type=Path, help="a folder to keep the runs in")
    parser.add_argument("--out", type=Path, default=Path("docs/results/doctor.json"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows: dict[str, list[dict[str, Any]]] = {"ill": [], "healthy": [], "treated": []}
    with tempfile.TemporaryDirectory(prefix="aegan-doctor-") as name:
        root = args.runs or Path(name)
        for kind, cases in (("healthy", HEALTHY), ("ill", ILL)):
            for case in cases:
                if args.only in (None, case.name):
                    rows[kind].append(trained(case, "warn", root / case.name))
                    print(json.dumps(rows[kind][-1]), flush=True)
        for case in ILL:
            if case.ill in ("critic too strong", "mode collapse", "divergence") and args.only in (None, case.name):
                rows["treated"].append(trained(case, "auto", root / f"{case.name}-auto"))
                print(json.dumps(rows["treated"][-1]), flush=True)
    said = [row["while_training"] + row["afterwards"] for row in rows["healthy"]]
    result = {
        "command": "python bench/doctor.py",
        "machine": describe_machine(torch.device("cpu")),
        "true_alarms": sum(row["ill"] in row["while_training"] + row["afterwards"] for row in rows["ill"]),
        "made_to_fail": len(rows["ill"]),
        "false_alarms": sum(bool(names) for names in said),
        "healthy": len(said),
        **{f"{kind}_runs": found for kind, found in rows.items()},
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print({k: result[k] for k in ("true_alarms", "made_to_fail", "false_alarms", "healthy")})


if __name__ == "__main__":
    main()
