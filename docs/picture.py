"""Makes the README's picture from a real run, as it stood at some step.

bbyte train ar --json > run.jsonl
python docs/picture.py run.jsonl docs/training.svg 900
"""

import json
import math
import sys
from pathlib import Path

from bbyte.terminal.history import History
from bbyte.terminal.picture import svg
from bbyte.training import events

KINDS = {kind.__name__.lower(): kind for kind in events.Event.__args__}


def main(source: str, target: str, last_step: float = math.inf) -> None:
    seconds = 0.0
    history = History(clock=lambda: seconds)
    family, bytes_seen = "", 0
    for line in Path(source).read_text("utf-8").splitlines():
        row = json.loads(line)
        kind = KINDS[row.pop("event")]
        if row.get("step", 0) > float(last_step):
            break
        if kind is events.Stepped:  # JSON has no NaN
            row = {key: math.nan if value is None else value for key, value in row.items()}
        event = kind(**row)
        if isinstance(event, events.Stepped):
            seconds += (event.bytes_seen - bytes_seen) / event.bytes_per_second
            bytes_seen = event.bytes_seen
        family = getattr(event, "family", family)
        history.take(event)
    Path(target).write_text(svg(history, f"bbyte train {family}"), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
