"""The REST API and the page's files, as one ASGI application."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException as StarletteHTTPException

import aegan
from aegan.errors import UserError
from aegan.serve.following import Following
from aegan.serve.guard import Door, Guard
from aegan.serve.limits import DIRECTIONS, FRAMES, IMAGES, LARGEST_SEED, NEIGHBOURS, NUMBERS, REACH, Limits
from aegan.serve.play import Play, npz, picture, png
from aegan.version import __version__

T = TypeVar("T")
Format = Literal["json", "png", "npz"]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]
Code = Annotated[list[Number], Field(max_length=NUMBERS)]

STATIC = Path(__file__).parent / "static"
FILES = {
    "page.css": (STATIC / "page.css", "text/css"),
    "page.js": (STATIC / "page.js", "text/javascript"),
    # the look of all pages of aegan
    "style.css": (Path(aegan.__file__).parent / "report" / "style.css", "text/css"),
}


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


class Busy(Exception):
    """All places for computations are taken."""


class Worker:
    """One thread that computes, with a bounded number of requests that wait for it.

    Args:
        limits: bounds.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits, self._inside = limits, 0
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="aegan-serve")

    async def __call__(self, work: Callable[[], T]) -> T:
        if self._inside >= self.limits.computing:
            raise Busy
        self._inside += 1
        task = asyncio.get_running_loop().run_in_executor(self.pool, work)

        def over(done: asyncio.Future[T]) -> None:
            # a request that was given up keeps its place until its computation has ended
            self._inside -= 1
            if not done.cancelled():
                done.exception()  # looked at: asyncio complains of errors that nobody has seen

        task.add_done_callback(over)
        try:
            return await asyncio.wait_for(asyncio.shield(task), self.limits.seconds)
        except asyncio.TimeoutError:
            raise HTTPException(504, f"This took longer than {self.limits.seconds:g} seconds.") from None


def build_app(
    play: Play | None,
    following: Following | None,
    *,
    name: str,
    door: Door | None = None,
    limits: Limits | None = None,
) -> Guard:
    """The application.

    Args:
        play: the model to play with; None: there is only a run to watch.
        following: the run folder to watch; None: there is only a model.
        name: of the run or model, for the page's title.
        door: under which names and which path it will be asked for; None: this machine's own.
        limits: bounds.
    """
    limits = limits or Limits()
    return Guard(build_api(play, following, name=name, limits=limits), door or Door(), limits)


def build_api(play: Play | None, following: Following | None, *, name: str, limits: Limits) -> FastAPI:
    """The routes, without the guard around them. `/openapi.json` is their schema."""
    compute = Worker(limits)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        compute.pool.shutdown(wait=False, cancel_futures=True)

    api = FastAPI(
        title="aegan serve",
        version=__version__,
        summary="A trained model to play with, and a run in training to watch.",
        # the documentation pages of FastAPI load scripts from another server
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses={"default": {"model": Problem, "description": "The reason why not."}},
    )

    @api.exception_handler(StarletteHTTPException)
    async def _http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, StarletteHTTPException)
        return JSONResponse({"reason": str(error.detail)}, error.status_code, headers=error.headers)

    @api.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return JSONResponse({"reason": _told(error.errors())}, 422)

    @api.exception_handler(UserError)
    async def _mistake(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"reason": " ".join(str(error).splitlines())}, 400)

    @api.exception_handler(Busy)
    async def _busy(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"reason": "The model is busy; try again in a moment."}, 503, headers={"Retry-After": "1"})

    @api.exception_handler(Exception)
    async def _failed(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"reason": f"The server failed ({type(error).__name__}); its terminal says where."}, 500)

    @api.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", media_type="text/html")

    @api.get("/static/{file}", include_in_schema=False)
    async def static(file: str) -> FileResponse:
        if file not in FILES:
            raise HTTPException(404, "There is no such file.")
        path, kind = FILES[file]
        return FileResponse(path, media_type=kind)

    @api.get("/api/about")
    async def about() -> About:
        return About(version=__version__, name=name, plays=play is not None, follows=following is not None)

    if play is not None:
        _play_routes(api, play, compute)
    if following is not None:
        _run_routes(api, following)
    return api


