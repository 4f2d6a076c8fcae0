"""What goes wrong in one of two processes: both do the same about it, or both end, and it is told once."""

import json

import pytest
from small_runs import losses
from undisturbed import small

WORDS = [
    *small("ar"), "--steps", "12", "--save-every", "4", "--eval-every", "0", "--batch-size", "8",
    "--optimizer", "adamw", "--no-ternary", "--out", "run",
]  # fmt: skip
IN_ONE_BACKWARD = """
import torch
from bbyte.training.update import Update
compute = Update._compute

def broken(self, request):
    if RANK == 1:
        trouble(self, request)
    return compute(self, request)

Update._compute = broken
"""


def test_memory_that_runs_out_in_one_halves_the_micro_batch_in_both(tmp_path, train, break_by):
    no_memory = break_by(f"""{IN_ONE_BACKWARD}
def trouble(self, request):
    if request.rows[1] - request.rows[0] > 2:
        raise MemoryError
""")
    one = train(1, *WORDS, "--out", "one")
    several = train(2, *WORDS, breaking=no_memory)
    assert one.wait() == [0] and several.wait() == [0, 0], several.said()
    assert "out of memory at step 1: 2 windows at once from here, not 4" in several[0].said()
    assert several[1].said() == ""
    assert losses(tmp_path / "run") == pytest.approx(losses(tmp_path / "one"), abs=1e-5)


def test_memory_that_runs_out_in_the_midst_of_a_common_pass_ends_both(train, break_by):
    no_memory = break_by(f"""{IN_ONE_BACKWARD}
def trouble(self, request):
    if request.step == 6:
        raise torch.OutOfMemoryError("CUDA out of memory")
""")
    several = train(2, *WORDS, "--shard", breaking=no_memory)
    assert several.wait() == [1, 4], several.said()
    assert "process 1 ran out of memory at step 7" in several[1].said()
    assert "--resume run --micro-batch 2 goes on" in several[1].said()
    assert "process 0 of 2 cannot go on: another one has ended" in several[0].said()
    assert "Traceback" not in several.said()


NOT_FINITE = {
    "whole": """
def trouble(self, request):
    if request.step == 5:
        weight = next(self.model.parameters())
        hook = weight.register_hook(lambda gradient: hook.remove() or gradient * torch.nan)
""",
    "part": """
from bbyte.models.contract import Cost

def trouble(self, request):
    forward = self.forward
    def not_finite(*args):
        self.forward = forward
        cost = forward(*args)
        return Cost(cost.nats * torch.nan, cost.count)
    self.forward = not_finite if request.step == 5 else forward
""",
}


@pytest.mark.parametrize("each_has", NOT_FINITE)
def test_a_gradient_that_is_not_finite_in_one_is_skipped_by_both(tmp_path, train, break_by, each_has):
    not_finite = break_by(IN_ONE_BACKWARD + NOT_FINITE[each_has])
    several = train(2, *WORDS, *["--shard"] * (each_has == "part"), breaking=not_finite)
    assert several.wait() == [0, 0], several.said()
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    skipped = [row for row in rows if "skipped" in row]
    assert skipped == [{"step": 6, "skipped": "gradient not finite", "samples": [40, 47]}]
    assert several[0].said().count("step 6 skipped") == 1


def test_a_disk_that_is_full_for_the_first_is_a_warning_for_both(tmp_path, train, break_by):
    full = break_by("""
import errno
from bbyte.checkpoint import store
save, left = store.save, [1]

def broken(*args):
    if RANK == 0 and left:
        left.pop()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return save(*args)

store.save = broken
""")
    for out, more in (("run", []), ("parts", ["--shard"])):
        several = train(2, *WORDS, *more, "--out", out, breaking=full)
        assert several.wait() == [0, 0], several.said()
        assert f"step 4: not saved in {out}: No space left on device" in several[0].said()
        saved = sorted(path.name for path in (tmp_path / out).glob("*step-*"))
        assert saved == ["step-0000006", "step-0000008", "step-0000012"]


def test_a_part_that_cannot_be_written_is_a_warning_for_both(tmp_path, train, break_by):
    full = break_by("""
import errno
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
write, left = HuggingFaceStorageWriter.write_data, [1]

def broken(*args):
    if RANK == 1 and left:
        left.pop()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return write(*args)

HuggingFaceStorageWriter.write_data = broken
""")
    several = train(2, *WORDS, "--shard", breaking=full)
    assert several.wait() == [0, 0], several.said()
    assert "step 4: not saved in run: No space left on device" in several[0].said()
    saved = sorted(path.name for path in (tmp_path / "run").glob("*step-*"))
    assert saved == ["step-0000006", "step-0000008", "step-0000012"]


def test_a_folder_that_not_all_see_is_told_and_nothing_is_saved(tmp_path, train, break_by):
    (tmp_path / "elsewhere").mkdir()
    moved = break_by("""
from bbyte.training import saving
saving.PAUSE = 0.01
if RANK == 1:
    os.chdir("elsewhere")
""")
    several = train(2, *WORDS, "--shard", "--data", str(tmp_path / "book.txt"), breaking=moved)
    assert several.wait() == [1, 1], several.said()
    assert "are missing: all machines must see the run's folder, 3 times in a row" in several[0].said()
    assert not list((tmp_path / "run").glob("*step-*"))


def test_what_the_first_finds_wrong_is_told_once_and_ends_both(train):
    several = train(2, *WORDS, "--data", "nothing.txt")
    codes = several.wait()
    assert codes[0] == codes[1] != 0
    assert "nothing.txt" in several[0].said() and several[1].said() == ""
    several = train(4, *WORDS, "--batch-size", "3")
    assert several.wait() == [2] * 4
    assert "3 windows of a step cannot be divided among 4 processes" in several[0].said()
    assert "--batch-size 4" in several[0].said()


def test_what_one_finds_wrong_is_told_by_it(tmp_path, train, break_by):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "book.txt").write_bytes(b"another book entirely " * 500)
    moved = break_by("if RANK == 1: os.chdir('elsewhere')")
    several = train(2, *WORDS, breaking=moved)
    assert several.wait() == [1, 1], several.said()
    assert "--data must lead to the same files on every machine" in several[1].said()
    assert "process 0 of 2 cannot go on: another one has ended" in several[0].said()
    assert "Traceback" not in several.said()


def test_several_processes_cannot_take_one_device(train):
    several = train(2, *WORDS, "--device", "mps")
    assert several.wait() == [2, 2]
    assert "device mps cannot be that of 2 processes" in several[0].said()
