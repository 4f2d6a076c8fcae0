"""A run in plain lines, for pipes, logs and CI: one line an event."""

from bbyte.figures import bound, duration, scaled
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
