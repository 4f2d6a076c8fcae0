"""The process of its own in which torch reads a legacy file; its answer is one JSON document on stdout.

    python -m bbyte.checkpoint.legacy.child FILE SIZE CONFIG_CLASS FOLDER

FILE is a path that leads to an open file descriptor; CONFIG_CLASS and FOLDER may be empty. Before it looks
at the file the process takes its own rights to memory, time, files and processes away, so that the worst a
file can do here is to end this process. Whatever it answers is checked by the one that started it.
"""

import json
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbyte.checkpoint import tensors
from bbyte.checkpoint.legacy.answer import (
    LONGEST_NAME,
    MOST_SETTINGS,
    MOST_TENSORS,
    TENSORS_FILE,
    TOO_MUCH_MEMORY,
    WEIGHTS,
    is_name,
    is_plain,
    seconds_for,
)

if TYPE_CHECKING:
    from torch import Tensor

_SPACE_OF_TORCH = 64 << 30  # address space, not memory: CUDA builds map far more than they use
_SPACE = 256 << 20  # what a small file may need beside torch
_ANSWER = 16 << 20


class _RefusedError(Exception):
    """Says of the file why it is not read."""


class Config:
    """Stands in for a config class that exists nowhere any more: it holds attributes and does nothing."""


def answer(file: str, size: int, config_class: str, folder: Path | None) -> dict[str, Any]:
    """The "facts", or in a sentence why not: "refused" (the file), "limits" or "failed" (this machine)."""
    try:
        _limit(size)
        import torch

        _limit_further(size)
    except (OSError, ValueError) as error:
        return {"limits": str(error)}
    try:
        return {"facts": _facts(_load(torch.serialization, file, config_class), size, folder)}
    except _RefusedError as refused:
        return {"refused": str(refused)}
    except OSError as error:
        return {"failed": str(error)}
    except MemoryError:
        return {"refused": TOO_MUCH_MEMORY}
    except Exception as error:  # torch raises many kinds for a file it cannot read
        said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        return {"refused": TOO_MUCH_MEMORY if "memory" in said else f"is not read by torch ({said})"}


def _limit(size: int) -> None:
    _lower(resource.RLIMIT_AS, _SPACE_OF_TORCH + 2 * size)
    _lower(resource.RLIMIT_CPU, seconds_for(size))
    _lower(resource.RLIMIT_FSIZE, 2 * size + _ANSWER)
    _lower(resource.RLIMIT_CORE, 0)


def _limit_further(size: int) -> None:
    """Now that torch is there: what a file may need on top, no other process or thread, few open files."""
    status = Path("/proc/self/statm")
    if status.exists():
        used = int(status.read_text().split()[0]) * resource.getpagesize()
        _lower(resource.RLIMIT_AS, used + _SPACE + 2 * size)
    _lower(resource.RLIMIT_NPROC, 0)
    _lower(resource.RLIMIT_NOFILE, 64)


def _lower(kind: int, limit: int) -> None:
    hard = resource.getrlimit(kind)[1]
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(kind, (limit, limit))


def _load(torch: Any, file: str, config_class: str) -> Any:
    found = torch.get_unsafe_globals_in_checkpoint(file)
    if found != ([config_class] if config_class else []):
        raise _RefusedError(f"names other classes than it seemed to: {', '.join(sorted(found))[:200]}")
    with torch.safe_globals([(Config, config_class)] if config_class else []):
        return torch.load(file, map_location="cpu", weights_only=True, mmap=True)


