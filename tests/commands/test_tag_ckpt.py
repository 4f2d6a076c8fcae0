"""bbyte tag-ckpt, as it is typed."""

import json
from pathlib import Path

import legacy_files
import pytest
from fresh import checkpoint

from bbyte.cli import main

HOSTILE = Path(__file__).parents[3] / "shared" / "data" / "refuse-pickles" / "malicious0.pkl"


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "artifacts" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_every_legacy_shape_in_one_folder(root, capfd):
    legacy_files.bitbyte(root / "ckpt.pt")
    legacy_files.bitbyte(root / "grouped.pt", n_kv_head=2, tags={"variant": "ar", "model_family": "bitbyte"})
    (root / "mamba").mkdir()
    legacy_files.mamba(root / "mamba" / "ckpt_mamba.pt")
    legacy_files.diffusion(root / "denoiser.pt")
    legacy_files.diffusion(root / "timed.pt", form="additive")
    legacy_files.blm(root / "epoch003.pt")
    legacy_files.muon(root / "byte_llm_model.pt")
    checkpoint(root / "new")
    before = {path: path.read_bytes() for path in root.rglob("*.pt")}

    assert main(["tag-ckpt", "--all", "--apply"]) == 1
    shown = capfd.readouterr()
    for name in ("ckpt", "grouped", "denoiser"):
        assert (root / name / "step-0002000" / "checkpoint.json").exists()
        assert f"is {name}/step-0002000" in shown.out
    for name, script in (
        ("ckpt_mamba.pt", "BitByte Mamba"), ("timed.pt", "BitByte diffusion"), ("epoch003.pt", "BLM"),
        ("byte_llm_model.pt", "Muon LM"),
    ):  # fmt: skip
        assert f"{name} is a {script} checkpoint: " in shown.err
    assert "error: 4 of 8 checkpoints were refused\n" in shown.err
    assert {path: path.read_bytes() for path in root.rglob("*.pt")} == before

    assert main(["verify", "artifacts"]) == 0
    for name in ("ckpt", "grouped"):
        assert main(["generate", "--ckpt", str(root / name), "--max-new-tokens", "5", "--prompt", "a"]) == 0
    assert main(["infill", "--ckpt", str(root / "denoiser"), "--prompt", "a[MASK*2]b"]) == 0
    assert main(["tag-ckpt", str(root / "ckpt.pt"), "--apply"]) == 0


def test_what_is_written_only_when_asked(root, capfd):
    legacy_files.bitbyte(root / "ckpt.pt")
    words = ["tag-ckpt", str(root / "ckpt.pt"), "--variant", "ar", "--model_family", "bitbyte"]
    assert main(words) == 0
    shown = capfd.readouterr()
    assert "would be ckpt/step" not in shown.out and "would be ckpt" in shown.out
    assert "nothing was written: --apply converts 1" in shown.err
    assert [path.name for path in root.iterdir()] == ["ckpt.pt"]
    legacy_files.blm(root / "epoch003.pt")
    assert main(["tag-ckpt", "--all", "--json"]) == 1
    rows = json.loads(capfd.readouterr().out)
    assert [(row["script"], row["action"]) for row in rows] == [("BitByte", "convert"), ("BLM", "refuse")]
    assert sorted(path.name for path in root.iterdir()) == ["ckpt.pt", "epoch003.pt"]


def test_a_contradiction_is_one_sentence(root, capfd):
    legacy_files.bitbyte(root / "ckpt.pt", tags={"model_family": "mamba"})
    assert main(["tag-ckpt", str(root / "ckpt.pt"), "--apply"]) == 2
    shown = capfd.readouterr().err
    assert "its tag model_family mamba says mamba; tensor blocks.0.attn.q_proj.weight says ar" in shown
    assert "hint: --force" in shown
    assert not (root / "ckpt").exists()


def test_an_old_script_of_a_ckpt_folder_is_told_its_family(root, capfd):
    step = checkpoint(root / "new", family="mamba")
    assert main(["tag-ckpt", str(step), "--variant", "ar", "--model-family", "mamba", "--json"]) == 0
    (row,) = json.loads(capfd.readouterr().out)
    assert (row["kind"], row["family"], row["variant"], row["action"]) == ("resume", "mamba", "full", "none")
    assert main(["tag-ckpt", str(step), "--family", "ar"]) == 2
    assert "--family ar, but its checkpoint.json says family mamba" in capfd.readouterr().err
    assert main(["tag-ckpt", str(step), "--family", "ar", "--force"]) == 2
    assert main(["tag-ckpt", str(step), "--variant", "full"]) == 0
    assert main(["tag-ckpt", str(step), "--variant", "ternary"]) == 2
    assert main(["tag-ckpt", str(step), "--variant", "purple"]) == 2


@pytest.mark.skipif(not HOSTILE.exists(), reason="needs ../shared/data/refuse-pickles")
def test_a_hostile_file_is_damage(root, capfd):
    (root / "evil.pt").write_bytes(HOSTILE.read_bytes())
    assert main(["tag-ckpt", "--all", "--apply"]) == 3
    assert "error: " in capfd.readouterr().err
    legacy_files.blm(root / "fine.pt")
    assert main(["tag-ckpt", "--all", "--apply"]) == 3
    assert "2 of 2 checkpoints were refused, 1 of them damaged or hostile" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "there is nothing to tag"),
        (["--all", "x.pt"], "--all takes no paths"),
        (["x.pt"], "there is nothing at x.pt"),
        (["x.pt", "--root", "."], "--root is for --all"),
        (["--all", "--root", "nowhere"], "there is no folder nowhere"),
        (["x.pt", "--family", "ar", "--model-family", "mamba"], "differ"),
        (["x.pt", "--inplace"], "--inplace is retired"),
    ],
)
def test_bad_requests_are_one_sentence(root, capfd, words, sentence):
    assert main(["tag-ckpt", *words]) == 2
    assert sentence in capfd.readouterr().err


def test_one_that_cannot_be_read_or_written_does_not_stop_the_others(root, capfd):
    legacy_files.bitbyte(root / "first.pt")
    (root / "first").symlink_to("nowhere")
    legacy_files.bitbyte(root / "second.pt")
    assert main(["tag-ckpt", "--all", "--apply"]) == 1
    assert (root / "second" / "step-0002000").is_dir() and not (root / "first").exists()
    assert "error: 1 of 2 checkpoints were refused" in capfd.readouterr().err


def test_nothing_is_done_where_one_of_the_paths_is_wrong(root, capfd):
    legacy_files.bitbyte(root / "ckpt.pt")
    assert main(["tag-ckpt", str(root / "ckpt.pt"), "gone.pt", "--apply"]) == 2
    assert not (root / "ckpt").exists()


def test_a_file_without_an_ending_has_no_name_for_its_folder(root, capfd):
    legacy_files.bitbyte(root / "ckpt")
    assert main(["tag-ckpt", str(root / "ckpt"), "--apply"]) == 2
    assert "has no ending to leave off" in capfd.readouterr().err


def test_a_folder_without_checkpoints_is_no_error(root, capfd):
    assert main(["tag-ckpt", "--all"]) == 0
    assert "there are no checkpoints under artifacts/checkpoints" in capfd.readouterr().err


def test_a_legacy_file_given_to_another_command_names_this_one(root, capfd):
    legacy_files.bitbyte(root / "ckpt.pt")
    assert main(["generate", "--ckpt", str(root / "ckpt.pt")]) == 2
    assert "ckpt.pt --apply converts it" in capfd.readouterr().err
