"""Which families there are: every subpackage of `bbyte.models` with a `family` module. Imports no torch."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import bbyte.models
from bbyte.config import Config, Problems, from_dict, suggest, to_dict
from bbyte.errors import UsageError
from bbyte.models.contract import Family


@cache
def families() -> Mapping[str, Family]:
    """Every family by name, in alphabetical order."""
    found = {}
    for module in sorted(pkgutil.iter_modules(bbyte.models.__path__), key=lambda module: module.name):
        if module.ispkg:
            found[module.name] = importlib.import_module(f"bbyte.models.{module.name}.family").FAMILY
    return MappingProxyType(found)


def family(name: str) -> Family:
    """The family called `name`. Raises UsageError, naming those there are."""
    known = families()
    if name not in known:
        hint = suggest(name, known) or f"families: {', '.join(known)}"
        raise UsageError(f"there is no model family called {name!r}", hint)
    return known[name]


def architecture(kind: Family, preset: str | None, changes: Mapping[str, Any]) -> Config:
    """The config of a preset, or the defaults, with some settings changed; those derived from them follow.

    Raises UsageError for a preset or a setting that there is not, and for settings that do not fit.
    """
    problems, start = Problems(), dict[str, Any]()
    if preset is not None and problems.check(
        preset in kind.presets,
        f"there is no preset {preset!r}",
        suggest(preset, kind.presets) or f"presets: {', '.join(kind.presets)}",
    ):
        default = to_dict(kind.config())
        start = {key: value for key, value in to_dict(kind.presets[preset]).items() if value != default[key]}
    config = problems.attempt(lambda: from_dict(kind.config, {**start, **changes}, where="settings"))
    problems.raise_if_any()
    assert config is not None  # noqa: S101
    return config
