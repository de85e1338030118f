"""Every method for three minutes on `fashion`, each by its own preset, on one core: docs/results/methods.json.

    python bench/methods.py --cores 2                         what is missing: an hour a seed on two cores
    python bench/methods.py --only bigan,vae --seeds 0,1,2    some of them, three seeds
    python bench/methods.py --pages                           trains nothing; writes the docs from the JSON

A training has one thread, and nothing else runs beside but another such training for each core. Samples are judged when all
have ended, by the networks of bench/pictures.py. †: samples have less than a fifth of the
recall or of the coverage of real held-out images, by lite0.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pictures import Judge, result, train

from aegan import Run
from aegan.comparison.cost import operations, parameters
from aegan.data import open_data
from aegan.jsonl import number, read_log
from aegan.pages.charts import Axis, band_chart
from aegan.pictures import grid
from aegan.strategies import strategies

ROOT = Path(__file__).parents[1]
RESULTS, PAGES = ROOT / "docs" / "results" / "methods.json", ROOT / "docs" / "strategies"
IMAGES = ROOT / "docs" / "images" / "methods"
DATA, MINUTES, JUDGES, LEAST = "fashion", 3.0, ("lite0", "classifier"), 0.2
BEGIN, END = "<!-- bench/methods.py --pages -->", "<!-- end -->"  # around what is written into a page
STYLE = (  # of a curve that stands alone
    "<style>text{font:11px sans-serif;fill:#57606a}.rule{stroke:#e5e8eb}.axis{stroke:#8c959f}polyline{fill:none}"
    ".other{stroke:#c9ced4}circle.other{fill:#c9ced4;stroke:none}.curve{stroke:#0f766e;stroke-width:2}"
    ".dot{fill:#0f766e}.band{fill:#0f766e;opacity:.2}</style>"
)


def names() -> list[str]:
    """The strategies that can draw new images."""
    return [name for name, kind in sorted(strategies().items()) if "sample" in kind.capabilities]


def curve(log: list[dict[str, Any]]) -> list[list[float]]:
    """Seconds of training and the Fréchet distance of 500 samples to training images, in pixels, at each tick."""
    ticks = [(line["seconds"], number(line.get("fd_pixels"))) for line in log if line.get("event") == "tick"]
    return [[round(at, 1), round(value, 3)] for at, value in ticks if value is not None]


def cost(folder: Path) -> dict[str, float | int | None]:
    """Weights of all networks, and floating-point operations for each training example."""
    run = Run(folder, "cpu")
    weights = sum(parameters(run.model).values())
    try:
        counted = operations(run.model, run.data(), run.config)
    except (RuntimeError, TypeError, ValueError) as error:  # an operation that has no formula
        print(f"{folder.name}: operations cannot be counted, {error}", file=sys.stderr)
        counted = None
    return {"weights": weights, "operations": counted}


def measure(given: argparse.Namespace) -> None:
    """Trains what is not in the JSON yet, then judges all of it and adds it."""
    if given.minutes != MINUTES and given.out == RESULTS:
        raise SystemExit(f"{RESULTS.name} holds trainings of {MINUTES:g} minutes: name another file with --out")
    known = {(row["try"], row["seed"], row["minutes"]) for row in rows(given.out)}
    wanted = given.only.split(",") if given.only else names()
    planned = [(n, int(s)) for s in given.seeds.split(",") for n in wanted if (n, int(s), given.minutes) not in known]
    given.runs.mkdir(parents=True, exist_ok=True)

    def one(name: str, seed: int) -> tuple[argparse.Namespace, Any]:
        own = argparse.Namespace(
            runs=given.runs, seed=seed, source=None, jobs=2, steps=None, minutes=given.minutes, device="cpu", size=None
        )  # jobs: one thread
        try:
            return own, train(DATA, name, own)
        except subprocess.CalledProcessError as error:
            print(f"{name}, seed {seed}: failed, {error}", file=sys.stderr)
            return own, None

    with ThreadPoolExecutor(given.cores) as pool:
        trained = list(pool.map(lambda plan: one(*plan), planned))
    data = open_data(DATA)
    judges = {name: Judge(name, data, "cpu") for name in JUDGES}
    for (name, _), (own, run) in zip(planned, trained, strict=True):
        if run is None:
            continue
        found = result(DATA, name, own, run, judges, data)
        folder, samples, _ = run
        log = read_log(folder / "log.jsonl")
        found["steps"] = max(line.get("step", 0) for line in log)
        found["machine"]["threads"] = next(line["threads"] for line in log if line.get("event") == "start")
        kept = [*rows(given.out), {**found, **cost(folder), "curve": curve(log)}]
        kept.sort(key=lambda row: (row["try"], row["seed"]))
        given.out.write_text(json.dumps({"command": "python bench/methods.py", "results": kept}, indent=1) + "\n")
        if own.seed == 0 and given.out == RESULTS:
            IMAGES.mkdir(parents=True, exist_ok=True)
            grid(samples[:36], columns=12).convert("L").save(IMAGES / f"{name}.jpg", quality=80, optimize=True)
        print(line(name, [found]), flush=True)


def rows(path: Path = RESULTS) -> list[dict[str, Any]]:
    """What has been measured."""
    return json.loads(path.read_text())["results"] if path.exists() else []


def by_method() -> dict[str, list[dict[str, Any]]]:
    """The rows of each method, the nearest to real images first."""
    found = defaultdict(list)
    for row in rows():
        found[row["try"]].append(row)
    return dict(sorted(found.items(), key=lambda item: statistics.median(row["lite0"]["fd"] for row in item[1])))


def spread(values: list[float], form: str) -> str:
    """The median, and the least and the most where there are several.

    >>> spread([2.0, 1.0, 4.0], ".1f"), spread([2.0], ".0f")
    ('2.0 [1.0 to 4.0]', '2')
    """
    middle = f"{statistics.median(values):{form}}"
    return middle if len(values) == 1 else f"{middle} [{min(values):{form}} to {max(values):{form}}]"


def short(row: dict[str, Any]) -> bool:
    """Whether samples have less than a fifth of the recall or of the coverage of real images."""
    judged = row["lite0"]
    return any(judged[share] < LEAST * judged[f"real_{share}"] for share in ("recall", "coverage"))


COLUMNS = (
    "", "distance, lite0", "distance, classifier", "recall", "coverage", "precision", "images seen", "operations an image",
    "weights",
)  # fmt: skip
HEADS = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def line(name: str, own: list[dict[str, Any]]) -> str:
    """A row of the table."""
    lite0 = [row["lite0"] for row in own]
    shares = [spread([100 * judged[s] for judged in lite0], ".0f") + " %" for s in ("recall", "coverage", "precision")]
    cells = [
        spread([judged["fd"] for judged in lite0], ",.0f"),
        spread([row["classifier"]["fd"] for row in own], ".1f"),
        *shares,
        spread([row["images"] for row in own], ",.0f"),
        f"{own[0]['operations'] / 1e6:,.0f} M" if own[0].get("operations") else "",
        f"{own[0]['weights'] / 1e6:.2f} M" if own[0].get("weights") else "",
    ]
    return f"| {name} | " + " | ".join(cells) + " |"


def real() -> str:
    """The row of held-out images."""
    row = rows()[0]
    shares = [f"{100 * row['lite0'][f'real_{s}']:.0f} %" for s in ("recall", "coverage", "precision")]
    cells = [f"{row['lite0']['real']:,.0f}", f"{row['classifier']['real']:.1f}", *shares, "", "", ""]
    return "| *held-out images* | " + " | ".join(cells) + " |"


def machines(rows: list[dict[str, Any]]) -> str:
    """The processors that they were trained on."""
    return " and an ".join(dict.fromkeys(row["machine"]["cpu"] for row in rows))


def seeds_of(own: list[dict[str, Any]]) -> str:
    """How many seeds, in words."""
    return f"seed {own[0]['seed']}" if len(own) == 1 else f"{len(own)} seeds: median [least to most]"


def drawn(name: str, found: dict[str, list[dict[str, Any]]]) -> str:
    """The curve of a method over those of all others, in grey, as an SVG of its own; empty where it has no tick."""
    curves = {n: [tuple(point) for point in own[0]["curve"]] for n, own in found.items()}
    mine, points = curves[name], [point for c in curves.values() for point in c]
    if not mine:
        return ""
    x = Axis(0.0, max(at for at, _ in points), 46, 252)
    y = Axis.around([value for _, value in points], 144, 8, log=True)
    others = [c for n, c in curves.items() if n != name]
    own = [(at, value, value, value) for at, value in mine]
    figure = str(band_chart(name, own, others, x, y, "distance in pixels against seconds"))
    svg = figure[figure.index("<svg") : figure.index("</figure>")]
    return svg.replace("<svg ", '<svg width="390" height="255" ', 1).replace(">", f">{STYLE}", 1) + "\n"


def block(name: str, found: dict[str, list[dict[str, Any]]]) -> str:
    """What a method's page shows."""
    own = found[name]
    place = list(found).index(name) + 1
    machine = machines(own)
    fallen = sum(short(row) for row in own)
    seeds = f" in {fallen} of {len(own)} seeds" if len(own) > 1 else ""
    verdict = f"Recall or coverage is below a fifth of that of real images{seeds}." if fallen else ""
    lines = [
        BEGIN,
        f"**Three minutes on `{DATA}`** (`python bench/methods.py --only {name}`; one core of an {machine}, "
        f"{seeds_of(own)}):",
        "",
        HEADS,
        line(name, own),
        real(),
        "",
        f"Rank {place} of {len(found)} by lite0 ([all of them](README.md#three-minutes-of-each)). {verdict}".rstrip(),
        "",
    ]
    if (IMAGES / f"{name}.jpg").exists():  # seed 0 draws it
        lines.append(f"![36 samples of {name}, none chosen](../images/methods/{name}.jpg)")
    if own[0]["curve"]:
        lines.append(f"![Fréchet distance in pixels against seconds; others in grey](../images/methods/{name}.svg)")
    return "\n".join([*lines, END])


