"""`--space`: a trained autoencoder, of a model of aegan or of diffusers, in whose codes a strategy works."""

from __future__ import annotations

import copy
import inspect
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from aegan.config import as_plain
from aegan.engine.state import prefixed, under
from aegan.errors import UserError, first_line
from aegan.folders import expanded
from aegan.hugging_face import download, hub_name
from aegan.model import Model
from aegan.networks.borrowed import BorrowedDecoder, BorrowedEncoder, diffusers_class
from aegan.strategies import Networks, strategies, strategy
from aegan.strategies._space import OURS, InSpace, Space
from aegan.tensor_files import digest
from aegan.version import __version__

WEIGHTS = "diffusion_pytorch_model.safetensors"  # as diffusers calls them
FILES = ("config.json", WEIGHTS, f"vae/{WEIGHTS}", "vae/config.json", "model.safetensors")
GIVE = "Give a run or a model of aegan, or the folder of an autoencoder that diffusers has saved."


@dataclass(frozen=True)
class OpenedSpace:
    """A trained autoencoder: how its networks are built, and their weights by `E/key` and `G/key`."""

    space: Space
    tensors: dict[str, Tensor]

    def give(self, networks: Networks) -> None:
        """Gives E and G of a strategy in this space their weights."""
        for name in ("E", "G"):
            networks[name].load_state_dict(under(self.tensors, f"{name}/"))


def works_in_space(name: str) -> bool:
    """Whether the strategy can work on codes of an autoencoder that is held."""
    return issubclass(strategy(name), InSpace)


def check_strategy(name: str) -> None:
    """Refuses a strategy that cannot."""
    if not works_in_space(name):
        able = ", ".join(filter(works_in_space, strategies()))
        raise UserError(
            f"Strategy '{name}' cannot work in a space: it makes its codes itself.", f"Those that can: {able}."
        )


def open_space(where: str) -> OpenedSpace:
    """The autoencoder in a run, a model's folder or a folder of diffusers, here or on the Hub (`owner/name`).

    Raises:
        UserError: there is none, it is damaged, of another kind, or diffusers is missing.
    """
    named = hub_name(where)
    path = expanded(where) if named is None else download(named, FILES, WEIGHTS)
    if not path.exists():
        raise UserError(f"--space {where}: there is no such folder.", GIVE)
    for folder in (path, path / "model"):
        if (folder / "model.safetensors").is_file():
            return _of_model(folder, where)
    for folder in (path, path / "vae"):  # of an autoencoder, or of a pipeline that has one
        if (folder / "config.json").is_file():
            return _of_diffusers(folder, where)
    raise UserError(f"--space {where}: that holds no model.", GIVE)


def _of_model(folder: Path, where: str) -> OpenedSpace:
    model = Model.read(folder, "cpu")
    if not {"encode", "decode"} <= model.capabilities:
        raise UserError(f"--space {where}: a model of '{model.strategy.name}' has no encoder.", GIVE)
    config = {
        "aegan": __version__,
        "strategy": model.strategy.name,
        "options": as_plain(asdict(model.strategy)),
        "shape": list(model.spec.shape),
        "classes": list(model.spec.classes),
    }
    tensors = {f"{k}/net.{key}": v for k in ("E", "G") for key, v in model.networks[k].state_dict().items()}
    return OpenedSpace(Space(OURS, config, digest(tensors)), tensors)


def _of_diffusers(folder: Path, where: str) -> OpenedSpace:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = str(config["_class_name"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"--space {where}: its config.json is neither aegan's nor of diffusers.", GIVE) from error
    made = diffusers_class(kind)
    if not (folder / WEIGHTS).is_file():
        raise UserError(
            f"--space {where}: there is no {WEIGHTS}; weights in other files, pickled ones, are not read.",
            "In diffusers: model.save_pretrained(folder).",
        )
    try:
        model, found = made.from_pretrained(
            str(folder), use_safetensors=True, local_files_only=True, low_cpu_mem_usage=False, output_loading_info=True
        )
        # what else it keeps, of its version, of the place and of itself, is no argument of the class
        kept = {k: v for k, v in sorted(model.config.items()) if k in inspect.signature(made.__init__).parameters}
    except Exception as error:  # whatever diffusers raises for files that are damaged
        raise UserError(f"--space {where}: diffusers cannot read it: {first_line(error)}", GIVE) from error
    # of these diffusers only warns, and leaves random weights
    if wrong := [*found["missing_keys"], *found["unexpected_keys"], *map(str, found["mismatched_keys"])]:
        raise UserError(
            f"--space {where}: its weights are not those of its config.json: {wrong[0]} and {len(wrong) - 1} more.",
            GIVE,
        )
    sides = {"E": BorrowedEncoder(copy.deepcopy(model), "E", (3,)), "G": BorrowedDecoder(model, "G", (3,))}
    tensors = prefixed({k: net.float() for k, net in sides.items()})
    return OpenedSpace(Space(kind, kept, digest(tensors)), tensors)
