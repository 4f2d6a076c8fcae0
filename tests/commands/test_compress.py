"""bbyte compress and decompress, as they are typed."""

import io
import json
import os
import random
import subprocess
import sys

import pytest
from fresh import checkpoint

from bbyte.cli import main
from bbyte.compression import compress, decompress
from bbyte.engine import core

native = pytest.mark.skipif(core.library() is None, reason=f"no native core: {core.missing()}")
WORDS = ("byte", "model", "chunk", "of", "the", "stream", "is", "coded", "alone", "and", "again")
TEXT = " ".join(random.Random(1).choices(WORDS, k=900)).encode()


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book.txt").write_bytes(TEXT)
    return tmp_path


@pytest.fixture
def packed(place, capfd):
    """A packed checkpoint under artifacts/exports, untrained; the file alone teaches it something."""
    checkpoint(place / "artifacts" / "checkpoints" / "tales", context=64)
    assert main(["export", "packed", "--quiet"]) == 0
    capfd.readouterr()
    return place / "artifacts" / "exports" / "tales-packed"


def said(capfd, *words, code=0):
    assert main([str(word) for word in words]) == code
    return capfd.readouterr()


def told(capfd, *words, code=0):
    return json.loads(said(capfd, *words, "--json", code=code).out)


def zipped(capfd, *words, code=0):
    return said(capfd, "compress", "--level", "0", *words, code=code)


def piped(monkeypatch, data):
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Pipe(data)))


def test_there_and_back(place, capfd):
    os.utime(place / "book.txt", ns=(10**18, 10**18))
    seen = zipped(capfd, "book.txt")
    assert seen.out == "" and seen.err.startswith(f"book.txt: {len(TEXT):,} to ")
    assert "ratio" in seen.err and "bits per byte" in seen.err and seen.err.endswith("B/s, verified\n")
    assert (place / "book.txt").read_bytes() == TEXT, "the input stays"
    assert (place / "book.txt.bbz").stat().st_mtime_ns == 10**18
    (place / "book.txt").unlink()
    assert said(capfd, "decompress", "book.txt.bbz").err == f"book.txt: {len(TEXT):,} bytes\n"
    assert (place / "book.txt").read_bytes() == TEXT and (place / "book.txt").stat().st_mtime_ns == 10**18
    assert (place / "book.txt.bbz").exists()


def test_nothing_is_replaced_unasked(place, capfd):
    (place / "book.txt.bbz").write_bytes(b"dear to me")
    assert "error: book.txt.bbz is there already\nhint: -f" in zipped(capfd, "book.txt", code=2).err
    assert (place / "book.txt.bbz").read_bytes() == b"dear to me"
    zipped(capfd, "book.txt", "-f", "-q")
    assert "book.txt is there already" in said(capfd, "decompress", "book.txt.bbz", code=2).err
    assert "is what is read" in zipped(capfd, "book.txt", "-f", "-o", "book.txt", code=2).err
    assert (place / "book.txt").read_bytes() == TEXT


def test_names(place, capfd):
    assert "does not end in .bbz" in said(capfd, "decompress", "book.txt", code=2).err
    zipped(capfd, "book.txt", "-o", "other")
    (place / "x.bbz").write_bytes(b"")
    assert "compressed already" in zipped(capfd, "x.bbz", code=2).err
    said(capfd, "decompress", "other", "-o", "again.txt")
    assert (place / "again.txt").read_bytes() == TEXT
    (place / "folder").mkdir()
    assert "is a folder" in zipped(capfd, "folder", code=2).err
    assert "No such file" in zipped(capfd, "gone", code=1).err


def test_pipes(place, capfdbinary, monkeypatch):
    piped(monkeypatch, TEXT)
    assert main(["compress", "--level", "0", "-"]) == 0
    seen = capfdbinary.readouterr()
    assert seen.out[:4] == b"\x89BBZ" and b"standard input: " in seen.err and b"verified" in seen.err
    piped(monkeypatch, seen.out)
    assert main(["decompress", "-"]) == 0
    assert capfdbinary.readouterr().out == TEXT
    piped(monkeypatch, seen.out[:-1])
    assert main(["decompress", "-"]) == 3
    assert b"standard input is truncated at its footer" in capfdbinary.readouterr().err
    assert main(["compress", "--level", "0", "-c", "book.txt", "-q"]) == 0
    seen = capfdbinary.readouterr()
    assert seen.err == b""
    (place / "c.bbz").write_bytes(seen.out)
    assert main(["decompress", "-c", "c.bbz"]) == 0
    assert capfdbinary.readouterr().out == TEXT


