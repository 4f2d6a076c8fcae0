"""bbyte pack, as it is typed."""

import bz2
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bbyte.cli import main
from bbyte.data.corpus import ByteCorpus

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DATA = Path(__file__).parents[2] / "../shared/data"


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "b.txt", "more/c.txt", "more/d.md"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(name)
    return tmp_path


def packed(*words):
    assert main(["pack", *words]) == 0
    corpus = ByteCorpus.open("out")
    corpus.verify()
    return corpus.read(0, corpus.size).tobytes().split(b"\0")[:-1]


@pytest.mark.parametrize(
    "words",
    [
        "--inputs a.txt b.txt more --out-dir out",
        "--inputs a.txt --inputs b.txt --inputs more --out-dir out",
        "--out-dir out a.txt b.txt more",
        "more b.txt --out_dir out --inputs a.txt",
        "--inputs=a.txt b.txt more --out-dir=out",
        ". --out-dir out --force",
    ],
)
def test_every_way_of_naming_inputs(place, words):
    assert packed(*words.split()) == [b"a.txt", b"b.txt", b"more/c.txt", b"more/d.md"]


@pytest.mark.parametrize(
    "words",
    [
        "--inputs more a.txt --exts .txt",
        "--inputs more a.txt --exts txt,.html",
        "--exts .html .txt --inputs more a.txt",
        "--exts .html --exts .txt more a.txt",
    ],
)
def test_every_way_of_naming_endings(place, words):
    assert packed(*words.split(), "--out-dir", "out") == [b"a.txt", b"more/c.txt"]


def test_separators_and_shards(place):
    assert (
        main(
            [
                "pack",
                "a.txt",
                "b.txt",
                "--out-dir",
                "out",
                "--sep-byte",
                "10",
                "--shard-size-gb",
                "0.000000005",
            ]
        )
        == 0
    )
    assert [Path(f"out/shard_0000{n}.bin").read_bytes() for n in range(3)] == [b"a.txt", b"\nb.tx", b"t\n"]
    assert main(["pack", "a.txt", "b.txt", "--out-dir", "out", "--sep_byte", "none", "--force"]) == 0
    assert Path("out/shard_00000.bin").read_bytes() == b"a.txtb.txt"


def test_json_for_programs(place, capfd):
    assert main(["pack", "more", "--out-dir", "out", "--json"]) == 0
    value = json.loads(capfd.readouterr().out)
    assert (value["bytes"], value["documents"], value["shards"], value["path"]) == (21, 2, 1, "out")


def test_talk_goes_to_stderr_and_quiet_is_quiet(place, capfd):
    assert main(["pack", "more", "--out-dir", "out"]) == 0
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err == "out: 21 bytes, 2 documents in 1 shard, from 2 files\n"
    assert main(["pack", "more", "--out-dir", "quiet", "-q"]) == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("more --out-dir more", 2, "error: more lies inside the output folder"),
        ("a.txt --out-dir more", 2, "error: more is not empty"),
        ("a.txt --out-dir more --force", 2, "error: more is not replaced: it holds c.txt"),
        ("a.txt --out-dir b.txt", 2, "error: b.txt is a file"),
        ("gone.txt --out-dir out", 2, "error: there is nothing at gone.txt"),
        ("a.txt --out-dir out --sep-byte 256", 2, "error: the separator 256 is no byte"),
        ("a.txt --out-dir out --sep-byte x", 2, "error: --sep-byte is 'x'"),
        ("a.txt --out-dir out --shard-size-gb 0", 2, "error: --shard-size-gb is 0"),
        ("a.txt --out-dir out --shard-size-gb nan", 2, "error: --shard-size-gb"),
        ("a.txt --out-dir out --val-fraction 1.5", 2, "error: val-fraction 1.5"),
        ("a.txt --out-dir out --val-fraction 0.0001", 2, "error: so little data"),
        ("more --exts .pdf --out-dir out", 2, "error: nothing to pack: no file ending in .pdf"),
        ("--out-dir out", 2, "error: nothing to pack"),
        ("a.txt", 2, "error: missing option --out-dir"),
        ("bad.gz --out-dir out", 3, "error: bad.gz is damaged"),
        ("empty --out-dir out", 3, "error: there is nothing to pack"),
    ],
)
def test_errors_are_a_sentence_and_leave_nothing(place, capfd, words, code, message):
    Path("bad.gz").write_text("no gzip")
    Path("empty").write_bytes(b"")
    if "empty" in words:
        words += " --sep-byte none"
    before = sorted(place.rglob("*"))
    assert main(["pack", *words.split()]) == code
    shown = capfd.readouterr()
    assert shown.err.startswith(message)
    assert "Traceback" not in shown.err
    assert sorted(place.rglob("*")) == before


