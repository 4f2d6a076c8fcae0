"""What checkpoints are, old and new ones, and giving old ones the form of new ones. Imports no torch."""

from dataclasses import dataclass, field
from pathlib import Path

from bbyte.checkpoint import find, meta
from bbyte.checkpoint.legacy.extract import SOURCE_DIGEST, extract
from bbyte.checkpoint.legacy.recognise import agreed_family, agrees, check_convertible, recognise
from bbyte.checkpoint.listing import is_aside
from bbyte.errors import BbyteError, DataError, UsageError
from bbyte.folders import below

LEGACY_KIND = "legacy"
FORMS = ("ternary", "full")
"""The variants of new checkpoints."""


@dataclass(frozen=True)
class Plan:
    """What a checkpoint is and what tagging would do with it.

    kind: "resume" or "packed" for a checkpoint folder, "legacy" for a file of torch.save. script: who wrote
    it. why: how family and variant were inferred. target: the run folder a legacy file is converted into, or
    None where nothing is to be done. done: the checkpoint that is already there. problem: why it is refused.
    """

    path: Path
    kind: str
    script: str = "bbyte"
    family: str = ""
    variant: str = ""
    step: int | None = None
    why: str = ""
    target: Path | None = None
    done: Path | None = None
    problem: BbyteError | None = None
    tags: dict[str, str] = field(default_factory=dict)


def candidates(root: Path) -> list[Path]:
    """The checkpoint folders and legacy files under `root`, at any depth, by path.

    Raises UsageError where there is no such folder.
    """
    if not root.is_dir():
        raise UsageError(f"there is no folder {root}", "--root names the folder to look through")
    found = []
    for folder in below(root):
        if meta.FILE in folder.files and not is_aside(folder.path):
            found.append(folder.path)
        found += [folder.path / name for name in folder.files if name.lower().endswith(find.LEGACY)]
    return sorted(found)


def plan(path: Path, *, family: str | None = None, variant: str | None = None, force: bool = False) -> Plan:
    """What the checkpoint at `path` is and what tagging would do; nothing is written.

    `family` and `variant`, in new words or old ones, must agree with what is found unless `force`. A problem
    of the checkpoint itself is in the plan. Raises UsageError where there is nothing at `path`.
    """
    check_there(path)
    is_folder = path.is_dir() or path.name in (meta.FILE, meta.MODEL)
    try:
        return (
            _of_folder(path, family, variant, force) if is_folder else _of_file(path, family, variant, force)
        )
    except (BbyteError, OSError) as problem:
        kind = "checkpoint" if is_folder else LEGACY_KIND
        return Plan(path, kind, script="", problem=in_words(problem, path))


def check_there(path: Path) -> None:
    """Raise UsageError where there is nothing at `path`."""
    if not path.exists():
        raise UsageError(f"there is nothing at {path}", "give checkpoint folders and .pt files")


def in_words(problem: BbyteError | OSError, path: Path) -> BbyteError:
    """The problem of the checkpoint at `path` as a sentence, so that others can be gone on with."""
    if isinstance(problem, BbyteError):
        return problem
    return BbyteError(f"{path}: {problem.filename or path}: {problem.strerror or problem}")


def apply(planned: Plan) -> Path | None:
    """Do what was planned and return the new checkpoint, or None where there is nothing to do.

    Raises BbyteError for what converting raises; then nothing is left behind.
    """
    if planned.problem is not None or planned.target is None:
        return None
    from bbyte.checkpoint.legacy.convert import convert

    try:
        return convert(planned.path, planned.target, planned.family, planned.tags)
    except OSError as problem:
        raise in_words(problem, planned.path) from problem


def _of_folder(path: Path, family: str | None, variant: str | None, force: bool) -> Plan:
    folder, described, _ = find.newest_of(path, meta.read)  # digests are for those who load it
    form = FORMS[not described.config.get("ternary")]
    for flag, word in (("--family", family), ("--variant", variant)):
        is_variant = flag == "--variant"
        is_form = is_variant and word in FORMS
        if word is None or (is_form and word == form):
            continue
        if is_form or not agrees(word, described.family, is_variant=is_variant):
            what = f"its {meta.FILE} says family {described.family}, variant {form}"
            raise UsageError(
                f"{folder}: {flag} {word}, but {what}",
                "its weights are of that family, so --force does not help" if force else "leave the flag out",
            )
    return Plan(
        folder, described.kind, "bbyte", described.family, form, described.step,
        f"its {meta.FILE} says so", done=folder,
    )  # fmt: skip


def _of_file(path: Path, family: str | None, variant: str | None, force: bool) -> Plan:
    found = extract(path)
    guess = recognise(found)
    step = found.labels.get("step")
    step = step if type(step) is int and step >= 0 else None
    known = {"script": guess.script, "family": guess.family, "step": step, "why": guess.why}
    variant_of_family = FORMS[0] if guess.script.startswith("BitByte") else ""
    try:
        if guess.script.startswith("BitByte"):
            known["family"], known["why"] = agreed_family(found, guess, family, variant, force=force)
        check_convertible(found, guess)
    except BbyteError as problem:
        return Plan(path, LEGACY_KIND, variant=variant_of_family, problem=problem, **known)  # type: ignore[arg-type]
    target = path.with_suffix("")
    if target == path:
        nameless = UsageError(f"{path} has no ending to leave off", f"rename it to {path.name}.pt")
        return Plan(path, LEGACY_KIND, variant=variant_of_family, problem=nameless, **known)  # type: ignore[arg-type]
    tags = {"script": guess.script, "source": path.name, SOURCE_DIGEST: found.blake3}
    tags |= {
        f"legacy_{name}": str(found.labels[name])
        for name in ("variant", "model_family")
        if name in found.labels
    }
    done, taken = _already(target, found.blake3)
    return Plan(
        path, LEGACY_KIND, variant=variant_of_family, tags=tags, done=done, problem=taken,
        target=None if done or taken else target, **known,  # type: ignore[arg-type]
    )  # fmt: skip


def _already(target: Path, digest: str) -> tuple[Path | None, BbyteError | None]:
    """The checkpoint that was made from this file before, or why its place is taken."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return None, None
    for step in find.steps(target) if target.is_dir() else ():
        try:
            if meta.read(step).tags.get(SOURCE_DIGEST) == digest:
                return step, None
        except DataError:
            continue
    return None, UsageError(
        f"{target} is already there and was not made from this file", "move it, or rename the .pt"
    )
