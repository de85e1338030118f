"""Networks of your own in the place of ours: any `nn.Module`, Keras 3 models on the torch backend included.

`use_networks` puts them in, after a batch of two examples has gone through each: what takes and gives other shapes than
ours fails here, not in the middle of a training.
"""

from __future__ import annotations

import copy
import importlib.util
import inspect
import math
import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aegan.data.spec import DataSpec
from aegan.errors import UserError, first_line
from aegan.hints import Shape
from aegan.networks.augment import Augment
from aegan.networks.autoencoders import Decoder, Encoder, VectorNet, code_shape_of
from aegan.networks.critics import Critic, packed
from aegan.networks.generators import ConditionalGenerator
from aegan.networks.layers import mixes_batch

Own = nn.Module | Callable[[DataSpec], nn.Module]  # a module, or a function that makes one for a shape of data


class ChannelsLast(nn.Module):
    """Lets a module that takes and gives (N, H, W, C), as most Keras models do, take and give (N, C, H, W)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> Tensor:
        out = self.module(*(x.permute(0, 2, 3, 1) if x.ndim == 4 else x for x in inputs))
        return out.permute(0, 3, 1, 2) if out.ndim == 4 else out


class KerasModule(nn.Module):
    """A built Keras model, its weights numbered: Keras names them by how many layers the process has made so far.

    What it does not train (moving averages, seeds) are buffers here, which take no gradient.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.keep: tuple[nn.Module] = (model,)  # in a tuple, so that its own names do not become ours
        # In Keras's own order, that of the layers: `parameters()` goes by name, where dense_10 comes before dense_9
        values = [variable.value for variable in model.variables]
        self.weights = nn.ParameterList(v for v in values if v.requires_grad)
        for i, v in enumerate(v for v in values if not v.requires_grad):
            self.register_buffer(f"fixed{i}", v.data)

    def __deepcopy__(self, memo: dict[int, object]) -> KerasModule:
        return KerasModule(copy.deepcopy(self.keep[0], memo))

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.keep[0](*inputs, training=self.training)  # torch's own mode is nothing to Keras


class OwnNetwork(nn.Module):
    """An encoder or a decoder of yours, with the `code_shape` that strategies ask for."""

    def __init__(self, module: nn.Module, code_shape: Shape) -> None:
        super().__init__()
        self.module = module
        self.code_shape = code_shape

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x)


class OwnCritic(nn.Module):
    """A critic of yours, D(x) or D(x, y), as `Critic` is used: logits (N,), features, packs.

    Where the data has classes and D takes x alone, it judges x + e_y, e_y being an embedding of the class in the shape of
    an example that is zero at the start.

    The module takes (N / pack, pack * C, ...) to logits (N / pack,) or (N / pack, 1); `shape` is that of an example.
    """

    def __init__(self, module: nn.Module, shape: Shape, *, classes: int, pack: int) -> None:
        super().__init__()
        self.module, self.shape, self.classes, self.pack = module, shape, classes, pack
        self.augment: Augment | None = None
        self.knows_classes = bool(classes) and takes_two(module)
        self.embed = nn.Embedding(classes, math.prod(shape)) if classes and not self.knows_classes else None
        if self.embed is not None:
            nn.init.zeros_(self.embed.weight)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        if self.augment is not None and self.training:
            x = self.augment(x)
        if self.embed is not None and y is not None:
            x = x + self.embed(y).view(-1, *self.shape)
        inputs = (packed(x, self.pack), *([y] if self.knows_classes and y is not None else []))
        out = self.module(*inputs)
        return out.squeeze(1) if out.ndim == 2 and out.shape[1] == 1 else out

    def features(self, x: Tensor) -> list[Tensor]:
        """`features(x)` of the module if it has that; else what its last layer with weights is given, as (N, width)."""
        x = packed(x, self.pack)
        inner = unwrapped(self.module)
        features = getattr(inner, "features", None)
        if features is not None:
            found = features(x)
            return list(found) if isinstance(found, (list, tuple)) else [found]
        seen: list[Tensor] = []
        leaves = [m for m in inner.modules() if not any(m.children()) and any(True for _ in m.parameters())]
        hooks = [m.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])) for m in leaves]
        try:
            self.module(x)
        finally:
            for hook in hooks:
                hook.remove()
        if not seen:
            raise UserError(
                "This strategy compares features of D, and yours shows none.",
                "Give it a method features(x) that returns a list of tensors, the last of them (N, width).",
            )
        return [seen[-1].flatten(1)]


