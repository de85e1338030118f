"""The REST API and the page's files, as one ASGI application."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

import aegan
from aegan.errors import UserError
from aegan.serve.following import Following
from aegan.serve.guard import Door, RequestGuard
from aegan.serve.limits import Limits
from aegan.serve.play import Play
from aegan.serve.play_routes import play_routes
from aegan.serve.schema import About, LogLines, Problem, RunState
from aegan.serve.worker import Worker
from aegan.version import __version__

STATIC = Path(__file__).parent / "static"
FILES = {
    "page.css": (STATIC / "page.css", "text/css"),
    "page.js": (STATIC / "page.js", "text/javascript"),
    # the look of all pages of aegan
    "style.css": (Path(aegan.__file__).parent / "pages" / "templates" / "style.css", "text/css"),
}


def build_app(
    play: Play | None,
    following: Following | None,
    *,
    name: str,
    door: Door | None = None,
    limits: Limits | None = None,
) -> RequestGuard:
    """The application.

    Args:
        play: the model to play with; None: there is only a run to watch.
        following: the run folder to watch; None: there is only a model.
        name: of the run or model, for the page's title.
        door: None: this machine's own.
    """
    limits = limits or Limits()
    return RequestGuard(build_api(play, following, name=name, limits=limits), door or Door(), limits)


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
        # a redirect would name this server, without the proxy's scheme and path
        redirect_slashes=False,
        lifespan=lifespan,
        responses={"default": {"model": Problem, "description": "The reason why not."}},
    )

    _answer_errors(api)

    @api.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", media_type="text/html")

    @api.api_route("/static/{file}", methods=["GET", "HEAD"], include_in_schema=False)
    async def static(file: str) -> FileResponse:
        if file not in FILES:
            raise HTTPException(404, "There is no such file.")
        path, kind = FILES[file]
        return FileResponse(path, media_type=kind)

    @api.get("/api/about")
    async def about() -> About:
        return About(version=__version__, name=name, plays=play is not None, follows=following is not None)

    if play is not None:
        play_routes(api, play, compute)
    if following is not None:
        _run_routes(api, following)
    return api


def _answer_errors(api: FastAPI) -> None:
    """Every failure is an answer with its reason."""

    async def answer(_: Request, error: Exception) -> JSONResponse:
        headers = None
        match error:
            case StarletteHTTPException():
                status, reason, headers = error.status_code, str(error.detail), error.headers
            case RequestValidationError():
                status, reason = 422, _describe_errors(error.errors())
            case UserError():
                status, reason = 400, " ".join(str(error).splitlines())
            case _:
                status, reason = 500, f"The server failed ({type(error).__name__}); its terminal says where."
        return JSONResponse({"reason": reason}, status, headers=headers)

    for kind in (StarletteHTTPException, RequestValidationError, UserError, Exception):
        api.add_exception_handler(kind, answer)


def _run_routes(api: FastAPI, following: Following) -> None:
    @api.get("/api/run")
    def run() -> RunState:
        return RunState(**following.state())

    @api.get("/api/run/log")
    def log(
        after: Annotated[
            str, Query(pattern=r"^(\d{1,40}:\d{1,15})?$", description="The mark of an earlier answer.")
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


def _describe_errors(errors: Sequence[Any]) -> str:
    """What is wrong with a request, without what was sent."""
    first = errors[0] if errors else {}
    where = ".".join(str(part) for part in first.get("loc", ()) if part not in ("body", "query"))
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{where + ': ' if where else ''}{first.get('msg', 'The request is not as the schema says.')}{more}"
