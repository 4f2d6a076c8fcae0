"""The moving average: known answers, nothing taken in of a skipped step, weights given back to the bit."""

import pytest
import torch
from torch import nn

from bbyte.models.families import family
from bbyte.training.optim.ema import Ema


def model_of(seed=0):
    kind = family("ar")
    torch.manual_seed(seed)
    model = kind.build(next(iter(kind.presets.values())))
    for block in model.blocks:  # a fresh one ignores its blocks
        nn.init.normal_(block.mlp.down_proj.weight, std=0.1)
    return model


def scalar(value):
    model = nn.Module()
    model.weight = nn.Parameter(torch.tensor([value]))
    return model


def values(model):
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def test_the_first_averages_by_hand():
    model = scalar(1.0)
    ema = Ema(model, 0.999)
    for step, (weight, expected) in enumerate([(2.0, 1.9), (3.0, 2.8), (7.0, 5.95)]):  # d = 1/10 2/11 3/12
        model.weight.data.fill_(weight)
        ema.update(step)
        assert ema.averages["weight"].item() == pytest.approx(expected, rel=1e-6)


def test_the_average_is_the_recursion_and_ends_at_its_decay():
    model, expected = scalar(0.5), 0.5
    ema = Ema(model, 0.9)
    for step in range(200):
        weight = float((step * 37) % 11)
        model.weight.data.fill_(weight)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weight
        ema.update(step)
        assert ema.averages["weight"].item() == pytest.approx(expected, rel=1e-5)
    assert decay == 0.9


def test_a_flag_of_1_leaves_every_bit_and_a_flag_of_0_none():
    model = model_of()
    ema, plain = Ema(model, 0.99), Ema(model, 0.99)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    before = {name: average.clone() for name, average in ema.averages.items()}
    ema.update(5, torch.tensor(1.0))
    assert all(torch.equal(average, before[name]) for name, average in ema.averages.items())
    ema.update(5, torch.tensor(0.0))
    plain.update(5)
    assert all(torch.equal(average, plain.averages[name]) for name, average in ema.averages.items())
    assert not torch.equal(ema.averages["norm.weight"], before["norm.weight"])


def test_inside_the_model_is_that_of_the_averages_and_afterwards_its_own():
    model, averaged = model_of(), model_of(1)
    tokens = torch.arange(64, dtype=torch.uint8).view(2, 32)
    ema, before = Ema(model, 0.99), values(model)
    ema.take(values(averaged))
    own = model(tokens)
    assert not torch.equal(own, averaged(tokens))
    with ema.swapped():
        assert torch.equal(model(tokens), averaged(tokens))
        assert all(torch.equal(value, ema.averages[name]) for name, value in model.state_dict().items())
    assert all(torch.equal(value, before[name]) for name, value in values(model).items())
    ema.update(0)  # ternary weights cached of the averages must not outlive them
    with ema.swapped():
        found = model(tokens)
    averaged.load_state_dict(ema.averages)
    assert torch.equal(found, averaged(tokens))
    assert torch.equal(model(tokens), own)


def test_the_weights_are_given_back_when_an_evaluation_fails():
    model = model_of()
    ema, before = Ema(model, 0.99), values(model)
    ema.take(values(model_of(1)))
    averages = {name: average.clone() for name, average in ema.averages.items()}
    with pytest.raises(MemoryError), ema.swapped():
        raise MemoryError
    assert all(torch.equal(value, before[name]) for name, value in values(model).items())
    assert all(torch.equal(value, averages[name]) for name, value in ema.averages.items())


def test_training_goes_on_after_a_swap_as_if_there_had_been_none():
    window = torch.arange(66, dtype=torch.uint8).view(2, 33)
    results = []
    for swapping in (False, True):
        model = model_of()
        objective = family("ar").objective(model, family("ar").objective_config())
        optimizer, ema = torch.optim.AdamW(model.parameters(), lr=1e-2), Ema(model, 0.9)
        for step in range(3):
            objective(window).nats.backward()
            optimizer.step()
            optimizer.zero_grad()
            ema.update(step)
            if swapping:
                with ema.swapped(), torch.inference_mode():
                    objective.measure(window)
        results.append(values(model) | {f"ema.{name}": average for name, average in ema.averages.items()})
    assert all(torch.equal(value, results[1][name]) for name, value in results[0].items())


def test_what_is_taken_up_goes_on_like_what_was_saved():
    model = model_of()
    ema, other = Ema(model, 0.9), Ema(model, 0.9)
    with torch.no_grad():
        model.norm.weight.fill_(3.0)
    ema.update(0)
    other.take(ema.averages)
    for each in (ema, other):
        each.update(1)
    assert all(torch.equal(average, other.averages[name]) for name, average in ema.averages.items())
    assert ema.averages["norm.weight"].data_ptr() != other.averages["norm.weight"].data_ptr()