def unwrapped(module: nn.Module) -> nn.Module:
    """The user's module itself."""
    if isinstance(module, ChannelsLast | OwnNetwork | OwnCritic):
        return unwrapped(module.module)
    return module.keep[0] if isinstance(module, KerasModule) else module


def is_keras(module: nn.Module) -> bool:
    """Whether it is a Keras layer or model, found without importing Keras."""
    return any(c.__module__.partition(".")[0] == "keras" for c in type(module).__mro__)


def takes_two(module: nn.Module) -> bool:
    """Whether the module can be called with an example and its class."""
    inner = unwrapped(module)
    parameters = inspect.signature(getattr(inner, "call" if is_keras(inner) else "forward")).parameters.values()
    named = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len([p for p in named if p.name not in ("training", "mask")]) >= 2


def made(given: Mapping[str, Own], spec: DataSpec, *, anew: bool = False) -> dict[str, nn.Module]:
    """The modules by name, from those given or from the functions that make them.

    With `anew` copies instead of the modules themselves, so that two models do not share weights.
    """
    out = {}
    for name, own in given.items():
        net = own if isinstance(own, nn.Module) else own(spec) if callable(own) else own
        if not isinstance(net, nn.Module):
            raise UserError(
                f"The network {name} is a {type(net).__name__}, not a torch.nn.Module.",
                "For Keras 3, set the environment variable KERAS_BACKEND=torch before importing it.",
            )
        fix = "Give a function that makes it instead: networks={...: lambda spec: Mine()}."
        out[name] = copied(name, net, "the trained model needs its own", fix) if anew and net is own else net
    return out


def copied(name: str, net: nn.Module, why: str, fix: str) -> nn.Module:
    """A copy of a network; a `UserError` with its reason, `why` it is needed and what to do, where it refuses."""
    try:
        return copy.deepcopy(net)
    except Exception as error:  # a module may refuse in any way: Keras asks for get_config, in many lines
        reason = textwrap.shorten(str(error), 240, placeholder=" …")
        kind = type(unwrapped(net)).__name__
        raise UserError(f"The network {name} ({kind}) cannot be copied, and {why}: {reason}", fix) from error


def use_networks(
    nets: dict[str, nn.Module],
    own: Mapping[str, nn.Module],
    spec: DataSpec,
    *,
    strategy: str,
    alone: bool = False,
    fixed: Iterable[str] = (),
) -> dict[str, nn.Module]:
    """The networks of a strategy with some replaced.

    Args:
        own: E, G or D, those of yours.
        strategy: its name, for messages.
        alone: whether D must judge each example by itself, because its gradient is penalised.
        fixed: names that stay, since others of the strategy's networks are made for them.

    Raises:
        UserError: the strategy has no such network, or the shapes are not those that it needs.
    """
    x = torch.zeros(2, *spec.shape)
    able = {name for name in ("E", "G", "D") if name in nets and name not in fixed and _replaceable(nets[name], x)}
    for name in own:
        if name not in able:
            those = ", ".join(n for n in nets if n in able) or "none"
            why = " Others are made for it, or it begins as one of them." if name in fixed else ""
            raise UserError(f"Strategy '{strategy}' has no network {name} to replace.{why}", f"Those it has: {those}.")
    out = dict(nets)
    for name, module in own.items():
        default = nets[name]
        if isinstance(default, Critic):
            x = torch.zeros(2 * default.pack, *spec.shape)
            needed: tuple[Tensor, Shape] = (packed(x, default.pack), (2,))
            fitting = _fit(name, module, *needed, strategy)
            if alone and mixes_batch(fitting):
                raise UserError(
                    f"Your {name} has batch normalisation, and '{strategy}' penalises the gradient of each example alone.",
                    "Set gamma=0 and another loss than wgan-gp, or use another normalisation.",
                )
            critic = OwnCritic(fitting, spec.shape, classes=default.classes, pack=default.pack)
            critic.augment = default.augment
            out[name] = critic
        elif isinstance(default, ConditionalGenerator):
            z = torch.zeros(2, *default.code_shape)
            default.decoder = OwnNetwork(_fit(name, module, z, (2, *spec.shape), strategy), default.code_shape)
        else:
            code = code_shape_of(default)
            taken, given = (x, (2, *code)) if name == "E" else (torch.zeros(2, *code), (2, *spec.shape))
            out[name] = OwnNetwork(_fit(name, module, taken, given, strategy), code)
    return out


