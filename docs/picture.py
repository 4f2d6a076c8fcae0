"""Makes the README's picture from a real run.

bbyte train ar --json > run.jsonl
python docs/picture.py run.jsonl docs/training.svg
"""

import json
import math
import sys
from pathlib import Path

from bbyte.terminal.history import History
from bbyte.terminal.picture import svg
from bbyte.training import events

KINDS = {kind.__name__.lower(): kind for kind in events.Event.__args__}


def main(source: str, target: str) -> None:
    history = History()
    family = ""
    for line in Path(source).read_text("utf-8").splitlines():
        row = json.loads(line)
        kind = KINDS[row.pop("event")]
        if kind is events.Stepped:  # JSON has no NaN
            row = {key: math.nan if value is None else value for key, value in row.items()}
        event = kind(**row)
        family = getattr(event, "family", family)
        history.take(event)
    Path(target).write_text(svg(history, f"bbyte train {family}"), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
