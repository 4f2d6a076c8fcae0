"""A run, from start to finish: its events, its folder, and what its figures depend on."""

import dataclasses
import json
import math
import tomllib

import numpy as np
import pytest
import torch
from small_runs import MODEL, TRAINING, corpus, events, finished, losses, only, request, text, validations

from bbyte.checkpoint import find, store
from bbyte.data.corpus import ByteCorpus
from bbyte.errors import BbyteError, UsageError
from bbyte.evaluation import bits_per_byte, objective_measure
from bbyte.models.families import family
from bbyte.training.events import Evaluated, Saved, Stepped
from bbyte.training.feed import Feed
from bbyte.training.planning.probe import Pace
from bbyte.training.request import Request
from bbyte.training.start import start
from bbyte.training.validation import divide


@pytest.fixture
def data(tmp_path):
    return corpus(tmp_path)


def test_what_happens_in_which_order(tmp_path, data):
    happened = events(request(tmp_path / "run", data, steps=6, log_every=2, eval_every=3, save_every=4))
    assert [type(event).__name__ for event in happened] == [
        "Started", "Stepped", "Evaluated", "Stepped", "Saved", "Stepped", "Evaluated", "Saved", "Finished",
    ]  # fmt: skip
    assert [event.step for event in happened[1:]] == [2, 3, 4, 4, 6, 6, 6, 6]
    started, done = happened[0], happened[-1]
    assert (started.first_step, started.steps, started.family) == (0, 6, "ar")
    assert started.run == str(tmp_path / "run")
    assert started.parameters == sum(p.numel() for p in store.load(tmp_path / "run").model.parameters())
    assert done.checkpoint == str(tmp_path / "run" / "step-0000006") == only(Saved, happened)[-1].path
    assert done.bpb == only(Evaluated, happened)[-1].bpb and not done.is_bound


def test_the_figures_of_a_step_fit_each_other(tmp_path, data):
    happened = events(request(tmp_path / "run", data, grad_accum=3, warmup_steps=4, matrix_lr=0.01))
    stepped = only(Stepped, happened)
    assert [event.step for event in stepped] == list(range(1, 13))
    for event in stepped:
        assert event.bpb == pytest.approx(event.loss / math.log(2))
        assert event.bytes_seen == event.step * 4 * 3 * 16
        assert event.seq_len == 16 and event.steps == 12 and event.gradient_norm > 0
        assert event.bytes_per_second > 0 and event.memory > 1e6
        assert event.quantized == (event.step > 2)
    assert [event.learning_rate for event in stepped[:5]] == pytest.approx(
        [0.0025, 0.005, 0.0075, 0.01, 0.01]
    )
    assert stepped[-1].seconds_left == 0 < stepped[0].seconds_left


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("ternary", [True, False])
def test_the_loss_falls(tmp_path, data, optimizer, ternary):
    asked = request(
        tmp_path / "run", data, model={**MODEL, "ternary": ternary}, steps=120, optimizer=optimizer,
        lr=4e-3, log_every=10, full_precision_start=0.1,
    )  # fmt: skip
    happened = events(asked)
    stepped = only(Stepped, happened)
    assert stepped[0].bpb > 4.5
    assert stepped[-1].bpb < 2.9
    assert stepped[-1].quantized == ternary
    assert finished(happened).bpb < 2.9


def test_ternary_training_computes_with_the_newest_weights_under_adamw(tmp_path, data):
    """torch's fused AdamW counts no versions: a cache keyed on them alone would freeze the matrices."""
    trainer = start(request(tmp_path / "run", data, optimizer="adamw", lr=0.05, full_precision_start=0.0))
    happening = trainer.run()
    window = torch.from_numpy(np.frombuffer(text(68), np.uint8).copy().reshape(4, 17))
    for event in happening:
        if isinstance(event, Stepped) and event.step == 5:
            break
    running = float(trainer.objective(window).nats.detach())
    rebuilt = family("ar").build(trainer.model.config)
    rebuilt.load_state_dict(trainer.model.state_dict())
    fresh = float(trainer.family.objective(rebuilt, trainer.family.objective_config())(window).nats.detach())
    assert running == pytest.approx(fresh, rel=1e-5)
    happening.close()


