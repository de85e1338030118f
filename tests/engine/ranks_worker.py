"""Trains a list of jobs, as one process or as one of several; run by test_ranks.py, whose processes these are.

Usage: ranks_worker.py JOBS.json OUT: each job's log goes to OUT/NAME/log.jsonl, and what each rank holds at the end to
OUT/rank-R.json.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

import aegan.engine.previews as previews
from aegan.config import RunConfig, read_preset, with_options
from aegan.data import DataSpec, open_data
from aegan.engine import Engine
from aegan.engine.ranks import start
from aegan.space import OpenedSpace, open_space
from aegan.strategies import Networks, strategy
from aegan.tensor_files import digest


def main(jobs: list[dict[str, Any]], out: Path) -> None:
    torch.set_num_threads(1)
    previews.PREVIEWS = 1
    ranks = start("cpu")
    digests = {}
    for job in jobs:
        arrays = np.load(job["data"])
        labels = arrays.get("labels")
        data = open_data(arrays["items"], labels=labels, size=job.get("size"))
        kind = strategy(job["strategy"])
        options = read_preset(kind.name, job["preset"]) if "preset" in job else {}
        known = {f.name for f in dataclasses.fields(kind)}
        opened = open_space(job["space"]) if "space" in job else None
        if opened is not None:
            options = {**options, "space": opened.space.text}

        def give(networks: Networks, spec: DataSpec, space: OpenedSpace | None = opened) -> dict[str, Any]:
            assert space is not None
            space.give(networks)
            return {}

        chosen = with_options(kind(), {k: v for k, v in {**options, **job["options"]}.items() if k in known}, "a job")
        config = RunConfig(
            steps=job["steps"],
            device="cpu",
            precision="fp32",
            checkpoint_every=1e9,
            logger="none",
            **job.get("run", {}),
        )
        engine = Engine(chosen, data, config, out / job["name"], ranks=ranks, initial=give if opened else None)
        outcome = engine.run(job.get("resume", False))
        weights = {f"{n}.{k}": v for n, net in outcome.networks.items() for k, v in net.state_dict().items()}
        digests[job["name"]] = digest(weights)
        if ranks.first:
            save_file(
                {k: v.contiguous().clone() for k, v in weights.items()}, out / job["name"] / "weights.safetensors"
            )
    (out / f"rank-{ranks.rank}.json").write_text(json.dumps(digests))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
