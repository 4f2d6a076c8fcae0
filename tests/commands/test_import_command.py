"""bbyte import, as it is typed."""

import json

import pytest
from fresh import checkpoint

from bbyte.checkpoint.export.hf import export_hf
from bbyte.checkpoint.find import find
from bbyte.cli import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return export_hf(find(checkpoint(tmp_path / "tales")), tmp_path / "tales-hf").path


def bbyte(*words):
    return main([str(word) for word in words])


def test_a_folder_becomes_a_checkpoint_that_commands_take(folder, tmp_path, capfd):
    assert bbyte("import", folder) == 0
    shown = capfd.readouterr()
    assert shown.out == "artifacts/checkpoints/tales-hf/step-0000000\n"
    assert "ar ternary, context 32 bytes" in shown.err
    assert main(["generate", "--prompt", "a", "--max-new-tokens", "5"]) == 0
    assert main(["verify", "artifacts"]) == 0
    capfd.readouterr()
    assert bbyte("import", folder) == 2
    assert "exists already" in capfd.readouterr().err


def test_for_programs(folder, capfd):
    assert bbyte("import", folder, "--out", "runs/mine", "--context", "16", "--json") == 0
    shown = json.loads(capfd.readouterr().out)
    assert shown["path"] == "runs/mine/step-0000000"
    assert (shown["family"], shown["variant"], shown["context"]) == ("ar", "ternary", 16)
    assert shown["config"]["n_layer"] == 1


def test_what_is_refused_leaves_nothing(folder, tmp_path, capfd):
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"silu"', '"gelu"'))
    assert bbyte("import", folder) == 3
    shown = capfd.readouterr()
    assert shown.out == "" and "hidden_act is 'gelu'" in shown.err and "Traceback" not in shown.err
    assert not (tmp_path / "artifacts").exists()
    assert bbyte("import", tmp_path / "gone") == 2
