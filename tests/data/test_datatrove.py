"""The same pack by datatrove's executors: on this machine, and by the script it makes for Slurm."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("datatrove", reason="needs pip install 'bbyte[data]'")

from pipelines import check, make_inputs, steps

from bbyte.data.datatrove import ReadDocuments, WriteSlices
from bbyte.data.merge import merge
from bbyte.data.pack import pack
from bbyte.errors import DataError


@pytest.fixture
def inputs(tmp_path):
    return make_inputs(tmp_path / "in")


@pytest.mark.parametrize("tasks", [1, 3])
def test_tasks_one_after_the_other(inputs, tmp_path, tasks):
    for rank in range(tasks):
        reader, writer = steps(inputs, tmp_path)
        for _ in writer.run(reader.run(None, rank, tasks), rank, tasks):
            pass
    check(inputs, tmp_path)


def test_a_task_may_be_run_again(inputs, tmp_path):
    for rank in (0, 0, 1):
        reader, writer = steps(inputs, tmp_path)
        list(writer.run(reader.run(None, rank, 2), rank, 2))
    check(inputs, tmp_path)


def test_a_task_that_fails_leaves_nothing(inputs, tmp_path):
    (inputs / "0.gz").write_bytes(b"no gzip")
    reader, writer = steps(inputs, tmp_path)
    with pytest.raises(DataError, match=r"0\.gz is damaged"):
        list(writer.run(reader.run(None)))
    assert not (tmp_path / "slices").exists()


def test_documents_between_the_steps(inputs, tmp_path):
    reader, writer = steps(inputs, tmp_path)
    found = list(writer.run(reader.run(None)))
    assert [one.metadata["file_path"] for one in found][:3] == ["in/0.txt.gz", "in/1.jsonl", "in/1.jsonl"]
    assert len({one.id for one in found}) == len(found)
    assert found[-1].text.encode(errors="surrogateescape") == b"\xff\xfe not text \0"


def test_the_local_executor(inputs, tmp_path):
    from datatrove.executor import LocalPipelineExecutor

    pipeline = steps(inputs, tmp_path)
    LocalPipelineExecutor(
        pipeline, tasks=3, workers=2, logging_dir=str(tmp_path / "logs"), start_method="spawn"
    ).run()
    check(inputs, tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Slurm's scripts are for POSIX shells")
def test_the_script_for_slurm(inputs, tmp_path, monkeypatch):
    """Slurm's commands only say what they would; then the script is run as Slurm would, once a task."""
    from datatrove.executor import SlurmPipelineExecutor

    (tmp_path / "bin").mkdir()
    for name, answer in (("sbatch", "Submitted batch job 7"), ("scontrol", "here")):
        command = tmp_path / "bin" / name
        command.write_text(f"#!/bin/sh\necho {answer}\n")
        command.chmod(0o755)
    scripts = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{scripts}{os.pathsep}{os.environ['PATH']}")
    SlurmPipelineExecutor(
        steps(inputs, tmp_path),
        tasks=2,
        time="01:00:00",
        partition="cpu",
        job_name="pack",
        logging_dir=str(tmp_path / "logs"),
        with_srun=False,
    ).run()
    script = tmp_path / "logs" / "launch_script.slurm"
    text = script.read_text()
    assert "#SBATCH --array=0-1" in text
    assert "launch_pickled_pipeline" in text
    assert not (tmp_path / "slices").exists()
    if shutil.which("launch_pickled_pipeline") is None:
        pytest.skip("datatrove's commands are not on the path")
    for rank in range(2):
        environment = {**os.environ, "SLURM_ARRAY_TASK_ID": str(rank), "SLURM_NODELIST": "here"}
        done = subprocess.run(["bash", script], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    check(inputs, tmp_path)


def test_the_example_in_the_documentation_runs(tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "corpora.md").read_text(encoding="utf-8")
    code = page.split("## Past one machine\n")[1].split("```python\n")[1].split("```")[0]
    make_inputs(tmp_path / "crawl")
    monkeypatch.chdir(tmp_path)
    exec(code, {"__name__": "__main__"})  # noqa: S102 - our own page
    merge(sorted(Path("slices").iterdir()), tmp_path / "merged")
    pack(["crawl"], "single", field="text", index=True)
    shard = Path("merged/shard_00000.bin").read_bytes()
    assert shard == Path("single/shard_00000.bin").read_bytes()


def test_steps_are_shown_by_name():
    assert "READER: bbyte" in repr(ReadDocuments(["x"])).replace("📖 - ", "")
    assert "WRITER: bbyte" in repr(WriteSlices("x")).replace("💽 - ", "")
