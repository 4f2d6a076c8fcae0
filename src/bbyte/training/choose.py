"""What a run leaves open, settled for the hardware and corpus at hand, with a sentence for each choice."""

import math
from collections.abc import Callable

from bbyte.data.sampling import WindowOrder
from bbyte.errors import UsageError
from bbyte.figures import duration
from bbyte.training.planning.probe import Pace
from bbyte.training.schedule import stages
from bbyte.training.settings import Settings
from bbyte.training.validation import Division

CPU_SEQ_LEN = 256
LEAST_STEPS = 20
BYTES_A_STEP = {"cpu": 8192, "cuda": 65536, "mps": 16384}


def batch(settings: Settings, data: Division) -> Settings:
    """Window, batch and optimizer settled. Raises UsageError for a corpus that is too short for a window."""
    config, device = settings.training, settings.placement.device
    if config.seq_len is None and config.seq_len_cap is None and device == "cpu":
        length = min(CPU_SEQ_LEN, max(1, data.train.size // 4))
        settings = settings.change(
            f"seq_len {length}: on a CPU; --seq-len-cap 8192 trains the curriculum of long windows",
            seq_len=length,
        )
    config = settings.training
    longest = max(stage.seq_len for stage in stages(config.steps or 100, config.seq_len, config.seq_len_cap))
    WindowOrder(data.train.size, longest, config.seed, config.stride)  # raises where there is none
    if config.batch_size is None:
        each = max(1, BYTES_A_STEP[device.split(":")[0]] // longest // config.grad_accum)
        rows = each * settings.placement.world.size
        step = rows * longest * config.grad_accum
        settings = settings.change(f"batch_size {rows}: about {step:,} bytes a step", batch_size=rows)
    if config.optimizer == "auto":
        said = "optimizer muon: for the matrices of the blocks, AdamW for the rest"
        settings = settings.change(said, optimizer="muon")
    elif config.optimizer == "adamw8bit" and device == "cpu":
        settings = settings.change("optimizer adamw8bit: on a CPU many times slower than adamw")
    _check_shares(settings)
    return settings


def _check_shares(settings: Settings) -> None:
    """Raise UsageError where a process would have no window of a step or, where all must keep step, fewer."""
    processes, config = settings.placement.world.size, settings.training
    windows = (config.batch_size or 1) * config.grad_accum
    if windows < processes or (settings.runtime.shard and windows % processes):
        more = processes * -(-windows // processes)
        evenly = "evenly " if windows >= processes else ""
        raise UsageError(
            f"the {windows} windows of a step cannot be divided {evenly}among {processes} processes",
            f"--batch-size {more} --grad-accum 1, or fewer processes",
        )


def steps(settings: Settings, data: Division, seconds: float, pace: Callable[[], Pace | None]) -> Settings:
    """How many steps, and what goes by their number. Where neither steps nor epochs are given, the run takes
    about `seconds` at the `pace`, which is asked for only then."""
    config = settings.training
    if config.epochs is not None:
        count = epochs_in_steps(settings, data)
        settings = settings.change(f"steps {count:,}: {config.epochs:g} epochs", steps=count, epochs=None)
    elif config.steps is None:
        measured = pace()
        assert measured is not None, "what fits is timed"  # noqa: S101
        count = max(LEAST_STEPS, round(seconds / measured.seconds_a_step))
        a_step = f"{measured.seconds_a_step * 1000:.0f} ms a step"
        said = f"steps {count:,}: about {duration(seconds)} at {a_step}"
        settings = settings.change(said, steps=count)
    total = settings.training.steps
    assert total  # noqa: S101
    tenth = max(1, total // 10)
    return settings.change(
        eval_every=tenth if config.eval_every is None else config.eval_every,
        save_every=tenth if config.save_every is None else config.save_every,
        warmup_steps=min(500, total // 50) if config.warmup_steps is None else config.warmup_steps,
    )


def epochs_in_steps(settings: Settings, data: Division) -> int:
    """The fewest steps that read the training part `epochs` times, each window in its share of them."""
    config, planned = settings.training, 1_000_000
    found = stages(planned, config.seq_len, config.seq_len_cap)
    order = WindowOrder(data.train.size, max(s.seq_len for s in found), config.seed, config.stride)
    windows = (config.batch_size or 1) * config.grad_accum
    a_step = sum(
        (stage.end - stage.begin) / planned * windows / order.windows_in_epoch(stage.seq_len)
        for stage in found
    )
    return math.ceil((config.epochs or 1) / a_step)
