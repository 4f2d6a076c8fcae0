"""From a request to a trainer that is ready to run."""

import dataclasses
from functools import partial
from pathlib import Path

import torch

from bbyte.checkpoint import find, meta, store
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.data.corpus import ByteCorpus
from bbyte.device import environment, keep_freed_memory
from bbyte.errors import UsageError
from bbyte.runs import folder as runs
from bbyte.runs.folder import Run
from bbyte.training import choose, resuming
from bbyte.training import request as requests
from bbyte.training.planning.plan import plan
from bbyte.training.planning.probe import probe
from bbyte.training.request import Request
from bbyte.training.schedule import Schedule
from bbyte.training.settings import Settings, check
from bbyte.training.trainer import Trainer
from bbyte.training.validation import Division, divide
from bbyte.training.wrap import wrap


def start(request: Request) -> Trainer:
    """A trainer for a new run, for the rest of one (`request.resume`), or for a longer one (`extend`).

    Raises UsageError for settings that do not fit, all of them together, before anything is written, and
    OutOfMemoryError for a model that has no room here.
    """
    if request.resume is not None and request.extend is not None:
        raise UsageError(
            "resume goes on with a run, extend begins a longer one: only one can be given",
            "leave one of --resume and --extend out",
        )
    if request.resume is None:
        return _start(request)
    folder = _run_of(request.resume)
    if not find.steps(folder):
        find.find(folder)  # raises, saying what is missing
    run = Run(folder)  # locked before anything is read, so that nobody writes meanwhile
    try:
        return _start(request, run)
    except BaseException:
        run.close()
        raise


def _start(request: Request, run: Run | None = None) -> Trainer:
    loaded, asked_for = None, request.training.get("micro_batch")
    if request.resume is not None:
        loaded = store.load(request.resume)
        _refuse_packed(loaded.found.path, loaded.meta)
        request = requests.completed(request, loaded.found.path.parent, loaded.meta)
    elif request.extend is not None:
        request, checkpoint = requests.extended(request, _run_of(request.extend))
        loaded = store.load(checkpoint)
        _refuse_packed(loaded.found.path, loaded.meta)
    settings = check(request)
    if request.data is None:  # only now: finding one may mean making one
        request = dataclasses.replace(request, data=request.find_data())
    if settings.placement.device == "cpu":
        keep_freed_memory()
    corpus = ByteCorpus.open(request.data or "")
    data = divide(corpus, settings.training.val_fraction, settings.training.eval_bytes)
    settings, micro_batch = _settled(request, settings, data)
    if request.extend is not None and loaded is not None:
        requests.check_reach(settings.training, loaded.meta.step)
    created = None
    if run is None:
        run = created = Run.create(_new_folder(request, settings), overwrite=request.allow_overwrite)
    try:
        trainer = _build(settings, data, run, micro_batch)
        if loaded is not None:
            trainer.warnings += resuming.resume(trainer, loaded, optimizer_state=request.optimizer_state)
            if asked_for is not None and asked_for != "auto":
                trainer.progress.micro_batch = micro_batch
            else:  # what was found to fit when the run was saved, unless there is less room now
                trainer.progress.micro_batch = min(trainer.progress.micro_batch, micro_batch)
            if request.extend is not None:
                run.write(runs.rows(loaded.found.path.parent))
            run.cut(loaded.meta.step)
        run.record(settings.to_toml(str(request.data)), environment(settings.placement))
    except BaseException:
        if created is not None:
            created.close()
        raise
    return trainer


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


def _build(settings: Settings, data: Division, run: Run, micro_batch: int) -> Trainer:
    torch.manual_seed(settings.training.seed)
    objective = settings.build(settings.placement.device)
    config = settings.training
    window = (micro_batch, Schedule(config).longest + 1)
    path = settings.family.path  # asked before anything is compiled: it may try kernels
    where = [path(settings.model, settings.placement.device)] if path is not None else []
    forward, said = wrap(objective, settings.runtime, settings.placement, window)
    return Trainer(
        settings.family, objective, forward, config, settings.placement, data, run, micro_batch,
        (*settings.said, *where, *said),
    )  # fmt: skip


def _refuse_packed(path: Path, described: CheckpointMeta) -> None:
    if described.kind == "packed":
        raise UsageError(
            f"{path} is packed and cannot be trained on: its full-precision weights are gone",
            "go on from the checkpoint it was exported from",
        )


def _run_of(path: Path) -> Path:
    """The folder of the run that `path` is, or is a checkpoint of."""
    if not (path / meta.FILE).exists():
        return path
    _refuse_packed(path, meta.read(path))
    return path.parent


def _new_folder(request: Request, settings: Settings) -> Path:
    name = request.name or "-".join(filter(None, (settings.family.name, settings.preset)))
    return request.out or runs.new_folder(find.ROOT, name)
