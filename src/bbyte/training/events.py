"""What happens during a run, in the order it happens. The trainer yields these; commands show them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Started:
    """The run is about to take its first step (or its next one, after a resume)."""

    run: str
    family: str
    parameters: int
    first_step: int
    steps: int
    choices: tuple[str, ...]
    """What was chosen for the user and why, one sentence each."""


@dataclass(frozen=True)
class Stepped:
    """One optimizer step is done. `loss` and `bpb` are of the bytes just read, in nats and bits a byte."""

    step: int
    steps: int
    loss: float
    bpb: float
    learning_rate: float
    gradient_norm: float
    seq_len: int
    quantized: bool
    bytes_seen: int
    bytes_per_second: float
    seconds_left: float
    memory: int
    """Peak memory so far, in bytes: of the device on CUDA, of the process on CPU."""


@dataclass(frozen=True)
class Evaluated:
    """The validation bytes were scored. `best` is the lowest figure so far; a bound is shown as `<=`."""

    step: int
    bpb: float
    best: float
    is_bound: bool
    context: int
    stride: int
    bytes_scored: int


@dataclass(frozen=True)
class Saved:
    """A checkpoint is on the disk, complete and verified."""

    step: int
    path: str


@dataclass(frozen=True)
class Warned:
    """Something the user should know that does not stop the run."""

    message: str


@dataclass(frozen=True)
class Finished:
    """The last step is done and saved. `bpb` is None where nothing was evaluated."""

    step: int
    bpb: float | None
    best: float | None
    is_bound: bool
    seconds: float
    checkpoint: str


Event = Started | Stepped | Evaluated | Saved | Warned | Finished
