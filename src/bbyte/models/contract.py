"""What every family of byte models gives, and what the rest of bbyte may ask of it. Imports no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bbyte.config import Config
from bbyte.models.blueprint import Blueprint

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Cost:
    """A sum of nats over `count` bytes. Never a mean: one division, at the edge.

    `nats` is a scalar tensor while it carries gradients and a float64 sum once measured. Where that is an
    estimate, `variance` is its own.
    """

    nats: Any
    count: int
    variance: Any = 0.0


class Predictor(Protocol):
    """The next-byte view of a model: `lanes` independent streams in step. Numpy at its boundary.

    A fresh or reset predictor stands at the beginning of a document: it has seen one 0x00 byte.
    """

    lanes: int

    def logits(self) -> "NDArray[np.float32]":
        """Unnormalised log-probabilities of each lane's next byte, shape (L, 256)."""

    def feed(self, data: "NDArray[np.uint8]") -> None:
        """Take one byte a lane, shape (L,)."""

    def prime(self, prompt: bytes) -> None:
        """Feed the same text to every lane, quickly."""

    def reset(self) -> None:
        """Back to the beginning of a document."""


class Infiller(Protocol):
    """The hole-filling view of a model: what may stand at hidden places, given the bytes on both sides.

    `context` is how many places it sees at once, at most.
    """

    context: int

    def logits(
        self, tokens: "NDArray[np.int16]", before: "NDArray[np.int16] | None" = None
    ) -> "NDArray[np.float32]":
        """Unnormalised log-probabilities (B, T, 256) of each place of `tokens` (B, T); 256 is hidden.

        `before` (B,) stands before them; None is the beginning of a document.
        """


class ByteModel(Protocol):
    """A module whose frozen `config` is enough to rebuild it; `blocks` may be wrapped from outside."""

    config: Any
    blocks: "torch.nn.ModuleList"


@dataclass(frozen=True)
class Family:
    """A kind of model. `families()` finds it; the command line, checkpoints and tests follow by themselves.

    name: the family's folder, its word on the command line, and `family` in checkpoint.json.
    config: its architecture, a frozen dataclass; presets: named configs, smallest first.
    objective_config: what training minimises, a frozen dataclass.
    build(config): a model with fresh weights. objective(model, objective_config): the module training runs.
    predictor(model, context, lanes): the next-byte view; None where a family has none.
    infiller(model, context): the hole-filling view; None where a family has none.
    carries_state: its models go on from `model.new_state(lanes)`, which their calls take and move on: a text
    of any length costs the same time and memory a byte, and more of it than a training window does no harm.
    is_bound: its objective measures an upper bound of the bits per byte, not the figure itself.
    blueprint(config): its next-byte view for the engine; None where the engine does not compute it.
    path(config, device): which of several implementations computes there and why, in a sentence for the user;
    None where there is only one.
    """

    name: str
    summary: str
    config: type[Config]
    presets: Mapping[str, Config]
    objective_config: type[Config]
    build: Callable[[Any], "torch.nn.Module"]
    objective: Callable[["torch.nn.Module", Any], "torch.nn.Module"]
    predictor: Callable[["torch.nn.Module", int, int], Predictor] | None
    infiller: Callable[["torch.nn.Module", int], Infiller] | None = None
    carries_state: bool = False
    is_bound: bool = False
    blueprint: Callable[[Any], Blueprint] | None = None
    path: Callable[[Any, str], str] | None = None

    def computed_by(self, config: Any, device: str) -> tuple[str, ...]:
        """What to say of how a model computes on `device`, where there is a choice and a GPU to make it."""
        return () if self.path is None or device == "cpu" else (self.path(config, device),)
