"""One page of several results side by side: figures that were measured alike, samples, curves of cost."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from aegan.cells import picture
from aegan.files import write_text
from aegan.report.facts import Facts
from aegan.report.html import document, section
from aegan.text import duration, show

if TYPE_CHECKING:
    from aegan.evaluation.compare import Comparison
from aegan.evaluation.result import real_items

WIDEST = 560  # pixels of each picture: two fit beside each other
STYLE = """
.beside{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(20rem,100%),1fr));gap:1.5rem}
.beside figure{margin:0}.beside img{width:100%;height:auto}
"""
_BETTER = {"lower": "lower", "higher": "higher", "near": "near perfect"}


def write_beside(found: Comparison, path: Path) -> Path:
    """Writes the page.

    Args:
        found: what is compared; its names are paths, and those that are run folders bring pictures and costs.
        path: of the HTML file.

    Raises:
        UserError: it cannot be written.
    """
    runs = {name: Facts(Path(name)) for name in found.names if Path(name).is_dir()}
    first = found.results[0]
    counts, data = first.counts, first.data.get("name")
    real = f"{counts['reference']:,} {real_items(first.data)} of {data}"
    lead = f"{counts['samples']:,} samples of each against {real}, measured alike."
    body = [
        f'<h1>Side by side</h1><p class="lead">{escape(lead)}</p>',
        _pictures(
            runs, "samples", "Samples", "The first 64 samples of each evaluation, in the order in which they came."
        ),
        _figures(found),
        _costs(runs),
        _pictures(
            runs, "reconstructions", "Reconstructions", "Held-out examples, each above what comes back from its code."
        ),
    ]
    page = document("Side by side", "".join(body), STYLE, source=", ".join(found.names))
    write_text(path, page)
    return path


def _pictures(runs: dict[str, Facts], which: str, title: str, what: str) -> str:
    shown = [
        f"<figure>{picture(path, f'{title} of {name}', WIDEST)}<figcaption>{escape(name)}</figcaption></figure>"
        for name, facts in runs.items()
        if (path := facts.picture(which)) is not None
    ]
    return section(title, what, f'<div class="beside">{"".join(shown)}</div>') if shown else ""


def _figures(found: Comparison) -> str:
    head = "".join(f"<th class=n>{escape(name)}</th>" for name in found.names)
    rows = []
    for row in found.figures:
        known = next(f for f in row if f is not None)
        cells = "".join(
            f'<td class=n data-label="{escape(name, quote=True)}:">{"–" if f is None else escape(f.text)}</td>'
            for name, f in zip(found.names, row, strict=True)
        )
        floor = "–" if known.floor is None else show(known.floor, known.unit)
        rows.append(
            f'<tr><td>{escape(known.title)}</td>{cells}<td class=n data-label="perfect:">{escape(floor)}</td>'
            f"<td>{_BETTER[known.better]}</td></tr>"
        )
    table = (
        f'<div class="wide"><table class="figures"><thead><tr><th>figure</th>{head}<th class=n>perfect</th><th></th></tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
    how = "In brackets: the 95 % interval. Intervals that overlap do not tell two results apart."
    return section("Figures", how, table)


def _costs(runs: dict[str, Facts]) -> str:
    rows = [
        f"<tr><td>{escape(name)}</td><td>{escape(str(facts.settings.get('strategy', '')))}</td>"
        f"<td class=n>{'–' if facts.seconds is None else duration(facts.seconds)}</td>"
        f"<td class=n>{facts.steps[-1]['step'] if facts.steps else 0:,.0f}</td></tr>"
        for name, facts in runs.items()
    ]
    if not rows:
        return ""
    head = "<tr><th>run</th><th>strategy</th><th class=n>training</th><th class=n>steps</th></tr>"
    table = f'<div class="wide"><table><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'
    return section("What each took", "", table)
