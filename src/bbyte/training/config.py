"""How a model is trained: every setting of a run that is neither architecture nor hardware."""

from dataclasses import dataclass
from typing import Literal

from bbyte.config import Problems, setting


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run. None means chosen when the run starts, said aloud, and recorded."""

    steps: int | None = setting(None, "Optimizer steps (default: what takes about ten minutes here)")
    epochs: float | None = setting(None, "Passes over the corpus, instead of steps")
    batch_size: int | None = setting(None, "Windows of a batch (default: by device and window)")
    grad_accum: int = setting(1, "Batches added up for one optimizer step")
    micro_batch: Literal["auto"] | int = setting(
        "auto", "Windows computed at once: a batch or less, halved where memory runs out"
    )
    seq_len: int | None = setting(None, "Fixed window in bytes (default: on a GPU the curriculum)")
    seq_len_cap: int | None = setting(None, "Longest window of the curriculum 2048, 4096, 8192")
    stride: int | None = setting(None, "Bytes from one window to the next (default: the longest window)")
    optimizer: Literal["auto", "adamw", "adamw8bit", "muon"] = setting("auto", "auto takes muon")
    lr: float | None = setting(None, "Learning rate of AdamW (default: 3e-3 beside Muon, else by size)")
    matrix_lr: float = setting(0.02, "Learning rate of Muon, which updates the matrices of the blocks")
    weight_decay: float = setting(0.1, "Weight decay of AdamW's matrices; Muon's own is 0")
    weight_decay_until: float | None = setting(
        None, "Part of the steps with weight decay (default: 0.5 where ternary, else 1)"
    )
    ema: float = setting(0.0, "Decay of a moving average of the weights, which is then the model; 0: none")
    schedule: Literal["wsd", "cosine"] = setting(
        "wsd", "Warm-up, constant, linear cool-down; or cosine to 10 %"
    )
    warmup_steps: int | None = setting(None, "Steps of the linear warm-up (default: 2 % of all, at most 500)")
    cooldown: float = setting(0.5, "Part of the steps in the cool-down of wsd")
    clip: float = setting(1.0, "Largest norm of the gradient")
    full_precision_start: float = setting(0.2, "Part of the steps before ternary weights set in")
    extended_from: int | None = setting(
        None, "Steps of the run that this one extends: its start and window stages stay as they were"
    )
    seed: int = setting(0, "Decides initial weights and the order of the data")
    log_every: int = setting(10, "Steps between lines of the log")
    eval_every: int | None = setting(
        None, "Steps between validations (default: a tenth of all; 0: at the end)"
    )
    val_fraction: float = setting(
        0.01, "Part held out by the documents' digests, where pack held nothing out"
    )
    eval_bytes: int = setting(262144, "Validation bytes scored each time")
    save_every: int | None = setting(
        None, "Steps between checkpoints (default: a tenth of all; 0: at the end)"
    )
    keep: int = setting(3, "Newest checkpoints kept; 0 keeps all")
    keep_best: bool = setting(
        False, "Save after each validation that is the best so far, and keep that one too"
    )

    def __post_init__(self) -> None:
        problems = Problems()
        if problems.check_types(self):
            self._check_ranges(problems)
        problems.raise_if_any()

    def _check_ranges(self, problems: Problems) -> None:
        at_least = {
            "steps": 1, "batch_size": 1, "grad_accum": 1, "seq_len": 1, "seq_len_cap": 1, "warmup_steps": 0,
            "log_every": 1, "eval_every": 0, "eval_bytes": 1, "save_every": 0, "keep": 0, "lr": 0,
            "matrix_lr": 0, "weight_decay": 0, "seed": 0, "stride": 1, "extended_from": 1,
        }  # fmt: skip
        for name, least in at_least.items():
            value = getattr(self, name)
            problems.check(value is None or value >= least, f"{name} {value} is less than {least}")
        problems.check(
            0 <= self.val_fraction < 1,
            f"val_fraction {self.val_fraction} is not from 0 to below 1",
            "0.01 is usual",
        )
        for name in ("cooldown", "full_precision_start", "weight_decay_until"):
            value = getattr(self, name)
            problems.check(value is None or 0 <= value <= 1, f"{name} {value} is not a part, from 0 to 1")
        problems.check(0 <= self.ema < 1, f"ema {self.ema} is not from 0 to below 1", "--ema 0.999 is usual")
        problems.check(
            self.micro_batch == "auto" or self.micro_batch >= 1,
            f"micro_batch {self.micro_batch} is less than 1", "--micro-batch auto takes what fits",
        )  # fmt: skip
        problems.check(
            self.epochs is None or self.epochs > 0,
            f"epochs {self.epochs} is not above 0",
            "--epochs 1 reads all once",
        )
        problems.check(
            self.steps is None or self.epochs is None,
            "steps and epochs both say how long to train: only one can be given",
            "leave one of --steps and --epochs out",
        )
        problems.check(self.clip > 0, f"clip {self.clip} is not above 0", "--clip 1.0 is usual")
        problems.check(
            self.seq_len is None or self.seq_len_cap is None,
            "seq_len fixes the window and seq_len_cap caps the curriculum: only one can be given",
            "leave one of --seq-len and --seq-len-cap out",
        )
