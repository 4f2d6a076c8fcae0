"""No file runs code or uses much memory: what is not plain weights is refused in one sentence."""

import builtins
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import hostile
import pytest
import torch

from bbyte.checkpoint.legacy.extract import extract
from bbyte.errors import DataError

REFUSE = Path(__file__).parents[4] / "shared" / "data" / "refuse-pickles"


def commands(canary):
    model = {"w": torch.ones(2)}
    yield "command", hostile.runs_a_command(canary)
    yield "inside", {"model": model, "args": {"a": [hostile.runs_a_command(canary)]}}
    yield "eval", {"model": model, "x": hostile.Calls(eval, f"open({str(canary)!r}, 'w')")}
    yield "open", {"model": model, "x": hostile.Calls(open, str(canary), "w")}
    yield "getattr", {"model": model, "x": hostile.Calls(getattr, torch.nn.Linear, "forward")}
    yield (
        "setstate",
        {"model": model, "x": hostile.Calls(subprocess.Popen, ["touch", str(canary)], state={"a": 1})},
    )
    yield "import", {"model": model, "x": hostile.Calls(builtins.__import__, "antigravity")}
    yield "memory", {"model": model, "x": hostile.Calls(bytearray, 1 << 40)}
    yield "load", {"model": model, "x": hostile.Calls(torch.load, str(canary))}


@pytest.mark.parametrize("name", [name for name, _ in commands("")])
def test_no_code_runs(tmp_path, name):
    canary, path = tmp_path / "canary", tmp_path / "evil.pt"
    torch.save(dict(commands(canary))[name], path)
    hostile.refused(path, "names '")
    assert not canary.exists()


def odd_models():
    ones = torch.ones(4, 4)
    yield "csr", {"w": torch.eye(3).to_sparse_csr()}
    yield "coo", {"w": torch.eye(3).to_sparse()}
    yield "expanded", {"w": torch.zeros(1).expand(1 << 40)}
    yield "meta", {"w": torch.zeros(3, device="meta")}
    yield "quantised", {"w": torch.quantize_per_tensor(ones, 0.1, 0, torch.qint8)}
    yield "complex", {"w": torch.ones(3, dtype=torch.complex64)}
    yield "nan", {"a": ones, "w": torch.tensor([1.0, float("nan")])}
    yield "infinite", {"w": torch.tensor([1.0, float("-inf")], dtype=torch.bfloat16)}
    yield "odd name", {"../../w": ones}
    yield "long name", {"w" * 201: ones}
    yield "empty name", {"": ones}
    yield "twice", {"w": ones, "module.w": ones}
    yield "aliases", {f"w{n}": torch.ones(1 << 16) if n < 0 else SHARED for n in range(100)}
    yield "numbers for names", {1: ones}
    yield "a list", [ones]
    yield "not tensors only", {"w": ones, "b": 1}
    yield "nothing", {}


SHARED = torch.ones(1 << 16)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name, _ in odd_models()])
def test_models_that_are_no_plain_tensors(tmp_path, name):
    torch.save({"model": dict(odd_models())[name], "step": 1}, tmp_path / "odd.pt")
    hostile.refused(tmp_path / "odd.pt")


def test_deep_settings_are_left_out(tmp_path):
    deep = b"X\4\0\0\0args}X\1\0\0\0a" + b"]" * 100_000 + b"a" * 99_999 + b"s"
    steps = b"\x80\x02}(X\5\0\0\0model" + hostile.tensor() + deep + b"u."
    path = hostile.packed(tmp_path / "deep.pt", {"data.pkl": steps, "data/0": bytes(16)})
    found = extract(path)
    assert list(found.tensors) == ["a"] and not found.settings


def test_a_dict_of_other_keys_and_a_mere_tensor(tmp_path):
    for content in (
        {1: {"w": torch.ones(1)}},
        torch.ones(3),
        [torch.ones(3)],
        {},
        {"model": [torch.ones(1)]},
    ):
        torch.save(content, tmp_path / "odd.pt")
        hostile.refused(tmp_path / "odd.pt")


def test_old_torch_and_bare_pickles_say_the_remedy(tmp_path):
    torch.save({"w": torch.ones(1)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(DataError, match=r"older than 1\.6") as caught:
        extract(tmp_path / "old.pt")
    assert "save it again" in caught.value.hint
    (tmp_path / "bare.pt").write_bytes(pickle.dumps({"a": 1}))
    hostile.refused(tmp_path / "bare.pt", "bare pickle")


@pytest.mark.skipif(not REFUSE.exists(), reason="needs the folder shared/ beside the repository")
def test_the_known_malicious_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in sorted(REFUSE.iterdir()):
        with pytest.raises(DataError):
            extract(path)
    assert not [*tmp_path.iterdir()]


def bombs(folder):
    torch.save({"model": {"w": torch.eye(1000).to_sparse_csr()}}, folder / "csr.pt")
    indices = torch.zeros(1_000_001, dtype=torch.int64)
    huge = torch.sparse_csr_tensor(indices, indices[:0], torch.zeros(0), size=(1_000_000, 1 << 30))
    torch.save({"model": {"w": huge}}, folder / "huge-csr.pt")
    torch.save({"model": {"w": torch.zeros(1).expand(1 << 40)}}, folder / "expanded.pt")
    torch.save({"model": {f"w{n}": SHARED for n in range(10_000)}}, folder / "aliases.pt")
    with zipfile.ZipFile(folder / "bomb.pt", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        made.writestr("a/data.pkl", b"\x80\x02" + hostile.tensor() + b".")
        with made.open("a/data/0", "w") as entry:
            for _ in range(600):
                entry.write(bytes(1 << 20))


@pytest.mark.filterwarnings("ignore")
def test_bombs_stay_small(tmp_path):
    bombs(tmp_path)
    program = """
import resource, sys
from pathlib import Path
from bbyte.checkpoint.legacy.extract import extract
from bbyte.errors import DataError
for path in sorted(Path(sys.argv[1]).glob("*.pt")):
    try:
        extract(path, path.parent)
        sys.exit(f"{path} was accepted")
    except DataError as error:
        pass
# ru_maxrss of this process would count what it was forked from; the children were forked from this one.
own = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
most = max(int(own.split()[1]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
print(most // 1024)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 600
