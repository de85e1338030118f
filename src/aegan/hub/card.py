"""A folder to share: the model's two files, and a model card with the figures as they were measured."""

from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path
from typing import Any

import yaml

from aegan.data.spec import DataSpec
from aegan.errors import UserError
from aegan.figures import Evaluation, Figure
from aegan.files import write_text
from aegan.hugging_face import is_name
from aegan.model import Model
from aegan.names import printable
from aegan.networks.custom import own_names
from aegan.pages import render
from aegan.pictures import grid, scatter
from aegan.runs.folder import Run

SHOWN = 64  # samples in the picture


def write_hub_folder(
    source: str | Path, folder: Path, *, title: str | None = None, model: Model | None = None
) -> list[Path]:
    """Writes model.safetensors, config.json, README.md, and where there are any samples.png and evaluation.json.

    Nothing in them says where on this machine the data or the run lie.

    Args:
        source: a run, or a model folder, which has no figures.
        folder: new or empty.
        title: of the card: owner/name, or a name; default: the folder's.
        model: that of `source`, if it is loaded already.

    Returns:
        the files.

    Raises:
        UserError: the folder is not empty, or networks of the user's own are in the model, which no file can hold.
    """
    source = Path(source)
    run = Run(source, "cpu") if (source / "config.yaml").is_file() else None
    model = model or (run.model if run is not None else Model.read(source, "cpu"))
    own = own_names(model.networks)
    if own:
        raise UserError(
            f"This model has networks of your own ({', '.join(own)}), whose code no file of ours can hold.",
            "Share it with --onnx.",
        )
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UserError(f"{folder} is not an empty folder; nothing was written.", "Choose a new folder.")
    found = None if run is None else run.evaluation
    evaluation = None if found is None else without_places(found)
    # last of all the parts that may fail, so that a folder that exists is whole
    picture = None
    if "sample" in model.capabilities:
        made = model.sample(SHOWN if model.spec.is_image else 2000, seed=0)
        with io.BytesIO() as buffer:
            (grid(made) if model.spec.is_image else scatter(made)).save(buffer, "PNG")
            picture = buffer.getvalue()
    text = card(model, title=title or folder.name, run=run, evaluation=evaluation, picture=picture is not None)
    model.save(folder)
    if picture is not None:
        (folder / "samples.png").write_bytes(picture)
    if evaluation is not None:
        evaluation.write(folder / "evaluation.json")
    write_text(folder / "README.md", text)
    return sorted(folder.iterdir())


def without_places(evaluation: Evaluation) -> Evaluation:
    """The same without the paths of the machine that it was made on: of each only the last part."""

    def last(value: Any) -> Any:
        return re.split(r"[/\\]", value)[-1] if isinstance(value, str) else value

    return dataclasses.replace(
        evaluation,
        subject={k: last(v) for k, v in evaluation.subject.items()},
        data={k: last(v) for k, v in evaluation.data.items()},
    )


def card(model: Model, *, title: str, run: Run | None, evaluation: Evaluation | None, picture: bool) -> str:
    """README.md of a model, as the Hugging Face Hub reads it."""
    spec, asked = model.spec, None if run is None else run.config.run
    data = (evaluation.data.get("name") if evaluation else None) or (
        "its data" if asked is None else printable(Path(asked.data).name)
    )
    shape = ", ".join(map(str, (16, *spec.shape[1:], spec.shape[0])))
    return render(
        "card.md",
        front=yaml.safe_dump(_front(model, title, str(data), evaluation), sort_keys=False, allow_unicode=True).rstrip(),
        title=title,
        what=_what(spec),
        strategy=model.strategy,
        picture=picture,
        address=title if is_name(title) else "FOLDER",
        capabilities=model.capabilities,
        items=f"{'uint8' if spec.is_image else 'float32'} ({shape})",
        data=data,
        spec=spec,
        trained=model.notes.get("training"),
        asked=asked,
        evaluation=evaluation,
        authenticity=evaluation is not None and any(f.name == "authenticity" for f in _measured(evaluation)),
    )


def _what(spec: DataSpec) -> str:
    if not spec.is_image:
        return f"vectors of {spec.shape[0]} numbers"
    colours = {1: " grey", 3: " RGB", 4: " RGBA"}.get(spec.channels, "")
    return f"images of {spec.width}×{spec.height}{colours}"


def _measured(evaluation: Evaluation) -> list[Figure]:
    return [f for f in evaluation.figures if f.value is not None]


def _front(model: Model, title: str, data: str, evaluation: Evaluation | None) -> dict[str, Any]:
    """What the Hub reads: library, tags, task, figures."""
    front: dict[str, Any] = {
        "library_name": "aegan",
        "tags": ["aegan", model.strategy.name, "autoencoder", "generative-model"],
    }
    if model.spec.is_image and "sample" in model.capabilities:
        front["pipeline_tag"] = "unconditional-image-generation"
    if evaluation and _measured(evaluation):
        metrics = [
            {"type": f.name, "name": f.title, "value": round(float(f.value or 0), 6)} for f in _measured(evaluation)
        ]
        task = {"type": front.get("pipeline_tag", "other")}
        result = {"task": task, "dataset": {"name": data, "type": "other"}, "metrics": metrics}
        front["model-index"] = [{"name": title, "results": [result]}]
    return front
