"""The README's tour works when typed, and what it says of the commands and files is so."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bbyte.models.families import families

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
TRAINING = (ROOT / "docs" / "training.md").read_text("utf-8")


def commands(kind: str) -> list[str]:
    blocks = re.findall(rf"```{kind}\n(.*?)```", README, flags=re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """What someone who cloned the repository has."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copy(ROOT / "README.md", folder)
    for name in ("docs", "src"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    return folder


def test_the_tour_runs_as_typed(clone):
    # The run is cut short by the environment, which a flag in the README would win over.
    environment = {**os.environ, "BBYTE_STEPS": "12", "BBYTE_EVAL_EVERY": "6"}
    said = {}
    tour = commands("console tour")
    assert [command.split()[1] for command in tour] == ["pack", "train", "eval-bpb", "generate"]
    for command in tour:
        words = [sys.executable, "-m", *shlex.split(command)]
        done = subprocess.run(words, cwd=clone, env=environment, capture_output=True, timeout=300)
        assert done.returncode == 0, done.stderr.decode()
        said[command.split()[1]] = done.stdout
    assert (clone / "artifacts/datasets/mine/val/corpus.json").exists()
    assert b"PPMd o16" in said["eval-bpb"]
    assert said["generate"].startswith(b"def ") and len(said["generate"]) == len("def ") + 200


def test_every_command_of_the_readme_is_one_that_bbyte_has(clone):
    words = {command.split()[1] for command in commands("console.*?") if command.startswith("bbyte ")}
    listed = subprocess.run(
        [sys.executable, "-m", "bbyte", "--help"], capture_output=True, text=True, check=True
    )
    assert words and all(f" {word} " in listed.stdout for word in words)


def test_the_targets_it_names_are_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = [command.split()[1] for command in commands("console") if command.startswith("make ")]
    assert targets == ["quickstart", "test"]
    assert all(f"\n{target}:" in makefile for target in targets)


def test_links_and_pictures_are_there():
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert "docs/training.svg" in targets
    for target in targets:
        assert (ROOT / target).exists(), target


def test_the_table_of_presets_is_true():
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", README, flags=re.MULTILINE)
    expected = []
    for preset in families()["ar"].presets:
        configs = [families()[name].presets[preset] for name in ("ar", "mamba")]
        shapes = [f"{config.n_layer} x {config.d_model}" for config in configs]
        sizes = ", ".join(f"{parameters(name, preset) / 1e6:.1f} M" for name in ("ar", "mamba"))
        expected.append((preset, " | ".join((*shapes, sizes))))
    assert rows == expected


TRANSFORMER = "{c.n_layer} | {c.d_model} | {c.n_head} ({c.n_kv_head}) | {c.d_ff} | {size:.1f} M"


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("ar", TRANSFORMER),
        ("diffusion", TRANSFORMER),
        (
            "mamba",
            "{c.n_layer} | {c.d_model} | {c.state_width} | {c.n_head} | {size:.1f} M | {state:.1f} MB",
        ),
    ],
)
def test_the_tables_of_families_are_true(name, cells):
    import torch

    page = (ROOT / "docs" / "families.md").read_text("utf-8")
    table = page.partition(f"| {name} | layers |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", table, flags=re.MULTILINE)
    assert [preset for preset, _ in rows] == list(families()[name].presets)
    for preset, found in rows:
        with torch.device("meta"):
            model = families()[name].build(families()[name].presets[preset])
            state = model.new_state(1).nbytes / 1e6 if name == "mamba" else 0
        size = parameters(name, preset) / 1e6
        assert found == cells.format(c=model.config, size=size, state=state)


def parameters(name: str, preset: str) -> int:
    import torch

    with torch.device("meta"):
        model = families()[name].build(families()[name].presets[preset])
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_example_of_the_training_page_runs(clone, monkeypatch, capsys):
    monkeypatch.chdir(clone)
    [example] = re.findall(r"```python\n(.*?)```", TRAINING, flags=re.DOTALL)
    exec(compile(example, "docs/training.md", "exec"), {})  # noqa: S102
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [str(step) for step in range(2, 21, 2)]
