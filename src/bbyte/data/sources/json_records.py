"""JSON files of many records, read one record at a time: a list, JSON Lines, or a single record."""

import codecs
import json
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import numpy as np

from bbyte.errors import DataError

LARGEST_RECORD = 64 << 20
_KEYS_SHOWN = 20
_LONE_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
_SPACE = " \t\r\n"
_NUMBER_TAIL = 2  # a number cut within "1e+" or "1." parses as 1 with so much left over
_NEWLINE = 10
_CUT_WITHIN = 16  # an error this near to the end of what has been read may be due to the cut


def records(pieces: Iterable[bytes], name: str) -> Iterator[Any]:
    """The records of a file given in pieces: the items of a list at the top, or all values one after another.

    Memory is that of the largest record, at most about 64 MiB of text, however long the file. name: for the
    messages. Raises DataError, with line and column, for malformed JSON and a larger record, and with the
    place for text that is not UTF-8.
    """
    text = _Text(pieces, name)
    if not text.peek():
        text.refuse("there is nothing in it")
    if text.peek() != "[":
        while text.peek():
            yield text.value()
        return
    text.step()
    if text.peek() != "]":
        yield text.value()
        while text.peek() == ",":
            text.step()
            text.peek()
            yield text.value()
        if text.peek() != "]":
            text.refuse("expecting , or ] after a record")
    text.step()
    if text.peek():
        text.refuse("there is something after the end of the list")


def texts(pieces: Iterable[bytes], name: str, field: str) -> Iterator[bytes | None]:
    """The text each record has under `field`, in UTF-8; None for a record that has no text there.

    name: for the messages. Raises DataError as `records` does, and where not one record has a text there.
    """
    found, record, keys = False, None, dict[str, None]()
    for record in records(pieces, name):
        text = record.get(field) if isinstance(record, dict) else None
        if isinstance(text, str):
            found = True
            yield encoded(text)
        else:
            yield None
            if not found and isinstance(record, dict) and len(keys) < _KEYS_SHOWN:
                keys |= dict.fromkeys(record)
    if not found and record is not None:
        shown = ", ".join([*keys][:_KEYS_SHOWN])
        raise DataError(f"no record of {name} has a text under {field}", shown and f"there is: {shown}")


def encoded(text: str) -> bytes:
    """The text in UTF-8. Half of a surrogate pair, which JSON can hold and UTF-8 cannot, becomes U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.translate(_LONE_SURROGATES).encode()


class _Text:
    """A window on a file's text, from the next character to parse on."""

    def __init__(self, pieces: Iterable[bytes], name: str) -> None:
        self._pieces, self._name = iter(pieces), name
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._json = json.JSONDecoder()
        self._text, self._at, self._ended = "", 0, False
        self._bytes, self._lines, self._column = 0, 1, 1

    def peek(self) -> str:
        """The next character that is no white space; an empty string at the end of the file."""
        while True:
            text, at = self._text, self._at
            while at < len(text) and text[at] in _SPACE:
                at += 1
            self._at = at
            if at < len(text) or self._ended:
                return text[at : at + 1]
            self._read_more()

    def step(self) -> None:
        """Go on behind the character seen last."""
        self._at += 1

    def value(self) -> Any:
        """Parse the value that begins with the character seen last, reading as much as it takes."""
        while True:
            try:
                found, end = self._json.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos >= len(self._text) - _CUT_WITHIN
                if self._ended or not cut:
                    self.refuse(error.msg, error.pos)
            except RecursionError:
                self.refuse("it is nested too deeply")
            except ValueError:
                self.refuse("a number has too many digits")
            else:
                if end + _NUMBER_TAIL < len(self._text) or self._ended:
                    self._at = end
                    return found
            at_hand = len(self._text) - self._at
            if at_hand > LARGEST_RECORD:
                self.refuse("this record is larger than 64 MiB")
            while len(self._text) - self._at < 2 * at_hand and not self._ended:
                self._read_more()

    def refuse(self, problem: str, at: int | None = None) -> NoReturn:
        """Raise the DataError for a problem at the place given, else at the next character."""
        at = self._at if at is None else at
        line = self._lines - self._text.count("\n", at)
        newline = self._text.rfind("\n", 0, at)
        column = at - newline if newline >= 0 else self._column + at
        problem = problem[:1].lower() + problem[1:].removesuffix(" starting at").removesuffix(" at")
        raise DataError(f"{self._name} is not valid JSON: line {line}, column {column}: {problem}")

    def _read_more(self) -> None:
        """Forget what has been parsed and append the next piece of the file."""
        newline = self._text.rfind("\n", 0, self._at)
        self._column = self._at - newline if newline >= 0 else self._column + self._at
        piece = next(self._pieces, b"")
        self._ended = not piece
        try:
            self._text = self._text[self._at :] + self._decoder.decode(piece, final=self._ended)
        except UnicodeDecodeError as error:
            place = self._bytes - (len(error.object) - len(piece)) + error.start
            raise DataError(f"{self._name} is not UTF-8 text: see byte {place}") from None
        self._at = 0
        self._bytes += len(piece)
        self._lines += int(np.count_nonzero(np.frombuffer(piece, np.uint8) == _NEWLINE))  # quicker than count
