"""What a model's coder writes is as long as the model's nats say; and whatever goes in comes back."""

import dataclasses
import random

import numpy as np
import pytest
from coder_models import BOOK, MODELS, by_core, weights
from hypothesis import given
from hypothesis import strategies as st
from native_models import native

from bbyte.engine.native import Native, NativeModel
from bbyte.engine.predictor import NativePredictor
from bbyte.evaluation import InMemory, bits_per_byte, bits_per_byte_carried
from bbyte.exact_scoring import engine_measure
from bbyte.generation.sampling import Sampling

pytestmark = native
WITHIN = 0.002
END = 64
"""Bits that a stream may end with."""
CAMPAIGN_BYTES = 20 << 20


def drawn(name, size, temperature=1.0):
    """Bytes that the model itself has written."""
    streams = Native(NativeModel(weights(name)), 1, MODELS[name][1])
    sampling = Sampling(temperature=temperature, top_k=0, seed=3)
    return NativePredictor(streams, MODELS[name][1]).continue_(size, sampling).tobytes()


def score(name, data):
    """Bits of `data` by the engine's logits, in the windows that the coder has."""
    context = MODELS[name][1]
    if "mamba" in name:
        streams = Native(NativeModel(weights(name)), 1, 1)
        measure = engine_measure(streams, carries=True)
        return bits_per_byte_carried(measure, InMemory(data), block=4096).bits_per_byte
    assert context % 2 == 0 and len(data) % (context // 2) == 0  # else the last window is another
    streams = Native(NativeModel(weights(name)), 1, context)
    stride = context // 2
    return bits_per_byte(
        engine_measure(streams), InMemory(data), context=context, stride=stride, batch_size=1
    ).bits_per_byte


def assert_as_long_as_it_says(name, size, temperature=1.0):
    data = drawn(name, size, temperature)
    _, coded = by_core(name, 0).encode(data)
    assert abs(8 * len(coded) - score(name, data) * size) <= WITHIN * size + END


@pytest.mark.parametrize("name", ["tiny", "mamba2"])
def test_coded_size_is_the_entropy_of_the_logits(name):
    assert_as_long_as_it_says(name, 96_000)


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [1.0, 0.5])
@pytest.mark.parametrize("name", ["tiny", "grouped", "mamba2", "mamba1"])
def test_coded_size_is_the_entropy_of_the_logits_of_a_megabyte(name, temperature):
    assert_as_long_as_it_says(name, 1_008_000, temperature)


def test_what_a_chunk_teaches_makes_it_smaller():
    text = BOOK * 8
    static, hybrid, adapt, both = (len(by_core("grouped", mode).encode(text)[1]) for mode in range(4))
    assert hybrid < static / 5 and adapt < static and both < static / 5
    assert len(by_core("grouped", 1).encode(bytes(10_000))[1]) < 100


def test_random_bytes_cost_hardly_more_than_eight_bits():
    """By a model that knows nothing; the hybrid coder's weights must stay where they are."""
    data = random.Random(0).randbytes(30_000)
    even = dataclasses.replace(weights("tiny"), head=np.zeros((256, 16), np.float32))
    coder = by_core("tiny", 1)
    coder._streams = Native(NativeModel(even), 1, MODELS["tiny"][1])
    assert len(coder.encode(data)[1]) < 1.06 * len(data)
    coder_static = by_core("tiny", 0)
    coder_static._streams = coder._streams
    assert len(coder_static.encode(data)[1]) <= len(data) + 8


def generated(count):
    """Files of all kinds: few of them long, all of them together not longer than the campaign may be."""
    dice, left = random.Random(7), CAMPAIGN_BYTES
    for index in range(count):
        size = min(int(2 ** dice.uniform(0, 15 if index % 50 else 18)), left // (count - index) * 4)
        left -= size
        kind = index % 8
        if kind == 0:
            yield b"" if index % 16 else dice.randbytes(1)
        elif kind == 1:
            yield dice.randbytes(size)
        elif kind == 2:
            yield dice.randbytes(dice.randint(1, 40)) * (size // 20 + 1)
        elif kind == 3:
            yield bytes(dice.sample(range(256), 256)) * (size // 512 + 1)
        elif kind == 4:
            yield bytes([dice.randrange(256)]) * size
        elif kind == 5:
            words = [dice.randbytes(dice.randint(1, 8)) for _ in range(40)]
            yield b" ".join(dice.choice(words) for _ in range(size // 5 + 1))
        elif kind == 6:
            at = dice.randrange(len(BOOK))
            yield (BOOK[at:] + BOOK[:at]) * (size // len(BOOK)) + BOOK[: size % len(BOOK)]
        else:
            yield b"".join((1000 + i * dice.randint(1, 3)).to_bytes(4, "little") for i in range(size // 4))


def assert_campaign(count):
    coders, total = {}, 0
    for index, data in enumerate(generated(count)):
        key = sorted(MODELS)[index % len(MODELS)], index % 4
        coder = coders.setdefault(key, by_core(*key))
        mode, coded = coder.encode(data)
        assert coder.decode(mode, coded, len(data)) == data, index
        total += len(data)
    return total


def test_a_hundred_files():
    assert assert_campaign(100) < 1 << 20


@pytest.mark.slow
def test_two_thousand_files():
    parameters = sum(
        matrix.rows * matrix.columns for layer in weights("tiny").layers for matrix in layer.matrices.values()
    )
    assert parameters + weights("tiny").head.size < 50_000
    assert 5 << 20 < assert_campaign(2000) <= CAMPAIGN_BYTES


@pytest.mark.slow
@pytest.mark.parametrize("mode", range(4))
def test_ten_megabytes(mode):
    data = (BOOK * 40 + drawn("tiny", 60_000) + bytes(20_000)) * 90
    data = (data + data[::-1])[: 10 << 20]
    assert len(data) == 10 << 20
    coder = by_core("tiny", mode)
    assert coder.decode(mode, coder.encode(data)[1], len(data)) == data


@given(st.binary(max_size=200), st.integers(0, 5), st.integers(0, 3))
def test_generated_bytes(piece, repeats, mode):
    coder = by_core("tiny", mode)
    data = piece * repeats
    assert coder.decode(mode, coder.encode(data)[1], len(data)) == data


def test_the_most_a_byte_may_cost():
    """By the model alone 24 bits, however wrong it is."""
    head = np.zeros((256, 16), np.float32)
    head[7] = 1000 * hidden()
    coder = by_core("tiny", 0)
    coder._streams = Native(NativeModel(dataclasses.replace(weights("tiny"), head=head)), 1, 40)
    _, coded = coder.encode(b"\0")
    assert len(coded) == 4 and coder.decode(0, coded, 1) == b"\0"


def hidden():
    """What the head of "tiny" reads after the 0x00, up to a factor."""
    head = np.eye(256, 16, dtype=np.float32)
    one = Native(NativeModel(dataclasses.replace(weights("tiny"), head=head)), 1, 1)
    return one.step(np.zeros((1, 1), np.uint8), False)[0][:16]
