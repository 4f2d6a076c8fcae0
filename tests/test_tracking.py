"""The trackers, each read back from what its own library wrote, without any network."""

import dataclasses
import json
import struct
import sys
import time

import pytest

from bbyte import tracking
from bbyte.errors import BbyteError, UsageError
from bbyte.tracking import figures, tracked
from bbyte.training.events import Evaluated, Finished, Saved, Started, Stepped, Warned

SETTINGS = {"data": "tales.txt", "training.lr": 0.003, "model.ternary": True}


def stepped(step, bpb=2.0):
    return Stepped(step, 40, bpb * 0.69, bpb, 1e-3, 0.5, 64, True, 100 * step, 5e4, 1.0, 10**8)


def run(first=0, last=40, closed=None):
    try:
        yield Started("run", "ar", 1000, first, 40, ("a choice",))
        for step in range(first + 10, last + 1, 10):
            yield stepped(step, bpb=2 + step / 100 + first / 10_000)
        yield Evaluated(last, 2.5, 2.5, False, 64, 64, 1000)
        yield Saved(last, "run/step")
        yield Finished(last, 2.5, 2.5, False, 1.0, "run/step")
    finally:
        if closed is not None:
            closed.append(True)


class Recorder:
    """A tracker that remembers, and fails when it is told to."""

    place = "in memory"

    def __init__(self, *_, fails_at=None):
        self.logged, self.closed, self.fails_at = [], 0, fails_at

    def log(self, step, figures):
        if step == self.fails_at:
            raise ConnectionError("no route\nto host")
        self.logged.append((step, dict(figures)))

    def close(self):
        self.closed += 1
        if self.fails_at:
            raise ConnectionError("nor here")


@pytest.fixture
def recorder(monkeypatch):
    found = Recorder()
    monkeypatch.setattr(tracking, "check_installed", lambda kind: None)
    monkeypatch.setitem(tracking._TRACKERS, "wandb", lambda *_: found)
    return found


def test_the_figures_and_their_names():
    assert figures(stepped(1)) == {"train/bpb": 2.0, "lr": 1e-3, "grad_norm": 0.5, "bytes_per_second": 5e4}
    assert figures(Evaluated(1, 2.5, 2.4, False, 64, 64, 10)) == {"val/bpb": 2.5}
    assert "train/bpb" not in figures(stepped(1, bpb=float("nan")))
    assert figures(Saved(1, "x")) == {}


def test_events_pass_and_figures_are_logged(recorder, tmp_path):
    found = list(tracked(run(), "wandb", tmp_path, SETTINGS))
    assert found[1:] == list(run())[1:]
    assert found[0].choices == ("a choice", "tracking: in memory")
    assert [step for step, _ in recorder.logged] == [10, 20, 30, 40, 40]
    assert recorder.closed == 1


def test_a_tracker_that_fails_is_dropped_with_one_warning(recorder, tmp_path):
    recorder.fails_at = 20
    found = list(tracked(run(), "wandb", tmp_path, SETTINGS))
    warnings = [event for event in found if isinstance(event, Warned)]
    assert warnings == [Warned("tracking ends here, the run goes on: no route")]
    assert [event for event in found if not isinstance(event, Warned)][1:] == list(run())[1:]
    assert [step for step, _ in recorder.logged] == [10] and recorder.closed == 1


def test_a_run_that_is_left_closes_its_tracker(recorder, tmp_path):
    closed = []
    events = tracked(run(closed=closed), "wandb", tmp_path, SETTINGS)
    next(events)
    events.close()
    assert recorder.closed == 1 and closed


def test_one_that_cannot_start_is_an_error_before_the_first_step(monkeypatch, tmp_path):
    def broken(*_):
        raise ValueError("no API key")

    closed = []
    monkeypatch.setattr(tracking, "check_installed", lambda kind: None)
    monkeypatch.setitem(tracking._TRACKERS, "wandb", broken)
    with pytest.raises(BbyteError, match="wandb cannot start: no API key"):
        tracked(run(closed=closed), "wandb", tmp_path, SETTINGS)
    assert closed


@pytest.mark.parametrize("kind", ["tensorboard", "wandb", "trackio"])
def test_a_missing_library_is_named(monkeypatch, tmp_path, kind):
    monkeypatch.setitem(sys.modules, kind, None)
    with pytest.raises(UsageError) as refused:
        tracked(run(), kind, tmp_path, SETTINGS)
    assert refused.value.hint == f"pip install {kind}"


def scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    return {tag: [(e.step, e.value) for e in read.Scalars(tag)] for tag in read.Tags()["scalars"]}, read


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    list(tracked(run(last=30), "tensorboard", tmp_path, SETTINGS))
    list(tracked(run(first=20), "tensorboard", tmp_path, SETTINGS))  # resumed at an earlier checkpoint
    found, read = scalars(tmp_path / "tensorboard")
    assert set(found) == {"train/bpb", "val/bpb", "lr", "grad_norm", "bytes_per_second"}
    assert [step for step, _ in found["train/bpb"]] == [10, 20, 30, 40]
    assert found["train/bpb"][2][1] == pytest.approx(2.302)  # of the course that went on
    assert found["val/bpb"] == [(40, 2.5)]
    assert b"| training.lr | 0.003 |" in read.Tensors("settings/text_summary")[0].tensor_proto.string_val[0]


def wandb_records(path):
    """The records of a .wandb file: LevelDB's log format after a header of seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    data = path.read_bytes()
    assert data[:4] == b":W&B"
    place, whole = 7, b""
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        _, size, kind = struct.unpack_from("<IHB", data, place)
        whole += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(whole)
            whole = b""
            yield record


def wandb_history(path):
    for record in wandb_records(path):
        if record.WhichOneof("record_type") == "history":
            yield {
                item.key or "/".join(item.nested_key): json.loads(item.value_json)
                for item in record.history.item
            }


def test_wandb_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # no network
    folder = tmp_path / "my-run"
    folder.mkdir()
    first = list(tracked(run(last=30), "wandb", folder, SETTINGS))
    assert first[0].choices[-1].startswith("tracking: wandb sync ") and not isinstance(first[-1], Warned)
    resumed = list(tracked(run(first=20), "wandb", folder, SETTINGS))
    assert not [event for event in resumed if isinstance(event, Warned)]
    files = sorted(folder.glob("wandb/offline-run-*/*.wandb"), key=lambda path: path.stat().st_mtime)
    assert len(files) == 2 and len({path.name for path in files}) == 1  # one run for wandb
    deadline = time.monotonic() + 60  # its own process may still be writing on a busy machine
    while True:
        rows = [row for path in files for row in wandb_history(path)]
        steps = [row["step"] for row in rows if "train/bpb" in row]
        if len(steps) == 5 or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert steps == [10, 20, 30, 30, 40]
    assert {"train/bpb", "lr", "grad_norm", "bytes_per_second"} <= rows[0].keys()
    assert [row["val/bpb"] for row in rows if "val/bpb" in row] == [2.5, 2.5]
    (started, *_) = [r.run for r in wandb_records(files[0]) if r.WhichOneof("record_type") == "run"]
    config = {update.key: json.loads(update.value_json) for update in started.config.update}
    assert (started.display_name, started.project) == ("my-run", "bbyte")
    assert config["training.lr"] == 0.003 and config["data"] == "tales.txt"
    list(tracked(run(), "wandb", folder, SETTINGS))  # begun anew: another run for wandb
    assert len({path.name for path in folder.glob("wandb/offline-run-*/*.wandb")}) == 2


def test_trackio(tmp_path, monkeypatch, capsys):
    trackio = pytest.importorskip("trackio")
    monkeypatch.setattr("trackio.utils.TRACKIO_DIR", tmp_path / "store", raising=False)
    monkeypatch.setattr("trackio.sqlite_storage.TRACKIO_DIR", tmp_path / "store", raising=False)
    folder = tmp_path / "my-run"
    folder.mkdir()
    list(tracked(run(last=30), "trackio", folder, SETTINGS))
    list(tracked(run(first=30), "trackio", folder, SETTINGS))
    assert capsys.readouterr().out == ""
    (name,) = trackio.SQLiteStorage.get_runs("bbyte")
    rows = trackio.SQLiteStorage.get_logs("bbyte", name)
    assert [row["step"] for row in rows if "train/bpb" in row] == [10, 20, 30, 40]
    assert name.startswith("my-run-")


def test_nothing_is_imported_before_it_is_asked_for():
    import subprocess

    code = "import sys; import bbyte.tracking\n"
    code += "sys.exit(bool({'torch', 'wandb', 'tensorboard'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_with_the_records_of_a_run(tmp_path):
    from small_runs import corpus, only, request

    from bbyte.report.records import with_records
    from bbyte.training.start import start

    pytest.importorskip("tensorboard")
    trainer = start(request(tmp_path / "run", corpus(tmp_path), eval_every=6))
    kept = with_records(trainer, trainer.run(), 0)
    events = list(tracked(kept, "tensorboard", trainer.folder, dataclasses.asdict(trainer.config)))
    found, _ = scalars(tmp_path / "run" / "tensorboard")
    assert [step for step, _ in found["train/bpb"]] == list(range(1, 13))
    assert [round(value, 5) for _, value in found["val/bpb"]] == [
        round(event.bpb, 5) for event in only(Evaluated, events)
    ]
