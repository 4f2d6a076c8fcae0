"""What a checkpoint written by torch.save holds, read without unpickling anything in this process."""

import importlib.util
import os
import signal
import site
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from bbyte import manifest
from bbyte.checkpoint import tensors
from bbyte.checkpoint.legacy import answer, archive, opcodes
from bbyte.checkpoint.tensors import TensorInfo
from bbyte.errors import BbyteError, DataError, UsageError

SOURCE_DIGEST = "source_blake3"
"""The tag that tells which file a checkpoint was made from."""
_KEPT = ("PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT")  # without which torch may not be found
_START = 120  # seconds in which torch must have been imported, on a slow disk too


@dataclass(frozen=True)
class Extracted:
    """What a legacy file holds, as plain facts.

    top: the keys of the outer dict, sorted, none for a bare state dict. weights_key: where the state dict
    stands in it, "" for a bare one. tensors: the state dict, its names without "module." and "_orig_mod." in
    front. shared: the names whose data is that of an earlier name. settings: the plain values of `args`, and
    below them those of `config`. labels: the plain values beside them. metrics: the finite numbers of
    `metrics` or `final_metrics`. config_class: the class whose object `config` is, if it is one.
    weights: the safetensors file with the tensors, if one was asked for. blake3: the digest of the file.
    """

    path: Path
    top: tuple[str, ...]
    weights_key: str
    tensors: dict[str, TensorInfo]
    shared: dict[str, str]
    settings: dict[str, Any]
    labels: dict[str, Any]
    metrics: dict[str, float]
    config_class: str | None
    weights: Path | None
    blake3: str = ""


def extract(path: Path, into: Path | None = None) -> Extracted:
    """Read the legacy checkpoint at `path`; with `into`, write its tensors to `into`/tensors.safetensors.

    The archive and the pickle are checked here as bytes; only then does a child process with little memory
    and time let torch read them, `weights_only`. Raises DataError for a damaged or hostile file, UsageError
    where there is no such file, BbyteError where this machine cannot limit a process.
    """
    _require_limits()
    target = into / answer.TENSORS_FILE if into else None
    if target and target.exists():
        raise UsageError(f"{target} is there already", "name an empty folder")
    with _opened(path) as file:
        before = _state(file)
        held = archive.read(file, path)
        sizes = {key: entry.size for key, entry in held.storages.items()}
        config_class = opcodes.check(held.pickle, sizes, path)
        if target:
            archive.check_data(file, held, path)
        try:
            facts = _ask(file, path, before[0], config_class or "", into)
            file.seek(0)
            digest = manifest.digest_of(file)
            if _state(file) != before:
                raise DataError(f"{path} was changed while it was read", "wait until nothing writes to it")
            found = {name: TensorInfo(kind, tuple(shape)) for name, (kind, shape) in facts["tensors"].items()}
            if target and tensors.read_header(target) != found:
                raise DataError(f"{path} was not extracted as it should have been", archive.DAMAGED)
        except BaseException:
            if target:
                target.unlink(missing_ok=True)
            raise
    return Extracted(
        path, tuple(facts["top"]), facts["weights_key"], found, facts["shared"], facts["settings"],
        facts["labels"], facts["metrics"], config_class, target, digest,
    )  # fmt: skip


def _require_limits() -> None:
    if importlib.util.find_spec("resource") is None:
        raise BbyteError(
            "this system cannot limit what a process may do, so legacy .pt files are not read here",
            "convert the file on Linux and copy the checkpoint folder",
        )


def _opened(path: Path) -> BinaryIO:
    """The file, opened once for all: whatever takes its name later is not read."""
    try:
        # A pipe must not be waited for.
        file = open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb")  # noqa: PTH123, SIM115
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder", "name a .pt file") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be opened: {error.strerror}", "is the path right?") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise UsageError(f"{path} is no plain file", "name a .pt file")
    return file


def _state(file: BinaryIO) -> tuple[int, int, int]:
    """What changes when someone writes to the file; the change time cannot be set back as the other can."""
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _ask(file: BinaryIO, path: Path, size: int, config_class: str, into: Path | None) -> dict[str, Any]:
    """The facts, from the child process."""
    folder = str(into.absolute()) if into else ""
    # A descriptor that the child has too: both read the same file, and torch can map it by this name.
    words = [f"/dev/fd/{file.fileno()}", str(size), config_class, folder]
    command = [sys.executable, "-P", *_user_site(), "-m", "bbyte.checkpoint.legacy.child", *words]
    environment = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment |= {name: os.environ[name] for name in _KEPT if name in os.environ}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        try:
            code = subprocess.run(  # noqa: S603
                command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, check=False,
                pass_fds=(file.fileno(),), start_new_session=True,
                timeout=_START + 2 * answer.seconds_for(size),
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            raise DataError(
                f"{path} took longer to read than a file of its size should", opcodes.UNTRUSTED
            ) from None
        if code == -signal.SIGXCPU:
            raise DataError(f"{path} took longer to read than a file of its size should", opcodes.UNTRUSTED)
        said, complaint = _beginning(out, answer.LARGEST + 1), _beginning(errors, 1 << 16)
    if code != 0:
        lines = complaint.decode("utf-8", "replace").strip().splitlines()
        last = signal.Signals(-code).name if code < 0 else (lines or ["without a word"])[-1][:200]
        reason = (
            answer.TOO_MUCH_MEMORY if "memory" in last.lower() else f"ended the process reading it ({last})"
        )
        raise DataError(f"{path} {reason}", opcodes.UNTRUSTED)
    try:
        ((kind, content),) = answer.read(said).items()
    except ValueError as error:
        raise DataError(
            f"{path} made the process reading it answer nonsense ({error})", opcodes.UNTRUSTED
        ) from None
    if kind == "refused":
        raise DataError(f"{path} {content}", opcodes.UNTRUSTED)
    if kind == "limits":
        raise BbyteError(
            f"this system cannot limit a process ({content}), so {path} is not read", "read it on Linux"
        )
    if kind == "failed":
        raise BbyteError(f"{path} was not extracted: {content}", "is there room on the disk?")
    facts: dict[str, Any] = content
    return facts


def _user_site() -> list[str]:
    """The option that leaves the user's own packages out, unless torch itself is one of them."""
    torch = importlib.util.find_spec("torch")
    home = site.getusersitepackages()
    return [] if torch and torch.origin and Path(torch.origin).is_relative_to(home) else ["-s"]


def _beginning(file: BinaryIO | Any, length: int) -> bytes:
    file.seek(0)
    return bytes(file.read(length))
