"""What goes in and out of the server's addresses; `/openapi.json` is made of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from aegan.serve.limits import DIRECTIONS, FRAMES, IMAGES, LARGEST_SEED, NEIGHBOURS, NUMBERS, REACH

Format = Literal["json", "png", "npz"]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]
Code = Annotated[list[Number], Field(max_length=NUMBERS)]


class Strict(BaseModel):
    """A request's body: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """Why a request was refused."""

    reason: str


class SamplesWanted(Strict):
    """Which samples to draw. Each has a seed of its own: the same seed gives the same image, whatever is drawn beside it."""

    count: int = Field(16, ge=1, le=IMAGES)
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="Of the first; the others have the next ones.")
    seeds: list[Annotated[int, Field(ge=0, le=LARGEST_SEED)]] | None = Field(
        None, min_length=1, max_length=IMAGES, description="One for each image, in place of `count` and `seed`."
    )
    label: str | None = Field(
        None, max_length=500, description="A class by name; null draws classes as the data has them."
    )
    truncation: float = Field(1.0, gt=0, le=1, allow_inf_nan=False)
    format: Format = "json"


class Images(BaseModel):
    """Images as PNG data URIs, and their codes, flattened, where the model has an encoder."""

    images: list[str]
    codes: list[list[float]] | None


class WalkWanted(Strict):
    """A straight walk between two codes."""

    start: Code
    end: Code
    frames: int = Field(17, ge=2, le=FRAMES)
    format: Format = "json"


class Encoded(BaseModel):
    """An image as the model saw it, its code (flattened), and what comes back from the code."""

    seen: str
    reconstruction: str
    code: list[float]
    psnr: float | None = Field(description="Of the reconstruction, dB; null if it is exact.")


class Directions(BaseModel):
    """Principal directions of the codes of samples: the share of their variance along each."""

    shares: list[float]
    reach: float = Field(description="Standard deviations that can be gone along one.")
    samples: int


class MoveWanted(Strict):
    """A move from a code along the principal directions."""

    code: Code | None = Field(None, description="From where; null: the mean of the samples' codes.")
    amounts: list[Annotated[float, Field(allow_inf_nan=False, ge=-REACH, le=REACH)]] = Field(
        max_length=DIRECTIONS, description="Standard deviations along each direction."
    )
    format: Format = "json"


class NeighboursWanted(Strict):
    """The images whose codes are nearest to a code."""

    code: Code
    count: int = Field(8, ge=1, le=NEIGHBOURS)


class Neighbour(BaseModel):
    """One neighbour."""

    image: str
    distance: float
    name: str | None
    label: str | None


class Neighbours(BaseModel):
    """Neighbours, nearest first, and among what they were looked for."""

    source: Literal["training", "samples"]
    among: str
    neighbours: list[Neighbour]


class About(BaseModel):
    """What this server offers."""

    version: str
    name: str
    plays: bool
    follows: bool


class ModelAbout(BaseModel):
    """The model."""

    strategy: str
    data: str | None
    shape: list[int]
    classes: list[str]
    trained_on: int
    capabilities: list[str]
    code_shape: list[int]
    device: str


class PictureAbout(BaseModel):
    """A picture that the run made of itself."""

    step: int
    stage: str


class RunState(BaseModel):
    """Where a run stands."""

    name: str
    strategy: str
    data: str
    state: Literal["starting", "training", "stopped", "done"]
    stage: str | None
    step: float
    images: float
    images_per_second: float | None
    seconds: float
    seconds_left: float | None
    progress: float | None
    silent: float = Field(description="Seconds since the log grew.")
    pictures: list[PictureAbout]


class LogLines(BaseModel):
    """New lines of the log."""

    lines: list[dict[str, Any]]
    after: str = Field(description="Ask with this next time.")
    fresh: bool = Field(description="These lines are from the log's start: forget earlier ones.")
    more: bool
