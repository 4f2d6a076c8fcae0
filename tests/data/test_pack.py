"""Packing: all of it or nothing of it."""

import bz2
import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from blake3 import blake3

from bbyte.data.account import Account
from bbyte.data.corpus import ByteCorpus
from bbyte.data.pack import pack
from bbyte.data.sources.file import File
from bbyte.errors import DataError, UsageError

DATA = Path(__file__).parents[2] / "../shared/data"


def contents(folder):
    corpus = ByteCorpus.open(folder)
    corpus.verify()
    return corpus.read(0, corpus.size).tobytes()


@pytest.fixture
def texts(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "one.txt").write_bytes(b"first")
    (folder / "two.txt.gz").write_bytes(gzip.compress(b"second"))
    (folder / "notes.md").write_bytes(b"third")
    return folder


def test_files_and_folders_become_one_corpus(texts, tmp_path):
    packed = pack([str(texts)], tmp_path / "out", shard_bytes=10)
    assert contents(tmp_path / "out") == b"third\0first\0second\0"
    assert [source.name for source in packed.meta.sources] == [
        "texts/notes.md",
        "texts/one.txt",
        "texts/two.txt.gz",
    ]
    assert [shard.bytes for shard in packed.meta.shards] == [10, 9]
    assert packed.meta == ByteCorpus.open(tmp_path / "out").meta
    assert packed.left_out == Account()


def test_two_packs_of_the_same_are_the_same(texts, tmp_path):
    for name in ("one", "two"):
        pack([str(texts)], tmp_path / name, shard_bytes=7, val_fraction=0.5)
    first, second = (
        {str(file.relative_to(tmp_path / name)): file.read_bytes() for file in (tmp_path / name).rglob("*.*")}
        for name in ("one", "two")
    )
    assert first == second


def test_standard_input(tmp_path, monkeypatch):
    data = os.urandom(100_000)
    monkeypatch.setattr(File, "opened", lambda file: io.BytesIO(data))
    calls = []
    packed = pack(["-"], tmp_path / "out", separator=None, on_progress=lambda *call: calls.append(call))
    assert contents(tmp_path / "out") == data
    assert packed.meta.sources[0].name == "stdin"
    assert calls[-1] == (100_000, None)


def test_progress_is_in_stored_bytes_and_seldom(texts, tmp_path):
    for number in range(200):
        (texts / f"{number}.txt").write_bytes(bytes(1000))
    calls = []
    pack([str(texts)], tmp_path / "out", on_progress=lambda *call: calls.append(call))
    total = sum(file.stat().st_size for file in texts.iterdir())
    assert calls[-1] == (total, total)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert len(calls) < 30