def test_the_best_figure_starts_anew_when_ternary_sets_in(tmp_path, data):
    asked = request(tmp_path / "run", data, steps=40, eval_every=4, full_precision_start=0.5, lr=1e-2)
    trainer, seen = start(asked), []
    for event in trainer.run():
        if isinstance(event, Evaluated):
            seen.append(event)
    before, after = [e for e in seen if e.step <= 20], [e for e in seen if e.step > 20]
    for part in (before, after):
        for n, event in enumerate(part):
            assert event.best == min(e.bpb for e in part[: n + 1])


def test_the_folder_of_a_run(tmp_path, data):
    out = tmp_path / "deep" / "run"
    happened = events(request(out, data, steps=6, eval_every=3, save_every=2))
    assert sorted(path.name for path in out.iterdir() if path.name != ".lock") == [
        "config.toml", "env.json", "metrics.jsonl", "step-0000002", "step-0000004", "step-0000006",
    ]  # fmt: skip
    written = tomllib.loads((out / "config.toml").read_text())
    assert written["data"] == str(data)
    assert written["training"]["optimizer"] == "muon" and written["training"]["warmup_steps"] == 0
    assert written["model"]["n_layer"] == 1 and written["model"]["sub_norm"] is True
    environment = json.loads((out / "env.json").read_text())
    assert environment["threads"] == 1 and environment["versions"]["torch"] == torch.__version__
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    expected = [
        {"step": e.step, "val_bpb": e.bpb, "context": 16, "is_bound": False}
        if isinstance(e, Evaluated)
        else dataclasses.asdict(e)
        for e in happened
        if isinstance(e, Stepped | Evaluated)
    ]
    assert rows == expected


def test_the_figure_of_a_checkpoint_is_that_of_its_weights_on_the_held_out_bytes(tmp_path, data):
    out = tmp_path / "run"
    done = finished(events(request(out, data, steps=20, val_fraction=0.1)))
    loaded, held_out = store.load(out), divide(ByteCorpus.open(data), 0.1, 10**6).validation
    assert loaded.meta.metrics == {"val_bpb": done.bpb, "val_step": 20, "best_bpb": done.best}
    assert (loaded.meta.step, loaded.meta.bytes_seen, loaded.meta.context) == (20, 20 * 64, 16)
    assert loaded.meta.quantized and loaded.meta.variant == "ternary"

    objective = family("ar").objective(loaded.model, family("ar").objective_config())
    score = bits_per_byte(objective_measure(objective, "cpu"), held_out, context=16, stride=16)
    assert score.bits_per_byte == pytest.approx(done.bpb, rel=1e-6)


def test_held_out_bytes_are_scored_and_never_read_for_training(tmp_path, monkeypatch):
    """Each piece of the corpus has a byte of its own, so that what was read tells where."""
    data = tmp_path / "marked.bin"
    data.write_bytes(b"".join(bytes([number]) * 256 for number in range(1, 41)))
    held_out = divide(ByteCorpus.open(data), 0.2, 10**6).validation
    marks = set(held_out.read(0, held_out.size).tolist())
    assert 0 < len(marks) < 40
    read = []
    original = Feed._read

    def watched(self, request):
        read.append(original(self, request))
        return read[-1]

    monkeypatch.setattr(Feed, "_read", watched)
    happened = events(request(tmp_path / "run", data, steps=400, val_fraction=0.2, log_every=100))
    assert sum(rows.numel() for rows in read) > 2 * data.stat().st_size
    assert set(torch.cat([rows.flatten() for rows in read]).tolist()) == set(range(1, 41)) - marks
    assert only(Evaluated, happened)[-1].bytes_scored == 256 * len(marks)
    assert only(Stepped, happened)[-1].bpb < only(Evaluated, happened)[-1].bpb
    described = store.load(tmp_path / "run").meta.corpus
    assert described["val_fraction"] == 0.2 and described["train_size"] == 256 * (40 - len(marks))


def test_what_pack_held_out_is_scored_where_there_is_such_a_part(tmp_path):
    from bbyte.data.corpus_writer import CorpusWriter

    with CorpusWriter(tmp_path / "packed", val_fraction=0.3) as writer:
        for seed in range(30):
            writer.add(text(300, seed))
    packed = ByteCorpus.open(tmp_path / "packed")
    happened = events(request(tmp_path / "run", tmp_path / "packed", val_fraction=0.5))
    assert only(Evaluated, happened)[-1].bytes_scored == packed.validation.size
    assert store.load(tmp_path / "run").meta.corpus["train_size"] == packed.size


