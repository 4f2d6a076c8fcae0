"""The range coder alone: word for word constriction's, at every end that a stream may have."""

import constriction
import numpy as np
import pytest
from native_models import native

from bbyte.compression.model_coder import _Stream
from bbyte.compression.twin import frequencies

STREAMS, LONGEST = 1500, 12
pytestmark = native


def by_constriction(rows, data):
    encoder = constriction.stream.queue.RangeEncoder()
    for row, byte in zip(rows, data, strict=True):
        shares = frequencies(row)
        encoder.encode(
            int(byte), constriction.stream.model.Categorical((shares - 1).astype(np.float32), perfect=False)
        )
    return encoder.get_compressed().astype("<u4").tobytes()


def by_core(rows, data):
    coder = _Stream(0, len(data))
    coder.encode(np.ascontiguousarray(rows), data)
    return coder.finish()


def generated(count, longest):
    """Rows of logits, and bytes likely and unlikely by them."""
    dice = np.random.default_rng(8)
    for _ in range(count):
        n = int(dice.integers(0, longest, endpoint=True))
        rows = (dice.normal(size=(n, 256)) * dice.choice([0, 1, 5, 30, 1000])).astype(np.float32)
        data = dice.integers(0, 256, n, dtype=np.uint8)
        likely = dice.random(n) < dice.random()
        ends = np.where(dice.random(n) < 0.5, 0, 255).astype(np.uint8)  # where carries come from
        data = np.where(dice.random(n) < 0.3, ends, data).astype(np.uint8)
        yield rows, np.where(likely, rows.argmax(axis=1) if n else data, data).astype(np.uint8)


def test_short_streams():
    lengths = set()
    for rows, data in generated(STREAMS, LONGEST):
        coded = by_core(rows, data)
        assert coded == by_constriction(rows, data)
        lengths.add(len(coded) - 3 * len(data) // 4 * 4)
    assert len(lengths) > 5


@pytest.mark.slow
def test_streams_of_all_lengths():
    for rows, data in generated(3000, 300):
        assert by_core(rows, data) == by_constriction(rows, data)


def test_pieces_make_no_difference():
    for rows, data in generated(40, 60):
        coder = _Stream(0, len(data))
        for start in range(0, len(data), 7):
            coder.encode(np.ascontiguousarray(rows[start : start + 7]), data[start : start + 7])
        assert coder.finish() == by_core(rows, data)


def test_a_carry_through_many_words():
    """Bytes that keep the middle of all numbers within their range, and then one beyond it."""
    low, width, middle, data = 0, 2**64 - 1, 2**63, []
    for _ in range(20):
        share = (width >> 24) << 16  # of each of 256 equal ones
        data.append((middle - low) // share)
        low, width = low + share * data[-1], share
        if width < 2**32:
            low, width, middle = low << 32, width << 32, middle << 32
    rows = np.zeros((len(data), 256), np.float32)
    before = np.array(data, np.uint8)
    after = np.array([*data[:-1], data[-1] + 1], np.uint8)
    for one, begin in ((before, b"\xff\xff\xff\x7f" + b"\xff" * 12), (after, b"\0\0\0\x80" + bytes(12))):
        coded = by_core(rows, one)
        assert coded.startswith(begin) and coded == by_constriction(rows, one)
