"""The machine bbyte runs on: its processor, its memory, its disk, its shell."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

INSTRUCTIONS = {
    "avx2": "AVX2", "fma": "FMA", "avx_vnni": "AVX-VNNI", "avx512f": "AVX-512", "avx512_vnni": "AVX-512 VNNI",
    "avx512_bf16": "AVX-512 BF16", "amx_int8": "AMX", "asimd": "NEON", "asimddp": "NEON dot products",
    "i8mm": "NEON I8MM", "sve": "SVE",
}  # fmt: skip
"""What decides the speed of bbyte's arithmetic, by the names that Linux has for it."""
_APPLE = {"asimd": "AdvSIMD", "asimddp": "arm.FEAT_DotProd", "i8mm": "arm.FEAT_I8MM", "avx2": "avx2_0"}
_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Processor:
    """The CPU's name and what it can do that matters here; None where the system does not say."""

    name: str
    instructions: tuple[str, ...] | None


@dataclass(frozen=True)
class Place:
    """A folder to write in, whether that is allowed, and how much fits; None where it cannot be found out."""

    path: Path
    writable: bool
    free: int | None


@dataclass(frozen=True)
class Completion:
    """The shell in use, "" where that is unknown, and the file that completes bbyte's commands in it."""

    shell: str
    file: Path | None


def processor() -> Processor:
    """The CPU, as the system tells of it."""
    if sys.platform == "darwin":
        found = tuple(
            INSTRUCTIONS[key] for key, name in _APPLE.items() if _sysctl(f"hw.optional.{name}") == "1"
        )
        return Processor(_sysctl("machdep.cpu.brand_string") or platform.machine(), found)
    fields = _cpuinfo()
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    name = fields.get("model name") or platform.processor() or platform.machine()
    found = tuple(words for key, words in INSTRUCTIONS.items() if key in flags)
    return Processor(name, found if flags else None)


def memory() -> int | None:
    """Bytes of memory of the machine; None where psutil does not tell."""
    try:
        import psutil

        return int(psutil.virtual_memory().total)
    except Exception:  # a broken psutil is said elsewhere
        return None


def place_of(path: Path) -> Place:
    """Where `path` is or would be made, and how much room there is."""
    path = path.absolute()
    there = next((folder for folder in (path, *path.parents) if folder.exists()), Path(path.anchor))
    writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    with suppress(OSError):
        return Place(path, writable, shutil.disk_usage(there).free)
    return Place(path, writable, None)


def has_nvidia_driver() -> bool:
    """Whether this system has a driver of NVIDIA, whatever torch sees of its GPU."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def completion(program: str = "bbyte") -> Completion:
    """Whether the shell in use completes the program, where that shell looks for it by itself."""
    shell = Path(os.environ.get("SHELL", "")).name or ("powershell" if sys.platform == "win32" else "")
    with suppress(OSError, RuntimeError):
        return Completion(
            shell, next((path for path in _completions(shell, program) if path.is_file()), None)
        )
    return Completion(shell, None)


def _completions(shell: str, program: str) -> Iterator[Path]:
    home = Path.home()
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    systems = [Path(part) for part in ("/usr/local/share", "/usr/share", "/opt/homebrew/share")]
    if shell == "bash":
        own = os.environ.get("BASH_COMPLETION_USER_DIR") or data / "bash-completion"
        for folder in (Path(own), *(each / "bash-completion" for each in systems)):
            yield folder / "completions" / program
        yield Path("/etc/bash_completion.d") / program
    elif shell == "zsh":
        yield from (
            Path(part) / f"_{program}" for part in os.environ.get("FPATH", "").split(os.pathsep) if part
        )
        for name in (".zfunc", ".zsh/completions", ".zsh/functions", ".oh-my-zsh/completions"):
            yield home / name / f"_{program}"
        yield from (folder / f"zsh/site-functions/_{program}" for folder in systems)
    elif shell == "fish":
        yield config / f"fish/completions/{program}.fish"
        yield from (folder / f"fish/vendor_completions.d/{program}.fish" for folder in (data, *systems))


def _cpuinfo() -> dict[str, str]:
    """What /proc/cpuinfo says of the first core."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _sysctl(name: str) -> str:
    try:
        done = subprocess.run(["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, timeout=5)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
