"""A session: a text that a person and a model write in turns. Imports no torch, knows no terminal."""

import os
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bbyte.errors import UsageError
from bbyte.generation.holes import HIDDEN, parse
from bbyte.generation.infill import Infill
from bbyte.generation.infilling import Infilling
from bbyte.generation.playing import Playing
from bbyte.generation.stream import go_on
from bbyte.generation.surprise import Surprise, surprises
from bbyte.models.contract import Infiller, Predictor
from bbyte.models.families import families

LARGEST_FILE = 64 << 20


@dataclass(frozen=True)
class Opened:
    """A checkpoint brought to life: what to call it, and its views: not every model fills holes."""

    name: str
    family: str
    context: int
    predictor: Predictor
    infiller: Infiller | None = None


class Session:
    """A text so far, the model that goes on from it, and the settings it is asked with.

    text: all of it; last: what the model wrote, or filled in, last; speed: its bytes a second, 0 at first.
    reopen: opens the checkpoint at a path; may_replace: asks whether the file it names may be replaced, and
    None where nobody can be asked.
    """

    def __init__(
        self,
        model: Opened,
        reopen: Callable[[Path], Opened],
        settings: Playing,
        may_replace: Callable[[Path], bool] | None = None,
    ) -> None:
        self.model, self.settings = model, settings
        self.text, self.last, self.speed, self.is_over = b"", b"", 0.0, False
        self._reopen, self._may_replace = reopen, may_replace
        self._read: int | None = None  # bytes of the text that the predictor has read; None: not known

    def write(self, typed: bytes = b"") -> Generator[bytes, None, None]:
        """Add what was typed to the text, then what the model writes, given out as it comes.

        Whoever stops taking ends it: what was given out is part of the text. Raises BbyteError where the
        model gives no distribution.
        """
        self.text += typed
        return self._go_on()

    def _go_on(self) -> Generator[bytes, None, None]:
        predictor, known = self.model.predictor, self._read
        self._read = None
        if known is None:
            predictor.reset()
        if known is None or known < len(self.text):
            predictor.prime(self.text[known or 0 :])
        before, written, began = self.text, bytearray(), time.perf_counter()
        self.last = b""
        try:
            for drawn in go_on(predictor, before, self.settings.length, self.settings):
                new = drawn.tobytes()
                written += new
                yield new
        finally:
            self.last, self.text = bytes(written), before + written
            self.speed = len(written) / max(time.perf_counter() - began, 1e-9)
        self._read = len(self.text)

    def set(self, name: str, value: Any) -> None:
        """Change one of the settings. Raises UsageError."""
        self.settings = replace(self.settings, **{name: value})

    def reset(self, text: bytes = b"") -> None:
        """Begin a new document, with this text."""
        self.text, self.last, self._read = text, b"", None

    def take(self, path: Path) -> None:
        """Go on with the model of another checkpoint; the text stays."""
        self.model = self._reopen(path)
        self._read = None

    def surprises(self, text: bytes) -> list[Surprise]:
        """What each byte of a text costs, read from the beginning of a document."""
        self._read = None
        return list(surprises(self.model.predictor, text))

    def infill(self, prompt: bytes) -> bytes:
        """The text a prompt with holes stands for, filled. Raises UsageError where the model fills none."""
        if self.model.infiller is None:
            able = [name for name, family in families().items() if family.infiller is not None]
            raise UsageError(
                f"{self.model.name} is of family {self.model.family}, which cannot fill holes",
                f"/model PATH takes another checkpoint: one of family {' or '.join(able)} is needed",
            )
        text = parse(prompt)
        if not (text == HIDDEN).any():
            raise UsageError("there is no hole in the text", "/infill Once upon a [MASK*12] there was")
        same = ("temperature", "top_k", "top_p", "utf8", "seed")
        settings = Infilling(**{name: getattr(self.settings, name) for name in same})
        filling = Infill(self.model.infiller, text, settings)
        for _ in filling.steps():
            pass
        self.last, self.speed = (
            filling.tokens[0].astype("uint8").tobytes(),
            filling.metrics().bytes_per_second,
        )
        return self.last

    def save(self, path: Path) -> bool:
        """Write the text to a file; False where it exists and was to stay. Raises UsageError and OSError."""
        path = Path(os.path.realpath(path.expanduser()))
        if not path.exists():
            with path.open("xb") as file:
                file.write(self.text)
            return True
        if not path.is_file():
            raise UsageError(f"{path} is no plain file", "name another one")
        if self._may_replace is None:
            raise UsageError(f"{path} exists, and nobody can be asked", "name another file, or remove it")
        if not self._may_replace(path):
            return False
        temporary = path.with_name(f".tmp-{path.name}")
        try:
            temporary.write_bytes(self.text)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def load(self, path: Path) -> None:
        """Begin a new document with the bytes of a file. Raises UsageError and OSError."""
        path = path.expanduser()
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is no plain file")
        if path.stat().st_size > LARGEST_FILE:
            raise UsageError(f"{path} has more than {LARGEST_FILE >> 20} MiB", "keep the last part of it")
        self.reset(path.read_bytes())
