"""`bbyte plan FAMILY`: what training would take, before it starts."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bbyte.device import World
from bbyte.models.contract import Family
from bbyte.terminal.families import group_of_families
from bbyte.terminal.screen import Screen

EXAMPLES = (
    "bbyte plan ar",
    "bbyte plan ar --preset 12gb --memory 12GB",
    "bbyte plan ar --preset small --seq-len 1024 --batch-size 8 --no-probe",
    "bbyte plan ar --preset 12gb --memory 12GB --processes 8 --shard",
)


def group() -> typer.Typer:
    """The `plan` word: a command a family, with the flags that `train` has for its configs."""
    about = "Plan a run: does it fit in memory, how fast does it go, how long does it take?"
    return group_of_families(
        plan, about, EXAMPLES, adds=": memory by part, speed and time of a run that is not started"
    )


def plan(
    screen: Screen,
    data: Annotated[
        Path | None, typer.Option(help="Corpus, shards, folder or file (default: the newest corpus, if any).")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Named architecture; single settings change it.")] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="Would it fit in so much? 12GB, 24GiB (default: what is free here)."
        ),
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, help="Would train together, each on a GPU or machine of its own.")
    ] = 1,
    probe: Annotated[bool, typer.Option(help="Time a few steps, about two seconds.")] = True,
    *,
    family: Family,
    model: dict[str, Any],
    objective: dict[str, Any],
    training: dict[str, Any],
    runtime: dict[str, Any],
) -> None:
    """Say what a run would take."""
    from bbyte.data.corpus import newest_corpus
    from bbyte.training.planning import room
    from bbyte.training.planning.preview import preview
    from bbyte.training.request import Request

    request = Request(
        family=family.name, data=data or newest_corpus(), preset=preset, model=model,
        objective=objective, training=training, runtime=runtime, world=World(size=processes),
    )  # fmt: skip
    planned = preview(request, room.asked(memory) if memory is not None else None, probing=probe)
    if screen.json:
        screen.emit_json({"event": "plan", **planned.to_dict()})
    else:
        for line in planned.lines():
            screen.print(line)
    planned.require_room()
