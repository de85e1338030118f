"""Machines as people have them: no home, a user without a name, a read-only home, terminals that are not UTF-8."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aegan import folders
from aegan.terminal import steady_streams

HOME_VARIABLES = ("HOME", "USER", "LOGNAME", "AEGAN_CACHE", "XDG_CACHE_HOME", "TMPDIR")
posix = pytest.mark.skipif(os.name != "posix", reason="users and modes of POSIX")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment that says nothing of caches and homes; temporary files lie in the folder returned."""
    for name in HOME_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(folders.tempfile, "gettempdir", lambda: str(folder))
    folders._temporary.cache_clear()
    yield folder
    folders._temporary.cache_clear()


def nameless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without an entry in the list of users, and so without a home: `~` stays as it is."""
    import pwd

    def unknown(_: int) -> Any:
        raise KeyError("uid not found")

    monkeypatch.setattr(pwd, "getpwuid", unknown)


# --- where caches lie -------------------------------------------------------------------------------------------------


def test_the_folder_of_caches_by_what_is_known(bare: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert folders.cache_root() == tmp_path / "home" / ".cache" / "aegan"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert folders.cache_root() == tmp_path / "home" / ".cache" / "aegan"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert folders.cache_root() == tmp_path / "xdg" / "aegan"
    monkeypatch.setenv("AEGAN_CACHE", str(tmp_path / "own"))
    assert folders.cache_root() == tmp_path / "own"
    assert folders.cache_root(tmp_path / "given") == tmp_path / "given"


@posix
@pytest.mark.parametrize("home", [None, "", "relative"])
def test_without_a_home_the_temporary_folder_is_said_once(
    home: str | None, bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nameless(monkeypatch)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    found = {folders.cache_root() for _ in range(3)}
    assert found == {bare / f"aegan-{os.getuid()}"}
    assert (bare / f"aegan-{os.getuid()}").stat().st_mode & 0o777 == 0o700
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("AEGAN_CACHE") == 1 and str(bare) in said.err


@posix
def test_a_home_that_cannot_be_written(bare: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith(str(home)))
    assert folders.cache_root().parent == bare
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert folders.cache_root().parent == bare


@posix
@pytest.mark.parametrize("trap", ["open to all", "a link"])
def test_a_temporary_folder_that_others_may_have_put_there_is_not_used(
    trap: str, bare: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nameless(monkeypatch)
    there = bare / f"aegan-{os.getuid()}"
    if trap == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        there.symlink_to(tmp_path / "elsewhere")
    else:
        there.mkdir()
        there.chmod(0o777)
    found = folders.cache_root()
    assert found != there and found.parent == bare and found.stat().st_mode & 0o777 == 0o700


@posix
def test_a_tilde_of_nobody_is_a_name(
    bare: Path, monkeypatch: pytest.MonkeyPatch, aegan_cli: Callable[..., Any]
) -> None:
    nameless(monkeypatch)
    assert folders.expanded("~/photos") == Path("~/photos")
    aegan_cli("check", "~/photos").refused("~/photos")
    aegan_cli("check", "~nobody-of-this-name/photos").refused("~nobody-of-this-name/photos")


@posix
def test_everything_works_without_a_home(
    bare: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aegan_cli: Callable[..., Any]
) -> None:
    nameless(monkeypatch)
    monkeypatch.chdir(tmp_path)
    short = ("--steps", 4, "--size", 16, "--out", "run", "--strategy", "autoencoder")
    said = aegan_cli("train", folder, *short, "--set", "width=8", "--no-evaluate")
    assert said.code == 0 and said.err.count("AEGAN_CACHE") == 1, said.err
    said = aegan_cli("evaluate", "run", "--count", 64, "--reference", 80, "--extractor", "pixels", "--metrics", "fd")
    assert said.code == 0, said.err
    kept = bare / f"aegan-{os.getuid()}"
    assert list(kept.glob("*/meta.json")) and list((kept / "features").glob("*.safetensors"))
    assert not Path("~").exists()
    said = aegan_cli("export", "run", "--hub", "card")
    assert said.code == 0, said.err


# --- terminals of other encodings -------------------------------------------------------------------------------------


def started(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own, with this environment besides."""
    kept = {k: v for k, v in os.environ.items() if k not in ("LANG", "LC_ALL", "PYTHONIOENCODING", "PYTHONUTF8")}
    return subprocess.run(
        [sys.executable, "-m", "aegan", *arguments], env={**kept, **environment}, capture_output=True, timeout=120
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "shift_jis"])
def test_a_terminal_replaces_what_it_does_not_have(encoding: str) -> None:
    said = started("strategies", "vqgan", PYTHONIOENCODING=encoding)
    assert said.returncode == 0 and said.stderr == b"", said.stderr
    text = said.stdout.decode(encoding)
    assert "vqgan" in text and "codebook" in text
    if encoding == "ascii":
        assert "lambda" in text, "our own signs are spelled"