def test_what_is_left_out_is_said(place, capfd):
    if sys.platform == "win32":
        pytest.skip("links need a privilege on Windows")
    for number in range(8):
        Path(f"more/link{number}").symlink_to(place / "a.txt")
    assert packed("more", "--out-dir", "out") == [b"more/c.txt", b"more/d.md"]
    warnings = capfd.readouterr().err.splitlines()[:-1]
    assert len(warnings) == 6
    assert warnings[0].startswith("warning: left out")
    assert warnings[-1] == "warning: left out 3 more"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names must be text there")
def test_a_name_that_is_not_utf8_and_tries_to_steer_the_terminal(place, capfd):
    name = os.fsdecode(b"evil\xff\x1b[2J.gz")
    Path(name).write_bytes(bz2.compress(b"not gzip"))
    assert main(["pack", name, "--out-dir", "out"]) == 3
    assert "\x1b" not in capfd.readouterr().err
    Path(name).rename(name.removesuffix(".gz"))
    assert main(["pack", name.removesuffix(".gz"), "--out-dir", "out", "--json"]) == 0
    assert ByteCorpus.open("out").meta.sources[0].name == name.removesuffix(".gz")


def run(*words, **settings):
    return subprocess.run([sys.executable, "-m", "bbyte", "pack", *words], capture_output=True, **settings)


