"""`aegan`: the commands put together, and how mistakes are reported."""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from textwrap import shorten
from typing import Annotated, Any, NoReturn

import typer

from aegan.cli._output import Command
from aegan.errors import LostRank, UserError
from aegan.launch import is_rank, speaks
from aegan.names import printable
from aegan.terminal import start_in_utf8, steady_streams
from aegan.version import __version__

app = typer.Typer(
    name="aegan",
    help="Train a generator on your own images in minutes, by learning to compress them first.",
    epilog="Start with: aegan train photos/ --minutes 3",
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aegan {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Train a generator on your own images in minutes, by learning to compress them first."""


STOPPED = 130  # the exit code after Ctrl-C, as shells have it

# in the order of the help
COMMANDS = (
    "train", "check", "sample", "reconstruct", "encode", "interpolate", "similar", "score", "evaluate", "report", "compare",
    "benchmark", "compress", "decompress", "rate-distortion", "serve", "watch", "diagnose", "export", "push", "strategies",
    "presets",
)  # fmt: skip
try:
    for name in COMMANDS:
        module = import_module(f"aegan.cli.{name.replace('-', '_')}")
        app.command(name, cls=Command, epilog=module.EXAMPLE)(module.command)
except KeyboardInterrupt:  # Ctrl-C in the first moments
    sys.exit(STOPPED)


# click's UsageError: what is wrong with a command line. Of typer's own copy of click where typer has one.
USAGE: Any = typer.BadParameter.__base__


def run() -> None:
    """The console script. A user's mistake is one or two lines and exit code 2, never a traceback."""
    start_in_utf8()
    steady_streams()
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="aegan", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except (KeyboardInterrupt, typer.Abort):  # while it opens things; a training stops in its own way
        print(file=sys.stderr)
        _leave(STOPPED)
    except USAGE as error:
        where = "aegan" if error.ctx is None else error.ctx.command_path
        said, hint = " ".join(error.format_message().split()), ""
        if "unexpected extra argument" in said:
            said, hint = (
                shorten(said, 200),
                "Of several files give the folder, or a pattern in quotes: 'photos/*.png'. ",
            )
        _fail(f"{said}\n{hint}See: {where} --help")
    except UserError as error:
        if not (speaks() or isinstance(error, LostRank)):
            _leave(2)
        _fail(str(error))
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        where = printable(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else "while writing"
        _fail(f"{error.strerror}: {where}\n{REFUSED[error.errno]}")


# what the operating system says to names and places that people give, and what to do then
REFUSED = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM, errno.EFBIG),
        "Free space, or choose another place.",
    ),
    **dict.fromkeys((errno.ENAMETOOLONG, errno.EILSEQ), "Give it a shorter, simpler name."),
    **dict.fromkeys((errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.EEXIST), "Choose another place."),
    **dict.fromkeys((errno.EIO, errno.ESTALE), "Is the disk, or the network drive, still there?"),
}


def _fail(message: str) -> NoReturn:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, soft_wrap=True)
    first, *rest = message.splitlines()
    console.print(Text("Error: ", style="bold red").append(first, style="default"))
    for line in rest:
        console.print(Text(line))
    _leave(2)


def _leave(code: int) -> NoReturn:
    """Ends the process; one of several without taking down connections, which end badly where others have ended first."""
    if is_rank():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
