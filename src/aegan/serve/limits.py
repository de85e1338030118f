"""What one request may ask for: bounds, so that no visitor can exhaust the machine."""

from __future__ import annotations

from dataclasses import dataclass

IMAGES = 256  # of one request for samples
FRAMES = 65  # of a walk
NEIGHBOURS = 24
DIRECTIONS = 8  # principal directions that are offered
REACH = 4.0  # standard deviations along one of them
NUMBERS = 65_536  # of a code sent by a client
LARGEST_SEED = 2**53 - 1  # the largest whole number that JavaScript keeps exactly


@dataclass(frozen=True)
class Limits:
    """Bounds of the server.

    Args:
        upload: bytes of an uploaded image.
        body: bytes of any other request.
        pixels: of an uploaded image.
        requests: whose bodies arrive together, whatever they ask for.
        waiting: further ones that wait for such a place, for `patience` seconds at most; yet others are sent away with 503.
        computing: requests that compute or wait for the model together; a further one is sent away with 503.
        receiving: seconds in which a request's body must have arrived.
        seconds: that one computation may take before its request is given up.
    """

    upload: int = 16 * 2**20
    body: int = 2 * 2**20
    pixels: int = 50_000_000
    requests: int = 16
    waiting: int = 64
    patience: float = 5.0
    computing: int = 16
    receiving: float = 20.0
    seconds: float = 60.0
