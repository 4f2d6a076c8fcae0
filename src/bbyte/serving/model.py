"""The one model that a server has, and its views. Imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass, field

from bbyte.analysis.surprisal import Scorer
from bbyte.models.contract import Infiller, Predictor


@dataclass(frozen=True)
class Served:
    """A checkpoint brought to life: what to call it, and its views: not every model fills holes.

    open_predictor(lanes): a next-byte view of so many lanes. scorer: what reads a text at once; None where
    each byte takes a pass of its own.
    """

    name: str
    family: str
    context: int
    open_predictor: Callable[[int], Predictor]
    scorer: Scorer | None = None
    infiller: Infiller | None = None
    _kept: dict[int, Predictor] = field(default_factory=dict)

    def predictor(self, lanes: int = 1) -> Predictor:
        """A next-byte view, to be reset: that of one lane is kept, and the last one of several."""
        if lanes not in self._kept:
            for other in [kept for kept in self._kept if kept != 1 and lanes != 1]:
                del self._kept[other]  # before its successor takes memory
            self._kept[lanes] = self.open_predictor(lanes)
        return self._kept[lanes]
