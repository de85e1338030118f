"""A model for other programs: ONNX files, or PyTorch programs, that hold all that encoding, decoding and sampling need.

What goes in and comes out is the same for both, and is written beside them: `model.json` for programs, `README.md` for
people. Random numbers are inputs; see `aegan.draws`.
"""

from __future__ import annotations

import importlib.util
import io
import json
import logging
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from aegan.errors import UserError, first_line
from aegan.files import need_empty, whole_folder, write_json, write_text
from aegan.folders import expanded
from aegan.hints import AnyPath
from aegan.hub.pieces import Piece, labels_known, pieces
from aegan.model import Model
from aegan.names import is_utf8
from aegan.networks.custom import own_names
from aegan.pages import render
from aegan.version import __version__

if TYPE_CHECKING:
    from torch.export import ExportedProgram

FORMAT = 1  # of model.json
OPSET = 20  # the newest that onnxruntime 1.17 and later read, and the lowest that torch writes without conversion
TOLERANCE = 1e-4  # largest difference from torch, in units of the output, or of its largest value if that is above 1
BATCHES = (1, 2, 7)  # sizes at which it is measured
MEANING = {
    "x": "examples, scaled as said below and in `data` of model.json",
    "code": "codes of examples",
    "noise": "independent standard normal numbers",
    "uniform": "independent numbers, uniform in [0, 1)",
    "label": "a class, as its place in `classes`; -1: drawn as often as the data had it",
    "truncation": "a number in (0, 1] by which noise is scaled; 1: as varied as the data",
}
Runner = Callable[[dict[str, Tensor]], "Tensor | np.ndarray[Any, Any]"]


