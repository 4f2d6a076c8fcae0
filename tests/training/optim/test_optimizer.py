"""Which parameter is updated by what, and the state as tensors of a checkpoint."""

import sys
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from bbyte.checkpoint import tensors
from bbyte.errors import UsageError
from bbyte.models.families import families, family
from bbyte.training.config import TrainConfig
from bbyte.training.optim import adamw, optimizer
from bbyte.training.optim.ema import Ema
from bbyte.training.optim.gradients import LossScale, clip
from bbyte.training.optim.muon import Muon

without = pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
EIGHT_BIT = pytest.param("adamw8bit", marks=without)
each_kind = pytest.mark.parametrize("kind", ["adamw", EIGHT_BIT, "muon"])
each_adamw = pytest.mark.parametrize("kind", ["adamw", EIGHT_BIT])


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
@each_kind
def test_every_parameter_is_in_exactly_one_group(name, kind):
    model = model_of(name)
    found = [parameter for *_, parameter in groups(optimizer.build(model, TrainConfig(optimizer=kind)))]
    assert sorted(found) == sorted(key for key, _ in model.named_parameters())


@each_kind
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
            assert member.__name__ == {"adamw": "AdamW", "adamw8bit": "AdamW8bit"}[kind]
            assert group["weight_decay"] == 0.25 and group["base_lr"] == 0.5
    names = [name for *_, name in groups(optimizer.build(model, config))]
    assert ("lm_head.weight" in names) != tied


class StateSpace(nn.Module):
    """A model with the parameters of both Mambas, whose names say what they are."""

    def __init__(self):
        super().__init__()
        block = nn.Module()
        block.in_proj, block.out_proj = nn.Linear(8, 16, bias=False), nn.Linear(8, 8, bias=False)
        block.dt_proj, block.conv1d = nn.Linear(4, 8), nn.Conv1d(8, 8, 4, groups=8)
        block.A_log, block.D = nn.Parameter(torch.ones(8, 4)), nn.Parameter(torch.ones(8))
        block.dt_bias, block.norm = nn.Parameter(torch.ones(8)), nn.LayerNorm(8)
        self.blocks = nn.ModuleList([block])
        self.embeddings, self.lm_head = nn.Embedding(256, 8), nn.Linear(8, 256, bias=False)


@each_kind
def test_of_a_state_space_only_the_linear_weights_are_decayed_or_given_to_muon(kind):
    found = groups(optimizer.build(StateSpace(), TrainConfig(optimizer=kind, weight_decay=0.25)))
    chosen = {name for member, group, name in found if member is Muon or group["weight_decay"] > 0}
    assert chosen == {f"blocks.0.{name}_proj.weight" for name in ("in", "out", "dt")}
    assert len(found) == 13


@each_adamw
def test_adamw_has_the_betas_of_language_models(kind):
    for member in optimizer.build(model_of(), TrainConfig(optimizer=kind)).members:
        assert all(group["betas"] == (0.9, 0.95) for group in member.param_groups)


@each_adamw
def test_weight_decay_shrinks_matrices_and_nothing_else(kind):
    model = model_of()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizers = optimizer.build(model, TrainConfig(optimizer=kind, weight_decay=1.0, lr=0.1))
    optimizers.set_weight_decay(0.5)
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


@each_kind
def test_weight_decay_is_the_base_times_the_factor(kind):
    optimizers = optimizer.build(model_of(), TrainConfig(optimizer=kind, weight_decay=0.2))
    for factor in (0.5, 0.0, 1.0):
        optimizers.set_weight_decay(factor)
        found = {group.get("weight_decay") for _, group, _ in groups(optimizers)}
        assert found == ({0.0} if kind == "muon" else {0.0, 0.2 * factor})


def step(model, optimizers, seed, found_inf=None):
    for number, parameter in enumerate(model.parameters()):
        generator = torch.Generator().manual_seed(1000 * seed + number)
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    optimizers.set_lr(1 / (1 + seed))
    optimizers.set_weight_decay(1 / (1 + seed))
    optimizers.step(found_inf)


