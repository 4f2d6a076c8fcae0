"""One command for each family of models there is, its flags those of the family's configs."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import typer

from bbyte.device import Runtime
from bbyte.models.families import families
from bbyte.terminal.flags import new_group, register
from bbyte.training.config import TrainConfig


def group_of_families(
    function: Callable[..., Any], about: str, examples: Sequence[str], *, adds: str = ""
) -> typer.Typer:
    """A group with a command a family that calls `function` with `family` bound and the settings given as
    `model`, `objective`, `training` and `runtime`. `adds` is said after the family's summary. The examples
    are of one family and are shown for each with its own name."""
    words, shown = new_group(about, examples), next(iter(families()))
    for family in families().values():
        register(
            words,
            family.name,
            partial(function, family=family),
            panel="Families",
            examples=tuple(example.replace(f" {shown}", f" {family.name}", 1) for example in examples),
            configs={
                "model": family.config,
                "objective": family.objective_config,
                "training": TrainConfig,
                "runtime": Runtime,
            },
            help=f"{family.summary}{adds}.",
        )
    return words
