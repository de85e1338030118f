"""Terminals of any encoding: what they cannot show is replaced, and is never an error."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys

HANDLER = "aegan.readable"
# what our own texts hold beyond ASCII, as people would type it
PLAIN = {
    "×": "x", "–": "-", "—": "-", "−": "-", "‑": "-", "…": "...", "“": '"', "”": '"', "‘": "'", "’": "'", "•": "*", "·": "*",
    "→": "->", "←": "<-", "≈": "~", "≤": "<=", "≥": ">=", "±": "+-", "∈": "in", "√": "sqrt", "∞": "inf", "µ": "u",
    "²": "^2", "³": "^3", "½": "1/2", "\u00a0": " ",
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "eps", "λ": "lambda", "μ": "mu", "π": "pi", "σ": "sigma",
    "τ": "tau", "φ": "phi", "ψ": "psi", "Σ": "sum", "Δ": "Delta", "∥": "|", "‖": "|", "∇": "grad",
}  # fmt: skip


def _readable(error: UnicodeError) -> tuple[str | bytes, int]:
    """An error handler of codecs: our own signs in ASCII, everything else by its number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lost), error.end


def steady_streams() -> None:
    """Lets stdout and stderr replace what their encoding does not have, unless the user has said how (PYTHONIOENCODING)."""
    codecs.register_error(HANDLER, _readable)
    for stream in (sys.stdout, sys.stderr):
        # not `replace`, `ignore` and others, which somebody has asked for
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape", "backslashreplace"):
            with contextlib.suppress(OSError, ValueError):  # closed
                stream.reconfigure(errors=HANDLER)


def start_in_utf8() -> None:
    """Starts this program again in Python's UTF-8 mode where the locale is another (POSIX, Latin-1), and does not return.

    File names are bytes. Decoded by the locale, the class `ж` would be another one on the next machine, and in the cache.
    What is printed stays in the terminal's encoding.
    """
    if os.name != "posix" or sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8") == "1":
        return
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    encoding = sys.stdout.encoding if isinstance(sys.stdout, io.TextIOWrapper) else "ascii"
    environment = {"PYTHONIOENCODING": encoding, **os.environ, "PYTHONUTF8": "1"}
    os.execve(sys.executable, sys.orig_argv, environment)
