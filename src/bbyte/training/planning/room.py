"""How much memory there is for a run: on the GPU, in this machine, within a container's limit."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from bbyte.device import Placement
from bbyte.errors import UsageError

CGROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
BINARY_UNITS = {"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}


@dataclass(frozen=True)
class Room:
    """Bytes that a run may take, all in all, and in words where they are."""

    size: int
    where: str


def found(placement: Placement) -> Room:
    """What is free for this process now: on a GPU there, else here, or less where a container has a limit."""
    if placement.device.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info(placement.device)
        kept = torch.cuda.memory_reserved(placement.device)
        return Room(free + kept, f"free on {placement.device}")
    own, here = psutil.Process().memory_info().rss, psutil.virtual_memory().available
    rooms = [Room(here + own, "free here")]
    rooms += [Room(left + own, "left in this container") for left in _left_in_containers(CGROUPS, OWN)]
    room, processes = min(rooms, key=lambda room: room.size), placement.world.local_size
    if processes == 1:
        return room
    return Room(room.size // processes, f"{room.where} for each of {processes} processes")


def asked(text: str) -> Room:
    """The room that a user names: "12GB", "24GiB". Raises UsageError for what is no size."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", text.lower())
    size = float(match[1]) * (UNITS | BINARY_UNITS)[match[2] or ""] if match else 0
    if size < 1:
        raise UsageError(f"memory {text!r} is no size", "--memory 12GB, or 24GiB")
    return Room(int(size), "given by --memory")


def _left_in_containers(root: Path, own: Path) -> Iterator[int]:
    """What each limit above this process leaves: of control groups of version 2, and of version 1."""
    try:
        groups = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        return
    for _, controllers, path in (group for group in groups if len(group) == 3):
        if not controllers:
            names, top = ("memory.max", "memory.current", "inactive_file"), root
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            top = root / "memory"
        else:
            continue
        # From outside a container its path is longer than from inside: what is not there is passed over.
        folder = top / path.lstrip("/")
        for place in (folder, *(parent for parent in folder.parents if parent.is_relative_to(top))):
            left = _left(place, *names)
            if left is not None:
                yield left


def _left(folder: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    try:
        most, used = int((folder / limit).read_text()), int((folder / usage).read_text())
        lines = (folder / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):  # "max" is no limit
        return None
    cached = next((int(line.split()[1]) for line in lines if line.split()[0] == reclaimable), 0)
    return max(0, most - used + cached)
