"""bbyte runs, as it is typed."""

import json
import os
import re
import subprocess
import sys

import pytest
from real_terminal import seen_on_terminal
from written_run import bpb, row, rows, validation, write

from bbyte.cli import main
from bbyte.runs.folder import Run

BIDI = "\u202e"


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = tmp_path / "artifacts" / "checkpoints"
    write(found / "20250101-120000-tales", lr=0.003)
    write(found / "20250102-120000-tales-half", done=120, lr=0.01)
    write(found / "20250103-120000-poems", data="poems.txt", steps=100)
    for age, folder in enumerate(sorted(found.iterdir(), reverse=True)):
        os.utime(folder / "metrics.jsonl", (1.7e9 - 3600 * age, 1.7e9 - 3600 * age))
    return found


def said(capfd, *words, code=0):
    assert main(["runs", *words]) == code
    return capfd.readouterr()


def as_json(capfd, *words):
    return json.loads(said(capfd, *words, "--json").out)


def test_the_list(root, capfd):
    lines = said(capfd).out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == [
        "20250103-120000-poems", "20250102-120000-tales-half", "20250101-120000-tales"
    ]  # fmt: skip
    assert "ar 1.2 k" in lines[2] and "poems.txt" in lines[2] and "finished" in lines[2]
    assert "120/200" in lines[3] and "interrupted" in lines[3]
    assert f"{bpb(200) + 0.1:.3f} *" in lines[4]
    assert "*" not in lines[3]


def test_the_list_has_two_names_and_takes_flags(root, capfd):
    alone, named = said(capfd, "--root", str(root)).out, said(capfd, "list", "--root", str(root)).out
    assert alone == named and alone.count("\n") == 5
    assert as_json(capfd) == as_json(capfd, "list")


def test_as_json(root, capfd):
    first, half, _ = as_json(capfd)
    assert first["name"] == "20250103-120000-poems" and first["best"]["bpb"] == bpb(100) + 0.1
    assert (half["state"], half["step"], half["steps"]) == ("interrupted", 120, 200)
    assert (half["family"], half["parameters"], half["problems"]) == ("ar", 1200, [])


def test_a_run_in_training_and_a_bound(root, capfd):
    write(root / "now", log=[row(10, 200), validation(10, is_bound=True)], checkpoints=())
    run = Run(root / "now")
    line = next(line for line in said(capfd).out.splitlines() if line.startswith("now"))
    assert "training" in line and "<= " in line and "10/200" in line
    run.close()