def test_what_has_no_place(place, capfd):
    zipped(capfd, "book.txt", "-q")
    for words, sentence in {
        ("compress", "a", "b", "-o", "c"): "-o takes one FILE",
        ("compress", "a", "-c", "-o", "c"): "-c goes with no -o",
        ("compress", "a", "b", "-c"): "one archive at a time",
        ("compress", "a", "-c", "--json"): "both want standard output",
        ("compress", "-", "-"): "named twice",
        ("compress", "a", "--test", "--list"): "two things",
        ("compress", "a", "--level", "0", "--ckpt", "b"): "takes no model",
        ("compress", "a", "--level", "1", "--hybrid", "on"): "mixes the model with nothing",
        ("compress", "a", "--level", "0", "--adapt"): "mixes the model with nothing",
        ("compress", "a", "--chunk-bytes", "100"): "expected at least 4096",
        ("decompress", "a", "--test", "--salvage"): "two things",
        ("decompress", "a", "b", "-o", "c"): "-o takes one FILE",
    }.items():
        assert sentence in said(capfd, *words, code=2).err


def test_nothing_for_a_terminal(place, capfd, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert "nothing for a terminal" in zipped(capfd, "book.txt", "-c", code=2).err


def test_several_files(place, capfd):
    (place / "two").write_bytes(b"2")
    seen = zipped(capfd, "book.txt", "gone", "two", code=1)
    assert "warning: gone: No such file" in seen.err and "1 of 3 files were not compressed" in seen.err
    (place / "two.bbz").write_bytes(b"no longer")
    seen = said(capfd, "decompress", "-f", "book.txt.bbz", "gone.bbz", "two.bbz", code=3)
    assert "warning: two.bbz is no .bbz file" in seen.err and "2 of 3 files were not decompressed" in seen.err
    document = told(capfd, "decompress", "-t", "book.txt.bbz", "two.bbz", code=3)
    assert [one["path"] for one in document["files"]] == ["book.txt.bbz"] and len(document["failed"]) == 1


def test_test_and_list(place, capfd):
    zipped(capfd, "book.txt", "-q")
    for word in ("compress", "decompress"):
        assert said(capfd, word, "-t", "book.txt.bbz").err == f"book.txt.bbz: ok, {len(TEXT):,} bytes\n"
    seen = said(capfd, "compress", "--list", "book.txt.bbz")
    assert seen.out.splitlines()[1].split()[:2] == ["book.txt.bbz", f"{len(TEXT):,}"] and "1 zstd" in seen.out
    row = told(capfd, "compress", "-l", "book.txt.bbz")["files"][0]
    assert row["coded_bytes"] == (place / "book.txt.bbz").stat().st_size and row["model"] is None
    archive = place / "book.txt.bbz"
    archive.write_bytes(archive.read_bytes()[:-40])
    assert "truncated at its footer" in said(capfd, "compress", "-l", "book.txt.bbz", code=3).err
    assert "truncated at its footer" in said(capfd, "compress", "-t", "book.txt.bbz", code=3).err


def test_ratio_only_writes_nothing(place, capfd):
    seen = zipped(capfd, "book.txt", "--ratio-only")
    assert seen.out.startswith("book.txt: ") and seen.err == "" and os.listdir(place) == ["book.txt"]  # noqa: PTH208
    row = told(capfd, "compress", "--level", "0", "--ratio-only", "book.txt")["files"][0]
    assert row["out"] is None and not row["verified"] and row["ratio"] == len(TEXT) / row["coded_bytes"]


def test_salvage(place, capfd):
    data = random.Random(2).randbytes(3 * 4096)
    (place / "data").write_bytes(data)
    zipped(capfd, "data", "--chunk-bytes", "4096", "-q")
    archive = place / "data.bbz"
    good = archive.read_bytes()
    archive.write_bytes(good[:6000] + bytes([good[6000] ^ 1]) + good[6001:])
    assert (
        "damaged at chunk 1, 4,096 bytes recoverable" in said(capfd, "decompress", "-f", archive, code=3).err
    )
    assert (place / "data").read_bytes() == data
    seen = said(capfd, "decompress", "--salvage", archive, "-o", "rest", code=3)
    assert "4,096 bytes are lost (at 4,096-8,191); 8,192 bytes were written to rest" in seen.err
    assert (place / "rest").read_bytes() == data[:4096] + data[8192:]
    archive.write_bytes(good)
    assert "nothing is lost" in said(capfd, "decompress", "--salvage", archive, "-o", "all").err


@native
@pytest.mark.parametrize("hybrid", ["auto", "on"])
def test_with_a_model(place, packed, capfd, hybrid):
    seen = said(capfd, "compress", "book.txt", "--hybrid", hybrid)
    assert "taking the newest checkpoint that compresses, artifacts/exports/tales-packed" in seen.err
    assert "verified" in seen.err
    row = told(capfd, "compress", "-l", "book.txt.bbz")["files"][0]
    assert row["chunks"]["neural"] == 1 and row["model"][:12] in seen.err
    seen = said(capfd, "decompress", "book.txt.bbz", "-o", "again")
    assert "book.txt.bbz: the model is artifacts/exports/tales-packed" in seen.err
    assert (place / "again").read_bytes() == TEXT
    said(capfd, "decompress", "book.txt.bbz", "-f", "--ckpt", packed)


@native
def test_by_numpy_where_there_is_no_core(place, packed, capfd, monkeypatch):
    (place / "book.txt").write_bytes(TEXT[:300])
    said(capfd, "compress", "book.txt", "-o", "by-core.bbz")
    said(capfd, "compress", "book.txt", "-o", "by-numpy.bbz", "--engine", "numpy")
    assert (place / "by-core.bbz").read_bytes() == (place / "by-numpy.bbz").read_bytes()
    monkeypatch.setattr(core, "missing", lambda: "no compiler was there")
    seen = said(capfd, "decompress", "by-core.bbz", "-o", "again")
    assert "no native core (no compiler was there), so numpy computes" in seen.err
    assert (place / "again").read_bytes() == TEXT[:300]
    archive = (place / "by-core.bbz").read_bytes()
    assert decompress(archive, packed) == TEXT[:300] and compress(TEXT[:300], packed) == archive


@native
def test_another_model(place, packed, capfd):
    said(capfd, "compress", "book.txt")
    identity = told(capfd, "compress", "-l", "book.txt.bbz")["files"][0]["model"][:12]
    checkpoint(place / "artifacts" / "checkpoints" / "tales", step=2, context=64)
    said(capfd, "export", "packed", "--out", "other")
    seen = said(capfd, "decompress", "-f", "book.txt.bbz", "--ckpt", "other", code=3)
    assert f"was compressed with the model {identity}; this is " in seen.err
    (place / "other").rename(place / "artifacts" / "exports" / "newer")
    seen = said(capfd, "decompress", "-f", "book.txt.bbz")
    assert "the model is artifacts/exports/tales-packed" in seen.err, "not the newest, but the right one"
    packed.rename(place / "away")
    seen = said(capfd, "decompress", "-f", "book.txt.bbz", code=3)
    assert f"with the model {identity}, which is not here; artifacts/exports/newer is " in seen.err


def test_without_any_model(place, capfd):
    checkpoint(place / "artifacts" / "checkpoints" / "tales")  # ternary, but not packed: not for the engine
    from bbyte import starter

    if not starter.MODEL.exists():
        assert "there is no checkpoint yet that compresses" in said(capfd, "compress", "book.txt", code=1).err
    seen = said(capfd, "compress", "book.txt", "--ckpt", "artifacts/checkpoints/tales", code=2)
    assert "its ternary weights are not packed" in seen.err


def test_a_model_that_sees_both_sides(place, capfd):
    run = place / "artifacts" / "checkpoints" / "holes"
    checkpoint(run, family="diffusion")
    seen = said(capfd, "compress", "book.txt", "--ckpt", run, code=2)
    assert "a diffusion model has no step from byte to byte" in seen.err and "ar or mamba" in seen.err
    assert not (place / "book.txt.bbz").exists()


@native
def test_torch_is_not_loaded(packed):
    for words in (["compress", "-q", "book.txt"], ["decompress", "-q", "-f", "book.txt.bbz"]):
        program = (
            "import sys; from bbyte.cli import main; sys.exit(main(sys.argv[1:]) or 'torch' in sys.modules)"
        )
        subprocess.run([sys.executable, "-c", program, *words], check=True)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_stream(place):
    program = (
        "import re, sys; from bbyte.cli import main; code = main(sys.argv[1:]);"
        "peak = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1];"
        "print(peak, file=sys.stderr); sys.exit(code)"
    )

    def peak(data, *words):
        command = [sys.executable, "-c", program, *words, "-q", "--threads", "2"]
        done = subprocess.run(command, input=data, capture_output=True, check=True)
        return int(done.stderr) / 1024, done.stdout

    figures = []
    for size in (10, 100):
        data = random.Random(0).randbytes(size << 20)
        compressing, archive = peak(data, "compress", "--level", "0", "--no-verify", "-")
        decompressing, again = peak(archive, "decompress", "-")
        assert again == data
        figures.append((compressing, decompressing))
    assert all(large < small + 8 for small, large in zip(*figures, strict=True)), figures
