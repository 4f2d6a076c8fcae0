"""bbyte doctor, as it is typed, on machines and installations of all kinds."""

import json
import subprocess
import sys

import pytest

from bbyte.cli import main
from bbyte.diagnosis import diagnose, installation, machine
from bbyte.diagnosis.installation import Extra, Installation, Package
from bbyte.diagnosis.loading import Loaded

SOUND = (Package("torch", "2.13.0", "2.10"), Package("numpy", "2.0", "1.26"))
EXTRAS = (
    Extra("plot", (Package("matplotlib", "", "3.9"),)),
    Extra("export", (Package("gguf", "0.17", "0.17"),)),
)
CPU = {
    "device": "cpu", "precision": "fp32", "reasons": ["device cpu: no GPU found"], "gpus": [], "cuda": None,
    "room": 8_000_000_000, "where": "free here",
}  # fmt: skip
GPU = CPU | {
    "device": "cuda",
    "precision": "bf16",
    "gpus": [{"name": "Some GPU", "bytes": 12e9}],
    "reasons": [],
}
NATIVE = {"paths": ["avx512", "avx2", "plain"], "missing": ""}
WITHOUT = {"paths": [], "missing": "there was no compiler when bbyte was installed"}


@pytest.fixture
def said(tmp_path, monkeypatch, capfd):
    """What the command says where so much is installed and loading comes to so much."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, "has_nvidia_driver", lambda: True)

    def run(*words, needed=SOUND, version="1.0", code=0, **loaded):
        results = {package.name: Loaded() for package in needed}
        results |= {"engine": Loaded(NATIVE), "torch": Loaded(), "device": Loaded(CPU)} | loaded

        class Loading:
            def __init__(self, names):
                assert set(names) <= set(results)

            def results(self):
                return results

        monkeypatch.setattr(diagnose, "Loading", Loading)
        monkeypatch.setattr(installation, "installation", lambda: Installation(version, needed, EXTRAS))
        assert main(["doctor", *words]) == code
        return capfd.readouterr()

    return run


def test_all_is_well(said, tmp_path):
    seen = said()
    assert "engine     native, by avx512 (also here: avx2, plain)\n" in seen.out
    assert "torch      2.13.0 computes on cpu in fp32\n" in seen.out and "8 GB free here" in seen.out
    assert "packages   all 2 that bbyte needs\n" in seen.out
    lacking = "extras     plot (pictures of bbyte plot): lacks matplotlib: pip install 'bbyte[plot]'\n"
    assert f"{lacking}           export (bbyte export gguf): installed\n" in seen.out
    assert f"artifacts  {tmp_path / 'artifacts'}, " in seen.out and not (tmp_path / "artifacts").exists()
    assert "this torch was built without CUDA" in seen.out
    assert "error" not in seen.err


def test_a_gpu(said):
    out = said(device=Loaded(GPU)).out
    assert (
        "computes on cuda in bf16\n" in out and "GPU        Some GPU, 12 GB\n" in out and "NVIDIA" not in out
    )


def test_without_the_native_core_all_still_works(said):
    out = said(engine=Loaded(WITHOUT)).out
    assert "engine     no native core: there was no compiler when bbyte was installed\n" in out
    assert "gcc" in out and "twin in numpy" in out


def test_a_broken_torch(said):
    broken = {
        "torch": Loaded(error="OSError: libgomp.so.1: no such file"),
        "device": Loaded(error="ImportError: x"),
    }
    seen = said(code=1, **broken)
    assert "error: torch 2.13.0 does not load: OSError: libgomp.so.1: no such file\n" in seen.err
    assert "hint: pip install --force-reinstall 'torch>=2.10'\n" in seen.err and "more" not in seen.err
    assert "packages   1 to mend:" in seen.out and "artifacts" in seen.out, "the rest is said as well"


def test_what_is_missing_and_what_is_old(said):
    needed = (*SOUND, Package("blake3", "", "1.0"), Package("psutil", "5.9", "6"))
    seen = said(code=1, needed=needed)
    assert "blake3 is not installed: pip install 'blake3>=1.0'" in seen.out
    assert "psutil 5.9 is older than 6: pip install 'psutil>=6'" in seen.out
    assert "error: blake3 is not installed (and 1 more, above)\n" in seen.err


def test_run_from_sources_that_are_not_installed(said):
    seen = said(code=1, needed=(), version="")
    assert "bbyte is not installed, only run from its sources" in seen.err and "pip install -e ." in seen.err


def test_an_engine_or_a_device_that_fails(said):
    seen = said(
        code=1, engine=Loaded(error="ended by signal 4"), device=Loaded(error="RuntimeError: no driver")
    )
    assert "engine     broken: ended by signal 4\n" in seen.out
    assert "torch finds no device: RuntimeError: no driver" in seen.out
    assert "error: the engine does not load: ended by signal 4 (and 1 more, above)" in seen.err


def test_as_json(said):
    document = json.loads(said("--json").out)
    assert document["problems"] == [] and "error" not in document and document["engine"]["found"] == NATIVE
    assert document["installation"]["extras"][0]["remedy"] == "pip install 'bbyte[plot]'"
    document = json.loads(said("--json", code=1, needed=(Package("torch", "", "2.10"),)).out)
    assert document["exit_code"] == 1 and document["hint"] == "pip install 'torch>=2.10'"
    assert document["problems"] == [{"what": document["error"], "remedy": document["hint"]}]


def test_this_machine(tmp_path):
    """The whole of it, once; torch is loaded in the other process, not in this one."""
    program = "import sys; from bbyte.cli import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    words = [sys.executable, "-c", program, "doctor", "--json"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    document, (code, in_sight) = json.loads(done.stdout.splitlines()[0]), done.stdout.split()[-2:]
    assert in_sight == "False" and "Traceback" not in done.stderr
    assert document["device"]["error"] == "" and document["device"]["found"]["room"] > 0
    assert document["processor"]["name"] and document["artifacts"]["path"] == str(tmp_path / "artifacts")
    assert int(code) == document.get("exit_code", 0) == bool(document["problems"])