def export_onnx(model: Model, folder: AnyPath) -> dict[str, Any]:
    """Writes encoder.onnx, decoder.onnx and generator.onnx, those that the model has, with model.json and README.md.

    Args:
        model: on the CPU.
        folder: new or empty.

    Returns:
        the content of model.json.

    Raises:
        UserError: a package is missing, the folder is not empty, a network cannot be exported, or the result differs from
            torch by more than `TOLERANCE`; nothing is left behind then.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise UserError(f"Exporting to ONNX needs {package}, which is missing.", 'pip install "aegan[onnx]"')
    import onnxruntime

    def write(piece: Piece, path: Path) -> Runner:
        names = {name: {0: "N"} if value.ndim else None for name, value in piece.checks(2)[0][0].items()}
        program = torch.onnx.export(
            traced(piece),
            output_names=[piece.output],
            dynamic_shapes=names,
            dynamo=True,
            opset_version=OPSET,
            verbose=False,
        )
        if program is None:  # only with the exporter of old
            raise RuntimeError("the exporter gave nothing")
        graph = program.model
        graph.producer_name, graph.producer_version = "aegan", __version__
        # JSON in ASCII: ONNX stores valid UTF-8 only, and names need not be
        graph.metadata_props.update({"aegan": json.dumps(contract(model, [piece], "onnx")), "opset": str(OPSET)})
        program.save(path)
        if graph.opset_imports.get("") != OPSET:
            raise RuntimeError(f"it has opset {graph.opset_imports.get('')}, not {OPSET}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # as many as the checks need; the session is not kept
        # it takes names in UTF-8 alone
        model_file = path if is_utf8(path) else path.read_bytes()
        session = onnxruntime.InferenceSession(model_file, options, providers=["CPUExecutionProvider"])
        named = {i.name for i in session.get_inputs()}
        return lambda inputs: session.run(None, {k: v.numpy() for k, v in inputs.items() if k in named})[0]

    return _export(model, folder, "onnx", write)


def export_program(model: Model, folder: AnyPath) -> dict[str, Any]:
    """Writes encoder.pt2, decoder.pt2 and generator.pt2, those that the model has, with model.json and README.md.

    Each is a `torch.export` program: a zip of the graph as JSON and of the weights as plain bytes. `torch.export.load`
    unpickles whatever objects a file holds beside them; ours hold none but tensors, and `load_program` looks first.

    Args and errors as for `export_onnx`.
    """

    def write(piece: Piece, path: Path) -> Runner:
        program = traced(piece)
        torch.export.save(program, path)
        again = load_program(path).module()
        return lambda inputs: again(**inputs)

    return _export(model, folder, "pt2", write)


def load_program(path: AnyPath) -> ExportedProgram:
    """A `torch.export` program that holds nothing pickled.

    That does not make a file from a stranger safe: torch's reader evaluates the expressions that its graph holds. Files
    to be shared are the ONNX export and safetensors.

    Raises:
        UserError: it is no such program, is damaged, or holds something that reading would unpickle.
    """
    path = expanded(path)
    try:
        with zipfile.ZipFile(path) as archive:
            unsafe = _pickled(archive)
    except (OSError, zipfile.BadZipFile, ValueError, KeyError) as error:
        raise UserError(f"{path} is damaged, or is no program of torch.export.") from error
    if unsafe:
        raise UserError(
            f"{path} holds {unsafe}, which could execute anything when it is read.", "Use the ONNX export instead."
        )
    try:
        return torch.export.load(path)
    except Exception as error:  # whatever torch's reader trips over
        raise UserError(f"{path} is damaged, or is of another version of torch: {first_line(error)[:300]}") from error


def _pickled(archive: zipfile.ZipFile) -> str:
    """The first entry of a .pt2 that torch would unpickle; "" if there is none."""
    names = archive.namelist()
    # torch's own reader finds names in any case, and of two of one name may take the other one
    if len({name.lower() for name in names}) < len(names):
        return "several entries of one name"
    for name in names:
        if name.lower().endswith("_config.json"):
            entries = json.loads(archive.read(name))["config"]
            for entry in entries.values():
                if entry["use_pickle"] or not re.fullmatch(r"(weight|tensor)_\d+", entry["path_name"]):
                    return name
        elif name.lower().endswith(".pt"):  # the inputs it was traced with
            try:
                torch.load(io.BytesIO(archive.read(name)), weights_only=True)
            except Exception:  # torch.export.load would go on and unpickle it
                return name
        elif re.search(r"aotinductor|custom_obj|opaque_obj|\.(so|pyd|dll)$", name.lower()):
            return name
    return ""


# --- tracing --------------------------------------------------------------------------------------------------------------


def traced(piece: Piece) -> ExportedProgram:
    """A piece as a graph, for a batch of any size."""
    inputs, _ = piece.checks(3)[0]
    batch = torch.export.Dim("batch", min=1)
    sizes = {name: {0: batch} if value.ndim else None for name, value in inputs.items()}
    return torch.export.export(piece.module, (), kwargs=inputs, dynamic_shapes=sizes)


@contextmanager
def _calm() -> Iterator[None]:
    """Around exporting: what torch says there is no one's to mend."""
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registration.level
    registration.setLevel(logging.ERROR)  # four lines about operators of torchvision, which is not used
    try:
        with warnings.catch_warnings():
            # torch copies its own deprecated class
            warnings.filterwarnings("ignore", r"`?isinstance\(treespec, LeafSpec\)", FutureWarning)
            # the batch has one name, given once for each input
            warnings.filterwarnings("ignore", "# The axis name: N will not be used", UserWarning)
            yield
    finally:
        registration.setLevel(level)


