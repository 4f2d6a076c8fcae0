"""What is settled before a trainer is built: by the first process, and what it tells the others."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bbyte.checkpoint import find, meta, store
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.config import to_dict
from bbyte.data.corpus import ByteCorpus
from bbyte.device import keep_freed_memory
from bbyte.errors import BbyteError, UsageError
from bbyte.runs import folder as runs
from bbyte.runs.folder import Run
from bbyte.training import choose
from bbyte.training import request as requests
from bbyte.training.distributed.bystander import Bystander
from bbyte.training.planning.plan import plan
from bbyte.training.planning.probe import probe
from bbyte.training.request import Request
from bbyte.training.settings import Settings, check
from bbyte.training.validation import Division, divide


@dataclass(frozen=True)
class Beginning:
    """A run before its first step, with nothing left open.

    micro_batch: windows to compute at once at first. insists: whether that holds whatever a checkpoint's run
    computed at once: the user says so, or there are more or fewer processes now. resumed: whether it takes up
    a checkpoint, which the first process has `loaded`.
    """

    request: Request
    settings: Settings
    data: Division
    run: Run
    micro_batch: int
    insists: bool
    resumed: bool
    loaded: store.Loaded | None = None

    def told(self) -> dict[str, Any]:
        """What the other processes need to know, as JSON."""
        settings = self.settings
        return {
            "preset": settings.preset,
            "settings": {name: to_dict(getattr(settings, name)) for name in _TABLES},
            "data": str(self.request.data),
            "optimizer_state": self.request.optimizer_state,
            "run": str(self.run.folder),
            "micro_batch": self.micro_batch,
            "insists": self.insists,
            "resumed": self.resumed,
            "same": _same(settings, self.data.corpus),
        }


_TABLES = ("model", "objective", "training", "runtime")


def settled(request: Request, run: Run | None = None) -> Beginning:
    """The beginning of what is asked for, in a new folder, or in that of a `run` that goes on."""
    loaded, asked_for = None, request.training.get("micro_batch", "auto")
    if request.resume is not None:
        loaded = store.load(request.resume)
        refuse_packed(loaded.found.path, loaded.meta)
        request = requests.completed(request, loaded.found.path.parent, loaded.meta)
    elif request.extend is not None:
        request, checkpoint = requests.extended(request, run_of(request.extend))
        loaded = store.load(checkpoint)
        refuse_packed(loaded.found.path, loaded.meta)
    settings = check(request)
    if request.data is None:  # only now: finding one may mean making one
        request = dataclasses.replace(request, data=request.find_data())
    data = _opened(request, settings)
    settings, micro_batch = _settled(request, settings, data)
    if request.extend is not None and loaded is not None:
        requests.check_reach(settings.training, loaded.meta.step)
    run = run or Run.create(_new_folder(request, settings), overwrite=request.allow_overwrite)
    resumed, processes = loaded is not None, settings.placement.world.size
    before = loaded.meta.environment.get("world_size") if loaded is not None else processes
    insists = asked_for != "auto" or before != processes
    return Beginning(request, settings, data, run, micro_batch, insists, resumed, loaded)


def followed(request: Request, told: Mapping[str, Any]) -> Beginning:
    """The same in another process, from what the first has told.

    Raises BbyteError where device, number type or corpus are not what they are there.
    """
    request = dataclasses.replace(
        request, preset=told["preset"], data=Path(told["data"]), **told["settings"],
        optimizer_state=told["optimizer_state"],
    )  # fmt: skip
    settings = check(request)
    data = _opened(request, settings)
    for name, here in _same(settings, data.corpus).items():
        there = told["same"][name]
        if here != there:
            rank = settings.placement.world.rank
            raise BbyteError(
                f"{name} is {here} in process {rank} and {there} in the first one",
                f"all processes need the same: {_HINTS[name]}",
            )
    run = Bystander(Path(told["run"]))
    return Beginning(request, settings, data, run, told["micro_batch"], told["insists"], told["resumed"])


def refuse_packed(path: Path, described: CheckpointMeta) -> None:
    """Raise UsageError for a checkpoint that cannot be trained on."""
    if described.kind == "packed":
        raise UsageError(
            f"{path} is packed and cannot be trained on: its full-precision weights are gone",
            "go on from the checkpoint it was exported from",
        )


def run_of(path: Path) -> Path:
    """The folder of the run that `path` is, or is a checkpoint of."""
    if not (path / meta.FILE).exists():
        return path
    refuse_packed(path, meta.read(path))
    return path.parent


_HINTS = {
    "device": "--device says which", "precision": "--precision says which",
    "the corpus": "--data must lead to the same files on every machine",
}  # fmt: skip


def _same(settings: Settings, corpus: ByteCorpus) -> dict[str, str]:
    """What must be the same in all processes, by its name in words."""
    placement = settings.placement
    device = placement.device.split(":")[0]
    return {"device": device, "precision": placement.precision, "the corpus": corpus.fingerprint}


def _opened(request: Request, settings: Settings) -> Division:
    if settings.placement.device == "cpu":
        keep_freed_memory()
    corpus = ByteCorpus.open(request.data or "")
    return divide(corpus, settings.training.val_fraction, settings.training.eval_bytes)


def _settled(request: Request, settings: Settings, data: Division) -> tuple[Settings, int]:
    """The settings with nothing left open, and how many windows to compute at once."""
    said = [data.sentence]
    if data.corpus.meta is not None and not data.corpus.is_checked:
        said.append(f"digests of {data.corpus.path} unchecked: it is large; bbyte verify checks them")
    settings = choose.batch(settings.change(*said), data)
    if not request.planned:
        pace = partial(probe, settings, settings.micro_batch)
        return choose.steps(settings, data, request.seconds, pace), settings.micro_batch
    planned = plan(settings)
    planned.require_room()
    settings = choose.steps(settings, data, request.seconds, lambda: planned.pace)
    lines = dataclasses.replace(planned, settings=settings).lines()
    return settings.change(*lines), planned.micro_batch


def _new_folder(request: Request, settings: Settings) -> Path:
    name = request.name or "-".join(filter(None, (settings.family.name, settings.preset)))
    return request.out or runs.new_folder(find.ROOT, name)
