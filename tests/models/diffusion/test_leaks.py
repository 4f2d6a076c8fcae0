"""No hidden byte shows through: not in what the model is given, nor in what a trained one can know."""

import dataclasses
import math
from pydoc_data.topics import topics

import numpy as np
import pytest
import torch
from small_runs import corpus, events, finished, losses, request

from bbyte.evaluation import InMemory, bits_per_byte, objective_measure
from bbyte.models.diffusion.config import MASK, DiffusionConfig, MaskingConfig
from bbyte.models.diffusion.model import DiffusionLM
from bbyte.models.diffusion.objective import AnyOrder
from bbyte.training.noise import noise

LENGTH, BATCH = 32, 16
TEXT = np.frombuffer("\n".join(topics[name] for name in sorted(topics)).encode(), np.uint8)


def random_bytes(count, seed):
    return np.random.default_rng(seed).integers(0, 256, count, np.uint8)


def windows(data, rows, seed):
    every = np.lib.stride_tricks.sliding_window_view(data, LENGTH + 1)
    return every[np.random.default_rng(seed).integers(0, len(every), rows)]


def trained(data, steps):
    """An objective around a small model that has learnt what it could of `data` in a few seconds."""
    torch.manual_seed(0)
    model = DiffusionLM(DiffusionConfig(n_layer=2, d_model=48, n_head=2, d_ff=96))
    objective = AnyOrder(model, MaskingConfig())
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 5e-3 * min(1, (step + 1) / 20, 3 * (1 - step / steps))
        window = torch.from_numpy(windows(data, BATCH, step).copy())
        keys = np.arange(step * BATCH, (step + 1) * BATCH)
        cost = objective(window, *noise(objective, keys, LENGTH, "cpu"))
        (cost.nats / cost.count).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimizer.step()
        optimizer.zero_grad()
    return objective.eval()


@pytest.fixture(scope="module")
def reader():
    """Trained on English."""
    return trained(TEXT, 300)


@pytest.fixture(scope="module")
def gambler():
    """Trained on bytes that nothing is known about: only a leak could teach it anything."""
    return trained(random_bytes(400_000, 1), 150)


def score(objective, data):
    return bits_per_byte(
        objective_measure(objective, "cpu"), InMemory(data.tobytes()), context=LENGTH, stride=LENGTH,
        batch_size=64, is_bound=True,
    )  # fmt: skip


def watched(objective, window, hidden, there=None):
    """The cost, and what the model was given and said."""
    met = []
    hook = objective.model.register_forward_hook(lambda _, given, said: met.append((given[0], said)))
    cost = objective(window, hidden, *([] if there is None else [there]))
    hook.remove()
    ((given, said),) = met
    return cost, given, said


@pytest.mark.parametrize("ternary", [False, True])
@pytest.mark.parametrize("cut", [0.0, 0.5])
def test_the_byte_under_a_mask_changes_no_logit(ternary, cut):
    torch.manual_seed(0)
    model = DiffusionLM(DiffusionConfig(n_layer=2, d_model=32, n_head=2, d_ff=64, ternary=ternary))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    objective = AnyOrder(model, MaskingConfig(short_windows=cut))
    window = torch.from_numpy(random_bytes(40 * 21, 2).reshape(40, 21))
    drawn = objective.noise(np.arange(40), 20)
    hidden = torch.nn.functional.pad(drawn[0], (1, 0))
    others = window.masked_fill(hidden, 0) + hidden * torch.from_numpy(random_bytes(840, 3).reshape(40, 21))
    cost, given, said = watched(objective, window, *drawn)
    again, given_again, said_again = watched(objective, others, *drawn)
    assert torch.equal(given, given_again) and torch.equal(said, said_again)
    assert torch.equal(given == MASK, hidden)
    assert not torch.equal(cost.nats, again.nats)


