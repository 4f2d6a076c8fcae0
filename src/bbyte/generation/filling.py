"""The holes of one window being filled, step by step. Visible bytes never change. In each step:

1. The model says what may stand at each hidden place, given all that is visible (mask-predict: Ghazvininejad
   et al. 2019; masked diffusion: arXiv 2406.07524). It is asked once a step, as every step
   changes what it sees.
2. Order `left` takes the leftmost hidden places, `random` those of the smallest random words, and a byte is
   drawn for each; `confidence` draws a byte for every hidden place and takes those of the largest probability
   under the model, of equal ones the leftmost. They stay as drawn, unless
3. with `remask` as many are hidden again: of all that were revealed in this window, those of the smallest
   probability when drawn.

A byte is drawn as `bbyte.generation.sampler` says, without a penalty; bytes that UTF-8 excludes count as
impossible. Its 64 random bits are those of the seed, the lane (the sample) and the position in the text, plus
2^32 for each time this place was hidden again; the words of order `random` add 2^61 to that position.
"""

import numpy as np
from numpy.typing import NDArray

from bbyte.errors import BbyteError
from bbyte.generation.holes import HIDDEN, Range
from bbyte.generation.infilling import Infilling
from bbyte.generation.sampler import draw, random_bits
from bbyte.generation.sampling import Sampling
from bbyte.generation.valid_utf8 import choices
from bbyte.generation.windows import Places, Window
from bbyte.models.contract import Infiller

_ORDER, _AGAIN = 1 << 61, 1 << 32
_ROWS = 512  # distributions drawn from at once: 1 MB of float64


