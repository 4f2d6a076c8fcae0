"""The runs there are: finding them by name, listing them, removing them. Imports no torch."""

import re
import shutil
from pathlib import Path

from bbyte.checkpoint import find
from bbyte.config import suggest
from bbyte.errors import BbyteError, UsageError
from bbyte.runs import folder as runs
from bbyte.runs.record import Record, is_training, read

SAMPLES, ANCHORS, REPORT = "samples.jsonl", "anchors.json", "report.html"
TENSORBOARD, WANDB, TRACKIO = "tensorboard", "wandb", "trackio"
_FILES = (runs.CONFIG, runs.ENVIRONMENT, runs.METRICS, runs.LOCK, runs.HOLDER, SAMPLES, ANCHORS, REPORT)
_NAMES = "|".join(map(re.escape, (*_FILES, TENSORBOARD, WANDB, TRACKIO)))
_OWN = re.compile(rf"step-\d+({re.escape(find.ASIDE)})?|\.tmp-.*|{_NAMES}")
"""The names of all that is written into the folder of a run."""
_SHOWN = 5


def is_run(folder: Path) -> bool:
    """Whether a run was started in `folder`, here or, if it was copied without hidden files, elsewhere."""
    copied = (folder / runs.CONFIG).exists() and (folder / runs.METRICS).exists()
    return folder.is_dir() and (runs.is_run(folder) or copied or bool(find.steps(folder)))


def folders(root: Path) -> list[Path]:
    """The folders of runs under `root`, damaged ones too, by name. Empty where there is no such folder."""
    found = root.iterdir() if root.is_dir() else ()
    return sorted(path for path in found if not path.name.startswith(".") and is_run(path))


def records(root: Path) -> list[Record]:
    """All runs under `root`, last heard of first; of their logs hardly more than the validations."""
    return sorted(
        (read(folder, most=1) for folder in folders(root)), key=lambda run: (-run.changed, run.name)
    )


def named(word: str, root: Path = find.ROOT) -> Path:
    """The folder of the run that `word` means: its path, its name under `root`, or a part only that name has.

    Raises UsageError where it means none, or several.
    """
    for path in (Path(word), root / word):
        if word and is_run(path):
            return path
    names = [folder.name for folder in folders(root)]
    meant = [name for name in names if word and word in name]
    if len(meant) == 1:
        return root / meant[0]
    if meant:
        raise UsageError(f"{word!r} may mean {len(meant)} runs: {_first(meant)}", "give more of the name")
    if word and Path(word).exists():
        raise UsageError(f"{word} is not the folder of a run", f"bbyte runs lists those under {root}")
    hint = suggest(word, names) or "bbyte runs lists them"
    raise UsageError(f"there is no run called {word!r} under {root}", hint)


def check_removable(folder: Path) -> None:
    """Raise UsageError unless `folder` is a run's and no more; BbyteError where it is in training."""
    if folder.is_symlink():
        raise UsageError(f"{folder} is a link, not the folder of a run", "name the folder that it leads to")
    if not is_run(folder):
        raise UsageError(f"{folder} is not the folder of a run", "bbyte runs lists the runs there are")
    foreign = sorted(path.name for path in folder.iterdir() if not _OWN.fullmatch(path.name))
    if foreign:
        raise UsageError(
            f"{folder} also holds what no run writes: {_first(foreign)}", "move it elsewhere first"
        )
    if is_training(folder):
        raise BbyteError(f"{folder} is in training", "end the training first")


def remove(folder: Path) -> None:
    """Delete the folder of a run and nothing else: links in it are removed, not followed.

    Raises what `check_removable` raises.
    """
    check_removable(folder)
    run = runs.Run(folder)  # from here on nobody can start to train in it
    try:
        for path in sorted(folder.iterdir()):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name not in (runs.LOCK, runs.HOLDER):
                path.unlink()
    finally:
        run.close()
    (folder / runs.LOCK).unlink(missing_ok=True)
    folder.rmdir()


def _first(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
