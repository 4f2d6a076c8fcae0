"""Text written in blocks: each is filled from what stands before it, and nothing before it changes."""

import numpy as np
import pytest

from bbyte.errors import UsageError
from bbyte.generation.blocks import generate_blocks
from bbyte.generation.holes import HIDDEN
from bbyte.generation.infilling import Infilling

GREEDY = Infilling(temperature=0)


class Counting:
    """Sure that each byte is one more than the last that is seen, plus how far away that is."""

    def __init__(self, context):
        self.context, self.seen = context, []

    def logits(self, tokens, before=None):
        assert tokens.shape[1] <= self.context
        self.seen.append((None if before is None else int(before[0]), tokens[0].tolist()))
        out = np.zeros((*tokens.shape, 256), np.float32)
        for row, line in enumerate(tokens):
            last = 0 if before is None else int(before[row])
            for place, token in enumerate(line):
                last = (last + 1) % 256 if token == HIDDEN else int(token)
                out[row, place, last] = 30
        return out


def written(infiller, prompt, n, block, settings=GREEDY):
    return [part.tobytes() for part in generate_blocks(infiller, prompt, n, settings, block)]


@pytest.mark.parametrize("block", [1, 3, 6])
@pytest.mark.parametrize("prompt", [b"", b"\x05", bytes(range(3, 40))])
def test_a_text_goes_on_however_long_it_gets(prompt, block):
    parts = written(Counting(8), prompt, 25, block)
    assert [len(part) for part in parts] == [block] * (25 // block) + ([25 % block] if 25 % block else [])
    first = (prompt[-1] if prompt else 0) + 1
    assert b"".join(parts) == bytes(range(first, first + 25))


def test_the_model_sees_what_is_before_and_a_whole_block_hidden():
    infiller = Counting(8)
    written(infiller, b"abcdefghijkl", 4, 2, Infilling(temperature=0, steps=1))
    assert infiller.seen == [
        (ord("f"), [*b"ghijkl", HIDDEN, HIDDEN]),
        (ord("h"), [*b"ijklmn", HIDDEN, HIDDEN]),
    ]


def test_the_seed_decides_and_blocks_differ():
    class Even(Counting):
        def logits(self, tokens, before=None):
            return np.zeros((*tokens.shape, 256), np.float32)

    def text(seed):
        return written(Even(16), b"x", 32, 4, Infilling(temperature=1, top_k=0, seed=seed))

    assert text(1) == text(1) != text(2)
    assert len(set(text(1))) == 8


@pytest.mark.parametrize("block", [0, 7, 100])
def test_a_block_must_leave_something_to_see(block):
    with pytest.raises(UsageError, match="do not fit in the model's window of 8 bytes"):
        next(generate_blocks(Counting(8), b"abc", 4, GREEDY, block))
