"""Tiny made models, coders of both kinds over them, and texts with something of everything."""

import random
import struct
from functools import cache
from types import SimpleNamespace

from engine_models import SHAPES
from made_weights import made_weights

from bbyte.compression.coder import MODES
from bbyte.compression.model_coder import ModelCoder
from bbyte.compression.twin import CoderTwin
from bbyte.engine.native import Native, NativeModel
from bbyte.models.ar.config import ARConfig
from bbyte.models.mamba.config import MambaConfig

TINY = ARConfig(n_layer=1, d_model=16, n_head=2, d_ff=16)
MODELS = {
    "tiny": (TINY, 40),
    "grouped": (SHAPES["grouped"], 48),
    "full": (SHAPES["full"], 31),
    "mamba2": (MambaConfig(n_layer=1, d_model=16, headdim=8, d_state=8, ternary=True), 16),
    "mamba1": (MambaConfig(ssm="mamba1", n_layer=1, d_model=16, ternary=True), 16),
}
"""Config and context."""

BOOK = (
    b"It was the best of times, it was the worst of times, it was the age of wisdom, it was the "
    b"age of foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the "
    b"season of Light, it was the season of Darkness, it was the spring of hope, it was the winter "
    b"of despair, we had everything before us, we had nothing before us, we were all going direct "
    b"to Heaven, we were all going direct the other way\xe2\x80\x94"
    b"in short, the period was so far like the "
    b"present period, that some of its noisiest authorities insisted on its being received, for "
    b"good or for evil, in the superlative degree of comparison only.\r\n\r\nThere were a king with a "
    b"large jaw and a queen with a plain face, on the throne of England; there were a king with a "
    b"large jaw and a queen with a fair face, on the throne of France. In both countries it was "
    b"clearer than crystal to the lords of the State preserves of loaves and fishes, that things "
    b"in general were settled for ever.\r\n"
)
TEXTS = {
    "empty": b"",
    "one": b"\xff",
    "few": b"abc",
    "values": bytes(range(256)),
    "zeros": bytes(300),
    "runs": b"a" * 120 + b"b" + b"a" * 80 + b"ab" * 60,
    "broken": BOOK[:90] + BOOK[20:60] + b"!" + BOOK[20:61].upper() + BOOK[20:90],  # matches that end
    "records": b"".join(struct.pack("<IHf", 1000 + 7 * i, i % 5, i / 3) for i in range(40)),
    "noise": random.Random(1).randbytes(200),
    "book": BOOK,
}


@cache
def weights(name):
    return made_weights(MODELS[name][0], seed=5)


@cache
def _native(name):
    return NativeModel(weights(name))


def by_core(name, *modes, path=None, threads=1):
    """A coder on the native core that chooses of `modes`."""
    context = MODELS[name][1]
    model = SimpleNamespace(identity=bytes(32), native=_native(name), context=context)
    coder = ModelCoder(model, modes, MODES[max(modes)])
    if path is not None:
        coder._streams = Native(_native(name), 1, context, path=path, threads=threads)
    return coder


def by_twin(name, *modes):
    """The same in numpy."""
    return CoderTwin(weights(name), MODELS[name][1], bytes(32), modes)