def test_no_runs(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    shown = said(capfd)
    assert shown.out == "" and "no runs under artifacts/checkpoints yet" in shown.err
    assert as_json(capfd) == []
    assert "no folder nowhere" in said(capfd, "list", "--root", "nowhere", code=2).err


def test_damaged_runs_are_listed_with_what_is_wrong(root, capfd):
    (root / "20250101-120000-tales" / "config.toml").write_text("[[[")
    (root / "20250103-120000-poems" / "step-0000100" / "checkpoint.json").write_text("{")
    shown = said(capfd)
    assert shown.out.count("damaged") == 2
    assert "warning: 20250101-120000-tales: config.toml cannot be read" in shown.err
    assert "checkpoint.json is not valid JSON" in shown.err
    assert any("config.toml" in problem for run in as_json(capfd) for problem in run["problems"])


def test_show(root, capfd):
    out = said(capfd, "show", "poems").out
    for words in (
        "ar 1.2 k, learned from poems.txt", "bits per byte", "◆", "finished", f"{bpb(100) + 0.1:.3f}",
        "100 kB", "3:20", "step-0000100", "ternary", "n_layer 2", "lr 0.003",
    ):  # fmt: skip
        assert words in out, words
    assert max(map(len, out.splitlines())) <= 80


def test_show_tells_what_happened(root, capfd):
    log = [*rows(50, 100), {"step": 52, "skipped": "gradient not finite", "samples": [1, 8]}]
    log += [{"step": 50, "went_back_from": 70, "reason": f"a spike {BIDI}"}, row(60, 100)]
    write(root / "wild", steps=100, log=log, checkpoints=(50,))
    out = said(capfd, "show", "wild").out
    assert (
        "step 52: update skipped, gradient not finite" in out and "step 70: back to step 50, a spike" in out
    )
    found = as_json(capfd, "show", "wild")
    assert found["skips"] == [{"step": 52, "reason": "gradient not finite", "samples": [1, 8]}]
    assert found["returns"][0]["left"] == 70 and found["checkpoints"][0]["path"].endswith("step-0000050")


def test_show_of_runs_with_little_or_odd_in_them(root, capfd):
    write(root / "empty", done=0, checkpoints=())
    write(root / "one", log=[row(1, 10)], checkpoints=())
    write(
        root / "odd",
        log=[row(1, 10, bpb=1e300), row(4 * 10**18, 10), validation(3, val_bpb=-5e11)],
        checkpoints=(),
    )
    for name in ("empty", "one", "odd"):
        assert said(capfd, "show", name).out


def test_diff(root, capfd):
    out = said(capfd, "diff", "20250101-120000-tales", "half").out
    lines = [line.split() for line in out.splitlines()]
    assert ["training.lr", "0.003", "0.01"] in lines
    assert ["setting", "tales", "tales-half"] in lines
    assert ["state", "finished", "interrupted"] in lines
    found = as_json(capfd, "diff", "20250101-120000-tales", "half")
    assert found["settings"] == {"training.lr": [0.003, 0.01]}
    assert [run["step"] for run in found["runs"]] == [200, 120]
    assert "none" in said(capfd, "diff", "half", "half").out


def test_names_that_mean_no_run(root, capfd):
    assert "may mean 2 runs" in said(capfd, "show", "tales", code=2).err
    assert "no run called 'plays'" in said(capfd, "show", "plays", code=2).err
    assert "unknown command 'shwo'" in said(capfd, "shwo", code=2).err


def test_rm_needs_a_yes_and_takes_only_what_was_named(root, capfd):
    assert "--yes gives it" in said(capfd, "rm", "poems", code=2).err
    assert (root / "20250103-120000-poems").exists()
    assert "deleted" in said(capfd, "rm", "poems", "--yes").err
    assert sorted(path.name for path in root.iterdir()) == [
        "20250101-120000-tales",
        "20250102-120000-tales-half",
    ]
    assert as_json(capfd, "rm", "half", "half", "-y") == ["artifacts/checkpoints/20250102-120000-tales-half"]


def test_rm_refuses_all_where_it_refuses_one(root, capfd):
    (root / "20250101-120000-tales" / "notes.txt").touch()
    assert "notes.txt" in said(capfd, "rm", "poems", "20250101-120000-tales", "--yes", code=2).err
    run = Run(root / "20250102-120000-tales-half")
    assert "in training" in said(capfd, "rm", "poems", "half", "--yes", code=1).err
    run.close()
    (root / "link").symlink_to(root / "20250103-120000-poems")
    assert "is a link" in said(capfd, "rm", "link", "--yes", code=2).err
    (root.parent / "src").mkdir()
    assert "not the folder of a run" in said(capfd, "rm", str(root.parent / "src"), "--yes", code=2).err
    assert len(list(root.iterdir())) == 4


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("answer", "left"), [("y", 2), ("n", 3), ("", 3)])
def test_rm_asks_on_a_terminal(root, answer, left):
    pexpect = pytest.importorskip("pexpect")
    child = pexpect.spawn(sys.executable, ["-m", "bbyte", "runs", "rm", "poems"], timeout=30)
    child.expect("finished at step 100, best 2.500 bpb")
    child.expect("delete for good")
    child.sendline(answer)
    child.expect(pexpect.EOF)
    assert len(list(root.iterdir())) == left


def test_the_page_is_written_anew(root, capfd):
    assert said(capfd, "report", "poems").out == "artifacts/checkpoints/20250103-120000-poems/report.html\n"
    assert "poems" in (root / "20250103-120000-poems" / "report.html").read_text("utf-8")
    assert as_json(capfd, "report", "poems")["report"].endswith("report.html")


@pytest.mark.parametrize(
    "words", [["list"], ["show", "evil"], ["diff", "evil", "poems"], ["rm", "evil", "-y"]]
)
def test_hostile_names_do_not_reach_the_terminal(root, words):
    evil = f"evil\x1b[31m{BIDI}\x07"
    log = [*rows(50, 100), {"step": 50, "went_back_from": 60, "reason": evil}]
    write(root / evil, steps=100, data=evil, log=log, note=evil)
    (root / evil / "env.json").write_text("\x1b[2J")
    seen = seen_on_terminal(f"from bbyte.cli import main; main({['runs', *words]!r})")
    assert "evil" in seen
    assert "\x1b[31m\u202e" not in seen and BIDI not in seen and "\x07" not in seen and "\x1b[2J" not in seen


@pytest.mark.parametrize("words", [["list"], ["show", "poems"], ["diff", "poems", "half"]])
def test_it_fits_a_terminal_of_80_columns(root, words):
    seen = seen_on_terminal(f"from bbyte.cli import main; main({['runs', *words]!r})", {"NO_COLOR": "1"})
    assert max(map(len, re.sub(r"\x1b\[[\d;]*m", "", seen).splitlines())) <= 80
    if words == ["list"]:
        assert "20250102-120000-tales-half" in seen  # in one piece


def test_torch_stays_away(root):
    code = "import sys; from bbyte.cli import main\nmain(['runs']); main(['runs', 'diff', 'poems', 'half'])\n"
    code += "main(['runs', 'show', 'poems']); main(['runs', 'report', 'poems'])\n"
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0
