"""What every stored image is made into: one description, from the command line to the cache's name and the model's file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, get_args

from PIL import ImageColor

from aegan.config import Fit
from aegan.data.depth import Depth
from aegan.errors import UserError, unknown

Size: TypeAlias = int | str | Sequence[int]
Colour: TypeAlias = str | Sequence[int]

LEAST, MOST, STEP = 8, 4_096, 8  # pixels of a side; networks halve it three times
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class ImageFormat:
    """The form that images are brought to.

    Args:
        size: (H, W), pixels; None: what suits the source.
        channels: 1 (grey), 3 (colour) or 4 (colour and alpha); None: colour, or grey where every image is.
        fit: what happens to another aspect ratio: "crop" keeps the centre, "pad" adds a margin, "stretch" distorts.
        background: (R, G, B) that transparent images are composited on, and of the margin.
        depth: the scale of values of more than 8 bits; None, or where it says nothing of their kind: measured.
    """

    size: tuple[int, int] | None = None
    channels: int | None = None
    fit: Fit = "crop"
    background: tuple[int, int, int] = WHITE
    depth: Depth | None = None

    @staticmethod
    def of(
        size: Size | None = None, channels: int | None = None, fit: str = "crop", background: Colour = WHITE
    ) -> ImageFormat:
        """From what a person writes.

        Args:
            size: one side, "WIDTHxHEIGHT", or (width, height); multiples of 8.
            background: a name, #rrggbb, "r,g,b", or three numbers.

        Raises:
            UserError: one of them can't be used.

        >>> ImageFormat.of("96x64", fit="pad", background="black")
        ImageFormat(size=(64, 96), channels=None, fit='pad', background=(0, 0, 0), depth=None)
        """
        if channels not in (None, 1, 3, 4):
            raise UserError(
                f"Images can't have {channels} channels.", "Ask for 1 (grey), 3 (colour) or 4 (with alpha)."
            )
        if fit not in get_args(Fit):
            raise unknown("value of 'fit'", str(fit), get_args(Fit))
        return ImageFormat(None if size is None else read_size(size), channels, fit, read_colour(background))  # type: ignore[arg-type]

    @property
    def sides(self) -> tuple[int, int]:
        """(H, W), once they are known."""
        if self.size is None:
            raise ValueError("the size is still open")
        return self.size

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> ImageFormat:
        """The inverse of `dataclasses.asdict`, of values that went through JSON."""
        tuples = {key: tuple(plain[key]) for key in ("size", "background")}
        depth = None if plain["depth"] is None else Depth.from_dict(plain["depth"])
        return ImageFormat(**{**plain, **tuples, "depth": depth})


def read_size(size: Size) -> tuple[int, int]:
    """(H, W) of a size as a person writes it.

    Raises:
        UserError: it is none, or a side is no multiple of 8 from 8 to 4,096.

    >>> read_size(64), read_size("96x64"), read_size((96, 64))
    ((64, 64), (64, 96), (64, 96))
    """
    if isinstance(size, str):
        found = re.fullmatch(r"\s*(-?\d{1,9})(?:\s*[xX×]\s*(-?\d{1,9}))?\s*", size)
        sides = [int(side) for side in found.groups() if side is not None] if found else []
    else:
        given: Any = size  # a number of any kind, or several
        sides = list(given) if hasattr(given, "__len__") else [given]
    if len(sides) not in (1, 2) or any(int(side) != side for side in sides):
        raise UserError(f"{size!r} is not a size.", "Write one side (64), or WIDTHxHEIGHT (96x64).")
    width, height = int(sides[0]), int(sides[-1])
    if any(side < LEAST or side % STEP or side > MOST for side in (width, height)):
        near = [min(max(LEAST, round(side / STEP) * STEP), MOST) for side in (width, height)]
        raise UserError(
            f"Images can't be {width}×{height}: the size must be a multiple of {STEP}.",
            f"The nearest is {size_text((near[1], near[0]))}.",
        )
    return height, width


def size_text(sides: tuple[int, int]) -> int | str:
    """A size (H, W) as `--size` takes it: one number for a square.

    >>> size_text((64, 64)), size_text((64, 96))
    (64, '96x64')
    """
    height, width = sides
    return height if height == width else f"{width}x{height}"


def colour_text(colour: tuple[int, int, int]) -> str:
    """A colour for people and for `--background`.

    >>> colour_text((255, 255, 255)), colour_text((1, 2, 3))
    ('white', '#010203')
    """
    named: dict[tuple[int, int, int], str] = {WHITE: "white", (0, 0, 0): "black"}
    return named.get(colour, "#" + bytes(colour).hex())


def read_colour(colour: Colour) -> tuple[int, int, int]:
    """(R, G, B) of a colour as a person writes it.

    Raises:
        UserError: it is none.

    >>> read_colour("black"), read_colour("#ff8000"), read_colour("1,2,3")
    ((0, 0, 0), (255, 128, 0), (1, 2, 3))
    """
    fault = UserError(f"{colour!r} is not a colour.", "Write a name (white), #rrggbb, or r,g,b with 0 to 255 each.")
    text = colour if isinstance(colour, str) else ",".join(str(int(each)) for each in colour)
    numbers = re.fullmatch(r"\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*", text)
    try:
        red, green, blue = map(int, numbers.groups()) if numbers else ImageColor.getrgb(text.strip())[:3]
    except ValueError as why:
        raise fault from why
    if max(red, green, blue) > 255:
        raise fault
    return red, green, blue


def written_colour(colour: Colour) -> str:
    """The same as text, for settings that are kept in files; text stays as it was written.

    >>> written_colour((1, 2, 3)), written_colour("1,2,3")
    ('#010203', '1,2,3')
    """
    return colour if isinstance(colour, str) else colour_text(read_colour(colour))
