"""What every family of models must do. A new family is tested here as soon as its folder exists."""

import dataclasses
import json
import math
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from bbyte.checkpoint import store
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.config import from_dict, to_dict
from bbyte.errors import UsageError
from bbyte.evaluation import InMemory, bits_per_byte, objective_measure
from bbyte.models.families import families, family
from bbyte.quantization.bitlinear import set_quantized
from bbyte.training.noise import noise

NAMES = tuple(families())
EVERY = [(name, preset) for name in NAMES for preset in families()[name].presets]
TEXT = b"It was the best of times, it was the worst of times, it was the age of wisdom. " * 8

each_family = pytest.mark.parametrize("name", NAMES)
each_preset = pytest.mark.parametrize(("name", "preset"), EVERY)


@pytest.fixture
def kind(name):
    return family(name)


def smallest(kind, seed=0):
    """The smallest preset with fresh weights, and its objective."""
    torch.manual_seed(seed)
    model = kind.build(next(iter(kind.presets.values())))
    return model, kind.objective(model, kind.objective_config())


def windows(rows=4, length=33, seed=0):
    return torch.randint(
        0, 256, (rows, length), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


def cost_of(objective, window):
    """What training computes."""
    keys = np.arange(len(window))
    return objective(window, *noise(objective, keys, window.shape[1] - 1, "cpu"))


def measured(objective, window, skip=0):
    """What evaluation computes."""
    keys = [np.arange(len(window))] if objective.is_random else []
    return objective.measure(window, skip, *keys)


@each_family
def test_a_family_is_called_like_its_folder(name, kind):
    assert kind.name == name
    assert kind.build.__module__ == f"bbyte.models.{name}.family"
    assert kind.summary and "\n" not in kind.summary


@each_family
def test_there_are_three_presets_at_least_and_they_grow(name, kind):
    sizes = []
    for config in kind.presets.values():
        with torch.device("meta"):
            sizes.append(sum(parameter.numel() for parameter in kind.build(config).parameters()))
    assert len(sizes) >= 3
    assert sizes == sorted(set(sizes))


@each_preset
def test_a_preset_is_built_on_the_meta_device(name, preset, kind):
    with torch.device("meta"):
        model = kind.build(kind.presets[preset])
    assert all(parameter.device.type == "meta" for parameter in model.parameters())
    assert all(buffer.device.type == "meta" for buffer in model.buffers())
    assert isinstance(model.blocks, torch.nn.ModuleList) and len(model.blocks) > 0
    assert model.config == kind.presets[preset]


@each_preset
def test_names_of_weights_fit_a_checkpoint(name, preset, kind):
    with torch.device("meta"):
        state = kind.build(kind.presets[preset]).state_dict()
    assert all(re.fullmatch(r"[A-Za-z0-9._]{1,200}", key) for key in state)
    storages = {tensor.untyped_storage()._cdata for tensor in state.values()}
    assert len(storages) == len(state)  # tied weights are saved once


@each_preset
def test_a_config_survives_json_and_rebuilds_the_same_model(name, preset, kind):
    config = kind.presets[preset]
    again = from_dict(kind.config, json.loads(json.dumps(to_dict(config))), where="test")
    assert again == config
    assert dataclasses.is_dataclass(config) and config.__dataclass_params__.frozen
    with torch.device("meta"):
        ours, theirs = (
            {key: value.shape for key, value in kind.build(c).state_dict().items()} for c in (config, again)
        )
    assert ours == theirs


@each_family
@pytest.mark.parametrize("which", ["config", "objective_config"])
def test_every_setting_has_a_help_text_and_a_wrong_one_is_refused(name, which, kind):
    config = getattr(kind, which)
    for field in dataclasses.fields(config):
        assert field.metadata["help"], field.name
        with pytest.raises(UsageError, match=field.name):
            config(**{field.name: object()})
    known = dataclasses.fields(config)[0].name
    with pytest.raises(UsageError) as caught:
        from_dict(config, {f"{known}s": 1, "zzz": 2}, where="some.json")
    assert f"some.json: unknown setting '{known}s'" in caught.value.message
    assert "'zzz'" in caught.value.message
    assert f"did you mean {known}?" in caught.value.hint


@each_family
def test_the_objective_counts_every_target(name, kind):
    _, objective = smallest(kind)
    cost = cost_of(objective, windows(3, 17))
    assert cost.count == 3 * 16 and isinstance(cost.count, int)
    assert cost.nats.shape == () and cost.nats.requires_grad
    assert isinstance(objective.is_bound, bool)
    assert objective.model is not None


@each_family
def test_measure_sums_over_positions(name, kind):
    _, objective = smallest(kind)
    objective.eval()
    if objective.is_bound:
        pytest.skip("a bound is an estimate over random masks")
    with torch.inference_mode():
        whole = measured(objective, windows())
        assert whole.nats.dtype == torch.float64 and whole.count == 4 * 32
        parts = [measured(objective, windows(), skip) for skip in (5, 31)]
        assert [part.count for part in parts] == [4 * 27, 4]
        tail = measured(objective, windows()[:, :6])  # targets 0 to 4
        assert float(parts[0].nats + tail.nats) == pytest.approx(float(whole.nats), rel=1e-5)
        each = [
            float(measured(objective, windows()[row : row + 1, : t + 2], t).nats)
            for row in range(4)
            for t in range(32)
        ]
        assert math.fsum(each) == pytest.approx(float(whole.nats), rel=1e-5)
        assert float(cost_of(objective, windows()).nats) == pytest.approx(float(whole.nats), rel=1e-5)


@each_family
def test_a_fresh_model_needs_about_8_bits_a_byte(name, kind):
    scores = []
    for seed in range(4):  # a model that is given no bytes says the same of all, and one seed may be far off
        _, objective = smallest(kind, seed)
        score = bits_per_byte(objective_measure(objective, "cpu"), InMemory(TEXT), context=64, stride=64)
        scores.append(score.bits_per_byte)
    assert np.mean(scores) == pytest.approx(8, abs=0.25)


@each_family
def test_a_model_that_knows_nothing_scores_exactly_8(name, kind):
    model, objective = smallest(kind)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    score = bits_per_byte(objective_measure(objective, "cpu"), InMemory(TEXT), context=64, stride=32)
    assert score.bits_per_byte == pytest.approx(8, abs=1e-12)


@each_family
@pytest.mark.parametrize("quantized", [True, False])
def test_it_learns_one_batch_by_heart(name, kind, quantized):
    model, objective = smallest(kind)
    set_quantized(model, quantized)
    rows = np.frombuffer(TEXT[:260], np.uint8).reshape(4, 65)
    window = torch.from_numpy(rows.copy())
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    for _ in range(60):
        cost = cost_of(objective, window)
        (cost.nats / cost.count).backward()
        optimizer.step()
        optimizer.zero_grad()
    # From 5.5 nats; where most bytes are hidden it takes longer to tell the rows apart.
    assert cost.nats.item() / cost.count < (2.0 if objective.is_bound else 1.0)


@each_family
@pytest.mark.parametrize("quantized", [True, False])
def test_saved_and_loaded_it_is_the_same_model(name, kind, quantized, tmp_path):
    model, objective = smallest(kind)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    set_quantized(model, quantized)
    described = CheckpointMeta(
        kind="resume", family=name, variant="", config=to_dict(model.config), step=3, bytes_seen=5,
        context=32, quantized=quantized, corpus={"path": "", "size": 1, "fingerprint": ""}, metrics={},
        environment={},
    )  # fmt: skip
    loaded = store.load(store.save(tmp_path, described, model.state_dict(), None))
    assert loaded.family is kind and loaded.meta.config == to_dict(model.config)
    assert not loaded.model.training
    before = measured(objective.eval(), windows())
    after = measured(kind.objective(loaded.model, kind.objective_config()).eval(), windows())
    assert float(before.nats) == float(after.nats)
    tokens = windows()[:, :-1]
    with torch.inference_mode():
        assert torch.equal(model.eval()(tokens), loaded.model(tokens))


@each_family
def test_weights_are_decided_by_the_seed(name, kind):
    (one, _), (other, _) = smallest(kind), smallest(kind)
    torch.manual_seed(1)
    third = kind.build(one.config)
    states = [model.state_dict() for model in (one, other, third)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert any(not torch.equal(states[0][key], states[2][key]) for key in states[0])


@each_family
@pytest.mark.parametrize("module", ["config", "family"])
def test_its_settings_are_known_without_torch(name, module):
    program = (
        f"import sys, bbyte.models.{name}.{module}\n"
        "sys.exit(any(heavy in sys.modules for heavy in ('torch', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@each_family
def test_a_predictor_gives_the_logits_of_every_lane(name, kind):
    if kind.predictor is None:
        pytest.skip(f"{name} has no next-byte view")
    model, _ = smallest(kind)
    predictor = kind.predictor(model, 32, 3)
    assert predictor.lanes == 3
    predictor.prime(b"once")
    predictor.feed(np.array([1, 2, 3], np.uint8))
    found = predictor.logits()
    assert found.shape == (3, 256) and found.dtype == np.float32
    assert np.isfinite(found).all()
    predictor.reset()
    fresh = predictor.logits()
    assert np.array_equal(fresh[0], fresh[1])


def test_an_unknown_family_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="no model family called 'arr'") as caught:
        family("arr")
    assert "ar" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        family("zzz")
    assert caught.value.hint == f"families: {', '.join(NAMES)}"
