"""Where the faults happen: in memory where there is such a folder, for they flush thousands of times."""

import tempfile
from pathlib import Path

import pytest
from warm import Warm

MEMORY = Path("/dev/shm")  # noqa: S108 - each test has a folder of its own in it


@pytest.fixture
def tmp_path(tmp_path):
    if not MEMORY.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def warm():
    with Warm() as warm:
        yield warm