def _export(model: Model, folder: AnyPath, kind: str, write: Callable[[Piece, Path], Runner]) -> dict[str, Any]:
    folder = expanded(folder)
    need_empty(folder, "Choose a new folder.")
    if model.device.type != "cpu":
        raise UserError("A model is exported on the CPU.", "Load it with device='cpu'.")
    found = pieces(model)
    with whole_folder(folder) as part:
        differences = {}
        for piece in found:
            path = part / f"{piece.name}.{kind}"
            try:
                with _calm():
                    run = write(piece, path)
            except UserError:
                raise
            except Exception as error:  # torch's exporter and the user's own networks may raise anything
                own = own_names(model.networks)
                raise UserError(
                    f"The {piece.name} of this model cannot be exported: {first_line(error)[:300]}",
                    f"Networks of your own ({', '.join(own)}) must be graphs: no Python that depends on tensors' values."
                    if own
                    else f"Report it with the strategy ({model.strategy.name}) and torch {torch.__version__}.",
                ) from error
            differences[piece.name] = agreement(piece, run)
        content = contract(model, found, kind)
        content["agreement"] = {
            "tolerance": TOLERANCE, "batch_sizes": list(BATCHES), "largest_difference": differences,
            "torch": torch.__version__,
        }  # fmt: skip
        write_json(part / "model.json", content, ensure_ascii=False)
        write_text(part / "README.md", render("export.md", **content))
    return content


def agreement(piece: Piece, run: Runner) -> float:
    """The largest difference between what a graph and what the strategy itself gives for the same numbers.

    Raises:
        UserError: it is more than `TOLERANCE`.
    """
    worst = 0.0
    for n in BATCHES:
        for inputs, expected in piece.checks(n):
            given = torch.as_tensor(run(inputs))
            if given.shape != expected.shape:
                raise UserError(
                    f"The exported {piece.name} gives {tuple(given.shape)} for {n} examples, and the model "
                    f"{tuple(expected.shape)}; nothing was written."
                )
            scale = max(1.0, float(expected.abs().max()))
            difference = float((given - expected).abs().max()) / scale
            if not difference <= TOLERANCE:  # NaN too
                raise UserError(
                    f"The exported {piece.name} differs from the model by {difference:.2g} for {n} examples, more than "
                    f"{TOLERANCE:g}; nothing was written.",
                    f"Report it with the strategy ({piece.module.strategy.name}) and "  # type: ignore[union-attr]
                    f"torch {torch.__version__}.",
                )
            worst = max(worst, difference)
    return worst


# --- the contract ---------------------------------------------------------------------------------------------------------


def contract(model: Model, found: list[Piece], kind: str) -> dict[str, Any]:
    """What goes in and comes out, in plain values."""
    spec = model.spec
    data: dict[str, Any]
    if spec.is_image:
        channels = {1: "grey", 2: "grey, alpha", 3: "RGB"}.get(spec.channels, "RGBA")
        data = {
            "kind": "images", "layout": "NCHW", "channels": channels,
            "shape": list(spec.shape), "range": [-1, 1],
            "to_x": "x = pixels / 127.5 - 1, pixels in 0 .. 255, channels first",
            "from_x": "pixels = clip(round((x + 1) * 127.5), 0, 255)",
        }  # fmt: skip
    else:
        data = {
            "kind": "vectors", "layout": "ND", "shape": list(spec.shape),
            "mean": [0.0] * spec.shape[0] if model.mean is None else np.asarray(model.mean, float).tolist(),
            "scale": 1.0 if model.scale is None else float(model.scale),
            "to_x": "x = (vector - mean) / scale", "from_x": "vector = x * scale + mean",
        }  # fmt: skip
    content: dict[str, Any] = {
        "format": FORMAT, "aegan": __version__, "strategy": model.strategy.name, "files": kind,
        **({"opset": OPSET} if kind == "onnx" else {}), "data": data, "classes": list(spec.classes), "pieces": {},
    }  # fmt: skip
    for piece in found:
        inputs, expected = piece.checks(2)[0]
        content["pieces"][piece.name] = {
            "file": f"{piece.name}.{kind}",
            "inputs": {name: _described(name, value) for name, value in inputs.items()},
            "output": {piece.output: _described(piece.output, expected)},
        }
        if "label" in inputs:
            content["pieces"][piece.name]["labels"] = labels_known(model)
    return content


def _described(name: str, value: Tensor) -> dict[str, Any]:
    kind = "int64" if value.dtype == torch.int64 else "float32"
    return {"shape": ["N", *value.shape[1:]] if value.ndim else [], "dtype": kind, "meaning": MEANING[name]}
