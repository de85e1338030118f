"""Films of walks: .mp4 and .webm by ffmpeg, where the package imageio-ffmpeg brings it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from aegan.errors import UserError
from aegan.files import write_atomically

# suffix -> codec, and its options: quality, and for .mp4 the index at the start, so that a page plays it at once
CODECS: dict[str, tuple[str, list[str]]] = {
    ".mp4": ("libx264", ["-crf", "18", "-movflags", "+faststart"]),
    ".webm": ("libvpx-vp9", ["-crf", "24", "-b:v", "0"]),
}


def need_ffmpeg() -> None:
    """Refuses where imageio-ffmpeg, or its ffmpeg, is missing."""
    try:
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        raise UserError(
            "Films (.mp4, .webm) need imageio-ffmpeg, which is not installed.",
            'pip install "aegan[video]", or write a .gif',
        ) from None


def even(frame: Image.Image) -> Image.Image:
    """A frame whose sides are even, as both codecs need: the last column or row is repeated where they are not."""
    width, height = frame.size
    pixels = np.asarray(frame.convert("RGB"))
    return Image.fromarray(np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge"))


def write_film(path: Path, frames: Sequence[Image.Image], fps: float) -> None:
    """RGB frames of one size as a film, .mp4 (H.264) or .webm (VP9), whole or not at all; odd sides grow by a pixel.

    Raises:
        UserError: ffmpeg is missing, or cannot write them.
    """
    need_ffmpeg()
    import imageio_ffmpeg

    frames = [even(frame) for frame in frames]
    codec, options = CODECS[path.suffix.lower()]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / f"film{path.suffix.lower()}"
        command = [
            imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24",
            "-s", "{}x{}".format(*frames[0].size), "-r", f"{fps:g}", "-i", "-", "-an", "-c:v", codec,
            "-pix_fmt", "yuv420p", *options, str(made),
        ]  # fmt: skip
        done = subprocess.run(command, input=b"".join(f.tobytes() for f in frames), capture_output=True, check=False)
        if done.returncode or not made.is_file():
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise UserError(f"ffmpeg could not write {path.name}: {said[-1]}", "Write a .gif, or fewer walks.")
        write_atomically(path, made.read_bytes())
