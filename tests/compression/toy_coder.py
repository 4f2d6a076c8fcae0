"""A coder for tests of the container: PPMd plays the model, so that nothing has to be computed by one."""

from dataclasses import dataclass

import pyppmd
from blake3 import blake3

from bbyte.compression.coder import coding_of
from bbyte.errors import DataError

ORDER, MEMORY = 6, 1 << 20


@dataclass
class ToyCoder:
    """PPMd as mode 1; `name` stands for the weights, `machine` for what it is computed on."""

    name: bytes = b"toy"
    machine: bytes = b"sound"
    arithmetic: int = 1
    mode: str = "static"
    lanes: int = 0
    window: str = "none"

    @property
    def identity(self):
        return blake3(self.name).digest()

    def encode(self, data, on_progress=None):
        encoder = pyppmd.Ppmd7Encoder(ORDER, MEMORY)
        coded = encoder.encode(data) + encoder.flush()
        if on_progress is not None:
            on_progress(len(data) // 2)
            on_progress(len(data))
        return 1, coded

    def decode(self, mode, coded, size, on_progress=None):
        if mode != 1:
            raise DataError(f"mode {mode} is not known")
        if on_progress is not None:
            on_progress(size)
        try:
            return pyppmd.Ppmd7Decoder(ORDER, MEMORY).decode(coded, size)
        except SystemError:  # how pyppmd says that these bytes are nothing it coded
            return b""

    def probe(self):
        return blake3(self.name + self.machine).digest()


TOY = (coding_of(ToyCoder()), ToyCoder)
"""What `write_archive` takes."""


def opener(coding):
    """Finds the toy, whatever is asked for."""
    return ToyCoder


def no_model(coding):
    """For archives that must be read without one."""
    raise AssertionError("no model is needed")
