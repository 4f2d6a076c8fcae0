"""The plan of a run that is only thought of: with or without a corpus, for this machine or another card."""

import dataclasses
from dataclasses import dataclass
from typing import cast

from bbyte.data.corpus import ByteCorpus
from bbyte.errors import UsageError
from bbyte.training import choose
from bbyte.training.planning.plan import Plan, plan
from bbyte.training.planning.probe import Pace
from bbyte.training.planning.room import Room
from bbyte.training.request import Request
from bbyte.training.settings import Settings, check
from bbyte.training.validation import Division, divide


def preview(request: Request, room: Room | None = None, *, probing: bool = True) -> Plan:
    """What `start` with this request would take; writes nothing. `request.data` may be None.

    With `room`, whether it fits in so much; on a machine without a GPU and with the device left open, that is
    the memory of a CUDA card, and nothing is timed. Raises what `start` raises before it writes, but leaves
    it to `Plan.fits` to say that it does not fit.
    """
    settings = check(request)
    if room is not None and settings.runtime.device == "auto" and settings.placement.device != "cuda":
        settings, probing = _on_a_card(settings), False
    data = _data(request, settings)
    settings = choose.batch(settings, data)
    scored = data.validation.size if data.validation is not None else 0
    planned = plan(settings, room, probing=probing, scored=scored if request.data is not None else None)
    if planned.pace is None and settings.training.steps is None and settings.training.epochs is None:
        return planned  # without a pace, nobody knows how many steps `start` would choose
    pace = cast(Pace, planned.pace)
    settings = choose.steps(settings, data, request.seconds, lambda: pace)
    return dataclasses.replace(planned, settings=settings)


def _on_a_card(settings: Settings) -> Settings:
    """The same on a CUDA card that computes in bfloat16, unless another precision was asked for."""
    asked = settings.runtime.precision
    precision = "bf16" if asked == "auto" else asked
    placement = dataclasses.replace(settings.placement, device="cuda", precision=precision, reasons=())
    return dataclasses.replace(settings, placement=placement)


@dataclass(frozen=True)
class _AnyCorpus:
    """Stands for a corpus that is long enough for everything."""

    size: int = 1 << 60


def _data(request: Request, settings: Settings) -> Division:
    if request.data is not None:
        config = settings.training
        return divide(ByteCorpus.open(request.data), config.val_fraction, config.eval_bytes)
    if settings.training.epochs is not None:
        raise UsageError("how many steps epochs are depends on the corpus", "--data with the corpus")
    return Division(None, _AnyCorpus(), None, 0.0, "")  # type: ignore[arg-type]
