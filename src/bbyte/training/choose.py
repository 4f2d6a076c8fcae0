"""What a run leaves open, settled for the hardware and corpus at hand, with a sentence for each choice."""

import dataclasses
import statistics
import time
from typing import Any

import torch

from bbyte.config import Config
from bbyte.data.corpus import ByteCorpus
from bbyte.data.sampling import WindowOrder
from bbyte.device import Placement, usable_cores
from bbyte.models.contract import Family
from bbyte.training import optimizer
from bbyte.training.config import TrainConfig
from bbyte.training.schedule import Schedule, stages
from bbyte.training.validation import split

TARGET_SECONDS = 600
CPU_SEQ_LEN = 256
BYTES_A_STEP = {"cpu": 8192, "cuda": 65536, "mps": 16384}
LARGE_GPU, MANY_CORES = 10 << 30, 8


def default_preset(kind: Family, placement: Placement) -> tuple[str, str]:
    """The preset to train where none was asked for, and why."""
    names = list(kind.presets)
    if placement.device.startswith("cuda"):
        memory = torch.cuda.get_device_properties(placement.device).total_memory
        size = f"a GPU with {memory / 2**30:.0f} GiB"
        return (names[2], size) if memory >= LARGE_GPU else (names[1], size)
    cores = usable_cores()
    return (names[1] if cores >= MANY_CORES else names[0]), f"{placement.device} with {cores} cores"


def settle(
    config: TrainConfig,
    kind: Family,
    model_config: Config,
    objective_config: Config,
    placement: Placement,
    corpus: ByteCorpus,
    seconds: float = TARGET_SECONDS,
) -> tuple[TrainConfig, tuple[str, ...]]:
    """`config` with nothing left open, and one sentence for each choice that matters.

    Where the number of steps is open, it is what takes about `seconds` here. Raises UsageError for a corpus
    that is too short.
    """
    said: list[str] = []
    if config.seq_len is None and config.seq_len_cap is None and placement.device == "cpu":
        length = min(CPU_SEQ_LEN, max(1, corpus.size // 4))
        config = dataclasses.replace(config, seq_len=length)
        said.append(f"seq_len {length}: on a CPU; --seq-len-cap 8192 trains the curriculum of long windows")
    longest = max(stage.seq_len for stage in stages(config.steps or 100, config.seq_len, config.seq_len_cap))
    train_size, _, _ = split(corpus, config.val_fraction, config.eval_bytes)
    WindowOrder(train_size, longest, config.seed)  # raises where the corpus is too short
    if config.batch_size is None:
        rows = max(1, BYTES_A_STEP[placement.device.split(":")[0]] // longest // config.grad_accum)
        config = dataclasses.replace(config, batch_size=rows)
        said.append(f"batch_size {rows}: about {rows * longest * config.grad_accum:,} bytes a step")
    if config.optimizer == "auto":
        config = dataclasses.replace(config, optimizer="muon")
        said.append("optimizer muon: for the matrices of the blocks, AdamW for the rest")
    if config.steps is None:
        a_step = seconds_a_step(config, kind, model_config, objective_config, placement)
        steps = max(20, round(seconds / a_step))
        config = dataclasses.replace(config, steps=steps)
        said.append(f"steps {steps}: about {_words(seconds)} at {a_step * 1000:.0f} ms a step")
    assert config.steps  # noqa: S101
    tenth = max(1, config.steps // 10)
    return dataclasses.replace(
        config,
        eval_every=tenth if config.eval_every is None else config.eval_every,
        save_every=tenth if config.save_every is None else config.save_every,
        warmup_steps=min(500, config.steps // 50) if config.warmup_steps is None else config.warmup_steps,
    ), tuple(said)


def _words(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"


def seconds_a_step(
    config: TrainConfig, kind: Family, model_config: Any, objective_config: Any, placement: Placement
) -> float:
    """The time of a whole optimizer step, by trying a few on a model that is thrown away."""
    with torch.device(placement.device):
        model = kind.build(model_config)
    objective = kind.objective(model, objective_config)
    optimizers = optimizer.build(model, config)
    schedule = Schedule(dataclasses.replace(config, steps=100))
    total = 0.0
    for stage in schedule.stages:
        window = torch.randint(
            256, (config.batch_size or 1, stage.seq_len + 1), dtype=torch.uint8, device=placement.device
        )
        times = []
        for _ in range(9):
            began = time.perf_counter()
            for _ in range(config.grad_accum):
                with placement.autocast():
                    cost = objective(window)
                (cost.nats / schedule.bytes_of(stage.begin)).backward()
            optimizers.step()
            if placement.device.startswith("cuda"):
                torch.cuda.synchronize()
            times.append(time.perf_counter() - began)
        total += statistics.median(times[4:]) * (stage.end - stage.begin) / schedule.steps
    return total