def _play_routes(api: FastAPI, play: Play, compute: Worker) -> None:
    @api.get("/api/model")
    async def model() -> ModelAbout:
        return ModelAbout(**await compute(play.about))

    @api.post("/api/samples", response_model=Images, responses=_FILES)
    async def samples(wanted: SamplesWanted) -> Any:
        def work() -> Any:
            seeds = wanted.seeds
            if seeds is None:
                seeds = [wanted.seed + i for i in range(wanted.count)]
            elif {"count", "seed"} & wanted.model_fields_set:
                raise UserError("`seeds` says which and how many.", "Leave `count` and `seed` out.")
            items, codes = play.samples(seeds, wanted.label, wanted.truncation)
            return _items(items, codes, wanted.format, columns=int(np.ceil(np.sqrt(len(items)))), name="samples")

        return await compute(work)

    @api.post("/api/walk", response_model=Images, responses=_FILES)
    async def walk(wanted: WalkWanted) -> Any:
        def work() -> Any:
            items, codes = play.walk(play.code(wanted.start), play.code(wanted.end), wanted.frames)
            return _items(items, codes, wanted.format, columns=wanted.frames, name="walk")

        return await compute(work)

    @api.post(
        "/api/encode",
        response_model=Encoded,
        responses=_FILES,
        openapi_extra={
            "requestBody": {
                "required": True,
                "description": "The bytes of an image file, as they are.",
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
    )
    async def encode(request: Request, format: Format = "json") -> Any:
        raw = await request.body()

        def work() -> Any:
            seen = play.read(raw)
            code, back = play.encode(seen)
            if format == "png":
                return _file(picture(np.stack([seen[0], back]), 2), "image/png", "reconstruction.png")
            if format == "npz":
                return _file(npz(image=seen[0], code=code, reconstruction=back), "application/zip", "code.npz")
            error = float(((seen[0].astype(np.float64) - back) ** 2).mean())
            return Encoded(
                seen=_uri(seen[0]),
                reconstruction=_uri(back),
                code=_plain(code),
                psnr=None if error == 0 else round(float(10 * np.log10(255**2 / error)), 2),
            )

        return await compute(work)

    @api.get("/api/directions")
    async def directions() -> Directions:
        def work() -> Directions:
            play.code(None)  # refuses models without an encoder
            return Directions(shares=play.shares, reach=REACH, samples=len(play._codes))

        return await compute(work)

    @api.post("/api/directions", response_model=Images, responses=_FILES)
    async def move(wanted: MoveWanted) -> Any:
        def work() -> Any:
            item, code = play.moved(play.code(wanted.code), wanted.amounts)
            return _items(item[None], code[None], wanted.format, columns=1, name="moved")

        return await compute(work)

    @api.post("/api/neighbours")
    async def neighbours(wanted: NeighboursWanted) -> Neighbours:
        def work() -> Neighbours:
            found, among = play.neighbours(play.code(wanted.code), wanted.count), play.searched
            return Neighbours(
                source="training" if among.source == "training" else "samples",
                among=among.told,
                neighbours=[
                    Neighbour(
                        image=_uri(among.items[f["index"]]), distance=f["distance"], name=f["name"], label=f["class"]
                    )
                    for f in found
                ],
            )

        return await compute(work)


def _run_routes(api: FastAPI, following: Following) -> None:
    @api.get("/api/run")
    def run() -> RunState:
        return RunState(**following.state())

    @api.get("/api/run/log")
    def log(
        after: Annotated[
            str, Query(pattern=r"^(\d{1,20}:\d{1,15})?$", description="The mark of an earlier answer.")
        ] = "",
    ) -> LogLines:
        lines, behind, fresh, more = following.lines(after)
        return LogLines(lines=lines, after=behind, fresh=fresh, more=more)

    @api.get(
        "/api/run/grid",
        response_class=Response,
        responses={200: {"content": {"image/png": {}}, "description": "The newest picture, or that of a step."}},
    )
    def grid(step: Annotated[int | None, Query(ge=0, le=10**12)] = None) -> Response:
        content = following.picture(step)
        if content is None:
            raise HTTPException(404, "There is no such picture yet.")
        return Response(content, media_type="image/png")


_FILES: dict[int | str, dict[str, Any]] = {
    200: {"description": "JSON, or the file asked for.", "content": {"image/png": {}, "application/zip": {}}}
}


def _items(items: np.ndarray, codes: np.ndarray | None, format: Format, *, columns: int, name: str) -> Any:
    if format == "png":
        return _file(picture(items, columns), "image/png", f"{name}.png")
    if format == "npz":
        return _file(
            npz(**{"images" if items.ndim == 4 else "vectors": items, "codes": codes}), "application/zip", f"{name}.npz"
        )
    shown = [_uri(item) for item in items] if items.ndim == 4 else [_data(picture(items, 1))]
    return Images(images=shown, codes=None if codes is None else [_plain(code) for code in codes])


def _file(content: bytes, kind: str, name: str) -> Response:
    return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _plain(code: np.ndarray) -> list[float]:
    """A code as JSON: float32 has no more than 7 digits that mean something."""
    return [float(f"{v:.7g}") for v in code.reshape(-1).tolist()]


def _uri(item: np.ndarray) -> str:
    return _data(png(item))


def _data(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


def _told(errors: Sequence[Any]) -> str:
    """What is wrong with a request, without what was sent."""
    first = errors[0] if errors else {}
    where = ".".join(str(part) for part in first.get("loc", ()) if part not in ("body", "query"))
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{where + ': ' if where else ''}{first.get('msg', 'The request is not as the schema says.')}{more}"
