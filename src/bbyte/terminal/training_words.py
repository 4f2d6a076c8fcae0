"""A run in plain lines, for pipes, logs and CI: one line an event."""

from bbyte.terminal.history import History
from bbyte.training.events import Evaluated, Event, Finished, Saved, Started, Stepped, Warned


def line(event: Event, history: History) -> str:
    """What happened, in one line; empty for a warning, which has words of its own."""
    match event:
        case Started():
            head = f"{event.family} {event.run}: {scaled(event.parameters).strip()} parameters"
            return f"{head}, steps {event.first_step:,} to {event.steps:,}"
        case Stepped():
            width = len(f"{event.steps:,}")
            return "  ".join(
                (
                    f"step {event.step:>{width},}/{event.steps:,}",
                    f"train {history.train_bpb or event.bpb:.3f} bpb",
                    f"lr {event.learning_rate:.1e}",
                    f"window {event.seq_len}",
                    f"{scaled(event.bytes_per_second)}B/s",
                    f"{duration(event.seconds_left)} left",
                    "ternary" if event.quantized else "full precision",
                )
            )
        case Evaluated():
            best = bound(event.best, event.is_bound)
            where = f"{scaled(event.bytes_scored)}B, context {event.context}, stride {event.stride}"
            return f"step {event.step:,}: val {bound(event.bpb, event.is_bound)} bpb (best {best}; {where})"
        case Saved():
            return f"step {event.step:,}: saved {event.path}"
        case Warned():
            return ""
        case Finished():
            scores = ""
            if event.bpb is not None:
                scores = f", val {bound(event.bpb, event.is_bound)} bpb"
            if event.best is not None:
                scores += f" (best {bound(event.best, event.is_bound)})"
            return (
                f"done: {event.step:,} steps in {duration(event.seconds)}{scores}\nsaved {event.checkpoint}"
            )


def bound(bpb: float, is_bound: bool) -> str:
    """Bits per byte, with a sign where it is only an upper bound."""
    return f"<= {bpb:.3f}" if is_bound else f"{bpb:.3f}"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds: "1:02:03", "4:05"."""
    if not 0 <= seconds < 1e9:
        return "-:--"
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole:02}" if hours else f"{minutes}:{whole:02}"


def scaled(amount: float) -> str:
    """A figure with three digits and k, M, G or T: "12.3 k"."""
    for prefix in ("", "k", "M", "G"):
        if amount < 999.5:
            return f"{amount:.3g} {prefix}" if amount < 99.95 else f"{amount:.0f} {prefix}"
        amount /= 1000
    return f"{amount:.3g} T"
