"""What importing and asking for help cost, and what the source must not hold."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import aegan

SOURCE = Path(aegan.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120)


RUN = """
import sys
sys.argv = ['aegan', '{}']
import aegan.__main__ as m
try:
    m.run()
except SystemExit:
    pass
"""
LATE = (
    "{'torch', 'torchvision', 'sklearn', 'PIL', 'tensorboard', 'torchmetrics', 'lightning_fabric', 'scipy', 'pyarrow'}"
)


@pytest.mark.parametrize(
    "code",
    [
        "import aegan; aegan.__version__; dir(aegan)",
        "import aegan.cli.main",
        "import aegan.config; aegan.config.preset_files()",
        RUN.format("--help"),
        RUN.format("train', '-h"),
        RUN.format("presets"),
    ],
    ids=["import", "cli", "config", "help", "train help", "presets"],
)
def test_torch_is_not_imported_before_it_is_needed(code: str) -> None:
    done = python(f"{code}\nimport sys\nprint('LATE', sorted({LATE} & set(sys.modules)))")
    assert done.stdout.splitlines()[-1] == "LATE []", done.stdout + done.stderr


def processor_time(*arguments: str) -> float:
    """Seconds of the processor, the least of five runs: the clock on the wall also measures the neighbours."""
    least = 1e9
    for _ in range(5):
        before = os.times()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True, timeout=60)
        after = os.times()
        spent = (after.children_user + after.children_system) - (before.children_user + before.children_system)
        least = min(least, spent)
    return least


def test_help_comes_at_once() -> None:
    """At most four times what importing typer and rich takes: about twice it is; torch alone is ten times as much."""
    assert processor_time("-m", "aegan", "--help") < 4 * processor_time("-c", "import typer, rich.console")


def test_public_names() -> None:
    assert sorted(aegan.__all__) == dir(aegan)
    for name in aegan.__all__:
        assert getattr(aegan, name) is not None
        # a module of the same name, once imported, would take its place
        assert not (SOURCE / name).is_dir() and not (SOURCE / f"{name}.py").exists()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = aegan.nothing
    assert re.fullmatch(r"\d+\.\d+\.\d+([a-z]+\d*|\.dev\d+)?", aegan.__version__)


def test_the_version_is_that_of_the_distribution() -> None:
    from importlib.metadata import version

    assert version("aegan") == aegan.__version__


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("pickle", r"\bimport c?pickle\b|\bfrom c?pickle\b|\bdill\b|\bjoblib\b|\bshelve\b|\bmarshal\b"),
        ("torch.load, but for tensors alone", r"torch\.(save|jit|hub)\b|torch\.load\((?!.*weights_only=True)"),
        ("allow_pickle", r"allow_pickle\s*=\s*True"),
        ("torchvision", r"\bimport torchvision\b|\bfrom torchvision\b"),
        ("eval, exec", r"(?<![\w.])(eval|exec)\("),
        ("yaml.load", r"yaml\.(load|unsafe_load|full_load)\("),
        ("os.system", r"os\.(system|popen)\(|shell\s*=\s*True"),
    ],
)
def test_what_the_source_must_not_hold(name: str, pattern: str) -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{i}: {line.strip()}"
        for path in FILES
        for i, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(pattern, line.split("  # ")[0])
    ]
    assert found == []
    assert len(FILES) > 40


def test_no_source_of_a_machine() -> None:
    """No path of the machine it was written on."""
    for path in [*FILES, *Path(__file__).parent.rglob("*.py")]:
        assert not re.search(r"(?<![\w.])/(home|work|root)/\w", path.read_text()), path


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), path


def test_everything_public_has_a_docstring() -> None:
    """Of the functions and classes behind the public names."""
    from aegan import Model, Run, fit, load, open_data

    for thing in (Model, Run, fit, load, open_data):
        assert thing.__doc__
    for kind in (Model, Run):
        for name, member in vars(kind).items():
            if not name.startswith("_"):
                assert getattr(member, "__doc__", None), f"{kind.__name__}.{name}"
