"""metrics.jsonl read back."""

import json
import math
import random
import re
from pathlib import Path

import pytest
from written_run import bpb, row, rows, validation, write

from bbyte.runs import log
from bbyte.runs.rows import Evaluation, Return, Skip, Step, parse
from bbyte.training.events import Stepped


def read(folder, content, **options):
    folder.mkdir(exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in content), "utf-8")
    return log.read(folder, **options)


def test_every_row_comes_back(tmp_path):
    found = log.read(write(tmp_path / "run"))
    assert found.train() == [(step, bpb(step)) for step in range(10, 201, 10)]
    assert found.validation() == [(step, bpb(step) + 0.1) for step in (50, 100, 150, 200)]
    assert found.best == Evaluation(200, bpb(200) + 0.1, 64, False)
    assert (found.last, found.bytes_seen, found.problems) == (found.best, 200_000, [])
    assert found.seconds == pytest.approx(400)
    assert found.train_bpb == pytest.approx(sum(map(bpb, (160, 170, 180, 190, 200))) / 5)


def test_the_rows_of_these_tests_and_of_the_documentation_are_those_of_a_run():
    names = set(Stepped.__dataclass_fields__)
    assert row(1, 1).keys() == names
    documentation = (Path(__file__).parents[2] / "docs" / "records.md").read_text("utf-8")
    table = documentation.partition("## The rows")[2].partition("## Looking")[0]
    keys = set(re.findall(r"`(\w+)`", table)) - {"null"}
    assert keys == names | {
        "val_bpb",
        "context",
        "is_bound",
        "skipped",
        "samples",
        "went_back_from",
        "reason",
    }


def test_no_log_is_an_empty_one(tmp_path):
    found = log.read(tmp_path)
    assert (found.train(), found.best, found.train_bpb, found.seconds) == ([], None, None, 0)


def test_a_long_log_is_thinned_but_keeps_its_ends_and_all_validations(tmp_path):
    content = [entry for step in range(1, 50_001) for entry in ([row(step, 50_000)])]
    content[4999:4999] = [validation(5000)]
    found = read(tmp_path, content, most=100)
    assert 100 <= len(found.steps) <= 102
    assert (found.steps[0].step, found.steps[-1].step) == (1, 50_000)
    assert [evaluation.step for evaluation in found.evaluations] == [5000]
    assert found.quantized_from == 10_001  # exactly, although that row is thinned out


def test_only_figures_of_the_ternary_model_are_compared_once_it_is_one(tmp_path):
    content = [row(10, 40, quantized=False), validation(10, val_bpb=1.0), row(20, 40, quantized=True)]
    content += [validation(20, val_bpb=3.0), row(30, 40, quantized=True), validation(30, val_bpb=2.5)]
    found = read(tmp_path, content)
    assert found.quantized_from == 20
    assert found.best is not None and found.best.bpb == 2.5


@pytest.mark.parametrize("quantized", [True, False])
def test_a_run_of_one_kind_has_no_switch(tmp_path, quantized):
    found = read(tmp_path, [row(step, 40, quantized=quantized) for step in (10, 20)])
    assert found.quantized_from is None


def test_a_bound_is_known_as_one(tmp_path):
    assert read(tmp_path, [validation(5, is_bound=True)]).evaluations[0].is_bound


def test_a_loss_that_is_no_number_is_no_point(tmp_path):
    found = read(tmp_path, [row(1, 3), row(2, 3, loss=None, bpb=None), row(3, 3)])
    assert math.isnan(found.steps[1].bpb)
    assert [x for x, _ in found.train()] == [1, 3]


def test_skips_and_returns(tmp_path):
    content = [row(1, 9), {"step": 2, "skipped": "gradient not finite", "samples": [8, 15]}]
    content += [row(2, 9), row(3, 9), validation(3), {"step": 1, "went_back_from": 3, "reason": "spike"}]
    found = read(tmp_path, [*content, row(2, 9, bpb=7.0)])
    assert found.skips == [Skip(2, "gradient not finite", (8, 15))]
    assert found.returns == [Return(3, 1, "spike")]
    assert found.train() == [(1, bpb(1)), (2, 7.0)]  # the course given up is gone
    assert found.evaluations == []


def test_steps_written_twice_replace_the_first_ones(tmp_path):
    content = [row(step, 9) for step in (1, 2, 3, 4)] + [row(3, 9, bpb=7.0)]
    assert [(x, y) for x, y in read(tmp_path, content).train()][1:] == [(2, bpb(2)), (3, 7.0)]


def test_axes(tmp_path):
    content = [row(10, 40, bytes_seen=1000, bytes_per_second=100), validation(15)]
    content += [
        row(20, 40, bytes_seen=3000, bytes_per_second=500),
        row(30, 40, bytes_seen=4000, bytes_per_second=0),
    ]
    found = read(tmp_path, content)
    assert [x for x, _ in found.train("bytes")] == [1000, 3000, 4000]
    assert [x for x, _ in found.train("seconds")] == [10, 14, 14]
    assert found.validation("bytes")[0][0] == 2000  # half way between two logged steps
    assert found.validation("seconds")[0][0] == 12
    assert found.place("bytes")(999) == 4000
    assert found.place("bytes")(0) == 0


def test_a_last_line_cut_short_is_left_out_without_a_word(tmp_path):
    write(tmp_path / "run")
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 201, "st')
    found = log.read(tmp_path / "run")
    assert (found.steps[-1].step, found.problems) == (200, [])


def test_lines_that_are_no_rows_are_counted_and_passed_over(tmp_path):
    folder = write(tmp_path / "run")
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines()
    lines[3:3] = ["rubbish", "[]", '{"step": true, "val_bpb": 1, "context": 1}']
    path.write_text("\n".join(lines) + "\n")
    found = log.read(folder)
    assert len(found.steps) == 20
    assert found.problems == ["metrics.jsonl: line 4 and 2 more: no row of a log"]


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.symlink_to(path.parent)])
def test_what_is_no_file_is_named(tmp_path, make):
    make(tmp_path / "metrics.jsonl")
    assert "metrics.jsonl" in log.read(tmp_path).problems[0]


@pytest.mark.parametrize(
    "line",
    [
        b"", b"null", b"{}", b'{"step": -1, "val_bpb": 1, "context": 1}', b'{"step": 1}', b"\xff",
        b"[" * 100_000,
        b'{"step": 1, "val_bpb": NaN, "context": 1}', b'{"step": 1, "val_bpb": "1", "context": 1}',
        b'{"step": 1, "skipped": 5}', b'{"step": 1, "skipped": "x", "samples": [1]}',
        b'{"step": 1, "skipped": "x", "samples": {"0": 1}}', b'{"step": 1, "went_back_from": 2}',
        b'{"step": ' + b"9" * 5000 + b', "val_bpb": 1, "context": 1}',
    ],
)  # fmt: skip
def test_no_row(line):
    assert parse(line) is None


def test_damaged_rows_never_raise():
    dice = random.Random(0)
    whole = [json.dumps(line).encode() for line in rows(50, 50)]
    for _ in range(3000):
        line = bytearray(dice.choice(whole))
        for _ in range(dice.randint(1, 4)):
            line[dice.randrange(len(line))] = dice.randrange(256)
        assert parse(bytes(line)) is None or isinstance(parse(bytes(line)), Step | Evaluation)
