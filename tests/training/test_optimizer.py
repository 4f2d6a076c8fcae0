"""Which parameter is updated by what, and the state as tensors of a checkpoint."""

import pytest
import torch

from bbyte.checkpoint import tensors
from bbyte.models.families import families, family
from bbyte.training import optimizer
from bbyte.training.config import TrainConfig
from bbyte.training.muon import Muon

KINDS = ("adamw", "muon")


def model_of(name="ar"):
    kind = family(name)
    torch.manual_seed(0)
    return kind.build(next(iter(kind.presets.values())))


def groups(optimizers):
    """(kind of optimizer, group, parameter's name) of every parameter in every group."""
    return [
        (type(member), group, optimizers.names[parameter])
        for member in optimizers.members
        for group in member.param_groups
        for parameter in group["params"]
    ]


@pytest.mark.parametrize("name", tuple(families()))
@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_is_in_exactly_one_group(name, kind):
    model = model_of(name)
    found = [parameter for *_, parameter in groups(optimizer.build(model, TrainConfig(optimizer=kind)))]
    assert sorted(found) == sorted(key for key, _ in model.named_parameters())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tied", [True, False])
def test_norms_embedding_and_head_are_never_decayed_nor_given_to_muon(kind, tied):
    from bbyte.models.ar.config import ARConfig

    model = family("ar").build(ARConfig(tied=tied, qk_norm=True))
    config = TrainConfig(optimizer=kind, weight_decay=0.25, lr=0.5, matrix_lr=0.125)
    for member, group, name in groups(optimizer.build(model, config)):
        if "norm" in name or "embed" in name or "lm_head" in name:
            assert member is torch.optim.AdamW
            assert group["weight_decay"] == 0 and group["base_lr"] == 0.5
        elif kind == "muon":
            assert member is Muon and group["base_lr"] == 0.125
        else:
            assert group["weight_decay"] == 0.25 and group["base_lr"] == 0.5
    names = [name for *_, name in groups(optimizer.build(model, config))]
    assert ("lm_head.weight" in names) != tied


def test_weight_decay_shrinks_matrices_and_nothing_else():
    model = model_of()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizers = optimizer.build(model, TrainConfig(optimizer="adamw", weight_decay=0.5, lr=0.1))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizers.step()
    for name, value in model.state_dict().items():
        factor = 0.95 if "proj" in name else 1
        torch.testing.assert_close(value, before[name] * factor)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_default_rate_goes_by_size():
    def of(size, **kwargs):
        model = torch.nn.Module()
        model.weight = torch.nn.Parameter(torch.empty(size, device="meta"))
        return optimizer.default_lr(model, **kwargs)

    assert of(10**9, beside_muon=True) == 3e-3
    found = [of(size, beside_muon=False) for size in (5 * 10**6, 124 * 10**6, 700 * 10**6)]
    assert found == [1e-3, 6e-4, 3e-4]


def test_a_rate_is_the_base_rate_times_the_factor():
    optimizers = optimizer.build(model_of(), TrainConfig(optimizer="muon", matrix_lr=0.02, lr=0.004))
    for factor in (0.5, 1.0, 0.25):
        optimizers.set_lr(factor)
        assert optimizers.lr == pytest.approx(0.02 * factor)
        assert optimizers.members[1].param_groups[0]["lr"] == pytest.approx(0.004 * factor)


def step(model, optimizers, seed):
    for number, parameter in enumerate(model.parameters()):
        generator = torch.Generator().manual_seed(1000 * seed + number)
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    optimizers.set_lr(1 / (1 + seed))
    optimizers.step()


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_goes_through_a_file_and_the_steps_go_on_bit_for_bit(kind, tmp_path):
    config = TrainConfig(optimizer=kind)
    model, twin = model_of(), model_of()
    optimizers, others = optimizer.build(model, config), optimizer.build(twin, config)
    for seed in range(3):
        step(model, optimizers, seed)
    tensors.write(tmp_path / "o.safetensors", optimizers.state())
    expected = others.expected_state()
    assert tensors.read_header(tmp_path / "o.safetensors") == expected
    twin.load_state_dict(model.state_dict())
    others.load_state(tensors.load(tmp_path / "o.safetensors", expected))
    for seed in range(3, 6):
        step(model, optimizers, seed)
        step(twin, others, seed)
    assert all(torch.equal(value, twin.state_dict()[name]) for name, value in model.state_dict().items())
    assert optimizers.state().keys() == others.state().keys() == expected.keys()
