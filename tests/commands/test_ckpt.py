"""bbyte ckpt, as it is typed."""

import json
import subprocess
import sys

import pytest
from every_family import saved
from real_terminal import seen_on_terminal

from bbyte.cli import main
from bbyte.models.families import families

FAMILIES = list(families())


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = tmp_path / "artifacts" / "checkpoints"
    for number, name in enumerate(FAMILIES):
        for step in (1, 2):
            metrics = {"val_bpb": 3.0 + number - 0.1 * step, "val_step": step, "best_bpb": 2.5}
            saved(found / name, name, step, metrics=metrics)
    return found


def said(capfd, *words, code=0):
    assert main(["ckpt", *map(str, words)]) == code
    return capfd.readouterr()


def as_json(capfd, *words):
    return json.loads(said(capfd, *words, "--json").out)


@pytest.mark.parametrize("name", FAMILIES)
def test_show(root, capfd, name):
    seen = said(capfd, "show", root / name)
    lines = seen.out.splitlines()
    assert lines[0] == str(root / name / "step-0000002")
    assert f"model       {name} " in seen.out and "embedding" in seen.out and "norms" in seen.out
    assert ("<= " in seen.out) == families()[name].is_bound
    assert "digests not checked: bbyte verify" in seen.err
    document = as_json(capfd, "show", root / name)
    assert document["family"] == name and document["step"] == 2
    assert document["parameters"] == sum(part["parameters"] for part in document["parts"].values())
    assert document["metrics"]["is_bound"] == families()[name].is_bound
    assert (document["ternary"] is None) == (document["variant"] == "full")


def test_show_of_ternary_weights(root, capfd):
    seen = said(capfd, "show", root / "ar").out
    assert "zeros in % of each ternary matrix\nlayer  " in seen and "scales: " in seen
    ternary = as_json(capfd, "show", root / "ar")["ternary"]
    assert len(ternary["matrices"]) == 14
    assert ternary["fewest_zeros"] <= ternary["zeros"] <= ternary["most_zeros"]


def test_show_of_the_full_precision_start(root, capfd):
    folder = saved(root / "start", "ar", quantized=False)
    assert "still in the full-precision start" in said(capfd, "show", folder).out


def test_show_of_what_is_damaged(root, capfd):
    folder = root / "ar" / "step-0000002"
    (folder / "model.safetensors").write_bytes(b"x")
    seen = said(capfd, "show", folder, code=3)
    assert seen.out == "" and seen.err.startswith("error: ") and "1 bytes long" in seen.err
    skipped = said(capfd, "show", root / "ar")
    assert "warning: skipped step-0000002" in skipped.err and "step-0000001" in skipped.out


def test_show_of_nothing(root, capfd):
    assert "does not exist" in said(capfd, "show", root / "gone", code=2).err
    (root / "old.pt").write_bytes(b"never opened")
    assert "bbyte tag-ckpt" in said(capfd, "show", root / "old.pt", code=2).err


def test_ls(root, capfd):
    seen = said(capfd, "ls")
    lines = seen.out.splitlines()
    assert lines[0] == "checkpoints under artifacts/checkpoints; * best on its data"
    assert len(lines) == 2 + 2 * len(FAMILIES) and seen.err == ""
    assert sum(line.count("*") for line in lines[1:]) == 2
    rows = as_json(capfd, "ls")["checkpoints"]
    assert {(row["name"], row["step"]) for row in rows} == {
        (f"{name}/step-000000{step}", step) for name in FAMILIES for step in (1, 2)
    }
    best = {row["name"]: row["is_bound"] for row in rows if row["is_best"]}
    assert sorted(best.values()) == [False, True], "the best figure, and the best bound"
    assert all(name.endswith("2") for name in best)


def test_ls_of_what_is_damaged_or_foreign(root, capfd):
    (root / "ar" / "step-0000001" / "checkpoint.json").write_bytes(b"{}")
    (root / "notes").mkdir()
    (root / "notes" / "old.pt").write_bytes(b"never opened")
    seen = said(capfd, "ls")
    assert seen.out.count("damaged") == 1
    assert "warning: " in seen.err and "checkpoint.json" in seen.err
    assert "1 legacy file" in seen.err and "bbyte tag-ckpt" in seen.err
    document = as_json(capfd, "ls")
    assert [row["name"] for row in document["checkpoints"] if row["problem"]] == ["ar/step-0000001"]
    assert document["legacy"] == ["artifacts/checkpoints/notes/old.pt"]


def test_ls_of_nothing(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    seen = said(capfd, "ls")
    assert seen.out == "" and "bbyte train makes them" in seen.err
    assert as_json(capfd, "ls") == {"checkpoints": [], "legacy": []}
    assert "there is no folder gone" in said(capfd, "ls", "--root", "gone", code=2).err


def test_diff(root, capfd):
    seen = said(capfd, "diff", root / "ar" / "step-0000001", root / "ar").out
    assert "model.safetensors  the same" in seen and "step" in seen and "moved" not in seen
    document = as_json(capfd, "diff", root / "ar" / "step-0000001", root / "ar")
    assert document["same_weights"] and document["settings"]["step"] == [1, 2]
    bound = next(name for name in FAMILIES if families()[name].is_bound)
    seen = said(capfd, "diff", root / bound / "step-0000001", root / bound).out
    assert "metrics.val_bpb" in seen and "<= " in seen


def test_diff_of_weights(root, capfd):
    import torch
    from every_family import model_of

    state = {key: value + 0.1 * torch.randn_like(value) for key, value in model_of("ar").state_dict().items()}
    other = saved(root / "moved", "ar", state=state)
    seen = said(capfd, "diff", root / "ar", other).out
    assert "tensors of the same shape differ" in seen and "moved most" in seen and "feed-forward" in seen
    assert as_json(capfd, "diff", root / "ar", other)["moved"] > 0


def test_diff_of_two_families(root, capfd):
    seen = said(capfd, "diff", root / FAMILIES[0], root / FAMILIES[-1]).out
    assert "tensors that do not match" in seen and "(--json)" in seen
    assert said(capfd, "diff", root / "ar", root / "gone", code=2).out == ""


def test_names_cannot_steer_the_terminal(root):
    saved(root / "\x1b]0;owned\x07\u202e", "ar", tags={"note": "\x1b[31mred"})
    code = "from bbyte.cli import main; main(['ckpt', 'ls']); main(['ckpt', 'show', {0!r}])"
    seen = seen_on_terminal(code.format(str(root / "\x1b]0;owned\x07\u202e")))
    assert "\x1b]0" not in seen and "\u202e" not in seen and "\x1b[31m" not in seen and "owned" in seen


@pytest.mark.parametrize("words", [["ls"], ["show", "artifacts/checkpoints/ar"]])
def test_a_pipe_gets_plain_text_without_torch(root, words):
    program = "import sys; from bbyte.cli import main; main(sys.argv[1:]); assert 'torch' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", program, "ckpt", *words], capture_output=True, text=True, check=True
    )
    assert done.stdout and "\x1b" not in done.stdout


def test_differences_need_no_torch(root):
    program = "import sys; from bbyte.cli import main; main(sys.argv[1:]); assert 'torch' not in sys.modules"
    words = ["ckpt", "diff", "artifacts/checkpoints/ar", "artifacts/checkpoints/mamba"]
    subprocess.run([sys.executable, "-c", program, *words], capture_output=True, check=True)
