"""Which families there are: every subpackage of `bbyte.models` with a `family` module. Imports no torch."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import bbyte.models
from bbyte.config import suggest
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
