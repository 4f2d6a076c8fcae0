"""Files by their address: from a web server on this machine, and from fsspec's file system in memory."""

import gzip
import io
import os
import subprocess
import sys
import zipfile

import pytest

fsspec = pytest.importorskip("fsspec", reason="needs pip install 'bbyte[data]'")
pytest.importorskip("aiohttp", reason="needs pip install 'bbyte[data]'")

from file_server import serving  # noqa: E402

from bbyte.data.sources import remote  # noqa: E402
from bbyte.data.sources.documents import Reading, documents  # noqa: E402
from bbyte.data.sources.file import Stored  # noqa: E402
from bbyte.data.sources.find import Inputs  # noqa: E402
from bbyte.errors import BbyteError, DataError, UsageError  # noqa: E402

DATA = os.urandom(3_000_000)


def texts(*inputs, **reading):
    return {
        file.name: [b"".join(map(bytes, one)) for one in documents(Stored(file), Reading(**reading))]
        for file in Inputs(inputs)
    }


def parquet(values):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as writer

    file = io.BytesIO()
    writer.write_table(arrow.table({"text": values, "other": [os.urandom(900).hex() for _ in values]}), file)
    return file.getvalue()


def test_a_file_from_the_web():
    with serving({"/a/data.bin": DATA, "/a/text.gz": gzip.compress(b"text")}) as server:
        found = texts(f"{server.url}/a/data.bin?key=secret", f"{server.url}/a/text.gz")
    assert found == {f"{server.url}/a/data.bin": [DATA], f"{server.url}/a/text.gz": [b"text"]}


def test_its_provenance():
    with serving({"/data": DATA}) as server:
        (file,) = Inputs([f"{server.url}/data"])
        opened = Stored(file)
        assert sum(map(len, opened.pieces())) == len(DATA)
    assert (file.stored_bytes, file.revision) == (len(DATA), f'"{len(DATA)}-etag"')
    assert opened.source(1).blake3 is not None


@pytest.mark.parametrize("has_ranges", [True, False])
def test_a_file_that_has_to_be_read_here_and_there(has_ranges):
    values = [f"text {number}" for number in range(20_000)]
    with serving({"/t.parquet": parquet(values)}, has_ranges=has_ranges) as server:
        if has_ranges:
            assert texts(f"{server.url}/t.parquet") == {
                f"{server.url}/t.parquet": [one.encode() for one in values]
            }
            assert server.ranges
        else:
            with pytest.raises(BbyteError, match="cannot be read"):
                texts(f"{server.url}/t.parquet")


def test_only_the_column_is_fetched():
    data = parquet([f"text {number}" for number in range(20_000)])
    assert len(data) > 30_000_000
    with serving({"/t.parquet": data}) as server:
        texts(f"{server.url}/t.parquet")
        assert sum(server.ranges) < len(data) // 2


def test_an_answer_that_breaks_off_is_an_error():
    with (
        serving({"/data": DATA}, cut=2_000_000) as server,
        pytest.raises(BbyteError, match=r"cannot be read|ended"),
    ):
        texts(f"{server.url}/data")


def test_what_is_not_there():
    with serving() as server:
        with pytest.raises(UsageError, match=r"there is nothing at http.*gone$"):
            texts(f"{server.url}/gone?key=secret")
        url = server.url
    with pytest.raises(BbyteError, match="cannot be read") as caught:
        texts(f"{url}/gone")
    assert "\n" not in caught.value.message


@pytest.fixture
def memory():
    """fsspec's file system in memory, filled."""
    system = fsspec.filesystem("memory")
    for name in ("b/2.txt", "b/1.txt.gz", "b/c/3.md", "b/d.zip"):
        data = name.encode()
        if name.endswith(".gz"):
            data = gzip.compress(data)
        if name.endswith(".zip"):
            file = io.BytesIO()
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("m.txt", name)
            data = file.getvalue()
        system.pipe(f"/{name}", data)
    yield system
    system.rm("/b", recursive=True)


def test_folders_patterns_and_files_elsewhere(memory):
    assert [*texts("memory://b").values()] == [[b"b/1.txt.gz"], [b"b/2.txt"], [b"b/c/3.md"], [b"b/d.zip"]]
    assert [*texts("memory://b/*.txt*").values()] == [[b"b/1.txt.gz"], [b"b/2.txt"]]
    assert [*texts("memory://b/2.txt", "memory://b/*.txt", "memory://b/**/*.md").values()] == [
        [b"b/2.txt"],
        [b"b/c/3.md"],
    ]
    names = [file.name for file in Inputs(["memory://b"], extensions=[".txt"])]
    assert names == ["memory:///b/1.txt.gz", "memory:///b/2.txt", "memory:///b/d.zip"]


def test_nothing_at_a_pattern_elsewhere(memory):
    with pytest.raises(UsageError, match=r"there is no file at memory://b/\*\.pdf"):
        texts("memory://b/*.pdf")


def test_a_file_elsewhere_that_ends_early(memory, monkeypatch):
    (file,) = Inputs(["memory://b/2.txt"])
    memory.pipe("/b/2.txt", b"b")
    with pytest.raises(DataError, match="ended after 1 of 7 bytes"):
        list(Stored(file).pieces())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pass@host/a?token=x#y", "https://host/a"),
        ("s3://bucket/key", "s3://bucket/key"),
        ("ftp://host/a@b", "ftp://host/a@b"),
    ],
)
def test_no_secret_is_shown(url, shown):
    assert remote.without_secrets(url) == shown


WITHOUT = """
import importlib.abc, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in sys.argv[2].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from bbyte.cli import main
sys.exit(main(["pack", sys.argv[1], "--out-dir", "out"]))
"""


@pytest.mark.parametrize(
    ("given", "missing", "message"),
    [
        (
            "t.parquet",
            "pyarrow",
            "this kind of file needs pyarrow, which is not installed\nhint: pip install 'bbyte[data]'",
        ),
        (
            "hf:a/b",
            "huggingface_hub",
            "hf:a/b needs huggingface_hub, which is not installed\nhint: pip install 'bbyte[data]'",
        ),
        (
            "https://h/a",
            "fsspec",
            "https://h/a needs fsspec, which is not installed\nhint: pip install 'bbyte[data]'",
        ),
        (
            "https://h/a",
            "aiohttp",
            "https://h/a needs aiohttp, which is not installed\nhint: pip install 'bbyte[data]'",
        ),
        ("s3://b/a", "s3fs", "s3://b/a needs s3fs, which is not installed\nhint: pip install s3fs"),
        ("gs://b/a", "gcsfs", "gs://b/a needs gcsfs, which is not installed\nhint: pip install gcsfs"),
    ],
)
def test_a_missing_library_is_named_in_one_line(tmp_path, given, missing, message):
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    command = [sys.executable, "-c", WITHOUT, given, missing]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, f"error: {message}\n")
    assert [file.name for file in tmp_path.iterdir()] == ["t.parquet"]
