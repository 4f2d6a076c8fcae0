"""Where and how a model computes: device, number type, threads. Nothing of this is architecture."""

import contextlib
import ctypes
import os
import platform
import sys
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bbyte.config import Problems, setting
from bbyte.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class World:
    """Which of a run's processes this one is: `rank` of `size`, and `local_rank` of `local_size` here.

    restarts: how often torchrun has started them again after one of them had ended. watched: whether torchrun
    watches over them, to which any exit code but 0 is a failure.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    restarts: int = 0
    watched: bool = False


def world() -> World:
    """What torchrun, or whoever else starts several processes, says in the environment. One process without.

    Raises UsageError for numbers that are none.
    """
    watched = "TORCHELASTIC_RUN_ID" in os.environ
    if "RANK" not in os.environ:
        return World(watched=watched)
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT")
    words = [os.environ.get(name, default) for name, default in zip(names, "01010", strict=True)]
    if not all(word.isdecimal() for word in words):
        said = ", ".join(f"{name}={word}" for name, word in zip(names, words, strict=True))
        raise UsageError(f"the environment names no place among processes: {said}", "torchrun sets it")
    rank, size, local_rank, local_size, restarts = map(int, words)
    return World(rank, size, local_rank, local_size, restarts, watched)


@dataclass(frozen=True)
class Runtime:
    """How a run computes; changing it changes speed and the last digits, never the model."""

    device: str = setting("auto", "auto, cpu, cuda, cuda:N or mps")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = setting("auto", "Number type of both passes")
    threads: int = setting(0, "CPU threads; 0 takes all cores")
    compile: bool | None = setting(
        None, "Compile the model: a slower start, faster steps (default: on a GPU, where it works)"
    )
    grad_checkpoint: Literal["auto", "none", "mlp", "block"] = setting(
        "auto", "Activations computed again in the backward pass, to save memory; auto: block on a GPU"
    )
    shard: bool = setting(
        False, "Under torchrun: divide weights, gradients and optimizer state among the processes (FSDP2)"
    )

    def __post_init__(self) -> None:
        problems = Problems()
        if problems.check_types(self):
            problems.check(self.threads >= 0, f"threads {self.threads} is negative", "0 takes all cores")
            problems.check(
                not (self.shard and self.compile),
                "compile and shard do not go together yet",
                "leave one of --compile and --shard out",
            )
        problems.raise_if_any()


@dataclass(frozen=True)
class Placement:
    """What `place` found and chose: a torch device name, a number type's name, threads, and why.

    world: the processes it is one of.
    """

    device: str
    precision: str
    threads: int
    reasons: tuple[str, ...]
    world: World = World()

    def autocast(self) -> "contextlib.AbstractContextManager[Any]":
        """The context in which the forward pass runs."""
        import torch

        if self.precision == "fp32":
            return contextlib.nullcontext()
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float16
        return torch.autocast(self.device.split(":")[0], dtype=dtype)


def place(runtime: Runtime, world: World = World()) -> Placement:
    """Settle device, precision and threads, and set torch's thread count.

    Several processes of a machine take a GPU each, or divide its cores. Raises UsageError if what was asked
    for is not there.
    """
    import torch

    reasons = []
    device = _device(runtime.device) if world.size == 1 else _device_of(world, runtime.device)
    if runtime.device == "auto":
        reasons.append(f"device {device}: {'the fastest found' if device != 'cpu' else 'no GPU found'}")
    precision, why = _precision(runtime.precision, device)
    if why:
        reasons.append(f"precision {precision}: {why}")
    if ":" in device:
        torch.cuda.set_device(device)  # streams and events are made on the current one
    threads = runtime.threads or max(1, usable_cores() // world.local_size)
    torch.set_num_threads(threads)
    return Placement(device, precision, threads, tuple(reasons), world)


def keep_freed_memory() -> None:
    """Let this process keep memory it has freed, where the C library can be told so (glibc).

    A training step on a CPU frees its activations and asks for them again a moment later. By default glibc
    hands them back to the system in between, and every page is faulted in anew: 6-8 % of a step.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the largest value glibc takes


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def usable_cores() -> int:
    """CPU cores this process may run on."""
    if sys.platform != "win32" and hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    import psutil

    return psutil.cpu_count(logical=False) or os.cpu_count() or 1