def test_nothing_held_out_is_said_and_nothing_is_scored(tmp_path, data):
    happened = events(request(tmp_path / "run", data, val_fraction=0.0, eval_every=2))
    assert not only(Evaluated, happened) and finished(happened).bpb is None
    assert any("no bytes of the corpus are held out" in said for said in happened[0].choices)
    assert store.load(tmp_path / "run").meta.metrics == dict.fromkeys(("val_bpb", "val_step", "best_bpb"))


def test_at_most_eval_bytes_are_scored(tmp_path, data):
    happened = events(request(tmp_path / "run", data, val_fraction=0.5, eval_bytes=77))
    assert only(Evaluated, happened)[-1].bytes_scored == 77


@pytest.mark.parametrize(("keep", "kept"), [(1, [6]), (2, [5, 6]), (0, [1, 2, 3, 4, 5, 6])])
def test_only_the_newest_checkpoints_are_kept(tmp_path, data, keep, kept):
    happened = events(request(tmp_path / "run", data, steps=6, save_every=1, keep=keep))
    assert [event.step for event in only(Saved, happened)] == [1, 2, 3, 4, 5, 6]
    assert sorted(int(path.name[5:]) for path in find.steps(tmp_path / "run")) == kept


@pytest.mark.parametrize("every", [0, 5])
def test_the_last_step_is_always_logged_scored_and_saved_once(tmp_path, data, every):
    asked = request(
        tmp_path / "run", data, steps=10, eval_every=every, save_every=every, log_every=every or 99
    )
    happened = events(asked)
    for kind in (Stepped, Evaluated, Saved):
        assert [event.step for event in only(kind, happened)] == ([5, 10] if every else [10])


def test_a_full_precision_model_is_never_quantized(tmp_path, data):
    happened = events(request(tmp_path / "run", data, model={**MODEL, "ternary": False}))
    assert not any(event.quantized for event in only(Stepped, happened))
    loaded = store.load(tmp_path / "run")
    assert not loaded.meta.quantized and loaded.meta.variant == "full"


def test_without_activation_quantization_the_run_has_none(tmp_path, data):
    """--no-act-quant must hold after ternary weights set in, and in the checkpoint."""
    out = {}
    for act_quant in (True, False):
        folder = tmp_path / str(act_quant)
        asked = request(folder, data, model={**MODEL, "act_quant": act_quant}, full_precision_start=0.5)
        events(asked)
        out[act_quant] = losses(folder)
    steps = range(1, 7)  # in full precision both are the same
    assert [out[True][step] for step in steps] == [out[False][step] for step in steps]
    assert out[True][12] != out[False][12]


def same_run(one, other, **tolerance):
    assert losses(one).keys() == losses(other).keys()
    for step, loss in losses(one).items():
        assert losses(other)[step] == (pytest.approx(loss, **tolerance) if tolerance else loss)


def test_the_same_seed_gives_the_same_run_bit_for_bit_and_another_does_not(tmp_path, data):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        events(request(tmp_path / name, data, seed=seed))
    same_run(tmp_path / "a", tmp_path / "b")
    assert losses(tmp_path / "a") != losses(tmp_path / "c")
    assert losses(tmp_path / "a")[1] != losses(tmp_path / "c")[1]


@pytest.mark.parametrize("length", [{"seq_len": 16}, {"seq_len": None, "seq_len_cap": 2500}])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_how_a_step_is_split_into_batches_changes_nothing(tmp_path, length, optimizer):
    data = corpus(tmp_path, 40_000)
    steps = 12 if length["seq_len"] else 6
    for name, batch_size, grad_accum in (("a", 6, 1), ("b", 3, 2), ("c", 1, 6)):
        asked = request(
            tmp_path / name, data, batch_size=batch_size, grad_accum=grad_accum, optimizer=optimizer,
            steps=steps, full_precision_start=1.0, lr=1e-3, matrix_lr=0.005, **length,
        )  # fmt: skip
        events(asked)
    same_run(tmp_path / "a", tmp_path / "b", rel=1e-5)
    same_run(tmp_path / "a", tmp_path / "c", rel=1e-5)