def test_a_pipe(place):
    done = run("-", "--out-dir", "out", input=b"piped\xff\n")
    assert done.returncode == 0, done.stderr
    assert Path("out/shard_00000.bin").read_bytes() == b"piped\xff\n\0"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_pack_leaves_nothing(place, sign, code):
    process = subprocess.Popen(
        [sys.executable, "-m", "bbyte", "pack", "-", "--out-dir", "deep/out"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdin.write(bytes(3 << 20))
    process.stdin.flush()
    for _ in range(500):
        if list(place.glob("deep/.out.partial-*/shard_00000.bin")):
            break
        time.sleep(0.02)
    process.send_signal(sign)
    _, said = process.communicate()
    assert process.returncode == code
    assert b"Traceback" not in said
    assert not Path("deep").exists()


def test_the_tales_of_the_tour(place):
    if not DATA.is_dir():
        pytest.skip("the test data is not in ../shared/data")
    inputs = [str(DATA / "grimm"), str(DATA / "silesia" / "dickens.bz2")]
    assert main(["pack", "--inputs", *inputs, "--out-dir", "artifacts/datasets/tales"]) == 0
    assert ByteCorpus.open("artifacts/datasets/tales").size > 10_000_000


def test_damaged_files_are_listed_and_end_with_1(place, capfd):
    Path("more/bad.gz").write_text("no gzip")
    assert main(["pack", "more", "--out-dir", "out", "--skip-bad"]) == 1
    shown = capfd.readouterr().err.splitlines()
    assert shown[0].startswith(f"warning: skipped {place}/more/bad.gz: it is damaged")
    assert shown[1] == "out: 21 bytes, 2 documents in 1 shard, from 2 files"
    assert main(["pack", "more", "--out-dir", "json", "--skip_bad", "--json"]) == 1
    assert json.loads(capfd.readouterr().out)["damaged"] == 1
    Path("more/bad.gz").unlink()
    assert main(["pack", "more", "--out-dir", "fine", "--skip-bad"]) == 0


def test_records_without_doubles_in_another_order(place, capfd):
    Path("r.jsonl").write_text("\n".join(json.dumps({"body": f"t{n % 50}"}) for n in range(100)) + "\n{}")
    words = "r.jsonl --field body --dedup exact --shuffle-documents 5 --index --max-bytes 100 --workers 2"
    found = packed(*words.split(), "--out-dir", "out")
    assert len(set(found)) == len(found) > 20
    assert found != sorted(found, key=lambda text: int(text[1:] or 0))
    said = capfd.readouterr().err
    assert "1 record had no text" in said
    assert "50 documents equalled an earlier one" in said
    assert Path("out/documents.u64").stat().st_size == 8 * len(found)


def test_only_exact_doubles_are_known(place, capfd):
    assert main(["pack", "more", "--out-dir", "out", "--dedup", "near"]) == 2
    assert "--dedup is 'near'" in capfd.readouterr().err


def test_patterns_are_read_by_bbyte_as_well(place):
    assert packed("*.txt", "--out-dir", "out") == [b"a.txt", b"b.txt"]
    assert packed("**/*.md", "--out-dir", "out", "--force") == [b"more/d.md"]


def test_a_pattern_of_nothing(place, capfd):
    assert main(["pack", "*.pdf", "--out-dir", "out"]) == 2
    assert capfd.readouterr().err.startswith("error: no file matches *.pdf")


@pytest.fixture
def working(place):
    """A pack by two workers that have begun, and the processes they are."""
    for number in range(2):
        Path(f"{number}.zst").write_bytes(zstd.compress(bytes(32 << 20)) * 64)  # 2 GB
    words = ["pack", "--workers", "2", "0.zst", "1.zst", "--out-dir", "deep/out"]
    process = subprocess.Popen([sys.executable, "-m", "bbyte", *words], stderr=subprocess.PIPE)
    for _ in range(1500):
        if len(list(place.glob("deep/.out.partial-*/aside/*.ends"))) >= 2:
            break
        time.sleep(0.02)
    else:
        process.kill()
        raise AssertionError("the workers have not begun")
    yield process, psutil.Process(process.pid).children(recursive=True)
    process.kill()


def end_of(processes):
    gone, alive = psutil.wait_procs(processes, 20)
    return len(gone) >= 2 and not alive


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_pack_takes_its_workers_along(working, sign, code):
    process, workers = working
    process.send_signal(sign)
    _, said = process.communicate(timeout=30)
    assert process.returncode == code
    assert b"Traceback" not in said
    assert end_of(workers)
    assert not Path("deep").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_no_worker_outlives_a_pack_that_is_killed(working):
    process, workers = working
    process.kill()
    process.communicate(timeout=30)
    assert end_of(workers)
    assert main(["pack", "a.txt", "--out-dir", "deep/out"]) == 0
    assert [file.name for file in Path("deep").iterdir()] == ["out"]


def test_lines_of_json_that_were_not_read_as_such_are_mentioned(place, capfd):
    Path("r.jsonl").write_text('{"text": "one"}')
    assert packed("r.jsonl", "--out-dir", "out") == [b'{"text": "one"}']
    assert "with --field text it is the text of each record" in capfd.readouterr().err
    assert packed("r.jsonl", "--out-dir", "out", "--force", "--field", "text") == [b"one"]
    assert "--field" not in capfd.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_worker_that_is_ended_from_outside_is_told(working):
    process, workers = working
    next(one for one in workers if any("spawn_main" in word for word in one.cmdline())).kill()
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert said.decode().splitlines()[0] == "error: a process that read ahead was ended from outside"
    assert end_of(workers)
    assert not Path("deep").exists()
