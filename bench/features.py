"""What codes are worth as features, and as a measure of the unusual: docs/results/features.json.

    python bench/features.py                      both parts, about half an hour on one core
    python bench/features.py --only probe         linear probes on the codes of `fashion`, beside PCA of the same width
    python bench/features.py --only auroc         AUROC of the scores on a class that was held out of training

No label is seen in training features. A part that was not asked for keeps its results in the JSON file.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import aegan
from aegan.engine.device import describe_machine
from aegan.features import unusual

Array = NDArray[Any]
EACH = 10  # labels a class


def accuracies(train: Array, labels: Array, test: Array, truth: Array, draws: int) -> dict[str, Any]:
    """Accuracy of logistic regression (C = 1) with all labels, and with `EACH` a class over several draws.

    Features are divided by the standard deviations of all training items ("standardised"), or all by one number, so that
    their mean variance is 1 ("one scale").
    """
    middle, deviation = train.mean(0), train.std(0)
    out: dict[str, Any] = {"width": train.shape[1]}
    for name, scale in (("standardised", np.maximum(deviation, 1e-9)), ("one scale", np.sqrt(train.var(0).mean()))):
        x, z = (train - middle) / scale, (test - middle) / scale
        right = LogisticRegression(max_iter=1000).fit(x, labels).predict(z) == truth
        few = []
        for seed in range(draws):
            rng = np.random.default_rng(seed)
            own = [rng.choice(np.flatnonzero(labels == c), EACH, replace=False) for c in np.unique(labels)]
            index = np.concatenate(own)
            few.append(LogisticRegression(max_iter=1000).fit(x[index], labels[index]).score(z, truth))
        out[name] = {
            "all labels": {"accuracy": float(right.mean()), "right": right},
            f"{EACH} labels a class": {"mean": float(np.mean(few)), "sd": float(np.std(few, ddof=1)), "draws": few},
        }
    return out


def beside(codes: dict[str, Any], pca: dict[str, Any]) -> dict[str, Any]:
    """The differences in points, with standard errors: over test items, and over draws; both paired."""
    out: dict[str, Any] = {}
    for name in ("standardised", "one scale"):
        a, b = (side[name]["all labels"]["right"].astype(float) for side in (codes, pca))
        few = f"{EACH} labels a class"
        c, d = (np.array(side[name][few]["draws"]) for side in (codes, pca))
        out[name] = {
            kind: {"points": 100 * float(np.mean(diff)), "se": 100 * float(np.std(diff, ddof=1) / len(diff) ** 0.5)}
            for kind, diff in (("all labels", a - b), (few, c - d))
        }
    return out


def plain(found: dict[str, Any]) -> dict[str, Any]:
    """Without what is only needed for the differences."""
    keep = {k: dict(v) if isinstance(v, dict) else v for k, v in found.items()}
    for name in ("standardised", "one scale"):
        keep[name]["all labels"] = {"accuracy": found[name]["all labels"]["accuracy"]}
    return keep


def probe(strategies: list[str], steps: int, seeds: list[int], draws: int) -> dict[str, Any]:
    """Codes of strategies, trained on the 10,000 images of `fashion`, tested on its 2,000."""
    data = aegan.open_data("fashion")
    items, labels = np.asarray(data.train.items), data.train.labels
    test, truth = np.asarray(data.held_out.items), data.held_out.labels
    pixels, test_pixels = (v.reshape(len(v), -1) / 255.0 for v in (items, test))
    out: dict[str, Any] = {"data": "fashion", "train": len(items), "test": len(test), "steps": steps, "codes": []}
    for strategy in strategies:
        for seed in seeds:
            with tempfile.TemporaryDirectory() as folder:
                run = aegan.fit(
                    "fashion", strategy=strategy, steps=steps, seed=seed, out=Path(folder) / "run", progress=False
                )
                seconds = next(line["seconds"] for line in reversed(run.log) if line.get("event") == "done")
                codes, test_codes = (run.model.encode(v).reshape(len(v), -1) for v in (items, test))
            pca = PCA(codes.shape[1], random_state=0).fit(pixels)
            found = accuracies(codes, labels, test_codes, truth, draws)
            base = accuracies(pca.transform(pixels), labels, pca.transform(test_pixels), truth, draws)
            out["pca"] = plain(base)
            row = {"strategy": strategy, "seed": seed, "seconds": round(seconds, 1), **plain(found)}
            out["codes"].append({**row, "over pca": beside(found, base)})
            print(json.dumps({k: v for k, v in out["codes"][-1].items() if k != "one scale"}, default=str), flush=True)
    return out


def auroc(steps: int, classes: list[str]) -> dict[str, Any]:
    """For each class: trains on the others, scores the held-out images, and how well each score finds the class."""
    data = aegan.open_data("fashion")
    items, labels = np.asarray(data.train.items), data.train.labels
    test, truth = np.asarray(data.held_out.items), data.held_out.labels
    out: dict[str, Any] = {
        "data": "fashion",
        "strategy": "autoencoder",
        "steps": steps,
        "test": len(test),
        "classes": {},
    }
    for name in classes:
        k = data.spec.classes.index(name)
        usual = items[labels != k]
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            model = aegan.fit(
                usual, strategy="autoencoder", steps=steps, size=32, out=Path(folder) / "run", progress=False
            ).model
        scores = unusual(model, test, usual)
        flat, test_flat = (v.reshape(len(v), -1) / 255.0 for v in (usual, test))
        pca = PCA(64, random_state=0).fit(flat)
        scores["PCA reconstruction"] = ((pca.inverse_transform(pca.transform(test_flat)) - test_flat) ** 2).mean(1)
        found = {key: float(roc_auc_score(truth == k, value)) for key, value in scores.items()}
        out["classes"][name] = {**found, "seconds": round(time.monotonic() - start, 1)}
        print(name, json.dumps(out["classes"][name]), flush=True)
    keys = [key for key in next(iter(out["classes"].values())) if key != "seconds"]
    out["mean"] = {key: float(np.mean([row[key] for row in out["classes"].values()])) for key in keys}
    return out


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="probe,auroc", help="parts, comma-separated")
    parser.add_argument("--strategies", default="contrastive,autoencoder", help="whose codes are probed")
    parser.add_argument("--steps", type=int, default=2400, help="of training for the probes")
    parser.add_argument("--seeds", default="0", help="seeds, comma-separated")
    parser.add_argument("--draws", type=int, default=20, help="draws of the few labels")
    parser.add_argument("--score-steps", type=int, default=600, help="of training for the scores")
    parser.add_argument("--classes", default="all", help="classes to hold out, comma-separated")
    parser.add_argument("--json", type=Path, default=Path("docs/results/features.json"))
    a = parser.parse_args()
    from aegan.data.builtin import FASHION_CLASSES

    for part in a.only.split(","):
        if part == "probe":
            found = probe(a.strategies.split(","), a.steps, [int(s) for s in a.seeds.split(",")], a.draws)
        else:
            found = auroc(a.score_steps, list(FASHION_CLASSES) if a.classes == "all" else a.classes.split(","))
        found["machine"] = describe_machine(torch.device("cpu"))
        found["threads"] = torch.get_num_threads()
        before = json.loads(a.json.read_text()) if a.json.exists() else {}
        a.json.parent.mkdir(parents=True, exist_ok=True)
        a.json.write_text(json.dumps({**before, "aegan": aegan.__version__, part: found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
