"""bbyte export hf, as it is typed."""

import json
import subprocess
import sys

import pytest
from fresh import checkpoint

from bbyte.cli import main


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bbyte(*words):
    return main([str(word) for word in words])


def test_the_newest_run_under_its_own_name(place, capfd):
    checkpoint(place / "artifacts" / "checkpoints" / "tales")
    assert bbyte("export", "hf") == 0
    shown = capfd.readouterr()
    assert shown.out == "artifacts/exports/tales-hf\n"
    assert "BitNetForCausalLM, weights packed" in shown.err
    assert (place / "artifacts" / "exports" / "tales-hf" / "config.json").exists()
    assert bbyte("export", "hf") == 2
    assert "is there already" in capfd.readouterr().err
    assert bbyte("export", "hf", "--force", "--weights", "online") == 0


def test_for_programs(place, capfd):
    step = checkpoint(place / "tales", family="mamba")
    assert bbyte("export", "hf", step, "--out", "there", "--json") == 0
    shown = json.loads(capfd.readouterr().out)
    assert (shown["path"], shown["class"], shown["weights"]) == ("there", "Mamba2ForCausalLM", "full")
    assert shown["difference"] is None
    assert shown["bytes"] == sum(path.stat().st_size for path in (place / "there").iterdir())


def test_what_has_no_counterpart_says_why(place, capfd):
    step = checkpoint(place / "holes", family="diffusion")
    assert bbyte("export", "hf", step) == 2
    shown = capfd.readouterr()
    assert shown.out == "" and "no class for a diffusion model" in shown.err
    assert not (place / "artifacts").exists()


def test_a_difference_is_said_in_one_line(place, capfd):
    step = checkpoint(place / "tales")
    assert bbyte("export", "hf", step, "--dequantize", "--quiet") == 0
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("warning: without 8-bit activations its logits differ by")


def test_asking_for_help_loads_no_torch():
    program = (
        "import sys; from bbyte.commands import export_hf, import_; assert not {'torch', 'numpy', "
        "'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_exporting_needs_no_transformers(place):
    checkpoint(place / "tales")
    program = (
        "import sys; from pathlib import Path; from bbyte.checkpoint.find import find\n"
        "from bbyte.checkpoint.export.hf import export_hf\n"
        "from bbyte.checkpoint.importing.folder import import_folder\n"
        "export_hf(find(Path('tales')), Path('hf')); import_folder(Path('hf'), Path('back'))\n"
        "assert not {'transformers', 'tokenizers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=place)
