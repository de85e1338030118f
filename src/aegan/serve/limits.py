"""What one request may ask for: bounds, so that no visitor can exhaust the machine."""

from __future__ import annotations

from dataclasses import dataclass

IMAGES = 256  # of one request for samples
FRAMES = 65  # of a walk
NEIGHBOURS = 24
DIRECTIONS = 8  # principal directions that are offered
REACH = 4.0  # standard deviations along one of them
PIXELS = 50_000_000  # of an uploaded image
NUMBERS = 65_536  # of a code sent by a client
LARGEST_SEED = 2**53 - 1  # the largest whole number that JavaScript keeps exactly


@dataclass(frozen=True)
class Limits:
    """Bounds of the server."""

    upload: int = 16 * 2**20  # bytes of an uploaded image
    body: int = 2 * 2**20  # bytes of any other request
    requests: int = 16  # whose bodies arrive together, whatever they ask for
    waiting: int = 64  # further ones that wait for such a place
    patience: float = 5.0  # seconds that they wait at most
    computing: int = 16  # requests that compute or wait for the model together
    receiving: float = 20.0  # seconds in which a request's body must have arrived
    seconds: float = 60.0  # that one computation may take before its request is given up
