"""MambaLM: causal, the same however its bytes come, and made as mamba_ssm makes it."""

import math

import pytest
import torch
from torch.nn import functional as F

from bbyte.models.families import family
from bbyte.models.mamba.config import MambaConfig
from bbyte.models.mamba.model import MambaLM
from bbyte.models.mamba.state import MambaState
from bbyte.training.config import TrainConfig
from bbyte.training.optim import optimizer

SHAPE = {"n_layer": 2, "d_model": 32, "d_state": 8, "headdim": 16}
each_kind = pytest.mark.parametrize("ssm", ["mamba2", "mamba1"])
LENGTH = 150


def random_model(**settings):
    """Every parameter of a size that matters: fresh ones are 0 or 1 where it counts."""
    torch.manual_seed(7)
    model = MambaLM(MambaConfig(**SHAPE | settings))
    for name, parameter in model.named_parameters():
        values = torch.randn(parameter.shape)
        if parameter.dim() < 2 or "A_log" in name:
            parameter.data += 0.2 * values
        else:
            parameter.data = values * parameter.shape[-1] ** -0.5
    return model.eval()


# Without 8-bit activations: in a ternary model a last bit of difference may round to another eighth.
@pytest.fixture(
    scope="module",
    params=[
        {"ssm": "mamba2"}, {"ssm": "mamba2", "n_groups": 2, "tied": False}, {"ssm": "mamba1"},
        {"ssm": "mamba2", "ternary": True, "act_quant": False},
        {"ssm": "mamba1", "ternary": True, "act_quant": False},
    ],
    ids=str,
)  # fmt: skip
def model(request):
    return random_model(**request.param)


def text(length=LENGTH, rows=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (rows, length), dtype=torch.uint8, generator=generator)


@torch.no_grad()
def test_a_byte_changes_nothing_before_it(model):
    tokens = text()
    before = model(tokens)
    for t in (0, 1, 63, 64, 75, LENGTH - 1):
        changed = tokens.clone()
        changed[:, t] += 1
        difference = (model(changed) - before).abs().amax((0, 2))
        # Chunks are computed as products, whose rounding may depend on all that is in them.
        assert difference[:t].max() <= 1e-5 if t else True
        assert difference[t] > 1e-2
        assert difference[t + 1 :].max() > 1e-3 if t + 1 < LENGTH else True


@torch.no_grad()
def test_in_stretches_and_byte_by_byte_it_is_the_whole(model):
    tokens = text()
    whole = model(tokens)
    for sizes in ([1] * LENGTH, [75, 75], [3, 64, 1, 65, 1, 16], [LENGTH - 1, 1], [LENGTH]):
        state = model.new_state(2)
        pieces = [model(part, state) for part in tokens.split(sizes, dim=1)]
        torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=0, atol=1e-4)


@torch.no_grad()
def test_the_state_is_of_one_size_and_all_there_is(model):
    state = model.new_state(2)
    assert isinstance(state, MambaState)
    assert not any(part.any() for layer in state.layers for part in (layer.conv, layer.scan))
    size, places = state.nbytes, [layer.scan.data_ptr() for layer in state.layers]
    for length in (1, 2, 500, 1, 64):
        model(text(length), state)
        assert state.nbytes == size
        assert [layer.scan.data_ptr() for layer in state.layers] == places  # it is written into
    assert all(layer.scan.dtype == torch.float32 for layer in state.layers)
    assert model.new_state(6).nbytes == 3 * size
    state.clear()
    torch.testing.assert_close(model(text(9), state), model(text(9)), rtol=0, atol=1e-5)


@torch.no_grad()
def test_lanes_do_not_influence_each_other(model):
    tokens = text(70)
    other = torch.cat((tokens[:1], text(70, 1, seed=5)))
    torch.testing.assert_close(model(tokens)[0], model(other)[0], rtol=0, atol=1e-5)


@each_kind
@torch.no_grad()
def test_with_8_bit_activations_ways_differ_by_their_rounding_alone(ssm):
    model = random_model(ssm=ssm, ternary=True)
    tokens, state = text(60), model.new_state(2)
    whole = model(tokens)
    steps = torch.cat([model(step, state) for step in tokens.split(1, dim=1)], dim=1)
    assert (steps - whole).abs().mean() < 0.02 * whole.std()


@each_kind
def test_tokens_may_be_of_any_integer_type(ssm):
    model = random_model(ssm=ssm)
    tokens = text(20)
    for kind in (torch.int16, torch.int32, torch.int64):
        assert torch.equal(model(tokens.to(kind)), model(tokens))


EXPECTED = {
    "mamba2": {
        "in_proj.weight": (2 * 64 + 2 * 2 * 8 + 4, 32), "conv1d.weight": (64 + 2 * 2 * 8, 1, 4),
        "conv1d.bias": (64 + 2 * 2 * 8,), "dt_bias": (4,), "A_log": (4,), "D": (4,), "norm.weight": (64,),
        "out_proj.weight": (32, 64),
    },
    "mamba1": {
        "in_proj.weight": (2 * 64, 32), "conv1d.weight": (64, 1, 4), "conv1d.bias": (64,),
        "x_proj.weight": (2 + 2 * 8, 64), "dt_proj.weight": (64, 2), "dt_proj.bias": (64,),
        "A_log": (64, 8), "D": (64,), "out_proj.weight": (32, 64),
    },
}  # fmt: skip