def test_gradients_of_several_batches_add_up_to_that_of_one_large_batch(tmp_path, data):
    found = []
    for batch_size, grad_accum in ((8, 1), (2, 4)):
        asked = request(
            tmp_path / str(grad_accum), data, batch_size=batch_size, grad_accum=grad_accum, clip=1e9
        )
        trainer = start(asked)
        trainer.update.optimizers.step = lambda found_inf: None  # keep the gradients
        trainer.update(0, 0, batch_size)
        found.append([parameter.grad.clone() for parameter in trainer.model.parameters()])
        trainer.log.close()
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_the_gradient_is_clipped(tmp_path, data):
    trainer = start(request(tmp_path / "run", data, clip=0.01))
    trainer.update.optimizers.step = lambda found_inf: None
    norm = trainer.update(0, 0, 4).norm
    clipped = torch.cat([parameter.grad.flatten() for parameter in trainer.model.parameters()]).norm()
    assert norm > 0.1 and float(clipped) == pytest.approx(0.01, rel=1e-3)
    trainer.log.close()


def test_seq_len_fixes_the_window_whatever_its_length(tmp_path):
    data = corpus(tmp_path, 40_000)
    happened = events(request(tmp_path / "run", data, steps=2, batch_size=1, seq_len=16384, val_fraction=0.0))
    assert [event.seq_len for event in only(Stepped, happened)] == [16384, 16384]
    assert store.load(tmp_path / "run").meta.context == 16384


def test_the_curriculum_runs_through_its_windows(tmp_path):
    data = corpus(tmp_path, 60_000)
    asked = request(
        tmp_path / "run", data, steps=10, batch_size=1, seq_len=None, seq_len_cap=4096, eval_every=1
    )
    happened = events(asked)
    assert [event.seq_len for event in only(Stepped, happened)] == [2048] * 2 + [4096] * 8
    assert [event.context for event in only(Evaluated, happened)] == [2048] * 2 + [4096] * 8


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_weights_that_are_not_finite_are_never_saved(tmp_path, data, value):
    trainer = start(request(tmp_path / "run", data))
    with torch.no_grad():
        next(iter(trainer.model.parameters())).view(-1)[0] = value
    with pytest.raises(BbyteError, match="not finite"):
        list(trainer.saver.save())
    trainer.log.close()


@pytest.mark.parametrize("ternary", [True, False])
def test_the_settings_written_repeat_the_run(tmp_path, data, ternary):
    events(request(tmp_path / "a", data, model={**MODEL, "ternary": ternary, "n_head": 4, "n_kv_head": 2}))
    written = tomllib.loads((tmp_path / "a" / "config.toml").read_text())
    again = Request(family="ar", out=tmp_path / "b", **{**written, "data": data})
    events(again)
    same_run(tmp_path / "a", tmp_path / "b")
    assert validations(tmp_path / "a") == validations(tmp_path / "b")
    a, b = ((tmp_path / name / "config.toml").read_text() for name in "ab")
    assert a == b


def test_what_was_left_open_is_chosen_said_and_written(tmp_path, data, monkeypatch):
    from bbyte.training import beginning

    monkeypatch.setattr(beginning, "probe", lambda *args: Pace(15.0, 8192.0))
    asked = Request(family="ar", data=data, out=tmp_path / "run", model=MODEL, runtime={"device": "cpu"})
    trainer = start(asked)
    said = "\n".join(trainer.choices)
    for word in ("preset tiny", "seq_len 256", "batch_size 32", "optimizer muon", "steps 40", "validation:"):
        assert word in said
    assert trainer.config.steps == 40 and trainer.config.warmup_steps == 0
    written = tomllib.loads((tmp_path / "run" / "config.toml").read_text())["training"]
    left_out = {key for key, value in dataclasses.asdict(trainer.config).items() if value is None}
    assert left_out == {"lr", "seq_len_cap", "epochs", "stride", "extended_from"}
    assert written == {k: v for k, v in dataclasses.asdict(trainer.config).items() if v is not None}
    trainer.log.close()