@pytest.mark.parametrize("cut", [0.0, 0.5])
def test_only_hidden_places_are_learnt_from(cut):
    torch.manual_seed(0)
    objective = AnyOrder(
        DiffusionLM(DiffusionConfig(n_layer=1, d_model=32, n_head=2, d_ff=64)),
        MaskingConfig(short_windows=cut),
    )
    window = torch.from_numpy(random_bytes(40 * 21, 2).reshape(40, 21))
    drawn = objective.noise(np.arange(40), 20)
    cost, given, said = watched(objective, window, *drawn)
    (gradient,) = torch.autograd.grad(cost.nats, said)
    assert torch.equal(gradient.any(2), given == MASK)
    # Each row weighs the same, however many of its bytes are hidden: their mean, times all of them.
    right = -gradient.gather(2, window.long()[:, :, None]).squeeze(2)  # 1 - p, weighted
    weights = right / (1 - said.softmax(2).gather(2, window.long()[:, :, None]).squeeze(2))
    torch.testing.assert_close(weights.sum(1), torch.full((40,), 20.0), rtol=1e-4, atol=0)


def test_it_has_learnt_something(reader):
    text = windows(TEXT, 200, 77)[:, 1:].ravel()
    order_0 = order_0_bits(text)
    assert score(reader, text).bits_per_byte < order_0 - 0.1


def test_random_bytes_cost_8_bits_to_who_knows_english(reader):
    found = score(reader, random_bytes(8000, 5))
    assert found.bits_per_byte >= 7.99


def test_who_has_seen_nothing_but_random_bytes_has_learnt_nothing(gambler):
    found = score(gambler, random_bytes(20_000, 6))
    assert found.bits_per_byte - 2 * found.standard_error >= 7.99
    assert found.bits_per_byte < 8.1  # it is not merely lost


def test_in_the_same_time_it_would_have_found_a_byte_that_shows_through():
    # Each byte comes four times: where one is hidden, another is often seen.
    objective = trained(np.repeat(random_bytes(100_000, 1), 4), 150)
    assert score(objective, np.repeat(random_bytes(2000, 6), 4)).bits_per_byte < 7


def order_0_bits(data):
    """Bits a byte by the frequencies of bytes in the training text."""
    often = np.bincount(TEXT, minlength=256) + 0.5
    return float(-np.log2(often / often.sum())[data].mean())


def test_where_all_is_hidden_only_frequencies_are_known(reader):
    rows = windows(TEXT, 600, 78)
    cost = reader.masked(rows, 1.0, np.arange(600))
    assert cost.count == 600 * LENGTH
    # The byte before the window says something of the first ones: at most 2 bits of one or two in 32.
    expected = order_0_bits(rows[:, 1:].ravel())
    assert expected - 0.15 < float(cost.nats) / cost.count / math.log(2) < expected + 0.1


def test_the_more_is_hidden_the_less_is_known(reader):
    rows = windows(TEXT, 400, 79)
    rates = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
    costs = [reader.masked(rows, rate, np.arange(400)) for rate in rates]
    curve = [float(cost.nats) / cost.count / math.log(2) for cost in costs]
    assert curve == sorted(curve)
    assert curve[-1] > curve[0] + 0.2


SETTINGS = ({"short_windows": 0.3}, {"mask_mode": "span", "span_len": 4, "diffusion_steps": 5})


@pytest.mark.parametrize("objective", SETTINGS, ids=["cut", "span"])
def test_training_is_decided_by_the_seed_whatever_is_computed_at_once(tmp_path, objective):
    data = corpus(tmp_path)
    runs = {"whole": {}, "again": {}, "single": {"micro_batch": 1}, "other": {"seed": 1}}
    found, scores = {}, {}
    for name, changes in runs.items():
        asked = request(tmp_path / name, data, steps=8, val_fraction=0.1, eval_bytes=300, **changes)
        asked = dataclasses.replace(asked, family="diffusion", objective=objective)
        scores[name] = finished(events(asked)).bpb
        found[name] = np.array(list(losses(tmp_path / name).values()))
    assert np.array_equal(found["whole"], found["again"]) and scores["whole"] == scores["again"]
    np.testing.assert_allclose(found["single"], found["whole"], rtol=1e-5)
    assert scores["single"] == pytest.approx(scores["whole"], rel=1e-5)
    assert np.abs(found["other"] / found["whole"] - 1).min() > 1e-5