class Filling:
    """The holes of one window while they are filled, in place, in `tokens` and `bits` (L, N).

    stretch: where in the text UTF-8 must be looked at, if it must. Shapes: L samples, H hidden places of the
    window, C of them that a byte is drawn for in a step.
    """

    def __init__(
        self,
        infiller: Infiller,
        window: Window,
        stretch: Range | None,
        tokens: NDArray[np.int16],
        bits: NDArray[np.float64],
        settings: Infilling,
    ) -> None:
        self._infiller, self._window, self._stretch = infiller, window, stretch
        self._tokens, self._bits = tokens, bits
        self._order, self._sampling = settings.order, settings.sampling()
        shape = len(tokens), window.places.size
        self._hidden = np.ones(shape, bool)
        self._times = np.zeros(shape, np.int64)  # how often each was hidden again
        self._words, self._ranks = (
            np.stack([random_bits(settings.seed, len(tokens), use + int(p)) for p in window.places], axis=1)
            for use in (0, _ORDER)
        )

    def step(self, count: int, again: int) -> tuple[Places, Places]:
        """Reveal `count` bytes of each sample, then hide `again`; returns samples and places shown anew."""
        begin = self._window.begin
        seen, before = (
            self._tokens[:, begin : self._window.end],
            self._tokens[:, begin - 1] if begin else None,
        )
        logits = self._infiller.logits(seen, before)[:, self._window.places - begin]
        taken = self._candidates(count)
        lanes = np.broadcast_to(np.arange(len(taken))[:, None], taken.shape)
        drawn, bits = self._drawn(logits, lanes, taken)
        if taken.shape[1] > count:
            surest = np.argsort(bits, axis=1, kind="stable")[:, :count]
            taken = np.take_along_axis(taken, surest, axis=1)
            drawn = np.take_along_axis(drawn, surest, axis=1)
            bits = np.take_along_axis(bits, surest, axis=1)
            lanes = lanes[:, :count]
        if self._stretch is not None and count > 1:
            self._settle(logits, taken, drawn, bits)
        places = self._window.places[taken]
        self._tokens[lanes, places], self._bits[lanes, places] = drawn, bits
        self._hidden[lanes, taken] = False
        if again:
            self._hide(again)
        shown = ~self._hidden[lanes, taken]
        return lanes[shown], places[shown]

    def _candidates(self, count: int) -> Places:
        """The hidden places that bytes are drawn for, (L, C), the first to be revealed first."""
        hidden = np.argsort(~self._hidden, axis=1, kind="stable")[:, : int(self._hidden[0].sum())]
        if self._order == "confidence":
            return hidden
        if self._order == "random":
            ranks = np.take_along_axis(self._ranks, hidden, axis=1)
            hidden = np.take_along_axis(hidden, np.argsort(ranks, axis=1, kind="stable"), axis=1)
        return hidden[:, :count]

    def _drawn(
        self, logits: NDArray[np.float32], lanes: Places, taken: Places
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """A byte for each place (L, C), and the bits the model gives it."""
        allowed = [self._allowed(lane, holes) for lane, holes in enumerate(taken)]
        rows, holes = lanes.ravel(), taken.ravel()
        drawn, bits = np.empty(rows.size, np.uint8), np.empty(rows.size)
        possible = (
            None if allowed[0] is None else np.concatenate([each for each in allowed if each is not None])
        )
        for begin in range(0, rows.size, _ROWS):
            block = slice(begin, begin + _ROWS)
            at = rows[block], holes[block]
            drawn[block], bits[block] = _draw(
                logits[at], None if possible is None else possible[block], self._sampling, self._words[at]
            )
        return drawn.reshape(taken.shape), bits.reshape(taken.shape)

    def _settle(
        self,
        logits: NDArray[np.float32],
        taken: Places,
        drawn: NDArray[np.uint8],
        bits: NDArray[np.float64],
    ) -> None:
        """Draw those bytes again, in place, that UTF-8 excludes once the ones before them are there."""
        for lane, column in np.ndindex(taken.shape):
            hole = taken[lane, column]
            allowed = self._allowed(lane, taken[lane, column : column + 1])
            if allowed is not None and not allowed[0, drawn[lane, column]]:
                again = _draw(logits[lane, [hole]], allowed, self._sampling, self._words[lane, [hole]])
                drawn[lane, column], bits[lane, column] = again[0][0], again[1][0]
            self._tokens[lane, self._window.places[hole]] = drawn[lane, column]

    def _allowed(self, lane: int, holes: Places) -> NDArray[np.bool_] | None:
        """Which bytes UTF-8 allows at each of the holes, (C, 256); None where any may stand."""
        if self._stretch is None:
            return None
        begin, end = self._stretch
        return choices(self._tokens[lane, begin:end].tolist(), (self._window.places[holes] - begin).tolist())

    def _hide(self, count: int) -> None:
        """Hide the least sure bytes of each sample again; they are drawn anew with other random bits."""
        places = self._window.places
        surprise = np.where(self._hidden, -np.inf, self._bits[:, places])
        least = np.argsort(-surprise, axis=1, kind="stable")[:, :count]
        for lane, hole in zip(np.repeat(np.arange(len(least)), count), least.ravel(), strict=True):
            self._hidden[lane, hole] = True
            self._tokens[lane, places[hole]], self._bits[lane, places[hole]] = HIDDEN, 0
            self._times[lane, hole] += 1
            for words, use in ((self._words, 0), (self._ranks, _ORDER)):
                position = use + int(places[hole]) + _AGAIN * int(self._times[lane, hole])
                words[lane, hole] = random_bits(self._sampling.seed, len(least), position)[lane]


def _draw(
    logits: NDArray[np.float32],
    allowed: NDArray[np.bool_] | None,
    sampling: Sampling,
    words: NDArray[np.uint64],
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A byte for each row of logits (R, 256), of those allowed, and the bits the model gives it among all."""
    x = logits.astype(np.float64)
    largest = x.max(axis=1, keepdims=True)
    possible = x if allowed is None else np.where(allowed, x, -np.inf)
    likeliest = possible.max(axis=1, keepdims=True)
    if not (np.isfinite(largest).all() and np.isfinite(likeliest).all()):
        raise BbyteError(
            "the model gives no distribution for a hidden byte",
            "its weights may have diverged: try an earlier checkpoint",
        )
    drawn = draw(possible, sampling, words)
    nats = np.log(np.exp(x - largest).sum(axis=1)) - (x - largest)[np.arange(len(x)), drawn]
    return drawn, nats / np.log(2)
