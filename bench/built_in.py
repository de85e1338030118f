"""How near each strategy comes to `ring`, `digits` and `fashion` over seeds: docs/results/built-in.json.

    python bench/built_in.py                                      every strategy, seeds 0 to 2: two hours on one core
    python bench/built_in.py --only ring/age --set kernel=0       another setting beside it

Steps, options and distances are those of tests/shared/built_in_tasks.py, on one thread. Prints a line each: the distance
after training with each seed, that of one Gaussian fitted to the values, and the largest of ten draws of real examples.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch

from aegan.engine.device import describe_machine

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "shared"))
import built_in_tasks as tasks  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="KIND, or KIND/STRATEGY; several with commas")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", default="", help="options beside the recipe's, KEY=VALUE with commas")
    parser.add_argument("--steps", type=int, help="in the place of the recipe's")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "built-in.json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    changes = dict(pair.split("=") for pair in given.set.split(",") if pair)
    cpu = describe_machine(torch.device("cpu"))["cpu"]
    wanted = None if given.only is None else given.only.split(",")
    for kind in tasks.BATCH:
        for name in tasks.names(kind):
            if wanted is not None and kind not in wanted and f"{kind}/{name}" not in wanted:
                continue
            steps, options = tasks.recipe(kind, name)
            steps, options = given.steps or steps, {**options, **changes}
            distances = []
            for seed in range(given.seeds):
                with tempfile.TemporaryDirectory() as folder:
                    distances.append(tasks.trained(name, kind, steps, options, Path(folder) / "run", seed))
            record = {
                "data": kind, "strategy": name, "steps": steps, "batch": tasks.BATCH[kind], "options": options,
                "cpu": cpu, "distances": distances, "gaussian": tasks.gaussian(kind), "real": tasks.floor(kind),
            }  # fmt: skip
            records = json.loads(given.out.read_text())["records"] if given.out.exists() else []
            key = ("data", "strategy", "steps", "options")
            records = [old for old in records if any(old[k] != record[k] for k in key)]
            records = sorted([*records, record], key=lambda r: [str(r[k]) for k in key])
            given.out.write_text(
                json.dumps({"command": "python bench/built_in.py", "records": records}, indent=1) + "\n"
            )
            found = " ".join(f"{d:.4g}" for d in distances)
            print(f"{kind} {name} {steps} steps {options}: {found}", end="", flush=True)
            print(f"; one Gaussian {record['gaussian']:.4g}, real {record['real']:.4g}", flush=True)


if __name__ == "__main__":
    main()
