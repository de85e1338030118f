"""A folder to share: the model's two files, and a model card with the figures as they were measured."""

from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path
from typing import Any

import yaml

from aegan.errors import UserError
from aegan.evaluation.result import Evaluation
from aegan.files import write_text
from aegan.hugging_face import is_name
from aegan.model import Model
from aegan.names import printable
from aegan.networks.custom import own_names
from aegan.pictures import grid, scatter
from aegan.runs import Run
from aegan.text import duration, plural, show
from aegan.version import __version__

SHOWN = 64  # samples in the picture


def write_hub_folder(
    source: str | Path, folder: Path, *, title: str | None = None, model: Model | None = None
) -> list[Path]:
    """Writes model.safetensors, config.json, README.md, and where there are any samples.png and evaluation.json.

    Nothing in them tells where on this machine the data or the run lie.

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
    evaluation = None
    if run is not None and (run.path / "evaluation.json").is_file():
        evaluation = without_places(Evaluation.read(run.path / "evaluation.json"))
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
    spec, strategy = model.spec, model.strategy
    kind = "images" if spec.is_image else "vectors"
    data = (evaluation.data.get("name") if evaluation else None) or (
        printable(Path(run.config.run.data).name) if run else "its data"
    )
    front: dict[str, Any] = {
        "library_name": "aegan",
        "tags": ["aegan", strategy.name, "autoencoder", "generative-model"],
    }
    if spec.is_image and "sample" in model.capabilities:
        front["pipeline_tag"] = "unconditional-image-generation"
    measured = [f for f in evaluation.figures if f.value is not None] if evaluation else []
    if evaluation and measured:
        metrics = [{"type": f.name, "name": f.title, "value": round(float(f.value or 0), 6)} for f in measured]
        task = {"type": front.get("pipeline_tag", "other")}
        result = {"task": task, "dataset": {"name": str(data), "type": "other"}, "metrics": metrics}
        front["model-index"] = [{"name": title, "results": [result]}]
    out = ["---", yaml.safe_dump(front, sort_keys=False, allow_unicode=True).rstrip(), "---", "", f"# {title}", ""]
    colours = {1: " grey", 3: " RGB", 4: " RGBA"}.get(spec.channels, "")
    what = f"{kind} of {spec.width}×{spec.height}{colours}" if spec.is_image else f"vectors of {spec.shape[0]} numbers"
    out += [
        f"A model of {what}, made with aegan {__version__} by the strategy `{strategy.name}`: {strategy.summary}",
        "",
    ]
    if picture:
        out += ["![Samples of the model](samples.png)", "", "Samples, seed 0, not chosen.", ""]
    out += [
        "## Use",
        "",
        "```python",
        "import aegan",
        "",
        f'model = aegan.load("{title if is_name(title) else "FOLDER"}")',
    ]
    if "sample" in model.capabilities:
        shape = ", ".join(map(str, (16, *spec.shape[1:], spec.shape[0])))
        out += [f"items = model.sample(16, seed=0)   # {'uint8' if spec.is_image else 'float32'} ({shape})"]
    if "encode" in model.capabilities:
        out += ["codes = model.encode(items)"]
    if "decode" in model.capabilities:
        out += ["back = model.decode(codes)"]
    out += [
        "```",
        "",
        '`pip install "aegan[hub]"`. The files hold numbers and JSON; loading them executes nothing.',
        "",
    ]
    out += ["## Training", ""]
    count = f"{spec.count:,} " if spec.count else ""
    out += [f"- Data: {data}, {count}training examples" + (f", {len(spec.classes)} classes." if spec.classes else ".")]
    if spec.classes:
        names = ", ".join(spec.classes[:50]) + (", …" if len(spec.classes) > 50 else "")
        out += [f"- Classes, usable as `model.sample(n, label=NAME)`: {names}."]
    trained = model.notes.get("training", {})
    if trained:
        took = (plural(trained["steps"], "step"), duration(trained["seconds"]), plural(trained["images"], "example"))
        out += [f"- {', '.join(took)} seen."]
    if run is not None:
        settings = run.config.run
        out += [f"- Preset `{settings.preset}`, seed {settings.seed}. All options: `config.json`."]
    out += [f"- Method: {strategy.paper}.", "", "## Figures", ""]
    out += figures(evaluation) if evaluation else ["It has not been evaluated."]
    out += ["", "## Limits", ""]
    out += [
        "- Samples follow the training data, with its gaps and biases, and may resemble single examples of it"
        + (": see the figures on authenticity." if any(f.name == "authenticity" for f in measured) else "."),
        "- The figures compare only with others made under the same conditions.",
        "- The licence of the data is not known to the program that wrote this card. Whoever shares the model adds it.",
    ]
    return "\n".join(out) + "\n"


def figures(evaluation: Evaluation) -> list[str]:
    """A table of all figures with intervals and perfect values, and the conditions below it."""
    rows = ["| figure | value [95 %] | perfect | better | on |", "|---|---|---|---|---|"]
    for f in evaluation.figures:
        value = f.text if f.value is not None else f"none: {f.why}"
        floor = "" if f.floor is None else show(f.floor, f.unit)
        on = f"{f.count:,}" + (f" : {f.against:,}" if f.against not in (0, f.count) else "") if f.count else ""
        rows.append(f"| {_cell(f.title)} | {_cell(value)} | {floor} | {f.better} | {on} |")
    c, e = evaluation.counts, evaluation.extractor
    with_what = f"{e['name']} features" if e else "raw vectors"
    which = evaluation.subject.get("checkpoint", "")
    conditions = [
        f"“Perfect” is what real data that were kept aside get at the same counts. Conditions: {with_what}; "
        f"{c['samples']:,} samples, seed {evaluation.seed}, against {c['reference']:,} training items; "
        f"{which + ' checkpoint; ' if which else ''}aegan {evaluation.version}. With hashes: `evaluation.json`.",
    ]
    return [*rows, "", *conditions, *(f"\n{remark}" for remark in evaluation.remarks)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
