"""Verification by another process, which keeps or discards what was written."""

import io
import sys

import pytest
from archives import MIXED, names, read, written
from blake3 import blake3
from toy_coder import TOY, opener

from bbyte.compression import compress, decompress, jobs
from bbyte.errors import BbyteError, DataError, UsageError

RIGHT = blake3(MIXED).hexdigest()


def program(text):
    return [sys.executable, "-c", f"import json, os, sys\nread = sys.stdin.buffer.read\n{text}"]


def answer(digest):
    return program(f"read(); print(json.dumps({{'files': [{{'blake3': {digest!r}}}]}}))")


BAD = {
    "another digest": (answer("0" * 64), DataError, "another digest"),
    "damage": (program("print(json.dumps({'error': 'it is cut'})); sys.exit(3)"), DataError, "it is cut"),
    "early end": (program("sys.exit(3)"), DataError, "does not decode"),
    "no answer": (program("read()"), DataError, "does not decode"),
    "another failure": (program("sys.exit(4)"), BbyteError, "could not be verified: exit code 4"),
    "nonsense": (program("read(); print('[]')"), DataError, "does not decode"),
}  # fmt: skip


def to_file(target, command, **settings):
    source = io.BytesIO(MIXED)
    return jobs.compress_file(
        source,
        "it",
        target,
        TOY,
        size=len(MIXED),
        chunk_bytes=4096,
        inherits=False,
        verify=command,
        **settings,
    )


def test_kept_when_it_is_right(tmp_path):
    given = []
    done = to_file(tmp_path / "out", answer(RIGHT), on_verify=given.append)
    assert (tmp_path / "out").read_bytes() == written(MIXED)
    assert done.blake3 == RIGHT and given[-1] == done.coded_bytes


@pytest.mark.parametrize(("command", "kind", "words"), BAD.values(), ids=BAD)
def test_not_kept_when_it_is_wrong(tmp_path, command, kind, words):
    with pytest.raises(kind, match=words):
        to_file(tmp_path / "out", command)
    assert names(tmp_path) == []
    target = io.BytesIO()
    with pytest.raises(kind, match=words):
        jobs.compress_stream(io.BytesIO(MIXED), "it", target.write, TOY, chunk_bytes=4096, verify=command)
    assert read(target.getvalue()) == MIXED, "what went out cannot be taken back, but is said to be wrong"


def test_what_reaches_the_process(tmp_path, monkeypatch):
    monkeypatch.setenv("BBYTE_SALVAGE", "1")
    script = program(
        f"open({str(tmp_path / 'seen')!r}, 'wb').write(read())\n"
        f"print(json.dumps({{'files': [{{'blake3': {RIGHT!r}}}]}}))\n"
        "sys.exit(sum(name.startswith('BBYTE_') for name in os.environ))"
    )
    to_file(tmp_path / "out", script)
    assert (tmp_path / "seen").read_bytes() == (tmp_path / "out").read_bytes()


def test_a_failure_while_writing_ends_the_process():
    def full(data):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        jobs.compress_stream(io.BytesIO(MIXED), "it", full, TOY, verify=program("read()"))


def test_files_of_archives(tmp_path):
    good = written(MIXED)
    jobs.decompress_file(io.BytesIO(good), "it", tmp_path / "out", opener, inherits=False)
    assert (tmp_path / "out").read_bytes() == MIXED
    with pytest.raises(UsageError):
        jobs.decompress_file(io.BytesIO(good), "it", tmp_path / "out", opener, inherits=False)
    with pytest.raises(DataError):
        jobs.decompress_file(io.BytesIO(good[:-1]), "it", tmp_path / "cut", opener, inherits=False)
    done = jobs.salvage_file(io.BytesIO(good[:-1]), "it", tmp_path / "saved", opener, inherits=False)
    assert done.missing == () and (tmp_path / "saved").read_bytes() == MIXED
    assert names(tmp_path) == ["out", "saved"]


def test_in_one_call():
    for data in (b"", b"x", MIXED):
        assert decompress(compress(data)) == data
        assert decompress(compress(data, TOY[1]), TOY[1]) == data
    archive = compress(MIXED, TOY[1])
    with pytest.raises(DataError, match=TOY[0].identity.hex()[:12]):
        decompress(archive)
