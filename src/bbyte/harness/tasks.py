"""Finding the harness's tasks, running them, and their figures. Needs the extra `eval`."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lm_eval.evaluator import evaluate  # type: ignore[import-not-found,import-untyped,unused-ignore]
from lm_eval.tasks import TaskManager  # type: ignore[import-not-found,import-untyped,unused-ignore]

from bbyte.config import suggest
from bbyte.errors import BbyteError, UsageError

PYTHON_SEED, FEWSHOT_SEED = 0, 1234
"""The harness's own defaults, so that the same examples are drawn."""


@dataclass(frozen=True)
class Figure:
    """One figure of a task or a group of tasks.

    name, filter: of the metric and of what was done to the answers before (`none` where nothing was);
    error: the standard error, where the harness has one; shots: examples before each question;
    documents: how many were scored.
    """

    task: str
    version: str
    name: str
    filter: str
    value: float | str
    error: float | None
    shots: int | None
    documents: int | None


def load(names: Sequence[str], include: Path | None = None, shots: int | None = None) -> Any:
    """The tasks of these names (of the harness, or of YAML files in the folder `include`), data and all.

    A name may be a pattern such as `blimp_*`. `shots` examples stand before each question, unless the task
    rules that out. Raises UsageError for a name there is none of, and for a task
    that wants pictures or to run what the model wrote, BbyteError for one that does not load.
    """
    if include is not None and not include.is_dir():
        raise UsageError(f"{include} is no folder", "--include-path takes the folder of your task files")
    manager, found = _find(names, include)
    try:
        loaded = manager.load(found)
    except Exception as error:  # whatever a task file, its functions and the reading of its data may raise
        raise BbyteError(
            f"{', '.join(names)} could not be loaded: {_first_line(error)}",
            "data that is not on this machine is fetched from the Hugging Face Hub; paths of local data are "
            "relative to the current folder",
        ) from error
    for name, task in loaded["tasks"].items():
        _prepare(name, task, shots)
    return loaded


def measure(model: Any, tasks: Any, limit: int | None = None) -> list[Figure]:
    """Run loaded tasks on a model, on their first `limit` documents; nothing is cached, nothing sent.

    Raises BbyteError for figures that the harness cannot work out: of an empty text, say.
    """
    random.seed(PYTHON_SEED)
    np.random.seed(FEWSHOT_SEED)
    try:
        result = evaluate(model, tasks, limit=limit, log_samples=False)
    except (ArithmeticError, ValueError, TypeError, AttributeError, LookupError) as problem:
        raise BbyteError(
            f"the harness could not work the figures out: {_first_line(problem)}",
            "try the tasks one by one; an empty text has no perplexity, a very long word none that is finite",
        ) from problem
    figures = []
    for task, entries in result["results"].items():
        for key, value in entries.items():
            name, comma, filtered = key.partition(",")
            if not comma or name.endswith("_stderr"):
                continue
            error = entries.get(f"{name}_stderr,{filtered}")
            figures.append(
                Figure(
                    task,
                    str(result["versions"].get(task) or ""),
                    name,
                    filtered,
                    float(value) if isinstance(value, int | float | np.number) else str(value),
                    None if error is None or isinstance(error, str) else float(error),
                    result["n-shot"].get(task),
                    result["n-samples"].get(task, {}).get("effective"),
                )
            )
    return figures


def _find(names: Sequence[str], include: Path | None) -> tuple[Any, list[str]]:
    """Who loads the tasks, and what they are called there.

    The harness's own tasks, many thousands, take seconds to look through: only where the folder does not have
    all that is asked for, or has groups, whose members may be anywhere.
    """
    for with_own in (False, True):
        manager = TaskManager(include_path=str(include) if include else None, include_defaults=with_own)
        matches = {name: manager.match_tasks([name]) for name in names}
        if all(matches.values()) and (with_own or not manager.all_groups):
            break
    for name, matching in matches.items():
        if not matching:
            raise UsageError(
                f"there is no task called {name!r}",
                suggest(name, manager.all_tasks) or "--include-path DIR adds the task files of a folder",
            )
    return manager, list(dict.fromkeys(task for matching in matches.values() for task in matching))


def _prepare(name: str, task: Any, shots: int | None) -> None:
    if getattr(task, "UNSAFE_CODE", False):
        raise UsageError(f"{name} runs what the model writes as a program", "bbyte runs no such task")
    if getattr(task, "MULTIMODAL", False):
        raise UsageError(f"{name} wants pictures or sound", "a model of text cannot answer it")
    own = task.get_config("num_fewshot")
    if shots is not None and own != 0:  # a task that says 0 itself keeps it, as in the harness
        task.set_config(key="num_fewshot", value=shots)
    elif own is None:
        task.set_config(key="num_fewshot", value=0)
    task.set_fewshot_seed(seed=FEWSHOT_SEED)


def _first_line(error: Exception) -> str:
    said = (str(error).strip().splitlines() or [""])[0].strip("'\"")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
