"""A folder to share, or to upload: the model's two files, and a model card with the figures as they were measured."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from pathlib import Path
from typing import Any

import yaml

from aegan.errors import UserError
from aegan.figures import Evaluation, Figure
from aegan.files import need_empty, write_text
from aegan.folders import expanded
from aegan.hints import AnyPath
from aegan.hugging_face import FILES, hub_package, is_name, why_not
from aegan.model import Model
from aegan.names import printable
from aegan.networks.custom import own_names
from aegan.pages import render
from aegan.pictures import encoded, grid, scatter
from aegan.runs.folder import Run

SHOWN = 64  # samples in the picture
OFFLINE = "there is no connection."


def write_hub_folder(
    source: AnyPath, folder: AnyPath, *, title: str | None = None, model: Model | None = None
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
    source, folder = expanded(source), expanded(folder)
    run = Run(source, "cpu") if (source / "config.yaml").is_file() else None
    model = model or (run.model if run is not None else Model.read(source, "cpu"))
    own = own_names(model.networks)
    if own:
        raise UserError(
            f"This model has networks of your own ({', '.join(own)}), whose code no file of ours can hold.",
            "Share it with --onnx.",
        )
    need_empty(folder, "Choose a new folder.")
    found = None if run is None else run.evaluation
    evaluation = None if found is None else without_places(found)
    # last of all the parts that may fail, so that a folder that exists is whole
    picture = None
    if "sample" in model.capabilities:
        made = model.sample(SHOWN if model.spec.is_image else 2000, seed=0)
        picture = encoded(grid(made) if model.spec.is_image else scatter(made))
    text = card(model, title=title or folder.name, run=run, evaluation=evaluation)
    model.save(folder)
    if picture is not None:
        (folder / "samples.png").write_bytes(picture)
    if evaluation is not None:
        evaluation.write(folder / "evaluation.json")
    write_text(folder / "README.md", text)
    return sorted(folder.iterdir())


def without_places(evaluation: Evaluation) -> Evaluation:
    """The same without the paths of the machine that it was made on: of each only the last part."""

    def last(values: dict[str, Any]) -> dict[str, Any]:
        return {k: re.split(r"[/\\]", v)[-1] if isinstance(v, str) else v for k, v in values.items()}

    return dataclasses.replace(evaluation, subject=last(evaluation.subject), data=last(evaluation.data))


def card(model: Model, *, title: str, run: Run | None, evaluation: Evaluation | None) -> str:
    """README.md of a model, as the Hugging Face Hub reads it."""
    spec, asked = model.spec, None if run is None else run.config.run
    measured = [f for f in evaluation.figures if f.value is not None] if evaluation else []
    data = (evaluation.data.get("name") if evaluation else None) or (
        "its data" if asked is None else printable(Path(asked.data).name)
    )
    shape = ", ".join(map(str, (16, *spec.shape[1:], spec.shape[0])))
    colours = {1: " grey", 3: " RGB", 4: " RGBA"}.get(spec.channels, "")
    return render(
        "card.md",
        front=yaml.safe_dump(_front(model, title, str(data), measured), sort_keys=False, allow_unicode=True).rstrip(),
        title=title,
        what=f"images of {spec.width}×{spec.height}{colours}"
        if spec.is_image
        else f"vectors of {spec.shape[0]} numbers",
        strategy=model.strategy,
        address=title if is_name(title) else "FOLDER",
        capabilities=model.capabilities,
        items=f"{'uint8' if spec.is_image else 'float32'} ({shape})",
        data=data,
        spec=spec,
        trained=model.notes.get("training"),
        asked=asked,
        evaluation=evaluation,
        authenticity=any(f.name == "authenticity" for f in measured),
    )


def _front(model: Model, title: str, data: str, measured: list[Figure]) -> dict[str, Any]:
    """What the Hub reads: library, tags, task, figures."""
    tags = ["aegan", model.strategy.name, "autoencoder", "generative-model"]
    front: dict[str, Any] = {"library_name": "aegan", "tags": tags}
    if model.spec.is_image and "sample" in model.capabilities:
        front["pipeline_tag"] = "unconditional-image-generation"
    if measured:
        metrics = [{"type": f.name, "name": f.title, "value": round(float(f.value or 0), 6)} for f in measured]
        task = {"type": front.get("pipeline_tag", "other")}
        result = {"task": task, "dataset": {"name": data, "type": "other"}, "metrics": metrics}
        front["model-index"] = [{"name": title, "results": [result]}]
    return front


def push(source: AnyPath, repo: str, *, private: bool = False) -> str:
    """Uploads what `write_hub_folder` writes; creates the repository if there is none.

    Args:
        source: a run or a model folder.
        repo: owner/name.
        private: whether a new repository is seen by its owner alone.

    Returns:
        the address.

    Raises:
        UserError: the package is missing, the name is none, nobody is logged in, or the Hub cannot be reached.
    """
    hub = hub_package()
    if not is_name(repo):
        raise UserError(f"'{repo}' is no name of a model on the Hub.", "Write it as owner/name.")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        write_hub_folder(source, folder, title=repo)
        api = hub.HfApi()
        try:
            address = str(api.create_repo(repo, private=private, exist_ok=True))
            api.upload_folder(
                repo_id=repo,
                folder_path=folder,
                allow_patterns=list(FILES),
                delete_patterns=["evaluation.json", "samples.png"],  # of a model that was there before
                commit_message="Upload model with aegan",
            )
        except Exception as error:  # the package's own, those of its HTTP client, and the system's
            why = why_not(hub, error, OFFLINE)
            first = "Connect" if why == OFFLINE else "Log in with `hf auth login`"
            raise UserError(
                f"The model cannot be pushed to {repo}: {why}",
                f"{first}. Or write the folder with `aegan export RUN --hub DIR` and upload that.",
            ) from error
    return address
