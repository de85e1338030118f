"""What became of old models' configurations: a model that any release has written loads for ever.

Whoever changes what a file holds writes here how the old one is read:

- an option was renamed or removed: a line in `OPTIONS`;
- a new option's default does not do what was done before it existed: a line in `BEFORE`;
- a strategy was renamed: a line in `STRATEGIES`;
- anything else, tensors included: `FORMAT` one higher in `bundle.py`, and a function in `STEPS`.

tests/hub/golden holds models of each format, which must load and give the same codes and samples.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from aegan.errors import UserError
from aegan.version import __version__

Config = dict[str, Any]
Tensors = dict[str, Tensor]

STRATEGIES: dict[str, str] = {}  # old name: new name
# strategy: {old option: its new name, or None if it is no more}
OPTIONS: dict[str, dict[str, str | None]] = {"latent": {"trips": "walkback_steps"}}
# strategy: {new option: the value that does what was done before it}
BEFORE: dict[str, dict[str, Any]] = {"latent": {"eyes": "pixels"}}
STEPS: dict[int, Callable[[Tensors, Config], tuple[Tensors, Config]]] = {}  # format: what leads to the next


def migrated_options(name: str, options: Mapping[str, Any], source: str, version: object = None) -> tuple[str, Config]:
    """A strategy's name and options as this version calls them, of those that `version` of aegan wrote, if known.

    Raises:
        UserError: an option is left that this version has never known.
    """
    from aegan.strategies import strategy

    name = STRATEGIES.get(name, name)
    renamed = {OPTIONS.get(name, {}).get(key, key): value for key, value in options.items()}
    out = {**BEFORE.get(name, {}), **{key: value for key, value in renamed.items() if key is not None}}
    extra = sorted(set(out) - {f.name for f in dataclasses.fields(strategy(name))})
    if extra and version not in (None, __version__):
        raise UserError(
            f"{source} was written by aegan {version}, with options of '{name}' that {__version__} does not know: "
            f"{', '.join(extra)}.",
            "Update: pip install --upgrade aegan",
        )
    if out.get("space"):
        out["space"] = _migrated_space(str(out["space"]), source)
    return name, out


def _migrated_space(text: str, source: str) -> str:
    """The same for the strategy of a space, which stands in an option as JSON."""
    try:
        space = json.loads(text)
        config = space["config"]
        name, options, version = config["strategy"], config["options"], config["aegan"]
    except (ValueError, KeyError, TypeError):  # of diffusers; or none, of which whoever reads it will complain
        return text
    config["strategy"], config["options"] = migrated_options(name, options, f"the space of {source}", version)
    return json.dumps(space, sort_keys=True)


def migrated(tensors: Tensors, config: Config, to: int) -> tuple[Tensors, Config]:
    """Weights and configuration of a model as format `to` has them."""
    config = dict(config)
    for version in range(int(config["format"]), to):
        tensors, config = STEPS[version](tensors, config)
        config["format"] = version + 1
    return tensors, config
