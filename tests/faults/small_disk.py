"""A real file system of a few pages, which a test can fill and make read-only; mounting it needs root."""

import os
import subprocess
from contextlib import contextmanager

import pytest

PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@contextmanager
def small_disk(folder, pages, **options):
    """Mount a tmpfs of `pages` pages at `folder`; skips the test where this user may not."""
    folder.mkdir()
    words = ",".join([f"size={pages * PAGE}", *(f"{name}={value}" for name, value in options.items())])
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", words, "tmpfs", folder], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no small disk can be mounted here: {getattr(error, 'stderr', error)}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@contextmanager
def read_only(folder):
    """Whoever opens something in `folder` from now on finds a read-only file system; needs root, too."""
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def free_pages(folder):
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize // PAGE


def fill(disk, leave):
    """Fill the disk but for `leave` pages; returns the file that does it."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes((free_pages(disk) - leave) * PAGE))
    assert free_pages(disk) == leave
    return ballast
