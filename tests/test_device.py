"""Placing a run: what is asked for is there, or it is said."""

import pytest
import torch

from bbyte.device import Runtime, environment, place, usable_cores
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
