"""What `NativeModel` tells the core, recorded for drive_core.c: a core elsewhere is told the same."""

import ctypes
import subprocess

import numpy as np

from bbyte.engine import core
from bbyte.engine.native import NativeModel
from bbyte.engine.tables import rotary
from bbyte.engine.weights import VOCABULARY

MATRIX, VECTOR, SESSION = 1, 2, 3


class Recorder:
    """In the place of the library: the calls that make a model, one after the other."""

    def __init__(self):
        self.written = bytearray()

    def bbyte_model_new(self, sizes):
        self.written += bytes(sizes)
        return 1

    def bbyte_model_free(self, handle):
        pass

    def bbyte_model_matrix(self, handle, layer, role, packed, values, scales, rows, columns, trits_a_byte):
        self._words(MATRIX, layer, role, packed is not None, rows, columns, trits_a_byte)
        width = -(-columns // trits_a_byte)
        if packed is None:
            self._memory(values, rows * columns * 4)
        else:
            self._memory(packed, rows * width)
            self._memory(scales, rows * 4)
        return 0

    def bbyte_model_vector(self, handle, layer, role, values, count):
        self._words(VECTOR, layer, role, count)
        self._memory(values, count * 4)
        return 0

    def session(self, plan, settings, tokens, *, capacity, threads, cache32, path, most, written):
        """One that is fed `tokens` (lanes, T) in blocks of `most`, and then writes."""
        lanes, positions = tokens.shape
        nothing = np.zeros(1, np.float32)
        is_bounded = plan.kind == "transformer"
        cos, sin = rotary(plan.rope_base, plan.head_width, capacity) if is_bounded else (nothing, nothing)
        self._words(
            SESSION, lanes, capacity, threads, cache32, core.PATHS.index(path), cos.size, positions, most,
            written,
        )  # fmt: skip
        self.written += cos.tobytes() + sin.tobytes() + bytes(settings) + tokens.tobytes()

    def _words(self, *words):
        self.written += np.array(words, np.int32).tobytes()

    def _memory(self, address, size):
        self.written += ctypes.string_at(address, size)


def recorded(monkeypatch, weights):
    """A recorder that has been told these weights."""
    recorder = Recorder()
    with monkeypatch.context() as patch:
        patch.setattr(core, "library", lambda: recorder)
        NativeModel(weights)
    return recorder


def run(words, recorder):
    """The output of drive_core.c."""
    done = subprocess.run(words, input=bytes(recorder.written), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[:2000]
    return done.stdout


def read(output, lanes, positions, most, written):
    """Logits (lanes, positions, 256) and texts of the first session in `output`, and what comes after."""
    blocks = []
    for start in range(0, positions, most):
        length = min(most, positions - start)
        size = lanes * length * VOCABULARY * 4
        blocks.append(np.frombuffer(output[:size], np.float32).reshape(lanes, length, VOCABULARY))
        output = output[size:]
    size = lanes * (positions + written)
    text = np.frombuffer(output[:size], np.uint8).reshape(lanes, -1)
    return np.concatenate(blocks, axis=1), text, output[size:]
