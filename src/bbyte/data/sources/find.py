"""From what the user names to files: sorted by path, each once, and nothing that should not be read."""

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from bbyte.data.sources.documents import Reading, endings, is_archive
from bbyte.data.sources.file import File, Skipped
from bbyte.data.staging import is_staging_name
from bbyte.errors import UsageError

STDIN = "-"
HUB = "hf:"


class Inputs:
    """What the inputs hold: files, all there is below folders, what lies elsewhere, standard input last.

    inputs: paths; patterns of paths (`**` stands for any folders); "hf:org/name[/config][:split]" for a
    dataset on the Hugging Face Hub; addresses of any kind fsspec knows (https://, s3://, gs://), files,
    folders or patterns; "-" for standard input. extensions: which members of folders to take, such as
    ".txt"; a compressed suffix is looked through, so .txt.gz is taken as well, and archives count as folders.
    output: the folder that is being written, which is left out where it lies inside an input.

    Each iteration looks at the folders anew; what lies elsewhere is listed once. Everything comes sorted by
    path. A file reached twice is read once. Links inside folders are not followed, special files not opened.
    Raises UsageError for inputs that cannot be read.
    """

    def __init__(
        self, inputs: Sequence[str], *, extensions: Sequence[str] = (), output: Path | None = None
    ) -> None:
        self.has_stdin = STDIN in inputs
        self.extensions = endings(extensions)
        self._output = output.resolve() if output is not None else None
        self._elsewhere = sorted({name for name in inputs if _is_elsewhere(name)})
        here = [name for given in {*inputs} - {STDIN, *self._elsewhere} for name in _expanded(given)]
        self._roots = sorted((_Root(name) for name in {*here}), key=lambda root: root.parts)
        for root in self._roots:
            root.check(self._output)

    def __iter__(self) -> Iterator[File | Skipped]:
        yield from _walk_all(self._roots, Reading(self.extensions), self._output)
        yield from self._listed
        if self.has_stdin:
            yield File("stdin", None, 0)

    @cached_property
    def _listed(self) -> list[File]:
        found: dict[str, File] = {}
        for name in self._elsewhere:
            found |= {file.url: file for file in _files_elsewhere(name, Reading(self.extensions))}
        return sorted(found.values(), key=lambda file: file.name)


class _Root:
    """One input on this machine as given, and where it really lies."""

    def __init__(self, given: str) -> None:
        self.given = given
        self.path = Path(given)
        self.parts = tuple(map(os.fsencode, self.path.parts))
        self.real = self.path.resolve()

    def check(self, output: Path | None) -> None:
        if not self.real.exists():
            raise UsageError(f"there is nothing at {self.given}", "check the path")
        if not (self.real.is_file() or self.real.is_dir()):
            raise UsageError(f"{self.given} is neither a file nor a folder", "pipe it in and name it as -")
        if output is not None and self.real.is_relative_to(output):
            raise UsageError(f"{self.given} lies inside the output folder", "write to another --out-dir")


def _is_elsewhere(name: str) -> bool:
    return "://" in name or name.startswith(HUB)


def _files_elsewhere(name: str, reading: Reading) -> list[File]:
    from bbyte.data.sources import hub, remote

    if name.startswith(HUB) and "://" not in name:
        return hub.files(name)
    return remote.files(name, reading)


def _expanded(name: str) -> list[str]:
    """The paths a pattern stands for; any other name for itself, also one that looks like a pattern."""
    if not glob.has_magic(name) or os.path.lexists(name):
        return [name]
    pattern = Path(name)
    found = [*map(str, Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))]
    if not found:
        raise UsageError(f"no file matches {name}", "check the pattern, and quote it in the shell")
    return found


def _walk_all(roots: list[_Root], reading: Reading, output: Path | None) -> Iterator[File | Skipped]:
    named = {root.real for root in roots if root.real.is_file()}
    done: set[Path] = set()
    for root in roots:
        if root.real in done or (root.real not in named and not done.isdisjoint(root.real.parents)):
            yield Skipped(str(root.path), "it is part of another input")
        elif root.real in named:
            yield File(root.path.name, root.path, root.real.stat().st_size)
        else:
            yield from _walk(root.real, root.real.name, reading, named, output)
        done.add(root.real)


def _walk(
    folder: Path, place: str, reading: Reading, named: set[Path], output: Path | None
) -> Iterator[File | Skipped]:
    with os.scandir(folder) as found:
        entries = sorted(found, key=_sort_key)
    for entry in entries:
        path, name = Path(entry.path), f"{place}/{entry.name}"
        if output is not None and is_staging_name(path, output):
            continue
        if path == output:
            yield Skipped(str(path), "it is the output folder")
        elif entry.is_symlink():
            yield Skipped(str(path), "links inside folders are not followed; name its target as an input")
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(path, name, reading, named, output)
        elif not (reading.takes(entry.name) or is_archive(entry.name)):
            continue
        elif not stat.S_ISREG((status := entry.stat(follow_symlinks=False)).st_mode):
            yield Skipped(str(path), "it is not a regular file")
        elif path not in named:
            yield File(name, path, status.st_size)


def _sort_key(entry: "os.DirEntry[str]") -> bytes:
    """Sorts the members of a folder as a sort of all full paths would."""
    return os.fsencode(entry.name) + (b"/" if entry.is_dir(follow_symlinks=False) else b"")
