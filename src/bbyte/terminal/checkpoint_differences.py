"""On the screen: in what two checkpoints differ."""

import math
from typing import Any

from bbyte.checkpoint.contents import Contents, is_bound
from bbyte.checkpoint.differences import Change, Differences
from bbyte.checkpoint.tensors import TensorInfo
from bbyte.figures import bound
from bbyte.terminal.runs import Rows
from bbyte.terminal.screen import Screen

_FIGURE = "_bpb"
"""Ends the names of figures in bits per byte."""
_MOVED = "|B - A| / |A|"
_MOST_MOVED, _LISTED = 5, 20


def show(screen: Screen, first: Contents, second: Contents, found: Differences) -> None:
    """All differences, on stdout; the checkpoints are called A and B."""
    screen.print(f"A  {first.path}\nB  {second.path}")
    bounds = is_bound(first.meta), is_bound(second.meta)
    rows: Rows = [
        (name, _cell(name, here, bounds[0]), _cell(name, there, bounds[1]))
        for name, here, there in found.settings
    ]
    screen.table("settings that differ", ("setting", "A", "B"), rows or [("none", "", "")])
    words = {"same": "the same", "differs": "differs", "only first": "only in A", "only second": "only in B"}
    screen.table("files, by digest", ("file", ""), [(name, words[how]) for name, how in found.files.items()])
    unlike = _unlike(found)
    if unlike:
        screen.table("tensors that do not match", ("tensor", "A", "B"), unlike)
    if found.same_weights or not found.changes:
        return
    moved = [change for change in found.changes if change.difference != 0]
    screen.print(f"{len(moved):,} of {len(found.changes):,} tensors of the same shape differ")
    if moved:
        parts = [(one.name, _percent(one)) for one in (*found.parts, found.total)]
        screen.table("how far they moved", ("part", _MOVED), parts)
        screen.table(
            "moved most", ("tensor", _MOVED), [(one.name, _percent(one)) for one in most_moved(found)]
        )


def most_moved(found: Differences) -> list[Change]:
    """The tensors that moved farthest for their size, first those whose numbers are not finite."""
    return sorted(found.changes, key=lambda one: -_farness(one))[:_MOST_MOVED]


def document(first: Contents, second: Contents, found: Differences) -> dict[str, Any]:
    """All differences, for programs; what is not finite becomes null."""
    return {
        "checkpoints": [first.path, second.path],
        "settings": {name: [here, there] for name, here, there in found.settings},
        "is_bound": [is_bound(first.meta), is_bound(second.meta)],
        "files": found.files,
        "same_weights": found.same_weights,
        "only_first": found.only_first,
        "only_second": found.only_second,
        "reshaped": {name: [vars(here), vars(there)] for name, here, there in found.reshaped},
        "moved": None if found.same_weights else found.total.relative,
        "parts": {one.name: one.relative for one in found.parts},
        "tensors": {one.name: one.relative for one in found.changes},
    }


def _unlike(found: Differences) -> Rows:
    rows: Rows = [(name, _shape(here), _shape(there)) for name, here, there in found.reshaped]
    rows += [(name, "there", "") for name in found.only_first]
    rows += [(name, "", "there") for name in found.only_second]
    left = len(rows) - _LISTED
    return rows if left <= 0 else [*rows[:_LISTED], (f"and {left:,} more (--json)", "", "")]


def _shape(info: TensorInfo) -> str:
    return f"{info.dtype} {'x'.join(map(str, info.shape))}"


def _cell(name: str, value: Any, is_bound: bool) -> str:
    if name.endswith(_FIGURE) and isinstance(value, float):
        return bound(value, is_bound)
    return "" if value is None else str(value)


def _farness(change: Change) -> float:
    return math.inf if math.isnan(change.relative) else change.relative


def _percent(change: Change) -> str:
    if math.isnan(change.relative):
        return "not finite"
    return "from zero" if math.isinf(change.relative) else f"{100 * change.relative:.3g}%"
