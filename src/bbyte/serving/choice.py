"""One text of an answer while it is written. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bbyte.generation.characters import WholeCharacters
from bbyte.generation.stopping import Stopping
from bbyte.serving.logprobs import Note, offsets

Reason = Literal["stop", "length"]


@dataclass(frozen=True)
class Delta:
    """What is new of text `index`: whole characters, their bytes, what these cost, and how it ended, if so.

    drawn: how many bytes were drawn for it, those of a stop text among them. offsets: where each byte's
    character stands in the text. `notes` and `offsets` are empty where costs are not asked for.
    """

    index: int
    data: bytes = b""
    text: str = ""
    notes: tuple[Note, ...] = ()
    offsets: tuple[int, ...] = ()
    drawn: int = 0
    reason: Reason | None = None

    def __add__(self, later: "Delta") -> "Delta":
        return Delta(
            self.index,
            self.data + later.data,
            self.text + later.text,
            self.notes + later.notes,
            self.offsets + later.offsets,
            self.drawn + later.drawn,
            self.reason or later.reason,
        )


def joined(deltas: Sequence[Delta]) -> list[Delta]:
    """One for each text."""
    by_text: dict[int, list[Delta]] = {}
    for delta in deltas:
        by_text.setdefault(delta.index, []).append(delta)
    return [_sum(some) for some in by_text.values()]


def _sum(deltas: list[Delta]) -> Delta:
    # Not one by one: a long text would be copied for each of its bytes.
    while len(deltas) > 1:
        pairs = [deltas[place : place + 2] for place in range(0, len(deltas), 2)]
        deltas = [pair[0] + pair[1] if len(pair) > 1 else pair[0] for pair in pairs]
    return deltas[0]


class Choice:
    """One text: takes bytes, gives out what is sure to belong to it, in whole characters."""

    def __init__(self, index: int, stops: Sequence[bytes]) -> None:
        self._index = index
        self._stopping = Stopping(stops)
        self._characters = WholeCharacters()
        self._notes: list[Note] = []
        self._count = 0  # characters so far

    @property
    def ended(self) -> bool:
        """Whether a stop text has come."""
        return self._stopping.ended

    def begin(self, prompt: bytes, notes: Sequence[Note] = ()) -> Delta:
        """Show the prompt, in which stop texts do not count."""
        self._notes += notes
        return self._shown(self._characters.push(prompt))

    def take(self, byte: int, note: Note | None = None) -> Delta:
        """Take a byte that was drawn."""
        if note is not None:
            self._notes.append(note)
        sure = self._characters.push(self._stopping.push(bytes([byte])))
        if self.ended:
            return self._shown(sure + self._characters.flush(), 1, "stop")
        return self._shown(sure, 1)

    def close(self) -> Delta:
        """No more bytes come."""
        rest = self._characters.push(self._stopping.close())
        return self._shown(rest + self._characters.flush(), 0, "length")

    def _shown(self, data: bytes, drawn: int = 0, reason: Reason | None = None) -> Delta:
        text = data.decode("utf-8", "replace")
        notes, self._notes = self._notes[: len(data)], self._notes[len(data) :]
        places = offsets(data, self._count) if notes else []
        self._count += len(text)
        return Delta(self._index, data, text, tuple(notes), tuple(places), drawn, reason)