def _replaceable(net: nn.Module, x: Tensor) -> bool:
    """Whether it is one of those that have nothing about them but what they take and give."""
    if isinstance(net, Encoder | Decoder | VectorNet):
        return True
    if isinstance(net, ConditionalGenerator):
        return net.reference is None
    if isinstance(net, Critic):
        try:
            with torch.no_grad():
                net.features(x.repeat(net.pack, *(1,) * (x.ndim - 1)))
        except (RuntimeError, ValueError):  # a critic of codes, or of pairs
            return False
        return True
    return False


@torch.no_grad()
def _fit(name: str, module: nn.Module, x: Tensor, wanted: Shape, strategy: str) -> nn.Module:
    """The module, or the module with channels last, whichever makes `wanted` of `x`."""
    images = x.ndim == 4 or len(wanted) == 4
    ways = [module, ChannelsLast(module)] if images and not isinstance(module, ChannelsLast) else [module]
    if is_keras(module):
        import keras

        if keras.config.image_data_format() == "channels_last":
            ways.reverse()  # an unbuilt model takes the first shape it sees for granted
    fault = ""
    for way in ways:
        inputs = [x, torch.zeros(len(x), dtype=torch.long)] if wanted == (2,) and takes_two(way) else [x]
        mode = way.training
        try:
            with torch.random.fork_rng(devices=[]):
                got = tuple(way.eval()(*inputs).shape)
        except UserError:
            raise
        except Exception as error:  # whatever the module raises
            problem = f"cannot take a batch of shape {tuple(x.shape)} ({first_line(error)})"
        else:
            if got == wanted or (wanted == (2,) and got == (2, 1)):
                return _numbered(way).train(mode)
            problem = f"gives {got} for a batch of shape {tuple(x.shape)}"
        fault = fault or problem
        way.train(mode)
    fix = "Set code_dim (and code_stride) to the code's shape, or change the network." if name in ("E", "G") else ""
    raise UserError(f"Your {name} {fault}; '{strategy}' needs {wanted}.", fix or "D gives one logit for each example.")


def _numbered(way: nn.Module) -> nn.Module:
    """The same with its Keras model, if it is one, in a `KerasModule`: now that it is built, it has its weights."""
    if isinstance(way, ChannelsLast):
        return ChannelsLast(_numbered(way.module))
    return KerasModule(way) if is_keras(way) else way


def own_names(nets: Mapping[str, nn.Module]) -> list[str]:
    """Those of the networks that are not ours."""
    return [k for k, net in nets.items() if any(isinstance(m, OwnNetwork | OwnCritic) for m in net.modules())]


def giving(names: Iterable[str]) -> str:
    """How to give them: `networks={"E": ..., "G": ...}`."""
    return "networks={" + ", ".join(f'"{name}": ...' for name in names) + "}"


def from_file(where: str) -> Callable[[DataSpec], dict[str, nn.Module]]:
    """The function of `FILE.py:FUNCTION`, from a data spec to networks by name; `UserError` if there is none."""
    path, _, function = where.rpartition(":")
    if not Path(path).is_file():
        raise UserError(f"--networks {where}: there is no file '{path}'.", "Write it as FILE.py:FUNCTION.")
    loader = importlib.util.spec_from_file_location(Path(path).stem, path)
    if loader is None or loader.loader is None:
        raise UserError(f"--networks {where}: {path} is not a Python file.", "Write it as FILE.py:FUNCTION.")
    module = importlib.util.module_from_spec(loader)
    loader.loader.exec_module(module)
    if not callable(getattr(module, function, None)):
        raise UserError(f"--networks {where}: {path} has no function '{function}'.", "Write it as FILE.py:FUNCTION.")
    return getattr(module, function)
