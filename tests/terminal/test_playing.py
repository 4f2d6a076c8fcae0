"""Sessions and generated text on a terminal: whatever a model writes is shown, never obeyed."""

import re
import sys

import numpy as np
import pytest
from real_terminal import seen_on_terminal
from typist import Typist

from bbyte.sanitize import sanitize_bytes

KNOWN = (
    b"\x1b]0;owned\x07\x1b]52;c;cm0gLXJm\x1b\\\x1bP1$r0m\x1b\\\x1b[2J\x1b[31mred\x1b[6n\x9b5n\x9d0;t\x9c\x1bc"
    b"\x05\x0e\r\x08\x7f\xc2\x9b31m\xe2\x80\xae\xe2\x80\x8b\xf3\xa0\x81\x81\xff\xfe."
)
SCRIPTED = """
import numpy as np
from bbyte.generation.playing import Playing
from bbyte.generation.session import Opened, Session
from bbyte.terminal import playing
from bbyte.terminal.screen import Screen

class Scripted:
    # Writes the same bytes again and again, whatever it reads.
    lanes = 1
    def __init__(self, script):
        self.script, self.place = script, 0
    def reset(self): pass
    def prime(self, prompt): pass
    def feed(self, data): self.place += 1
    def logits(self):
        row = np.full((1, 256), -50, np.float32)
        row[0, self.script[self.place % len(self.script)]] = 50
        return row

model = Opened("run\\x1b[2J\\u202e", "toy", 64, Scripted(KNOWN))
session = Session(model, None, Playing(length=len(KNOWN), repetition_penalty=1.0), playing.may_replace)
playing.converse(Screen(), session)
print("left")
"""
OWN = re.compile(r"\x1b\[(?:\?(?:1|7|12|25|2004)[hl]|\d+ q|\d*[ABCDGJK]|6n|[\d;]*m)")
"""What prompt_toolkit sends: modes, moves and place of the cursor, erasing, colours."""
CONTROL = re.compile("[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u202e\U000e0041]")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_what_a_model_writes_does_not_reach_the_terminal(tmp_path):
    hostile_name = "a\x1b[2J\u202eb"
    (tmp_path / hostile_name).write_bytes(KNOWN)
    program = tmp_path / "program.py"
    program.write_text(f"KNOWN = {KNOWN!r}\n{SCRIPTED}")
    typist = Typist([program], tmp_path)
    for keys in (
        "go\r",
        "/bytes\r",
        "/hex\r",
        "/config\r",
        "\x1b[200~//\x1b[31m\u202epasted\x1b[201~\r",
        "/\x1b[200~\x1b]0;owned\x07\x1b[201~\r",
    ):
        typist.type(keys)
    for word in ("load", "save"):
        typist.type(f"/{word} a\t")
        typist.wait(rb"202e\}b")
        typist.child.send("\r")
    typist.wait(rb"Replace it\?.*n\)")
    typist.child.send("n")
    typist.type("\x04")
    typist.end()
    received = typist.seen.decode().replace("\r\n", "\n")
    assert received.count(sanitize_bytes(KNOWN)) == 2
    assert "\\x1b]0;owned\\x07" in received
    assert "|.]0;owned..]52;c|" in received
    assert "run␛[2J\\u{202e} (toy)" in received
    assert "\\u{202e}pasted" in received
    assert f"{len(KNOWN)} bytes of a" in received
    assert received.rstrip().endswith("left")
    for sequence in ("\x1b]", "\x1bP", "\x1b[2J", "\x1b[31m", "\x1bc"):
        assert sequence not in received
    assert CONTROL.search(OWN.sub("", received)) is None


TURN = """
from bbyte.terminal import playing

class Pieces:
    def write(self, typed):
        yield from (data[start : start + 997] for start in range(0, len(data), 997))

class Asked:
    def prompt(self, message):
        return ""

with Screen() as screen:
    playing._take_turn(screen, Pieces(), Asked())
"""
GENERATED = """
from bbyte.commands import generate
from bbyte.generation.stopping import Stopping

texts = [Stopping()]
pieces = (np.frombuffer(data[start : start + 997], np.uint8) for start in range(0, len(data), 997))
with Screen() as screen:
    generate._show(screen, b"", texts, generate._first(texts, pieces))
"""


@pytest.mark.parametrize("shows", [TURN, GENERATED])
def test_a_million_random_bytes_reach_the_terminal_as_text(shows):
    data = np.random.default_rng(7).bytes(1_000_000)
    made = "import numpy as np\nfrom bbyte.terminal.screen import Screen\n"
    made += "data = np.random.default_rng(7).bytes(1_000_000)\n"
    received = seen_on_terminal(made + shows)
    assert received == sanitize_bytes(data + b"\n")
    assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", received) is None
