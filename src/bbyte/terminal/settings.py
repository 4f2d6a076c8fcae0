"""Settings from a TOML file: the tables only group, unknown keys and wrong types are refused by name."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bbyte.config import Problems, suggest
from bbyte.errors import UsageError
from bbyte.terminal.values import accept, describe

_LARGEST = 1 << 20


def settings_from_toml(path: Path, known: Mapping[str, Any]) -> dict[str, Any]:
    """The settings written in a TOML file, tables flattened, each value of the type it should have.

    `known` maps every key the file may hold to its annotation (`int`, `float | None`, `Literal[...]`).
    All unknown keys and wrong types are reported together in one UsageError.
    """
    problems = Problems()
    settings: dict[str, Any] = {}
    for key, value in _flattened(_parsed(path)):
        name = key.replace("-", "_")
        if not problems.check(name in known, f"{path}: unknown setting {key!r}", suggest(name, known)):
            continue
        if not problems.check(name not in settings, f"{path}: {key} is set twice"):
            continue
        try:
            settings[name] = accept(value, known[name])
        except ValueError:
            problems.check(False, f"{path}: {key} is {value!r}, expected {describe(known[name])}")
    problems.raise_if_any()
    return settings


def _parsed(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"{path}: larger than 1 MiB, so not a file of settings")
        return tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not valid TOML: the file is not UTF-8 text") from None
    except RecursionError:
        raise UsageError(f"{path}: not valid TOML: nested too deeply") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None


def _flattened(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flattened(value)
        else:
            yield key, value
