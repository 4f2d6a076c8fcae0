"""Runs that are stopped, by signals and kills, and go on with another number of processes."""

import json
import re
import signal

import pytest
from small_runs import losses
from undisturbed import MODELS, newest, small

WORDS = [
    "--steps", "90", "--save-every", "10", "--eval-every", "0", "--batch-size", "6", "--optimizer", "adamw",
    "--full-precision-start", "1.0",
]  # fmt: skip


@pytest.mark.parametrize(
    "family", ["ar", *(pytest.param(name, marks=pytest.mark.slow) for name in MODELS if name != "ar")]
)
def test_two_then_one_then_four_then_two_read_what_one_would(tmp_path, train, family):
    words, run = [*small(family), *WORDS], tmp_path / "run"
    one = train(1, *words, "--out", "one")
    stops = [(2, 11, signal.SIGTERM), (1, 31, signal.SIGKILL), (4, 51, signal.SIGUSR1), (2, None, None)]
    for count, step, number in stops:
        several = train(count, *words, "--out", "run", "--resume", "auto")
        if step is not None:
            assert several.reaches(step), several.said()
            several[count - 1].send(number)
        codes = several.wait()
        if number == signal.SIGKILL:
            assert codes == [-signal.SIGKILL] and newest(run) >= 30
            continue
        assert set(codes) == {0}, several.said()
        if number is not None:
            assert_interrupted(several, run, number, step)
    assert one.wait() == [0]
    assert losses(run) == pytest.approx(losses(tmp_path / "one"), abs=1e-5) and len(losses(run)) == 90
    assert re.search(r"world_size was 4, is 2: losses will differ in the last digits", several.said())


def assert_interrupted(several, run, number, step):
    """All ended after the same step, which was saved once, and the run says so."""
    reached = newest(run)
    assert reached >= step
    assert several[0].said().count(f"{number.name} at step {reached}, saved") == 1
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row for row in rows if "interrupted" in row][-1] == {"step": reached, "interrupted": number.name}
    assert max(losses(run)) == reached


def test_without_torchrun_an_interruption_is_told_by_the_exit_code(train, break_by):
    plain = break_by("del os.environ['TORCHELASTIC_RUN_ID']")
    several = train(2, *small("ar"), *WORDS, "--steps", "9999", "--out", "run", breaking=plain)
    assert several.reaches(5), several.said()
    several[1].send(signal.SIGTERM)
    assert several.wait() == [75, 75], several.said()
    assert "--resume run goes on" in several[0].said() and several[1].said() == ""


def test_started_again_by_torchrun_a_run_goes_on_without_being_told_to(tmp_path, train):
    words = [*small("ar"), *WORDS, "--out", "run"]
    several = train(2, *words)
    assert several.reaches(15)
    several.kill()
    assert newest(tmp_path / "run") >= 10
    again = train(2, *words, TORCHELASTIC_RESTART_COUNT="1")
    assert again.wait() == [0, 0], again.said()
    assert sorted(losses(tmp_path / "run")) == list(range(1, 91))
    several = train(2, *words)  # but not by a person
    assert several.wait() == [2, 2]
    assert "run exists already" in several[0].said() and several[1].said() == ""
