"""What the kernel saw of an action: strace's own account of it, in the words of system_calls."""

import re
import shutil
import subprocess
import time
from pathlib import Path

from system_calls import Call, ended, started

STRACE = shutil.which("strace")
READS = {
    "stat", "lstat", "fstat", "newfstat", "newfstatat", "statx", "read", "pread64", "lseek", "ioctl",
    "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents64", "getcwd", "mmap",
}  # fmt: skip
LINE = re.compile(r'(?:\d+ +)?(\w+)\((?:(?:AT_FDCWD|(\d+))<([^>]*)>)?(?:, )?(?:"([^"]*)")?(.*)\) += (-?\d+)')


def traced(action, folder, log):
    """Do `action` in a forked process under strace; returns the calls about `folder` and what is below it."""

    def once_traced():
        while not log.exists() or not log.stat().st_size:
            time.sleep(0.001)  # strace writes of this stat as soon as it sees this process
        action()

    process = started(once_traced)
    command = [STRACE, "-f", "-y", "-e", "trace=%file,%desc", "-o", str(log), "-p", str(process)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as strace:
        assert ended(process) == 0
        assert strace.wait() == 0
    return list(_calls(log.read_text(errors="replace").splitlines(), folder))


def _calls(lines, folder):
    listings = set()  # descriptors by which the C library lists a folder: for Python that is one call
    for line in lines:
        found = LINE.match(line)
        if found is None:
            continue
        name, descriptor, opened, given, rest, result = found.groups()
        is_named = descriptor is None or name.removesuffix("2").endswith("at")  # else it is what is written
        path = Path(opened or "", given) if is_named and given is not None else Path(opened or "")
        if name in READS or not path.is_relative_to(folder):
            continue
        if _begins_listing(name, rest):
            listings.add(result)
            name = "list"
        elif name == "fcntl":
            continue
        elif name == "close" and descriptor in listings:
            listings.remove(descriptor)
            continue
        if name == "unlinkat" and "AT_REMOVEDIR" in rest:
            name = "rmdir"
        name = re.sub("at2?$", "", name)
        new = [str(Path(rest.split('"')[-2]).relative_to(folder))] if name == "rename" else []
        yield Call(name, str(path.relative_to(folder)), *new)


def _begins_listing(name, rest):
    return (name == "openat" and "O_DIRECTORY" in rest and "O_NONBLOCK" in rest) or (
        name == "fcntl" and "F_DUPFD" in rest
    )
