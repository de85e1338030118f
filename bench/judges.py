"""How several judges order the same samples, and where they disagree: a table of a JSON that bench/pictures.py wrote.

    python bench/pictures.py fashion-full --minutes 3 --judges lite0,own,classifier,pixels --out docs/results/judges.json \
        --try latent --try autoencoder --try vae --try gan
    python bench/judges.py docs/results/judges.json

Each cell is the Fréchet distance above that of held-out images, and in brackets the place. Below a set: pairs that judges
order in opposite ways, where the distances differ by a tenth or more by both.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

CLEAR = 1.1  # times another distance: what counts as worse


def judges_of(rows: list[dict[str, Any]]) -> list[str]:
    """The judges that every row has."""
    return [k for k, v in rows[0].items() if isinstance(v, dict) and "above" in v and all(k in row for row in rows)]


def table(rows: list[dict[str, Any]]) -> str:
    """One set as Markdown."""
    judges = judges_of(rows)
    places = {j: {id(r): i + 1 for i, r in enumerate(sorted(rows, key=lambda r: r[j]["above"]))} for j in judges}
    lines = ["| | " + " | ".join(judges) + " |", "|---" * (len(judges) + 1) + "|"]
    for row in sorted(rows, key=lambda r: sum(places[j][id(r)] for j in judges)):
        cells = [f"{row[j]['above']:,.3g} ({places[j][id(row)]})" for j in judges]
        lines.append(f"| `{row['try']}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def opposed(rows: list[dict[str, Any]]) -> list[str]:
    """Pairs of tries that two judges order in opposite ways, both clearly."""
    out = []
    for a, b in itertools.combinations(rows, 2):
        better = {
            j: a if CLEAR * a[j]["above"] <= b[j]["above"] else b if CLEAR * b[j]["above"] <= a[j]["above"] else None
            for j in judges_of(rows)
        }
        for_a, for_b = ([j for j, who in better.items() if who is each] for each in (a, b))
        if for_a and for_b:
            out.append(f"`{a['try']}` is better by {', '.join(for_a)}, `{b['try']}` by {', '.join(for_b)}")
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    results = json.loads(parser.parse_args().file.read_text())["results"]
    for name, minutes in dict.fromkeys((row["set"], row["minutes"]) for row in results):
        rows = [row for row in results if (row["set"], row["minutes"]) == (name, minutes)]
        budget = "steps" if minutes is None else f"{minutes:g} minutes"
        print(f"\n**{name}**, {budget}\n\n{table(rows)}\n")
        print("\n".join(f"- {line}." for line in opposed(rows)) or "No pair is ordered in opposite ways.")


if __name__ == "__main__":
    main()
