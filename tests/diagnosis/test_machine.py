"""What the system tells of the machine, also where it tells little."""

import sys
from pathlib import Path

import pytest

from bbyte.diagnosis import machine
from bbyte.diagnosis.machine import Completion

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/cpuinfo")
INTEL = "model name\t: Some CPU @ 2 GHz\nflags\t\t: fpu avx2 avx512f avx512_vnni\n\nprocessor\t: 1\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp\nCPU part\t: 0xd0c\n"


@linux
@pytest.mark.parametrize(
    ("text", "instructions"),
    [(INTEL, ("AVX2", "AVX-512", "AVX-512 VNNI")), (ARM, ("NEON", "NEON dot products")), ("garbage", None)],
)
def test_processor(tmp_path, monkeypatch, text, instructions):
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(machine, "_CPUINFO", tmp_path / "cpuinfo")
    found = machine.processor()
    assert found.instructions == instructions and found.name
    assert (found.name == "Some CPU @ 2 GHz") is (text == INTEL)


@linux
def test_a_system_that_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_CPUINFO", tmp_path / "none")
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert machine.processor().instructions is None and machine.memory() is None


def test_a_place_that_is_not_there_yet(tmp_path):
    found = machine.place_of(tmp_path / "artifacts" / "deep")
    assert found.path == tmp_path / "artifacts" / "deep" and found.writable and found.free > 0
    (tmp_path / "file").write_bytes(b"")
    assert not machine.place_of(tmp_path / "file" / "deep").writable


@pytest.mark.parametrize(
    ("shell", "file"),
    [
        ("/bin/bash", "data/bash-completion/completions/prog"),
        ("/usr/bin/zsh", ".zfunc/_prog"),
        ("/usr/bin/fish", "config/fish/completions/prog.fish"),
    ],
)
def test_completion(tmp_path, monkeypatch, shell, file):
    for name, value in (("SHELL", shell), ("XDG_DATA_HOME", f"{tmp_path}/data"), ("FPATH", "")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CONFIG_HOME", f"{tmp_path}/config")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert machine.completion("prog") == Completion(Path(shell).name, None)
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text("")
    assert machine.completion("prog") == Completion(Path(shell).name, tmp_path / file)


def test_no_shell_and_no_home(monkeypatch):
    def home():
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", home)
    monkeypatch.setenv("SHELL", "/bin/bash")
    assert machine.completion() == Completion("bash", None)
    monkeypatch.delenv("SHELL")
    assert machine.completion().file is None