def test_a_step_is_timed_on_a_model_that_is_thrown_away(tmp_path, data):
    asked = request(tmp_path / "run", data)
    one = start(asked)
    one.log.close()
    training = {key: value for key, value in TRAINING.items() if key != "steps"}
    two = start(dataclasses.replace(asked, out=tmp_path / "two", training=training))
    two.log.close()
    for ours, theirs in zip(one.model.parameters(), two.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert two.config.steps > 20


def test_too_little_data_is_said_before_anything_is_written(tmp_path, data):
    with pytest.raises(
        UsageError,
        match=r"window of 9000 bytes needs a corpus of at least 9001, this one has \d+ to train on",
    ):
        start(request(tmp_path / "run", data, seq_len=9000))
    assert not (tmp_path / "run").exists()
    with pytest.raises(UsageError):
        start(request(tmp_path / "run", data, val_fraction=1.0))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"preset": "huge"}, "there is no preset 'huge'"),
        ({"family": "arr"}, "no model family called 'arr'"),
        ({"model": {"d_model": 100, "n_head": 12}}, "d_model 100 is not divisible by n_head 12"),
        ({"model": {"n_layers": 2}}, "unknown setting 'n_layers'"),
        ({"training": {"steps": 0}}, "steps 0 is less than 1"),
        ({"objective": {"z_loss": -1.0}}, "z_loss -1.0 is negative"),
        ({"runtime": {"device": "tpu"}}, "'tpu' is not a device"),
        ({"data": None}, "no corpus was given"),
    ],
)
def test_a_request_that_does_not_fit_writes_nothing(tmp_path, data, changes, words):
    with pytest.raises(UsageError, match=words):
        start(dataclasses.replace(request(tmp_path / "run", data), **changes))
    assert not (tmp_path / "run").exists()


def test_a_preset_and_single_settings_make_the_architecture(tmp_path, data):
    asked = request(tmp_path / "run", data, model={"n_layer": 1, "n_head": 4})
    trainer = start(dataclasses.replace(asked, preset="small"))
    config = trainer.model.config
    assert (config.n_layer, config.d_model, config.n_head, config.n_kv_head, config.d_ff) == (
        1,
        256,
        4,
        2,
        768,
    )
    trainer.log.close()


def test_a_folder_that_exists_is_kept_unless_it_is_said_otherwise(tmp_path, data):
    out = tmp_path / "run"
    events(request(out, data, steps=8, save_every=2, keep=0))
    before = (out / "metrics.jsonl").read_bytes()
    with pytest.raises(UsageError, match="exists already") as caught:
        start(request(out, data))
    assert "--resume" in caught.value.hint and "--allow-overwrite" in caught.value.hint
    assert (out / "metrics.jsonl").read_bytes() == before and len(find.steps(out)) == 4


def test_overwriting_leaves_nothing_of_the_old_run(tmp_path, data):
    """Else its later checkpoints would be taken for the newest of the new run."""
    out = tmp_path / "run"
    events(request(out, data, steps=8, save_every=2, keep=0, seed=1))
    happened = events(request(out, data, steps=3, save_every=1, keep=2), allow_overwrite=True)
    assert [path.name for path in find.steps(out)] == ["step-0000003", "step-0000002"]
    assert finished(happened).step == 3 == max(losses(out)) == store.load(out).meta.step


def test_an_empty_folder_may_be_given(tmp_path, data):
    (tmp_path / "run").mkdir()
    assert finished(events(request(tmp_path / "run", data, steps=1))).step == 1


def test_a_run_without_a_folder_gets_one_with_date_and_name(tmp_path, data, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = []
    for _ in range(2):
        trainer = start(dataclasses.replace(request(None, data), name="mine"))
        names.append(trainer.folder)
        trainer.log.close()
    assert names[0] != names[1]
    for name in names:
        assert str(name.parent) == "artifacts/checkpoints" and "-mine" in name.name


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_compiled_a_run_has_the_same_losses_before_and_after_ternary_sets_in(tmp_path, data, optimizer):
    asked = request(tmp_path / "eager", data, optimizer=optimizer, full_precision_start=0.5, grad_accum=2)
    events(asked)
    compiled = dataclasses.replace(
        asked, out=tmp_path / "compiled", runtime={**asked.runtime, "compile": True}
    )
    events(compiled)
    same_run(tmp_path / "eager", tmp_path / "compiled", rel=5e-3)
    steps = range(1, 7)
    one, other = losses(tmp_path / "eager"), losses(tmp_path / "compiled")
    assert [one[n] for n in steps] == pytest.approx([other[n] for n in steps], rel=1e-4)