@pytest.mark.parametrize(
    "name, data",
    [
        ("damaged.gz", gzip.compress(os.urandom(5000))[:-4]),
        ("damaged.bz2", bz2.compress(os.urandom(5000)) + b"more"),
        ("empty.xz", b""),
    ],
)
def test_a_damaged_input_leaves_nothing_behind(texts, tmp_path, name, data):
    (texts / name).write_bytes(data)
    with pytest.raises(DataError, match=name):
        pack([str(texts)], tmp_path / "deep" / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["texts"]


def test_a_failed_pack_keeps_the_corpus_that_was_there(texts, tmp_path):
    pack([str(texts)], tmp_path / "out")
    before = contents(tmp_path / "out")
    (texts / "z.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError):
        pack([str(texts)], tmp_path / "out", force=True)
    assert contents(tmp_path / "out") == before
    (texts / "z.gz").unlink()
    with pytest.raises(UsageError, match="not empty"):
        pack([str(texts)], tmp_path / "out")
    pack([str(texts)], tmp_path / "out", force=True, separator=10)
    assert contents(tmp_path / "out") == before.replace(b"\0", b"\n")


def test_the_output_inside_an_input_is_not_packed(texts):
    for _ in range(3):
        packed = pack([str(texts)], texts / "out", force=True)
        assert packed.meta.documents == 3
    assert [item.reason for item in packed.left_out.skipped] == ["it is the output folder"]
    assert sorted(file.name for file in texts.iterdir()) == ["notes.md", "one.txt", "out", "two.txt.gz"]


def test_nothing_to_pack(texts, tmp_path):
    for inputs, settings, message in (
        ([], {}, "no input was named"),
        ([str(texts)], {"extensions": [".pdf"]}, r"no file ending in \.pdf"),
    ):
        with pytest.raises(UsageError, match=message):
            pack(inputs, tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("call", ["open", "write", "fsync", "rename", "mkdir"])
def test_whatever_fails_on_disk_leaves_nothing_behind(texts, tmp_path, monkeypatch, call):
    out = tmp_path / "out"
    pack([str(texts)], out, shard_bytes=5)
    before = {file: file.read_bytes() for file in out.iterdir()}
    for nth in range(1, 100):
        with monkeypatch.context() as patched:
            count = fail_at(patched, call, nth)
            try:
                pack([str(texts)], out, shard_bytes=5, val_fraction=0.6, index=True, force=True)
            except OSError as error:
                assert "injected" in str(error)
                assert {file: file.read_bytes() for file in out.iterdir()} == before
                assert sorted(file.name for file in tmp_path.iterdir()) == ["out", "texts"]
                continue
        assert count() < nth
        break
    assert nth > 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out", "texts"]


def fail_at(patched, call, nth):
    """Make the nth such call of the writers fail; returns a function that tells how many there were."""
    place, name = {
        "open": (io, "FileIO"),
        "write": (io, "FileIO"),
        "fsync": (os, "fsync"),
        "rename": (Path, "rename"),
        "mkdir": (Path, "mkdir"),
    }[call]
    real, calls = getattr(place, name), []

    def fail(*arguments, **named):
        calls.append(arguments)
        if len(calls) == nth:
            raise OSError(28, "injected")
        return real(*arguments, **named)

    if call == "write":

        class Failing(io.FileIO):
            def write(self, data):
                calls.append(data)
                if len(calls) == nth:
                    raise OSError(28, "injected")
                return super().write(data)

        fail = Failing
    if place is io:
        for module in ("shards", "index"):
            patched.setattr(f"bbyte.data.{module}.io", type("io", (), {"FileIO": staticmethod(fail)}))
    else:
        patched.setattr(place, name, fail)
    return lambda: len(calls)


MEMORY = r"""
import re, sys
from pathlib import Path
from bbyte.data.pack import pack
pack([sys.argv[1]], sys.argv[2], field="text", val_fraction=0.1, index=not sys.argv[1].endswith(".txt"))
print(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def large_input(path, megabytes):
    """So many times a megabyte that is hard to compress: a text, records, members of an archive, rows."""
    texts = [os.urandom(500_000).hex() for _ in range(megabytes)]
    if path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps({"text": text}) for text in texts))
    elif path.suffix == ".parquet":
        arrow = pytest.importorskip("pyarrow", reason="needs pip install 'bbyte[data]'")
        from pyarrow import parquet

        parquet.write_table(arrow.table({"text": texts}), path, row_group_size=10)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for number, text in enumerate(texts):
                archive.writestr(f"{number}", text)
    else:
        path.write_text("".join(texts))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs the peak that Linux tells")
@pytest.mark.parametrize("name", ["x.txt", "x.jsonl", "x.zip", "x.parquet"])
def test_memory_does_not_grow_with_the_input(tmp_path, name):
    peaks = []
    for megabytes in (30, 300):
        large_input(tmp_path / name, megabytes)
        command = [sys.executable, "-c", MEMORY, str(tmp_path / name), str(tmp_path / f"out{megabytes}")]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    assert peaks[1] - peaks[0] < 32 << 10


def test_real_books(tmp_path):
    if not DATA.is_dir():
        pytest.skip("the test data is not in ../shared/data")
    packed = pack(
        [str(DATA / "silesia" / "dickens.bz2"), str(DATA / "grimm")], tmp_path / "out", extensions=[".txt"]
    )
    grimm = (DATA / "grimm" / "2591.txt").read_bytes()
    dickens = bz2.decompress((DATA / "silesia" / "dickens.bz2").read_bytes())
    assert contents(tmp_path / "out") == grimm + b"\0" + dickens + b"\0"
    assert packed.meta.documents == 2


def test_the_example_in_the_documentation_runs(tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "corpora.md").read_text(encoding="utf-8")
    code = page.split("## From Python\n")[1].split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    Path("texts").mkdir()
    for number in range(100):
        Path(f"texts/{number}.txt").write_text(f"text {number} " * 20)
    names = {}
    exec(code, names)  # noqa: S102 - our own page
    assert names["batch"].shape == (8, 513)


def contents_of(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def many(tmp_path):
    """Files of several kinds, with documents that equal others."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(6):
        lines = [
            json.dumps({"text": f"text {line % 40} " * (line % 7 + 1)}) for line in range(30 * number + 1)
        ]
        (folder / f"{number}.jsonl").write_text("\n".join([*lines, "{}"]))
        (folder / f"{number}.txt").write_bytes(b"plain %d" % number * 1000)
        (folder / f"{number}.md.gz").write_bytes(gzip.compress(b"packed %d" % number * 100_000))
    return folder


@pytest.mark.parametrize("most", [1_000, 80_000, 600_000, 1 << 40])
def test_what_stops_early_is_the_same_by_any_way(many, tmp_path, most):
    ways = ({}, {"workers": 2}, {"skip_bad": True})
    for number, way in enumerate(ways):
        pack([str(many)], tmp_path / f"{number}", field="text", max_bytes=most, **way)
    assert contents_of(tmp_path / "0") == contents_of(tmp_path / "1") == contents_of(tmp_path / "2")


def test_any_number_of_workers_makes_the_same_corpus(many, tmp_path):
    settings = {"field": "text", "index": True, "val_fraction": 0.2, "dedup": True, "shuffle_seed": 7}
    settings |= {"max_bytes": 2_000_000, "shard_bytes": 300_000}
    made = [pack([str(many)], tmp_path / f"{n}", workers=n, **settings) for n in (1, 2, 3)]
    assert contents_of(tmp_path / "1") == contents_of(tmp_path / "2") == contents_of(tmp_path / "3")
    assert made[0].left_out == made[1].left_out == made[2].left_out
    assert made[0].left_out.without_text == 6
    assert made[0].left_out.duplicates > 100


def test_a_worker_meets_damage(many, tmp_path):
    (many / "3.md.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"3\.md\.gz is damaged"):
        pack([str(many)], tmp_path / "out", workers=2)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["many"]


@pytest.mark.parametrize("workers", [1, 2])
def test_damaged_files_are_left_out_whole_if_asked(many, tmp_path, workers):
    good = pack([str(many)], tmp_path / "good", field="text")
    (many / "00.gz").write_bytes(gzip.compress(os.urandom(3 << 20))[:-4])
    (many / "6.jsonl").write_text('{"text": "good"}\n{"text": bad}')
    (many / "7.jsonl").write_text('{"txt": "good"}')
    made = pack([str(many)], tmp_path / "made", field="text", skip_bad=True, workers=workers)
    assert contents(tmp_path / "made") == contents(tmp_path / "good")
    assert made.meta == good.meta
    places = [Path(item.place).name for item in made.left_out.damaged]
    assert places == ["00.gz", "6.jsonl", "7.jsonl"]
    assert made.left_out.damaged[0].reason == "it is truncated"


def test_a_request_that_is_off_is_no_damage(many, tmp_path):
    pytest.importorskip("pyarrow", reason="needs pip install 'bbyte[data]'")
    from pyarrow import parquet, table

    parquet.write_table(table({"a": ["x"]}), many / "t.parquet")
    with pytest.raises(UsageError, match="no column b"):
        pack([str(many)], tmp_path / "out", column="b", skip_bad=True)


def test_up_to_so_many_bytes(many, tmp_path):
    for most in (2, 7, 8, 9, 100, 100_000):
        packed = pack([str(many)], tmp_path / "out", field="text", max_bytes=most, force=True)
        assert packed.meta.bytes <= most
        assert packed.meta.bytes > most - 2
    everything = pack([str(many)], tmp_path / "all", field="text", max_bytes=1 << 40)
    assert everything.meta.bytes > 4_000_000
    assert contents(tmp_path / "all").startswith(contents(tmp_path / "out").rstrip(b"\0"))


def test_each_source_says_what_came_of_it(many, tmp_path):
    packed = pack([str(many)], tmp_path / "out", field="text")
    assert len(packed.meta.sources) == packed.meta.source_count == 18
    assert sum(source.documents for source in packed.meta.sources) == packed.meta.documents
    for source in packed.meta.sources:
        data = (many.parent / source.name).read_bytes()
        assert (source.bytes, source.blake3) == (len(data), blake3(data).hexdigest())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"workers": 0}, "0 workers"),
        ({"max_bytes": 1}, "1 bytes are too few"),
        ({"num_slices": 3}, "both its number"),
        ({"slice_number": 3}, "both its number"),
        ({"num_slices": 3, "slice_number": 3}, "slice 3 of 3"),
        ({"num_slices": 3, "slice_number": -1}, "slice -1 of 3"),
        ({"num_slices": 3, "slice_number": 0, "dedup": True}, "--dedup does not go with slices"),
        ({"num_slices": 3, "slice_number": 0, "shuffle_seed": 0}, "--shuffle-documents does not go"),
        ({"num_slices": 3, "slice_number": 0, "max_bytes": 9}, "--max-bytes does not go"),
    ],
)
def test_what_cannot_be_asked(many, tmp_path, settings, message):
    with pytest.raises(UsageError, match=message):
        pack([str(many)], tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()