@cache
def cpu_maker() -> str:
    """The vendor the CPU names itself by, such as GenuineIntel or AuthenticAMD; empty where it is unknown."""
    if sys.platform == "win32":
        return platform.processor().rpartition(" ")[2]
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id")), "")


def _device(asked: str) -> str:
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, number = asked.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and not number.isdecimal()):
        raise UsageError(f"{asked!r} is not a device", "devices: auto, cpu, cuda, cuda:N, mps")
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and int(number or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there[kind]:
        raise UsageError(f"device {asked} is not there", "--device auto takes the best one found")
    return asked if kind == "cuda" else kind


def _device_of(world: World, asked: str) -> str:
    """Each process computes on the GPU of its own number, or all on the CPU."""
    import torch

    kind, _, number = asked.partition(":")
    if number or kind == "mps":
        raise UsageError(
            f"device {asked} cannot be that of {world.size} processes",
            "--device cuda gives each its own GPU, --device cpu a part of the cores",
        )
    found = _device("cpu" if kind == "auto" and not torch.cuda.is_available() else asked)
    if found != "cuda":
        return found
    if world.local_rank >= torch.cuda.device_count():
        raise UsageError(
            f"{world.local_size} processes were started on a machine with {torch.cuda.device_count()} GPUs",
            f"torchrun --nproc-per-node {torch.cuda.device_count()}",
        )
    return f"cuda:{world.local_rank}"


def _precision(asked: str, device: str) -> tuple[str, str]:
    import torch

    if asked == "fp16" and device == "cpu":
        raise UsageError("fp16 needs a GPU", "--precision fp32, or bf16 where the CPU has it")
    if asked != "auto":
        return asked, ""
    if device.startswith("cuda"):
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16", "this GPU computes it natively"
        return "fp32", "this GPU has no native bf16"
    return "fp32", "the safe choice on a CPU" if device == "cpu" else "the safe choice on this device"


def peak_memory(device: str) -> int:
    """Most bytes held so far: on CUDA by the allocator, elsewhere by this process."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory could not be had, on the device or in this process."""
    if isinstance(error, MemoryError):
        return True
    if "torch" not in sys.modules:  # then it did not raise it
        return False
    import torch

    # On a CPU torch raises a plain RuntimeError.
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def release_memory(placement: Placement) -> None:
    """Hand what was freed back to the device."""
    if placement.device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()


class Later:
    """The values of a small tensor, to be read when the device has long computed them.

    On CUDA they are copied to pinned memory as soon as they are there, so that reading them later does not
    wait for what was started in between.
    """

    def __init__(self, tensor: "Tensor") -> None:
        import torch

        self._values, self._copied = tensor, None
        if tensor.is_cuda:
            self._values = torch.empty_like(tensor, device="cpu", pin_memory=True)
            self._values.copy_(tensor, non_blocking=True)
            self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._copied.record()

    def read(self) -> list[float]:
        """The values, waiting for them where needed."""
        if self._copied is not None:
            self._copied.synchronize()
        values: list[float] = self._values.tolist()
        return values


def environment(placement: Placement) -> dict[str, Any]:
    """Versions, hardware and threads a result depends on, as recorded in env.json and checkpoints."""
    names = ("bbyte", "torch", "numpy", "safetensors")
    return {
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in names}},
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": usable_cores(),
        "device": placement.device if placement.world.size == 1 else placement.device.split(":")[0],
        "precision": placement.precision,
        "threads": placement.threads,
        "world_size": placement.world.size,
    }