def table(found: dict[str, list[dict[str, Any]]]) -> str:
    """What the catalogue shows: a row for each method."""
    marked = {n: f"[{n}]({n}.md)" + (" †" if any(map(short, own)) else "") for n, own in found.items()}
    counts, steps = {len(own) for own in found.values()}, [row["steps"] for own in found.values() for row in own]
    seeds = "one seed each" if counts == {1} else f"{min(counts)} to {max(counts)} seeds: median [least to most]"
    return "\n".join(
        [
            BEGIN,
            "## Three minutes of each",
            "",
            f"`{DATA}`, each with its own preset (`python bench/methods.py`). One core of an "
            f"{machines([row for own in found.values() for row in own])}, {seeds}. †: less than a fifth of the recall or "
            f"of the coverage of real images. Three minutes of a core are {min(steps):,} to {max(steps):,} steps: enough to "
            "compress, few for a game on pixels. They say what a method gives soon, not what it can reach "
            "([comparison](../comparison.md)).",
            "",
            HEADS,
            *(line(marked[n], own) for n, own in found.items()),
            real(),
            END,
        ]
    )


def placed(text: str, what: str) -> str:
    """A page with the block in the place of the one that it has, or before its references, or last."""
    if BEGIN in text:
        return re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: what, text, flags=re.DOTALL)
    at = re.search(r"^References?: ", text, flags=re.MULTILINE)
    if at is None:
        return text.rstrip("\n") + f"\n\n{what}\n"
    return f"{text[: at.start()]}{what}\n\n{text[at.start() :]}"


def pages() -> dict[Path, str]:
    """Every file of the docs that shows these figures, as it should read."""
    found = by_method()
    out = {PAGES / "README.md": placed((PAGES / "README.md").read_text(), table(found))}
    for name in found:
        out[PAGES / f"{name}.md"] = placed((PAGES / f"{name}.md").read_text(), block(name, found))
        if svg := drawn(name, found):
            out[IMAGES / f"{name}.svg"] = svg
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="methods, with commas between")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--cores", type=int, default=1, help="trainings at once, each with one thread")
    parser.add_argument("--runs", type=Path, default=Path("runs/methods"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--pages", action="store_true", help="write the docs from the JSON")
    given = parser.parse_args()
    if not given.pages:
        measure(given)
    if given.out == RESULTS and RESULTS.exists():
        IMAGES.mkdir(parents=True, exist_ok=True)
        for path, text in pages().items():
            path.write_text(text)


if __name__ == "__main__":
    main()