@each_kind
@pytest.mark.parametrize("ternary", [False, True])
@pytest.mark.parametrize("tied", [False, True])
def test_names_and_shapes_are_those_of_mamba_ssm(ssm, ternary, tied):
    model = MambaLM(MambaConfig(**SHAPE, ssm=ssm, n_groups=2, ternary=ternary, tied=tied))
    expected = {"backbone.embedding.weight": (256, 32), "backbone.norm_f.weight": (32,)}
    expected |= {} if tied else {"lm_head.weight": (256, 32)}
    for index in range(2):
        expected[f"backbone.layers.{index}.norm.weight"] = (32,)
        expected |= {f"backbone.layers.{index}.mixer.{name}": size for name, size in EXPECTED[ssm].items()}
    assert {name: tuple(value.shape) for name, value in model.state_dict().items()} == expected


@each_kind
@torch.no_grad()
def test_fresh_weights_are_as_mamba_ssm_starts_them(ssm):
    torch.manual_seed(0)
    model = MambaLM(MambaConfig(ssm=ssm, n_layer=8, d_model=256, headdim=8))
    mixers = [block.mixer for block in model.blocks]
    steps = F.softplus(torch.cat([m.dt_bias if ssm == "mamba2" else m.dt_proj.bias for m in mixers]).double())
    assert 0.001 - 1e-7 <= steps.min() < 0.002 and 0.05 < steps.max() <= 0.1 + 1e-7
    assert steps.log().mean() == pytest.approx(math.log(0.01), abs=0.3)  # evenly on a log scale
    for mixer in mixers:
        assert torch.equal(mixer.D, torch.ones_like(mixer.D))
        rates = mixer.A_log.exp()
        if ssm == "mamba2":
            assert 1 <= rates.min() < rates.max() <= 16
        else:
            torch.testing.assert_close(rates, torch.arange(1.0, 17).expand(512, -1))
            assert mixer.dt_proj.weight.abs().max() <= 16**-0.5
        assert 0.99 * 256**-0.5 < mixer.in_proj.weight.abs().max() <= 256**-0.5
        assert not mixer.out_proj.weight.any()  # unlike theirs: a fresh model is its embedding and head
    assert model.backbone.embedding.weight.std() == pytest.approx(0.02, rel=0.05)


@each_kind
def test_gradients_reach_every_parameter(ssm):
    model, tokens = random_model(ssm=ssm, tied=False), text(64)
    logits = model(tokens)
    assert logits.shape == (2, 64, 256)
    F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten().long()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


@each_kind
@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_the_state_space_is_not_decayed_and_no_matrix_to_muon(ssm, kind):
    model = MambaLM(MambaConfig(**SHAPE, ssm=ssm))
    built = optimizer.build(model, TrainConfig(optimizer=kind, weight_decay=0.1))
    rest, inside = {}, {}
    for member in built.members:
        for group in member.param_groups:
            decayed = group["base_weight_decay"] > 0 or isinstance(member, optimizer.Muon)
            for parameter in group["params"]:
                (inside if decayed else rest)[built.names[parameter]] = parameter
    matrices = ["in_proj", "out_proj"] + (["x_proj", "dt_proj"] if ssm == "mamba1" else [])
    assert inside.keys() == {
        f"backbone.layers.{n}.mixer.{name}.weight" for n in range(2) for name in matrices
    }
    for name in ("A_log", "D", "dt_bias" if ssm == "mamba2" else "dt_proj.bias", "conv1d.weight"):
        assert f"backbone.layers.0.mixer.{name}" in rest
    assert "backbone.embedding.weight" in rest


@each_kind
def test_the_state_space_stays_float32_where_products_are_in_bfloat16(ssm):
    model = random_model(ssm=ssm)
    tokens = text(100)
    expected = model(tokens)
    with torch.autocast("cpu", torch.bfloat16):
        found, state = model(tokens), model.new_state(2)
        with torch.no_grad():
            model(tokens[:, :70], state)
            step = model(tokens[:, 70:71], state)
        assert all(layer.scan.dtype == torch.float32 for layer in state.layers)
        found.sum().backward()
    assert (found.float() - expected).abs().max() < 5e-2 * expected.abs().max()
    assert (step.float() - expected[:, 70:71]).abs().max() < 5e-2 * expected.abs().max()
    for name, parameter in model.named_parameters():
        assert parameter.dtype == parameter.grad.dtype == torch.float32, name
    model.zero_grad()


def test_the_family_builds_it():
    model = family("mamba").build(MambaConfig(**SHAPE))
    assert isinstance(model, MambaLM) and len(model.blocks) == 2
    assert model.config == MambaConfig(**SHAPE)


@each_kind
def test_one_seed_gives_the_same_weights_and_another_others(ssm):
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        made.append(MambaLM(MambaConfig(**SHAPE, ssm=ssm)).state_dict())
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])
    assert any(not torch.equal(made[0][name], made[2][name]) for name in made[0])
