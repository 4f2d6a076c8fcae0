"""Several processes of `bbyte train` at once, forked from one that has loaded torch already."""

import os

import pytest


@pytest.fixture(scope="session")
def warm():
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
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

    def start(count, *words, breaking=None, **env):
        started.append(Several(warm, tmp_path, len(started), count, words, env, breaking))
        return started[-1]

    yield start
    for several in started:
        several.kill()


@pytest.fixture
def break_by(tmp_path):
    """A file of Python that each process runs first; RANK says which it is."""

    def write(code):
        path = tmp_path / "breaking.py"
        path.write_text(f"import os\nRANK = int(os.environ['RANK'])\n{code}")
        return path

    return write
