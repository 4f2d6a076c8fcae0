"""`bbyte train FAMILY`: one command for each family of models there is."""

import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from bbyte.models.contract import Family
from bbyte.terminal.families import group_of_families
from bbyte.terminal.screen import Screen

EXAMPLES = (
    "bbyte train ar",
    "bbyte train ar --data artifacts/datasets/tales --preset tiny --steps 300",
    "bbyte train ar --resume auto",
    "bbyte train ar --config artifacts/checkpoints/RUN/config.toml --seed 1",
    "torchrun --nproc-per-node 8 -m bbyte train ar --out artifacts/checkpoints/RUN --resume auto",
)


def group() -> typer.Typer:
    """The `train` word: a command a family, its flags those of the family's configs."""
    return group_of_families(train, "Train a model: it learns to predict the bytes of a corpus.", EXAMPLES)


def train(
    screen: Screen,
    data: Annotated[
        Path | None, typer.Option(help="Corpus, shards, folder or file (default: the newest corpus).")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Named architecture; single settings change it.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run (default: artifacts/checkpoints/<date>-<name>).")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name in the run's folder.")] = None,
    allow_overwrite: Annotated[
        bool, typer.Option("--allow-overwrite", help="Start anew in a folder that exists.")
    ] = False,
    resume: Annotated[
        str | None, typer.Option(help="Go on with a run: its folder, or auto for --out or the newest run.")
    ] = None,
    extend: Annotated[
        Path | None, typer.Option(help="A finished run to train longer, from where its rate was constant.")
    ] = None,
    optimizer_state: Annotated[bool, typer.Option(help="Resume with the optimizer's state.")] = True,
    track: Annotated[
        Literal["tensorboard", "wandb", "trackio"] | None,
        typer.Option(help="Send the figures to a tracker too, by its own library."),
    ] = None,
    sample_bytes: Annotated[
        int | None,
        typer.Option(min=0, help="Bytes written at a checkpoint, for report.html (default: by size)."),
    ] = None,
    smoke_test: Annotated[
        bool, typer.Option("--smoke-test", help="Ten steps on made-up bytes: does training work here?")
    ] = False,
    *,
    family: Family,
    model: dict[str, Any],
    objective: dict[str, Any],
    training: dict[str, Any],
    runtime: dict[str, Any],
) -> None:
    """Train a model of one family."""
    if smoke_test:
        from bbyte.training import smoke

        began = time.monotonic()
        screen.print(f"{smoke.smoke_test(family.name)} ({time.monotonic() - began:.1f} s)")
        return
    from bbyte import tracking
    from bbyte.config import to_dict
    from bbyte.report.records import with_records
    from bbyte.runs.archive import REPORT
    from bbyte.runs.folder import is_run
    from bbyte.starter import default_corpus
    from bbyte.terminal.interruption import Interruption
    from bbyte.terminal.training import show
    from bbyte.terminal.training_processes import processes
    from bbyte.training.request import Request, resumable
    from bbyte.training.start import start

    if track is not None:
        tracking.check_installed(track)
    with processes(screen) as (group, screen):
        asked = "auto" if resume is None and group.world.restarts else resume

        def find_run() -> str | None:
            found = resumable(asked, out, family.name)
            if asked is not None and found is None:
                screen.say("nothing to resume yet: starting a new run")
            return None if found is None else str(found)

        def find_data() -> Path:
            found, sentence = default_corpus()
            screen.say(sentence)
            return found

        place = group.first(find_run)
        request = Request(
            family=family.name,
            data=data,
            find_data=find_data,
            preset=preset,
            model=model,
            objective=objective,
            training=training,
            runtime=runtime,
            out=out,
            name=name,
            allow_overwrite=allow_overwrite or (asked is not None and out is not None and is_run(out)),
            resume=None if place is None else Path(place),
            extend=extend if resume == asked or place is None else None,
            optimizer_state=optimizer_state,
            world=group.world,
            planned=True,
        )
        trainer = start(request, group)
        with Interruption(screen) as interruption:
            trainer.interrupted = interruption.signal
            if not group.is_first:
                for _ in trainer.run():
                    pass
                return
            recorded = with_records(trainer, trainer.run(), 0 if trainer.sharded else sample_bytes)
            settings = to_dict(trainer.architecture) | to_dict(trainer.config)
            events = tracking.tracked(recorded, track, trainer.folder, settings) if track else recorded
            show(events, screen, log_every=trainer.config.log_every)
            screen.say(f"report {trainer.folder / REPORT}")
