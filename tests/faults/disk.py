"""What a disk may hold after the power failed: less than was written, unless it was flushed."""

import shutil
from pathlib import PurePath


def unflushed(trace):
    """The files written since they were flushed, and the files and folders made since their folder was."""
    written, made = set(), set()
    for call in trace:
        path = PurePath(call.file)
        match call.name:
            case "mkdir":
                made.add(path)
            case "write":
                made.add(path)
                written.add(path)
            case "fsync":
                written.discard(path)
                made = {other for other in made if other.parent != path}
            case "rename":
                new = PurePath(call.to)
                written, made = ({_moved(file, path, new) for file in files} for files in (written, made))
    return written, made


def lose(folder, trace, *, entries):
    """Take from `folder`, which the calls of `trace` have changed, all that no flush has made sure of.

    What was written into files is gone; with `entries` also the files and folders themselves. Renames have
    happened: a disk on which they have not is like that of a power loss before them.
    """
    written, made = unflushed(trace)
    for path in written:
        if (folder / path).exists():
            (folder / path).write_bytes(b"")
    for path in sorted(made) if entries else ():
        if (folder / path).is_dir():
            shutil.rmtree(folder / path)
        else:
            (folder / path).unlink(missing_ok=True)


def _moved(path, old, new):
    return new / path.relative_to(old) if path.is_relative_to(old) else path
