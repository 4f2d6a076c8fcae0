"""What a run takes up from a checkpoint, which checkpoints it refuses, and how it goes back to one."""

from bbyte import device, durable
from bbyte.checkpoint import find, store
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.config import to_dict
from bbyte.errors import BbyteError, DataError, UsageError
from bbyte.training.guard import data_step, skip
from bbyte.training.progress import Progress
from bbyte.training.state import State

MATTERS = ("threads", "world_size", "device", "precision")
"""What the last digits of a loss depend on, besides seed and step."""


def resume(run: State, loaded: store.Loaded, *, optimizer_state: bool = True) -> list[str]:
    """Give the run the weights, optimizer state and place of a checkpoint; returns what to warn of.

    Raises UsageError for another architecture, another corpus or a finished run.
    """
    meta = loaded.meta
    _refuse_another(run, meta)
    _take_up(run, loaded, optimizer_state=optimizer_state)
    run.progress = Progress.of(meta)
    warnings = [f"skipped {path.name}: {why}" for path, why in loaded.found.skipped]
    now = device.environment(run.placement)
    for key in MATTERS:
        before = meta.environment.get(key)
        if now[key] != before:
            warnings.append(f"{key} was {before}, is {now[key]}: losses will differ in the last digits")
    return warnings


def go_back(run: State, first: int, reason: str, past: int | None) -> None:
    """Return to the newest good checkpoint not after step `first`, with fewer windows at once if so decided.

    With `past`, what steps `first` to `past` read is passed over from now on. Raises BbyteError where there
    is no such checkpoint, or after going back too often.
    """
    now = run.progress
    now.guard.count_return(reason)
    loaded = _newest_until(run, first)
    if loaded is None:
        raise BbyteError(
            f"{reason} at step {first + 1}, and there is no earlier checkpoint to go back to",
            "a lower --lr and --matrix-lr; a smaller --save-every gives something to go back to",
        )
    skipped = now.skipped
    if past is not None:
        skipped = skip(skipped, data_step(skipped, first), data_step(skipped, past) + 1)
    _take_up(run, loaded, optimizer_state=True)
    run.progress = Progress.of(loaded.meta)
    run.progress.skipped, run.progress.micro_batch = skipped, now.micro_batch
    run.progress.guard.returns = now.guard.returns
    run.log.cut(run.progress.step)
    run.clock.restart()


def _newest_until(run: State, first: int) -> store.Loaded | None:
    for step in find.steps(run.folder):
        try:
            found = find.find(step)
        except DataError:
            continue
        if found.meta.step <= first:
            return store.load(found)
    return None


def _take_up(run: State, loaded: store.Loaded, *, optimizer_state: bool) -> None:
    state = None
    if optimizer_state:
        if store.OPTIMIZER not in loaded.meta.files:
            raise UsageError(
                f"{loaded.found.path} holds no optimizer state", "--no-optimizer-state goes on without"
            )
        expected = run.update.expected_state()
        state = store.load_optimizer(loaded.found.path, expected, run.placement.device)
    run.update.load(loaded.model.state_dict(), state)
    # Later checkpoints are damaged, or of the course that is left now: --resume must not find them again.
    steps = find.steps(run.folder)
    for later in steps[: steps.index(loaded.found.path)] if loaded.found.path in steps else ():
        durable.discard(later)


def _refuse_another(run: State, meta: CheckpointMeta) -> None:
    ours, theirs = to_dict(run.architecture), to_dict(meta.model_config())
    different = [f"{key} {theirs[key]} there, {ours[key]} here" for key in ours if ours[key] != theirs[key]]
    if different:
        raise UsageError(
            f"the checkpoint is of another architecture: {'; '.join(different)}",
            "leave the architecture's flags out to resume, or start a new run",
        )
    corpus = run.data.corpus
    if meta.corpus["fingerprint"] != corpus.fingerprint:
        raise UsageError(
            f"the run was trained on {meta.corpus['path']} ({meta.corpus['size']:,} bytes), "
            f"and {corpus.path} holds other bytes",
            "--data with the corpus of the run resumes it; a new run takes another corpus",
        )
    if meta.step >= run.schedule.steps:
        raise UsageError(
            f"the run is finished: its checkpoint is at step {meta.step} of {run.schedule.steps}",
            f"--extend {run.folder} --steps {2 * run.schedule.steps} trains on; or start a new run",
        )
