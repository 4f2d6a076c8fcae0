"""One pack done in parts, on one machine or many: which files each part reads, and that all had one plan."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from blake3 import blake3

from bbyte.data.meta import Slice
from bbyte.data.sources.file import File, Skipped
from bbyte.errors import UsageError


@dataclass(frozen=True)
class Plan:
    """What is to be packed: the number of files, their stored bytes together, and a digest of it all.

    digest: of the settings, and of each file's name, size and revision. The same inputs and settings have the
    same, on any machine.
    """

    files: int
    bytes: int
    digest: str


def plan(found: Iterable[File | Skipped], settings: Any) -> Plan:
    """The plan for these inputs. settings: a dataclass, all that decides what the corpus will be."""
    hasher = blake3(json.dumps(asdict(settings), sort_keys=True).encode())
    files = size = 0
    for file in found:
        if isinstance(file, File):
            files += 1
            size += file.stored_bytes
            hasher.update(json.dumps([file.name, file.stored_bytes, file.revision]).encode())
    return Plan(files, size, hasher.hexdigest())


def check(number: int | None, count: int | None) -> None:
    """Raise UsageError unless this is a slice of so many, or neither is given."""
    if (number is None) != (count is None):
        raise UsageError("a slice needs both its number and how many there are", "--num-slices 8 --slice 0")
    if number is not None and count is not None and not 0 <= number < count:
        raise UsageError(f"slice {number} of {count} does not exist", f"--slice 0 to {max(0, count - 1)}")


def of_slice(found: Iterable[File | Skipped], plan: Plan, part: Slice) -> Iterator[File | Skipped]:
    """What a slice reads: the files that begin in its equal share of the stored bytes, in their order.

    So all slices one after the other are what a single pack reads. What is skipped is told by slice 0.
    """
    before = 0
    for item in found:
        if isinstance(item, Skipped):
            if part.number == 0:
                yield item
            continue
        if min(part.count - 1, before * part.count // max(1, plan.bytes)) == part.number:
            yield item
        before += item.stored_bytes
