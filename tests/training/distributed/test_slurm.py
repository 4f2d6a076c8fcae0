"""The batch script for Slurm, with stand-ins for Slurm's own commands."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_runs import losses
from undisturbed import TEXT, newest, small

SCRIPT = Path(__file__).parents[3] / "docs" / "slurm" / "train.sbatch"
STAND_INS = {
    "torchrun": f'exec "{sys.executable}" -m torch.distributed.run "$@"',
    "srun": 'echo $$ > "$HERE/srun.pid"; exec "$@"',
    "scancel": '[ "$1" = --signal=USR1 ] && kill -USR1 "$(cat "$HERE/srun.pid")"',
    "scontrol": 'if [ "$1" = show ]; then echo 127.0.0.1; else echo "$1 $2" >> "$HERE/asked"; fi',
}
pytestmark = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("bash", "pkill")), reason="needs bash and pkill"
)


def test_the_script_is_one():
    subprocess.run(["bash", "-n", SCRIPT], check=True)


@pytest.mark.slow
def test_before_its_limit_a_job_saves_and_is_queued_again_and_a_finished_one_is_not(tmp_path):
    (tmp_path / "book.txt").write_bytes(TEXT)
    for name, code in STAND_INS.items():
        path = tmp_path / name
        path.write_text(f"#!/bin/bash\n{code}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    run = tmp_path / "run"
    with job(tmp_path, "--steps", "300") as first:
        until(lambda: "step  25/" in (tmp_path / "said").read_text(), first, tmp_path)
        first.send_signal(signal.SIGUSR1)
        assert first.wait(60) == 0, (tmp_path / "said").read_text()
    reached = newest(run)
    assert 25 <= reached < 300
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert last == {"step": reached, "interrupted": "SIGUSR1"}
    assert (tmp_path / "asked").read_text() == "requeue 7\n"
    with job(tmp_path, "--steps", "300") as second:
        assert second.wait(120) == 0, (tmp_path / "said").read_text()
    assert sorted(losses(run)) == list(range(1, 301))
    assert (tmp_path / "asked").read_text() == "requeue 7\n"


def job(folder, *words):
    env = {
        **os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "HERE": str(folder), "RUN": "run",
        "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "here", "SLURM_JOB_NUM_NODES": "1", "PROCESSES": "2",
        "PORT": "0",
    }  # fmt: skip
    with (folder / "said").open("a") as said:
        words = ["bash", SCRIPT, *small("ar")[1:], *words]
        return subprocess.Popen(words, cwd=folder, env=env, stdout=said, stderr=said)


def until(holds, process, folder):
    end = time.monotonic() + 120
    while not holds():
        assert process.poll() is None and time.monotonic() < end, (folder / "said").read_text()
        time.sleep(0.01)
