"""The addresses of a model to play with."""

from __future__ import annotations

import base64
from typing import Annotated, Any

import numpy as np
from fastapi import Depends, FastAPI, Request, Response

from aegan.errors import UserError
from aegan.files import npz_bytes
from aegan.pictures import as_image, encoded
from aegan.serve import schema
from aegan.serve.limits import REACH
from aegan.serve.play import Play, picture
from aegan.serve.worker import Worker

FILE_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "JSON, or the file asked for.", "content": {"image/png": {}, "application/zip": {}}}
}


def _items(items: np.ndarray, codes: np.ndarray | None, format: schema.Format, *, columns: int, name: str) -> Any:
    if format == "png":
        return _file(picture(items, columns), "image/png", f"{name}.png")
    if format == "npz":
        arrays = npz_bytes(**{"images" if items.ndim == 4 else "vectors": items, "codes": codes})
        return _file(arrays, "application/zip", f"{name}.npz")
    shown = [_uri(item) for item in items] if items.ndim == 4 else [_data(picture(items, 1))]
    return schema.Images(images=shown, codes=None if codes is None else [_plain(code) for code in codes])


def _file(content: bytes, kind: str, name: str) -> Response:
    return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _plain(code: np.ndarray) -> list[float]:
    """A code as JSON: float32 has no more than 7 digits that mean something."""
    return [float(f"{v:.7g}") for v in code.reshape(-1).tolist()]


def _uri(item: np.ndarray) -> str:
    return _data(encoded(as_image(item)))


def _data(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


async def _body(request: Request) -> bytes:
    return await request.body()


def play_routes(api: FastAPI, play: Play, compute: Worker) -> None:
    """Adds the addresses of a model to `api`; `compute` runs what takes the model's time."""
    _making(api, play, compute)
    _encoding(api, play, compute)
    _moving(api, play, compute)


def _making(api: FastAPI, play: Play, compute: Worker) -> None:
    @api.get("/api/model")  # without `compute`: it is told while the model is busy
    def model() -> schema.ModelAbout:
        return schema.ModelAbout(**play.about())

    @api.post("/api/samples", response_model=schema.Images, responses=FILE_ANSWERS)
    @compute.answers
    def samples(wanted: schema.SamplesWanted) -> Any:
        seeds = wanted.seeds
        if seeds is None:
            seeds = [wanted.seed + i for i in range(wanted.count)]
        elif {"count", "seed"} & wanted.model_fields_set:
            raise UserError("`seeds` says which and how many.", "Leave `count` and `seed` out.")
        items, codes = play.samples(seeds, wanted.label, wanted.truncation)
        return _items(items, codes, wanted.format, columns=int(np.ceil(np.sqrt(len(items)))), name="samples")

    @api.post("/api/walk", response_model=schema.Images, responses=FILE_ANSWERS)
    @compute.answers
    def walk(wanted: schema.WalkWanted) -> Any:
        items, codes = play.walk(play.code(wanted.start), play.code(wanted.end), wanted.frames)
        return _items(items, codes, wanted.format, columns=wanted.frames, name="walk")


def _encoding(api: FastAPI, play: Play, compute: Worker) -> None:
    @api.post(
        "/api/encode",
        response_model=schema.Encoded,
        responses=FILE_ANSWERS,
        openapi_extra={
            "requestBody": {
                "required": True,
                "description": "The bytes of an image file, as they are.",
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
    )
    @compute.answers
    def encode(raw: Annotated[bytes, Depends(_body)], format: schema.Format = "json") -> Any:
        seen = play.read(raw)
        code, back = play.encode(seen)
        if format == "png":
            return _file(picture(np.stack([seen[0], back]), 2), "image/png", "reconstruction.png")
        if format == "npz":
            return _file(npz_bytes(image=seen[0], code=code, reconstruction=back), "application/zip", "code.npz")
        error = float(((seen[0].astype(np.float64) - back) ** 2).mean())
        return schema.Encoded(
            seen=_uri(seen[0]),
            reconstruction=_uri(back),
            code=_plain(code),
            psnr=None if error == 0 else round(float(10 * np.log10(255**2 / error)), 2),
        )


def _moving(api: FastAPI, play: Play, compute: Worker) -> None:
    @api.get("/api/directions")
    @compute.answers
    def directions() -> schema.Directions:
        play.code(None)  # refuses models without an encoder
        return schema.Directions(shares=play.shares, reach=REACH, samples=len(play._codes))

    @api.post("/api/directions", response_model=schema.Images, responses=FILE_ANSWERS)
    @compute.answers
    def move(wanted: schema.MoveWanted) -> Any:
        item, code = play.moved(play.code(wanted.code), wanted.amounts)
        return _items(item[None], code[None], wanted.format, columns=1, name="moved")

    @api.post("/api/neighbours")
    @compute.answers
    def neighbours(wanted: schema.NeighboursWanted) -> schema.Neighbours:
        found, among = play.neighbours(play.code(wanted.code), wanted.count), play.searched
        shown = [schema.Neighbour(image=_uri(one.pop("item")), **one) for one in found]
        return schema.Neighbours(source=among.source, among=among.description, neighbours=shown)
