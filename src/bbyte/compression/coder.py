"""What codes the bytes of a chunk with a model, as the container sees it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bbyte.errors import DataError

OnProgress = Callable[[int], None]
"""Told how many bytes of the chunk are done; may raise, and what it raises ends the work and is passed on."""

MODES = ("static", "hybrid", "adapt", "hybrid+adapt")
"""What a coder may have been asked to do beyond asking the model, by the number in an archive's header."""

WINDOWS = ("none", "sliding", "half-overlap")
"""How the context of a model is bounded, by the number in an archive's header."""


class ChunkCoder(Protocol):
    """Codes the bytes of a chunk with a model; decoding gives the same bytes on any machine."""

    identity: bytes
    """32 bytes: the BLAKE3 digest of the model's tensors in canonical order and of its config."""
    arithmetic: int
    """The version of the arithmetic, the engine's and the coder's: another one gives other bytes."""
    mode: str
    """One of MODES."""
    lanes: int
    """Streams a chunk is divided into; 0 where each chunk's size decides."""
    window: str
    """One of WINDOWS."""

    def encode(self, data: bytes, on_progress: OnProgress | None = None) -> tuple[int, bytes]:
        """The mode byte of what did best, and the coded bytes."""

    def decode(self, mode: int, coded: bytes, size: int, on_progress: OnProgress | None = None) -> bytes:
        """The `size` bytes that were coded. Raises DataError for an unknown mode or bytes of no coder."""

    def probe(self) -> bytes:
        """32 bytes: the digest of the first 64 frequency tables on a fixed text."""


Make = Callable[[], ChunkCoder]
"""Makes a coder for one more thread; all of them share the weights."""


@dataclass(frozen=True)
class Coding:
    """What an archive says of the coder of its neural chunks."""

    identity: bytes
    probe: bytes
    """The first bytes of the coder's probe, PROBE of them."""
    arithmetic: int
    mode: str
    lanes: int
    window: str


PROBE = 8


def coding_of(coder: ChunkCoder) -> Coding:
    """What an archive written with this coder says of it; computes the probe."""
    probe = coder.probe()[:PROBE]
    return Coding(coder.identity, probe, coder.arithmetic, coder.mode, coder.lanes, coder.window)


Opener = Callable[[Coding], Make]
"""Finds the model that an archive names. Raises BbyteError where it is not at hand or computes otherwise."""


def check(coder: ChunkCoder, coding: Coding, name: str) -> None:
    """Raise DataError, about the archive `name`, unless the coder decodes what `coding` describes."""
    if coder.identity != coding.identity:
        raise DataError(
            f"{name} was compressed with the model {shown(coding.identity)}; this is {shown(coder.identity)}",
            "name the checkpoint it was compressed with: --ckpt PATH",
        )
    if coder.arithmetic != coding.arithmetic:
        raise DataError(
            f"{name} needs version {coding.arithmetic} of the arithmetic; this bbyte has {coder.arithmetic}",
            "the version of bbyte that compressed it decompresses it",
        )
    if coder.probe()[:PROBE] != coding.probe:
        raise DataError(
            f"this machine computes other probabilities than the one that compressed {name}",
            "bbyte doctor checks the machine; another one may decompress it",
        )


def shown(identity: bytes) -> str:
    """A model's identity as it is shown: its first hexadecimal digits."""
    return identity.hex()[:12]
