"""The faults of this folder reach every call that a save makes: what is counted is what the kernel saw."""

import pytest
from small import saved
from system_calls import SystemCalls
from traced import STRACE, traced


@pytest.mark.skipif(STRACE is None, reason="needs strace")
@pytest.mark.parametrize("step", [1, 2], ids=["replacing a checkpoint", "beside a checkpoint"])
def test_what_is_counted_is_what_the_kernel_saw(tmp_path, step):
    accounts = []
    for name in ("kernel", "python"):
        run = tmp_path / name
        saved(run, 1)
        (run / ".tmp-step-0000009").mkdir()  # what a killed save left
        (run / ".tmp-step-0000009" / "model.safetensors").write_bytes(b"half")
        if name == "kernel":
            accounts.append(traced(lambda run=run: saved(run, step), run, tmp_path / "strace.log"))
        else:
            with SystemCalls(run) as calls:
                saved(run, step)
            accounts.append(calls.trace)
    assert accounts[0] == accounts[1]
    assert len(accounts[0]) > 20