def _facts(content: Any, size: int, folder: Path | None) -> dict[str, Any]:
    if not isinstance(content, dict) or not content:
        raise _RefusedError("holds no dict, or an empty one")
    if not all(isinstance(key, str) and len(key) <= LONGEST_NAME for key in content):
        raise _RefusedError("holds a dict whose keys are not names")
    key, state = _state(content)
    if sum(_check(name, tensor) for name, tensor in state.items()) > 2 * size:
        raise _RefusedError("holds tensors far larger than itself")
    if folder:
        for name, tensor in state.items():
            if not _finite(tensor):
                raise _RefusedError(f"holds numbers in {name} that are not finite")
        tensors.write(folder / TENSORS_FILE, state)
    outer = content if key else {}
    config = outer.get("config")
    settings = _plain(vars(config) if isinstance(config, Config) else config)
    metrics = _plain(outer.get("metrics", outer.get("final_metrics")))
    infos = {name: tensors.info_of(tensor) for name, tensor in state.items()}
    return {
        "top": sorted(outer)[:MOST_SETTINGS],
        "weights_key": key,
        "tensors": {name: [info.dtype, info.shape] for name, info in infos.items()},
        "shared": _shared(state),
        "settings": dict([*(settings | _plain(outer.get("args"))).items()][:MOST_SETTINGS]),
        "labels": _plain(outer),
        "metrics": {name: float(n) for name, n in metrics.items() if type(n) in (int, float)},
    }


def _state(content: dict[str, Any]) -> tuple[str, "dict[str, Tensor]"]:
    """The model's state dict, its names without what wrappers put in front, and where it stands."""
    places: dict[str, Any] = {**{key: content.get(key) for key in WEIGHTS}, "": content}
    held = [key for key, found in places.items() if _are_tensors(found)]
    if not held:
        raise _RefusedError("holds no model: no dict of tensors named model, model_state or model_state_dict")
    found = places[held[0]]
    if len(found) > MOST_TENSORS:
        raise _RefusedError(f"holds more than {MOST_TENSORS} tensors")
    state: dict[str, Tensor] = {}
    for name, tensor in found.items():
        if not isinstance(name, str) or not tensors.NAME.fullmatch(name):
            raise _RefusedError(f"holds a tensor with the odd name {str(name)[:80]!r}")
        while name.startswith(("module.", "_orig_mod.")):
            name = name.partition(".")[2]
        if not name or name in state:
            raise _RefusedError(f"holds the tensor {name!r} twice")
        state[name] = tensor
    return held[0], state


def _are_tensors(value: Any) -> bool:
    import torch

    if not isinstance(value, dict) or not value:
        return False
    return all(isinstance(tensor, torch.Tensor) for tensor in value.values())


def _check(name: str, tensor: "Tensor") -> int:
    """The bytes of a tensor that is what it seems: dense, on the CPU, no larger than its storage."""
    import torch

    plain = type(tensor) in (torch.Tensor, torch.nn.Parameter)
    if not plain or tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        raise _RefusedError(f"holds {name} as something else than a dense tensor")
    if tensor.is_complex() or tensor.is_conj() or tensor.is_neg() or tensor.dim() > 8:
        raise _RefusedError(f"holds {name} as an unusual kind of tensor")
    size = tensor.numel() * tensor.element_size()
    if size > tensor.untyped_storage().nbytes():
        raise _RefusedError(f"holds {name} as an expanded view")
    return size


def _finite(tensor: "Tensor") -> bool:
    if not tensor.is_floating_point():
        return True
    flat, step = tensor.detach().reshape(-1), 1 << 20  # the test needs as much memory again as what it tests
    return all(bool(flat[i : i + step].isfinite().all()) for i in range(0, len(flat), step))


def _shared(state: "dict[str, Tensor]") -> dict[str, str]:
    seen: dict[tuple[Any, ...], str] = {}
    shared = {}
    for name, tensor in state.items():
        data = tensor.untyped_storage().data_ptr()
        view = (data, tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype)
        if tensor.numel() and (first := seen.setdefault(view, name)) != name:
            shared[name] = first
    return shared


def _plain(values: Any) -> dict[str, Any]:
    """Of a dict, the entries that are plain scalars of a sensible size; nothing of anything else."""
    if not isinstance(values, dict):
        return {}
    plain = {name: value for name, value in values.items() if is_name(name) and is_plain(value)}
    return dict([*plain.items()][:MOST_SETTINGS])


if __name__ == "__main__":
    _file, _size, _class, _folder = sys.argv[1:]
    _answered = answer(_file, int(_size), _class, Path(_folder) if _folder else None)
    sys.stdout.write(json.dumps(_answered, allow_nan=False))
