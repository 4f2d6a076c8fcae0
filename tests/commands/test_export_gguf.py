"""bbyte export gguf, as it is typed."""

import json
import subprocess
import sys

import pytest
from fresh import checkpoint

from bbyte.commands import export_gguf
from bbyte.terminal.boundary import run
from bbyte.terminal.flags import add_group, new_group, register

gguf = pytest.importorskip("gguf", reason="gguf is not installed: pip install 'bbyte[export]'")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bbyte(*words):
    app, formats = new_group("bbyte", ()), new_group("Exports", ())
    register(formats, "gguf", export_gguf.export_gguf, panel="Formats", examples=export_gguf.EXAMPLES)
    add_group(app, "export", formats, panel="Checkpoints")
    return run(app, "bbyte", words)


def test_the_newest_run_under_its_own_name(place, capfd):
    checkpoint(place / "artifacts" / "checkpoints" / "tales")
    assert bbyte("export", "gguf") == 0
    shown = capfd.readouterr()
    assert shown.out == "artifacts/exports/tales-f16.gguf\n"
    size = (place / shown.out.strip()).stat().st_size
    assert f"{size / 1000:.3g} kB, architecture bitnet" in shown.err
    assert "llama.cpp does not round activations" in shown.err
    assert (place / shown.out.strip()).read_bytes()[:4] == b"GGUF"


def test_json(place, capfd):
    run_folder = place / "tales"
    checkpoint(run_folder, family="mamba")
    assert bbyte("export", "gguf", "tales", "--type", "q8_0", "--out", "a/b.gguf", "--json") == 0
    said = json.loads(capfd.readouterr().out)
    size = (place / "a" / "b.gguf").stat().st_size
    assert said == {"path": "a/b.gguf", "bytes": size, "type": "q8_0", "architecture": "mamba2"}


def test_again(place, capfd):
    checkpoint(place / "tales")
    assert bbyte("export", "gguf", "tales") == 0
    assert bbyte("export", "gguf", "tales") == 2
    assert "is there already\nhint: --force replaces it" in capfd.readouterr().err
    assert bbyte("export", "gguf", "tales", "--force") == 0


def test_what_cannot_be(place, capfd, monkeypatch):
    checkpoint(place / "holes", family="diffusion")
    assert bbyte("export", "gguf", "holes") == 2
    assert "llama.cpp has no architecture for the family diffusion" in capfd.readouterr().err
    checkpoint(place / "tales")
    assert bbyte("export", "gguf", "tales", "--type", "tq2_0") == 2
    assert "hint: --type f16 or --type q8_0" in capfd.readouterr().err
    assert bbyte("export", "gguf", "tales", "--type", "q4_0") == 2
    monkeypatch.setitem(sys.modules, "gguf", None)
    assert bbyte("export", "gguf", "tales") == 2
    assert "hint: pip install 'bbyte[export]'" in capfd.readouterr().err
    assert not (place / "artifacts" / "exports").exists() or not list(
        (place / "artifacts" / "exports").iterdir()
    )


def test_the_command_loads_neither_torch_nor_gguf():
    code = (
        "import sys, bbyte.commands.export_gguf, bbyte.checkpoint.export.gguf_vocabulary,"
        " bbyte.checkpoint.export.gguf_architecture; assert not {'torch', 'gguf'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
