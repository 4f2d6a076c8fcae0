"""Power losses in training: no checkpoint is on the disk whose rows of the log might not be."""

from small_runs import corpus, events, request
from system_calls import Call, SystemCalls


def test_the_log_is_flushed_before_each_checkpoint_is_put_in_place(tmp_path):
    run = tmp_path / "run"
    data = corpus(tmp_path)
    with SystemCalls(run) as calls:
        events(request(run, data, save_every=3))
    places = [at for at, call in enumerate(calls.trace) if call.to.startswith("step-")]
    assert len(places) == 4
    for at in places:
        before = calls.trace[:at]
        written, flushed = (_last(before, name) for name in ("write", "fsync"))
        assert written < flushed


def _last(trace, name):
    return max(at for at, call in enumerate(trace) if call == Call(name, "metrics.jsonl"))
