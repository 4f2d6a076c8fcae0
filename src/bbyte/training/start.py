"""From a request to a trainer that is ready to run."""

import torch

from bbyte.checkpoint import find
from bbyte.device import environment
from bbyte.errors import UsageError
from bbyte.runs import folder as runs
from bbyte.runs.folder import Run
from bbyte.training import resuming
from bbyte.training.beginning import Beginning, followed, run_of, settled
from bbyte.training.distributed.group import Group
from bbyte.training.distributed.parallel import replicate, shard
from bbyte.training.request import Request
from bbyte.training.schedule import Schedule
from bbyte.training.trainer import Trainer
from bbyte.training.wrap import wrap


def start(request: Request, group: Group | None = None) -> Trainer:
    """A trainer for a new run, for the rest of one (`request.resume`), or for a longer one (`extend`).

    Each process of a `group` asks for the same, and gets its part of one trainer: the first settles all that
    is left open, and it alone reads and writes the run's folder.
    Raises UsageError for settings that do not fit, all of them together, before anything is written, and
    OutOfMemoryError for a model that has no room here.
    """
    group = group or Group()
    begun: list[Beginning] = []

    def settle() -> dict[str, object]:
        begun.append(_opened(request))
        return begun[0].told()

    told = group.first(settle)
    beginning = begun[0] if begun else followed(request, told)
    try:
        return _trainer(beginning, group)
    except BaseException:
        beginning.run.close()
        raise


def _opened(request: Request) -> Beginning:
    if request.resume is not None and request.extend is not None:
        raise UsageError(
            "resume goes on with a run, extend begins a longer one: only one can be given",
            "leave one of --resume and --extend out",
        )
    if request.resume is None:
        return settled(request)
    folder = run_of(request.resume)
    if not find.steps(folder):
        find.find(folder)  # raises, saying what is missing
    run = Run(folder)  # locked before anything is read, so that nobody writes meanwhile
    try:
        return settled(request, run)
    except BaseException:
        run.close()
        raise


def _trainer(beginning: Beginning, group: Group) -> Trainer:
    settings, run, request = beginning.settings, beginning.run, beginning.request
    trainer = _build(beginning, group)
    if beginning.resumed:
        loaded = beginning.loaded
        trainer.warnings += resuming.resume(trainer, loaded, optimizer_state=request.optimizer_state)
        # What was found to fit when the run was saved, unless there is less room now.
        fitted = beginning.micro_batch if beginning.insists else trainer.progress.micro_batch
        trainer.progress.micro_batch = min(fitted, beginning.micro_batch)
        if request.extend is not None and loaded is not None:
            run.write(runs.rows(loaded.found.path.parent))
        run.cut(trainer.progress.step)
    run.record(settings.to_toml(str(request.data)), environment(settings.placement))
    return trainer


def _build(beginning: Beginning, group: Group) -> Trainer:
    settings = beginning.settings
    torch.manual_seed(settings.training.seed)
    objective = settings.build(settings.placement.device)
    config, placement = settings.training, settings.placement
    window = (beginning.micro_batch, Schedule(config).longest + 1)
    path = settings.family.path  # asked before anything is compiled: it may try kernels
    where = [path(settings.model, placement.device)] if path is not None else []
    forward, said = wrap(objective, settings.runtime, placement, window)
    if group.size > 1:
        if settings.runtime.shard:
            shard(objective.get_submodule("model"), placement)
        else:
            forward = replicate(forward, placement)
        held = "a part of the model" if settings.runtime.shard else "the whole model"
        said = (*said, f"processes {group.size}: each holds {held}, and reads its share of every step")
    return Trainer(
        settings.family, objective, forward, config, placement, beginning.data, beginning.run,
        beginning.micro_batch, (*settings.said, *where, *said), group,
    )  # fmt: skip
