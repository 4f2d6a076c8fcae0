"""Placing a run: what is asked for is there, or it is said."""

import pytest
import torch

from bbyte.device import Runtime, World, environment, place, usable_cores, world
from bbyte.errors import UsageError


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_threads_are_set_and_recorded():
    placement = place(Runtime(device="cpu", threads=1))
    assert torch.get_num_threads() == 1 == placement.threads
    assert place(Runtime(device="cpu")).threads == usable_cores() == torch.get_num_threads()
    found = environment(placement)
    assert (found["threads"], found["device"], found["precision"]) == (1, "cpu", "fp32")
    assert found["versions"]["torch"] == torch.__version__


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda:²", "cuda:٣", "cpu0", "", "mps:-1"])
def test_what_is_no_device_is_refused(name):
    with pytest.raises(UsageError, match=r"is not a device|is not there"):
        place(Runtime(device=name))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_a_device_that_is_not_there_is_never_replaced_by_another(name):
    with pytest.raises(UsageError, match="is not there"):
        place(Runtime(device=name))
    placement = place(Runtime())
    if placement.device == "cpu":
        assert any("no GPU found" in reason for reason in placement.reasons)


def test_precision_is_what_was_asked_for_or_refused():
    with pytest.raises(UsageError, match="fp16 needs a GPU"):
        place(Runtime(device="cpu", precision="fp16"))
    with pytest.raises(UsageError, match="fp16 needs a GPU"):
        place(Runtime(device="cpu:0", precision="fp16"))
    placement = place(Runtime(device="cpu", precision="bf16"))
    with placement.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    with place(Runtime(device="cpu:0")).autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT")


@pytest.fixture
def launched(monkeypatch):
    """Sets the variables that torchrun sets."""
    for name in (*VARIABLES, "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)

    def launch(*values, run="none"):
        for name, value in zip(VARIABLES, values, strict=True):
            monkeypatch.setenv(name, value)
        if run is not None:
            monkeypatch.setenv("TORCHELASTIC_RUN_ID", run)

    return launch


def test_the_environment_names_a_place_among_processes(launched):
    assert world() == World()
    launched("5", "8", "1", "4", "2")
    assert world() == World(5, 8, 1, 4, restarts=2, watched=True)


def test_a_batch_systems_processes_are_not_watched(launched, monkeypatch):
    launched("0", "1", "0", "1", "0", run=None)
    assert world() == World(watched=False)


def test_an_environment_that_names_no_place_is_refused(launched):
    launched("five", "8", "1", "4", "0")
    with pytest.raises(UsageError, match="no place among processes: RANK=five, WORLD_SIZE=8"):
        world()


def test_the_processes_of_a_machine_divide_its_cores():
    here = World(rank=1, size=4, local_rank=1, local_size=2)
    placement = place(Runtime(device="cpu"), here)
    assert placement.threads == max(1, usable_cores() // 2) == torch.get_num_threads()
    assert environment(placement)["world_size"] == 4
    assert place(Runtime(device="cpu", threads=1), here).threads == 1


@pytest.mark.parametrize(("device", "count", "number"), [("auto", 2, 1), ("cuda", 2, 1), ("cuda", 1, None)])
def test_each_process_takes_the_gpu_of_its_number(monkeypatch, device, count, number):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    here = World(rank=3, size=4, local_rank=1, local_size=2)
    if number is None:
        with pytest.raises(UsageError, match="2 processes were started on a machine with 1 GPUs"):
            place(Runtime(device=device, precision="fp32"), here)
        return
    placement = place(Runtime(device=device, precision="fp32"), here)
    assert placement.device == f"cuda:{number}"
    assert environment(placement)["device"] == "cuda"


@pytest.mark.parametrize("device", ["cuda:0", "mps", "cpu:0"])
def test_several_processes_cannot_be_sent_to_one_device(device):
    with pytest.raises(UsageError, match=f"{device} cannot be that of 4 processes"):
        place(Runtime(device=device), World(size=4, local_size=4))
