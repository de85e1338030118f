"""`--init`: a new run begins with the weights of another model, as far as they fit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from torch import Tensor

from aegan.bundle import read_bundle
from aegan.data.spec import DataSpec, shape_text
from aegan.density.prior import Prior
from aegan.engine.state import prefixed, under
from aegan.errors import UserError
from aegan.folders import expanded
from aegan.hints import AnyPath
from aegan.hugging_face import hub_name
from aegan.model import Model
from aegan.strategies import Networks, Stage, Strategy
from aegan.tensor_files import digest

Init: TypeAlias = "AnyPath | Model"


@dataclass(frozen=True)
class InitSource:
    """Another model's weights."""

    name: str  # what it was called
    strategy: str
    shape: tuple[int, ...]  # of the data that it was trained on
    classes: tuple[str, ...]
    tensors: dict[str, Tensor]  # by `network/key`

    def described(self) -> dict[str, str]:
        """For the configuration."""
        return {"source": self.name, "strategy": self.strategy, "hash": digest(self.tensors)}


def open_init(init: Init, name: str | None = None) -> InitSource:
    """The weights of a run, of a model's folder, of a model of the Hub, or of a model in memory.

    Args:
        name: in messages; default: the path.

    Raises:
        UserError: there is none, it is damaged, or is from a newer version.
    """
    if isinstance(init, Model):
        tensors = {k: v.cpu() for k, v in prefixed(init.networks).items()}
        return InitSource(name or "the given model", init.strategy.name, init.spec.shape, init.spec.classes, tensors)
    tensors, config = read_bundle(_folder(init))
    try:
        shape, classes = tuple(config["spec"]["shape"]), tuple(config["spec"]["classes"])
        return InitSource(name or str(init), str(config["strategy"]), shape, classes, tensors)
    except (KeyError, TypeError) as error:
        raise UserError(f"--init {init}: its config.json is not one of aegan's.", "Give a run or a model.") from error


def _folder(init: AnyPath) -> Path:
    named = hub_name(init)
    if named is not None:
        from aegan.hugging_face import fetch

        return fetch(named)
    path = expanded(init)
    if not path.exists():
        raise UserError(
            f"--init {init}: there is no such run or model.", "Give a run, a model's folder, or owner/name on the Hub."
        )
    for folder in (path, path / "model"):
        if (folder / "model.safetensors").is_file():
            return folder
    if (path / "config.yaml").is_file():
        raise UserError(
            f"--init {init}: this run has no model yet.", f"Go on with it: aegan train --resume --out {init}"
        )
    raise UserError(f"--init {init}: that is neither a run nor a model.", "Give one that `aegan train` has written.")


def take(source: InitSource, networks: Networks, spec: DataSpec, strategy: Strategy) -> dict[str, Any]:
    """Gives fresh networks, in place, the weights that fit: those of equal network, name and shape; not what is fitted.

    Returns:
        for log and configuration: where from, its hash, and by network what was taken (`taken`), what has no counterpart
        or another shape (`fresh`), and notes for people.

    Raises:
        UserError: nothing fits.
    """
    given = list(dict.fromkeys(name.partition("/")[0] for name in source.tensors))
    taken, fresh, lines = {}, {}, []
    phases = [phase for stage in strategy.stages(spec) if isinstance(stage, Stage) for phase in stage.phases]
    trained = {name for phase in phases for name in phase.trains}
    for name, net in networks.items():
        # how often classes are, the density of codes: of the new data
        if name not in trained or isinstance(net, Prior):
            continue
        theirs, own = under(source.tensors, f"{name}/"), net.state_dict()
        fitting = {k: v for k, v in theirs.items() if k in own and own[k].shape == v.shape}
        if any(v.ndim >= 2 for v in fitting.values()):  # biases and norms of equal length fit by chance
            net.load_state_dict({**own, **fitting})
            taken[name] = sorted(fitting)
        fresh[name] = [k for k in own if k not in taken.get(name, ())]
    if not taken:
        raise UserError(
            f"--init {source.name} ('{source.strategy}', {shape_text(source.shape)}; "
            f"networks {', '.join(given) or 'none'}): "
            f"nothing of it fits '{strategy.name}' at {shape_text(spec.shape)} ({', '.join(networks)}).",
            "Same-named networks must have tensors of equal shape: set --size, width or code_dim as they are there.",
        )
    whole = [f"{k} ({len(v)} tensors)" for k, v in taken.items() if not fresh[k]]
    parts = [f"{k} in part ({len(v)} of {len(v) + len(fresh[k])} tensors)" for k, v in taken.items() if fresh[k]]
    new = [k for k in networks if k not in taken]
    lines.append(f"weights of {source.name} ('{source.strategy}') taken: {', '.join(whole + parts)}")
    lines.append(
        f"begun anew: {', '.join(new) or 'nothing else'}"
        + (f"; not used: {', '.join(left)}" if (left := [k for k in given if k not in taken]) else "")
    )
    if tuple(source.shape) != tuple(spec.shape):
        lines.append(f"it was trained on {shape_text(source.shape)}, this run is on {shape_text(spec.shape)}")
    if source.classes != spec.classes:
        lines.append(f"its classes are {_classes(source.classes)}; here {_classes(spec.classes)}")
    return {**source.described(), "taken": taken, "fresh": {k: v for k, v in fresh.items() if v}, "notes": lines}


def _classes(names: tuple[str, ...]) -> str:
    if not names:
        return "none"
    return ", ".join(names[:8]) + (f", … ({len(names)})" if len(names) > 8 else "")
