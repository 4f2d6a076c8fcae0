"""All that is wrong with a request is told at once; epochs become steps."""

import pytest
from small_runs import MODEL, corpus, request

from bbyte.data.sampling import WindowOrder
from bbyte.errors import UsageError
from bbyte.training.request import Request
from bbyte.training.settings import check
from bbyte.training.start import start


@pytest.fixture
def data(tmp_path):
    return corpus(tmp_path, 30_000)


def test_every_problem_of_every_kind_is_in_one_message(tmp_path):
    asked = Request(
        family="ar",
        data=tmp_path / "nowhere",
        preset="smal",
        model={"d_model": 100, "n_head": 12, "activation": "gelu"},
        objective={"z_loss": -1.0},
        training={"steps": 10, "epochs": 2.0, "ema": 1.5, "stride": 0, "micro_batch": 0},
        runtime={"device": "tpu", "threads": -2},
        out=tmp_path / "run",
    )
    with pytest.raises(UsageError) as caught:
        start(asked)
    for problem in (
        "there is nothing at", "there is no preset 'smal'", "activation is 'gelu'", "z_loss -1.0 is negative",
        "steps and epochs both say how long", "ema 1.5 is not from 0", "stride 0 is less than 1",
        "micro_batch 0 is less than 1", "threads -2 is negative",
    ):  # fmt: skip
        assert problem in caught.value.message
    assert "did you mean small?" in caught.value.hint and "--micro-batch auto" in caught.value.hint
    assert not (tmp_path / "run").exists()


def test_an_average_of_ternary_weights_is_refused_with_the_reason(tmp_path, data):
    with pytest.raises(UsageError, match="average of the latent weights of a ternary model") as caught:
        check(request(tmp_path / "run", data, ema=0.99))
    assert "--no-ternary" in caught.value.hint
    check(request(tmp_path / "run", data, model={**MODEL, "ternary": False}, ema=0.99))


def test_weight_decay_ends_halfway_where_weights_are_ternary(tmp_path, data):
    for ternary, until in ((True, 0.5), (False, 1.0)):
        model = {**MODEL, "ternary": ternary}
        assert check(request(None, data, model=model)).training.weight_decay_until == until
        assert (
            check(request(None, data, model=model, weight_decay_until=0.7)).training.weight_decay_until == 0.7
        )


@pytest.mark.parametrize("length", [{"seq_len": 16}, {"seq_len": None, "seq_len_cap": 2500}])
@pytest.mark.parametrize("epochs", [1.0, 2.5])
def test_epochs_are_as_many_steps_as_read_the_corpus_so_often(tmp_path, length, epochs):
    data = corpus(tmp_path, 400_000)
    trainer = start(request(tmp_path / "run", data, steps=None, epochs=epochs, batch_size=3, **length))
    trainer.log.close()
    read = sum(trainer.schedule.bytes_of(step) for step in range(trainer.schedule.steps))
    assert read == pytest.approx(epochs * trainer.data.train.size, rel=0.05)
    assert trainer.config.epochs is None and f"{epochs:g} epochs" in "\n".join(trainer.choices)


def test_one_epoch_reads_every_window_once(tmp_path, data):
    trainer = start(request(tmp_path / "run", data, steps=None, epochs=1.0, batch_size=1))
    trainer.log.close()
    schedule, order = trainer.schedule, trainer.order
    offsets = [int(schedule.offsets(order, step, slice(0, 1))[0]) for step in range(schedule.steps)]
    assert schedule.steps == order.n_blocks == len(set(offsets))


def test_a_stride_moves_the_windows_apart_or_together(tmp_path, data):
    for stride, steps in ((8, 2), (64, 0.25)):
        trainer = start(
            request(tmp_path / str(stride), data, steps=None, epochs=1.0, batch_size=1, stride=stride)
        )
        trainer.log.close()
        plain = WindowOrder(trainer.data.train.size, 16, 0).n_blocks
        assert trainer.schedule.steps == pytest.approx(plain * steps, rel=0.02)