def test_help_on_a_terminal_of_ascii() -> None:
    said = started("train", "--help", PYTHONIOENCODING="ascii")
    assert said.returncode == 0 and b"--minutes" in said.stdout
    said.stdout.decode("ascii")


def test_a_mistake_is_told_on_a_terminal_of_ascii() -> None:
    said = started("check", "fotos-von-ж", PYTHONIOENCODING="ascii")
    assert said.returncode == 2 and b"Traceback" not in said.stderr and rb"fotos-von-\u0436" in said.stderr


def test_what_the_user_asked_for_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for errors, wanted in (
        ("strict", b"32x32 \\u65e5"),
        ("replace", b"32?32 ?"),
        ("surrogateescape", b"32x32 \\u65e5"),
    ):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii", errors, write_through=True))
        steady_streams()
        print("32×32 日", end="")
        assert raw.getvalue() == wanted


@posix
def test_a_class_is_the_same_in_every_locale(
    make_shapes: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    images, labels = make_shapes(24)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = tmp_path / "фото" / "жé"[label] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    monkeypatch.chdir(tmp_path)
    narrow = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    for environment in (narrow, {"LC_ALL": "C.UTF-8"}):
        said = started("check", "фото", "--json", **environment)
        assert said.returncode == 0, said.stderr
        assert set(json.loads(said.stdout)["classes"]) == {"ж", "é"}
    said = started("check", "фото", **narrow)
    assert said.returncode == 0 and rb"\u0436 12" in said.stdout, "it is printed in the terminal's encoding"


STRICT = """
import sys, warnings
from aegan.cli.main import run
warnings.filterwarnings("error", category=EncodingWarning, module=r"aegan\\b")
for line in sys.argv[1].splitlines():
    sys.argv = ["aegan", *line.split("|")]
    try:
        run()
    except SystemExit as end:
        if end.code:
            sys.exit(f"{line}: {end.code}")
"""


def test_no_file_is_opened_in_the_encoding_of_the_locale(folder: Path, tmp_path: Path) -> None:
    """On Windows that is a code page, which has no `ж`; Python warns of it on request."""
    run = tmp_path / "run"
    lines = [
        f"train|{folder}|--strategy|autoencoder|--steps|4|--set|width=8|--no-evaluate|--out|{run}",
        f"evaluate|{run}|--metrics|reconstruction|--extractor|pixels|--count|64",
        f"encode|{run}|{folder}|--out|{tmp_path / 'codes.npz'}",
        f"export|{run}|--hub|{tmp_path / 'hub'}",
        "presets",
    ]
    command = [sys.executable, "-X", "warn_default_encoding", "-c", STRICT, "\n".join(lines)]
    said = subprocess.run(command, capture_output=True, timeout=300, text=True, encoding="utf-8")
    assert said.returncode == 0, said.stderr
