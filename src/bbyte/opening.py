"""A checkpoint ready to compute: by the engine, without torch, where that is possible; else by torch.

What is chosen is told in a sentence each, which `tell` takes. Imports neither torch nor numpy before it is
asked.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from bbyte.errors import UsageError

if TYPE_CHECKING:
    from bbyte.checkpoint.find import Found
    from bbyte.checkpoint.store import Loaded
    from bbyte.models.contract import Infiller, Predictor

Engine = Literal["auto", "native", "numpy", "torch"]
"""What may compute the next byte: the engine's native core, its twin in numpy, or torch."""
Tell = Callable[[str], None]


def load_found(found: "Found", device: str, threads: int, tell: Tell) -> "Loaded":
    """The model of a verified checkpoint on a device, by torch. threads: 0 takes all cores."""
    from bbyte.checkpoint import store
    from bbyte.device import Runtime, place

    placement = place(Runtime(device=device, threads=threads))
    loaded = store.load(found, placement.device)
    for sentence in loaded.family.computed_by(loaded.model.config, placement.device):
        tell(sentence)
    return loaded


def next_byte_predictor(
    found: "Found", device: str, by: Engine, threads: int, lanes: int, tell: Tell
) -> "Predictor":
    """The next-byte view of a verified checkpoint, by what was asked for or fits."""
    from bbyte.engine.predictor import open_predictor
    from bbyte.engine.streams import computed_by

    if not takes_engine(found, device, by, tell):
        return next_byte_view(load_found(found, device, threads, tell), lanes)
    predictor, streams = open_predictor(
        found, lanes, by="numpy" if by == "numpy" else "native", threads=threads
    )
    tell(f"computed by {computed_by(streams)}")
    return predictor


def takes_engine(found: "Found", device: str, by: Engine, tell: Tell) -> bool:
    """Whether the engine computes, as was asked for; left open, it takes packed checkpoints on a CPU.

    Tells why where it does not but could. Raises UsageError where it is asked for on another device.
    """
    from bbyte.engine import core, weights

    on_cpu = device in ("auto", "cpu")
    if by in ("native", "numpy") and not on_cpu:
        raise UsageError(f"the engine does not compute on {device}", "--device cpu, or leave --engine out")
    fits = on_cpu and found.meta.kind == "packed" and weights.refusal(found.meta) is None
    if by == "auto" and fits and core.missing():
        tell(f"there is no native core ({core.missing()}), so torch computes: bbyte doctor says more")
        fits = False
    return fits if by == "auto" else by != "torch"


def next_byte_view(loaded: "Loaded", lanes: int) -> "Predictor":
    """The next-byte view of a loaded model; UsageError where its family has none."""
    if loaded.family.predictor is None:
        raise UsageError(
            f"{loaded.found.path} is of family {loaded.family.name}, which does not write on from a prompt",
            "bbyte infill fills holes in a text with it",
        )
    return loaded.family.predictor(loaded.model, loaded.meta.context, lanes)


def hole_filling_view(loaded: "Loaded") -> "Infiller":
    """The hole-filling view of a loaded model; UsageError where its family has none."""
    from bbyte.models.families import families

    if loaded.family.infiller is None:
        able = [name for name, family in families().items() if family.infiller is not None]
        raise UsageError(
            f"{loaded.found.path} is of family {loaded.family.name}, which reads from left to right and "
            f"cannot fill holes; of the families this is what {' and '.join(able)} does",
            f"train one with `bbyte train {able[0]}`, then name it with --ckpt",
        )
    return loaded.family.infiller(loaded.model, loaded.meta.context)
