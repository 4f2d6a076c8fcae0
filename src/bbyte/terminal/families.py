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
    `model`, `objective`, `training` and `runtime`. `adds` is said after the family's summary."""
    words = new_group(about, examples)
    for family in families().values():
        register(
            words,
            family.name,
            partial(function, family=family),
            panel="Families",
            examples=tuple(example for example in examples if f" {family.name}" in example),
            configs={
                "model": family.config,
                "objective": family.objective_config,
                "training": TrainConfig,
                "runtime": Runtime,
            },
            help=f"{family.summary}{adds}.",
        )
    return words
