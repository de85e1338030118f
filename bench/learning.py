"""How far each strategy comes in the fast learning tests, over seeds: docs/results/learning.json.

    python bench/learning.py                                        every task and strategy, seeds 0 to 10
    python bench/learning.py --only circle/ebgan --seeds 0-4 --out /tmp/learning.json         a quick look
    ONEDNN_MAX_CPU_ISA=AVX2 python bench/learning.py --precision fp32 --threads 2             as on another machine

The tasks and the limits are those of tests/shared/learning_tasks.py. What is measured is added to the file; a strategy whose
steps and options have not changed since it was measured on this machine, in this setting, is left out unless `--again` is
given. Prints the least, the median and the most of each figure beside the limit that the test sets.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from aegan.engine.device import describe_machine, pick_precision

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "shared"))
import learning_tasks as tasks  # noqa: E402

SAME = ("task", "strategy", "cpu", "isa", "threads", "precision")  # what tells one record from another


def measured(planned: dict[str, Any]) -> dict[str, Any]:
    """Every figure of every seed, and the seconds of the processor that a seed takes."""
    learn, name = tasks.LEARN[planned["task"]], planned["strategy"]
    began = time.process_time()
    found = []
    for seed in planned["seeds"]:
        with tempfile.TemporaryDirectory() as folder:
            found.append(learn(name, seed, Path(folder) / "run", planned["precision"]))
    return {
        **planned,
        "cpu_seconds": round((time.process_time() - began) / len(found), 1),
        "figures": {figure: [round(one[figure], 3) for one in found] for figure in found[0]},
    }


def table(records: list[dict[str, Any]]) -> str:
    """One line for each figure of each record: the least, the median and the most of its seeds."""
    lines = ["task    strategy       figure   least  median    most   limit  seeds  cpu s  setting"]
    for r in records:
        setting = f"{r['cpu']}, {r['isa']}, {r['threads']} thread(s), {r['precision']}"
        for figure, values in r["figures"].items():
            asked = tasks.asked(r["strategy"], figure)
            spread = " ".join(f"{x:7.3f}" for x in (min(values), statistics.median(values), max(values)))
            limit, count = asked.limit if asked else "-", len(values)
            name = f"{r['task']:7} {r['strategy']:14} {figure:6}"
            lines.append(f"{name} {spread} {limit:>7}  {count:5}  {r['cpu_seconds']:5}  {setting}")
    return "\n".join(lines)


def known(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text())["records"] if path.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="TASK, or TASK/STRATEGY; several with commas")
    parser.add_argument("--seeds", default="0-10", help="the first and the last")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="auto", help="fp32, bf16, or auto: as the machine has it")
    parser.add_argument("--again", action="store_true", help="also what is in the file already")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "learning.json")
    given = parser.parse_args()
    first, last = (int(x) for x in given.seeds.split("-"))
    seeds = list(range(first, last + 1))
    torch.set_num_threads(given.threads)
    cpu = torch.device("cpu")
    setting = {
        "cpu": describe_machine(cpu)["cpu"],
        "isa": os.environ.get("ONEDNN_MAX_CPU_ISA", "default"),
        "threads": given.threads,
        "precision": pick_precision(given.precision, cpu),
    }
    wanted = None if given.only is None else given.only.split(",")
    for task, name in tasks.pairs():
        if wanted is not None and task not in wanted and f"{task}/{name}" not in wanted:
            continue
        planned = {"task": task, "strategy": name, **setting, **tasks.recipe(task, name), "seeds": seeds}
        if not given.again and any(planned.items() <= old.items() for old in known(given.out)):
            continue
        record = measured(planned)
        # the file is read anew each time, as another setting may be measured at once
        kept = [old for old in known(given.out) if any(old[key] != record[key] for key in SAME)]
        records = sorted([*kept, record], key=lambda r: [str(r[key]) for key in SAME])
        given.out.write_text(json.dumps({"command": "python bench/learning.py", "records": records}, indent=1) + "\n")
        print(*table([record]).splitlines()[1:], sep="\n", flush=True)
    print(table(known(given.out)))


if __name__ == "__main__":
    main()