def bits(model, optimizers):
    """Every bit of weights and state: -0.0 is not 0.0 here, and NaN is NaN."""
    held = model.state_dict() | optimizers.state()
    return {name: value.detach().clone().reshape(-1).view(torch.uint8) for name, value in held.items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    assert [name for name, value in one.items() if not torch.equal(value, other[name])] == []


@each_kind
@pytest.mark.parametrize("steps_before", [0, 2])
@pytest.mark.parametrize("gradient", [float("nan"), float("inf"), -1.0, -0.0])
def test_a_flag_of_1_leaves_every_bit_of_weights_and_state(kind, steps_before, gradient):
    model = model_of()
    optimizers = optimizer.build(model, TrainConfig(optimizer=kind))
    for seed in range(steps_before):
        step(model, optimizers, seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.view(-1)[0] = -0.0
    before = bits(model, optimizers)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, gradient)
    optimizers.step(torch.tensor(1.0))
    assert_same(bits(model, optimizers), before)
    assert all(parameter.grad is None for parameter in model.parameters())


@each_kind
def test_steps_go_on_after_one_that_was_skipped_as_if_it_had_not_been(kind):
    model, twin = model_of(), model_of()
    config = TrainConfig(optimizer=kind)
    optimizers, others = optimizer.build(model, config), optimizer.build(twin, config)
    for seed in range(4):
        step(model, optimizers, seed, torch.tensor(float(seed == 1)))
        if seed != 1:
            step(twin, others, seed)
    assert_same(bits(model, optimizers), bits(twin, others))


@each_kind
def test_a_flag_of_0_changes_no_bit_of_a_step(kind):
    model, twin = model_of(), model_of()
    config = TrainConfig(optimizer=kind)
    optimizers, others = optimizer.build(model, config), optimizer.build(twin, config)
    before = bits(model, optimizers)
    for seed in range(3):
        step(model, optimizers, seed, torch.tensor(0.0))
        step(twin, others, seed)
    assert_same(bits(model, optimizers), bits(twin, others))
    assert not torch.equal(*(b["layers.0.mlp.up_proj.weight"] for b in (bits(model, optimizers), before)))


class NoWaiting(TorchDispatchMode):
    """Refuses to bring a number from the device to Python."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func is not torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("kind", ["adamw", "muon"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_nothing_between_the_backward_pass_and_the_next_step_waits_for_the_device(kind, precision):
    model = model_of()
    optimizers, average = optimizer.build(model, TrainConfig(optimizer=kind)), Ema(model, 0.9)
    scale = LossScale(precision, "cpu")
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    with NoWaiting():
        _, found_inf = clip(model.parameters(), 1.0, scale)
        optimizers.step(found_inf)
        average.update(0, found_inf)
        fault = scale.update(found_inf)
    with NoWaiting(), pytest.raises(AssertionError):
        float(fault)


@each_kind
def test_the_state_is_complete_from_the_start_and_its_form_stays(kind):
    model = model_of()
    optimizers = optimizer.build(model, TrainConfig(optimizer=kind))
    expected = optimizers.expected_state()
    assert all(tensors.NAME.fullmatch(name) for name in expected)
    held = {name: value.data_ptr() for name, value in optimizers.state().items() if "step." not in name}
    step(model, optimizers, 0)
    assert optimizers.expected_state() == expected
    after = optimizers.state()
    assert all(after[name].data_ptr() == pointer for name, pointer in held.items())


@each_kind
def test_the_form_of_the_state_is_known_without_memory_for_it(kind):
    with torch.device("meta"):
        shape = model_of()
    config = TrainConfig(optimizer=kind)
    expected = optimizer.build(model_of(), config).expected_state()
    assert optimizer.build(shape, config).expected_state() == expected


@without
def test_the_state_of_adamw8bit_takes_two_bytes_a_weight_and_little_more():
    config = TrainConfig(optimizer="adamw8bit")
    model = model_of()
    large = [p.numel() for p in optimizer.hidden_matrices(model)]
    optimizers = optimizer.build(model, config)
    state = optimizers.members[0].state
    assert {entries["state1"].dtype for entries in state.values()} == {torch.uint8}
    size = sum(e[kind].nbytes for e in state.values() for kind in ("state1", "state2", "absmax1", "absmax2"))
    assert size == sum(2 * n + 2 * 4 * -(-n // 256) for n in large)


def test_adamw8bit_without_bitsandbytes_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", None)
    with pytest.raises(UsageError, match="needs bitsandbytes") as caught:
        optimizer.build(model_of(), TrainConfig(optimizer="adamw8bit"))
    assert caught.value.hint == "pip install 'bbyte[bnb]'"


@without
def test_adamw8bit_is_refused_where_bitsandbytes_has_no_optimizer():
    elsewhere = SimpleNamespace(device=torch.device("mps"))
    with pytest.raises(UsageError, match="CUDA and CPUs only"):
        adamw.adamw8bit([{"params": [elsewhere]}], 1e-3)


@without
def test_adamw8bit_follows_adamw():
    found = {}
    for kind in ("adamw", "adamw8bit"):
        model = model_of()
        optimizers = optimizer.build(model, TrainConfig(optimizer=kind, lr=1e-2))
        for seed in range(3):
            step(model, optimizers, seed)
        start = torch.cat([p.flatten() for p in optimizer.hidden_matrices(model_of())])
        found[kind] = torch.cat([p.detach().flatten() for p in optimizer.hidden_matrices(model)]) - start
    assert torch.cosine_similarity(found["adamw"], found["adamw8bit"], dim=0) > 0.98


@each_kind
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
        assert_same(bits(model, optimizers), bits(twin, others))
        step(model, optimizers, seed)
        step(twin, others, seed)
    assert_same(bits(model, optimizers), bits(twin, others))


@each_kind
def test_what_was_loaded_is_copied(kind):
    config = TrainConfig(optimizer=kind)
    model, twin = model_of(), model_of()
    optimizers, others = optimizer.build(model, config), optimizer.build(twin, config)
    step(model, optimizers, 0)
    others.load_state(optimizers.state())
    before = bits(model, optimizers)
    step(twin, others, 1)
    assert_same(bits(model, optimizers), before)
