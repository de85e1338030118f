"""The addresses of a model to play with."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from fastapi import FastAPI, Request, Response

from aegan.errors import UserError
from aegan.serve.limits import REACH
from aegan.serve.play import Play, npz, picture, png
from aegan.serve.schema import (
    Directions,
    Encoded,
    Format,
    Images,
    ModelAbout,
    MoveWanted,
    Neighbour,
    Neighbours,
    NeighboursWanted,
    SamplesWanted,
    WalkWanted,
)
from aegan.serve.worker import Worker

FILE_ANSWERS: dict[int | str, dict[str, Any]] = {
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


def play_routes(api: FastAPI, play: Play, compute: Worker) -> None:
    """Adds the addresses of a model to `api`; `compute` runs what takes the model's time."""
    _making(api, play, compute)
    _encoding(api, play, compute)
    _moving(api, play, compute)


def _making(api: FastAPI, play: Play, compute: Worker) -> None:
    """What makes items: samples, walks between codes."""

    @api.get("/api/model")
    async def model() -> ModelAbout:
        return ModelAbout(**await compute(play.about))

    @api.post("/api/samples", response_model=Images, responses=FILE_ANSWERS)
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

    @api.post("/api/walk", response_model=Images, responses=FILE_ANSWERS)
    async def walk(wanted: WalkWanted) -> Any:
        def work() -> Any:
            items, codes = play.walk(play.code(wanted.start), play.code(wanted.end), wanted.frames)
            return _items(items, codes, wanted.format, columns=wanted.frames, name="walk")

        return await compute(work)


def _encoding(api: FastAPI, play: Play, compute: Worker) -> None:
    """What reads an image."""

    @api.post(
        "/api/encode",
        response_model=Encoded,
        responses=FILE_ANSWERS,
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


def _moving(api: FastAPI, play: Play, compute: Worker) -> None:
    """What moves a code, and what lies near one."""

    @api.get("/api/directions")
    async def directions() -> Directions:
        def work() -> Directions:
            play.code(None)  # refuses models without an encoder
            return Directions(shares=play.shares, reach=REACH, samples=len(play._codes))

        return await compute(work)

    @api.post("/api/directions", response_model=Images, responses=FILE_ANSWERS)
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
                among=among.description,
                neighbours=[
                    Neighbour(
                        image=_uri(among.items[f["index"]]), distance=f["distance"], name=f["name"], label=f["class"]
                    )
                    for f in found
                ],
            )

        return await compute(work)
