"""The animation of infilling: blocks that become text, and nothing a model writes steers the terminal."""

import re

from real_terminal import seen_on_terminal

from bbyte.terminal.unmasking import FILLED, NEW, drawn

RUN = """
import numpy as np
from bbyte.generation.holes import parse
from bbyte.generation.infill import Infill
from bbyte.generation.infilling import Infilling
from bbyte.terminal.screen import Screen
from bbyte.terminal.unmasking import watch

class Escapes:
    context = 4000
    def logits(self, tokens, before=None):
        found = np.zeros((*tokens.shape, 256), np.float32)
        found[:, :, 27] = 100
        return found

run = Infill(Escapes(), parse(PROMPT), Infilling(order="left"))
watch(run, Screen())
print("end", run.tokens[0].tolist().count(27))
"""


def test_hidden_bytes_are_blocks_and_whole_characters_are_shown():
    symbols = [*b"a", 256, *"é".encode(), 0xE2, 0x80, 256, 0x1B, *b"\n"]
    text = drawn(symbols, [""] * 8 + [NEW] + [FILLED])
    assert text.plain == "a█é��█␛\n"
    assert [(span.start, span.end, span.style) for span in text.spans if span.style in (NEW, FILLED)]
    assert drawn([256], [""], "#").plain == "#"


def frames(code):
    """What was drawn, without colours: the frames follow each other."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen_on_terminal(code + RUN))


def test_the_blocks_go_one_by_one():
    seen = frames("PROMPT = b'one [MASK*3] two'")
    places = [seen.index(f"one {line} two") for line in ("███", "␛██", "␛␛█", "␛␛␛")]
    assert places == sorted(places)
    assert "0 of 3 bytes" in seen
    assert "3 of 3 bytes" in seen
    assert "end 3" in seen


def test_a_long_text_is_shown_around_its_hole():
    seen = frames("PROMPT = b'x' * 3000 + b'near [MASK*2] it' + b'y' * 900")
    assert "near" in seen
    assert "2 of 2 bytes" in seen
