"""Several processes of `bbyte train` at once, forked from one that has loaded torch already."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "faults"))


@pytest.fixture(scope="session")
def warm():
    from warm import Warm

    with Warm() as warm:
        yield warm


@pytest.fixture
def train(warm, tmp_path):
    """Start `bbyte train` in so many processes; what is left of them is killed when the test has ended."""
    from several import Several
    from undisturbed import TEXT

    (tmp_path / "book.txt").write_bytes(TEXT)
    started = []

    def start(count, *words, **env):
        started.append(Several(warm, tmp_path, len(started), count, words, env))
        return started[-1]

    yield start
    for several in started:
        several.kill()
