"""MambaConfig: every problem at once, derived settings, and presets as large as AR's."""

import math
from dataclasses import replace

import pytest
import torch

from bbyte.config import from_dict, to_dict
from bbyte.errors import UsageError
from bbyte.models.families import family
from bbyte.models.mamba.config import LARGEST, PRESETS, MambaConfig


def refused(**settings):
    with pytest.raises(UsageError) as caught:
        MambaConfig(**settings)
    return caught.value.message.splitlines(), caught.value.hint.splitlines()


def test_the_defaults_are_mamba_2():
    config = MambaConfig()
    assert (config.ssm, config.state_width, config.d_conv, config.expand) == ("mamba2", 64, 4, 2)
    assert (config.headdim, config.n_groups, config.vocab_size) == (64, 1, 256)
    assert config.tied and not config.ternary
    assert (config.d_inner, config.n_head) == (256, 4)


def test_open_settings_follow_the_others():
    assert MambaConfig(ssm="mamba1").state_width == 16
    assert MambaConfig(d_model=448).state_width == 64
    assert MambaConfig(d_model=512).state_width == 128
    assert MambaConfig(ssm="mamba1", d_model=512).state_width == 16
    assert MambaConfig(d_state=7).state_width == 7
    assert MambaConfig(ssm="mamba1", d_model=1024).rank == 64
    assert MambaConfig(ssm="mamba1", d_model=33).rank == 3  # rounded up, as mamba_ssm does
    assert MambaConfig(ssm="mamba1", d_model=33, dt_rank=5).rank == 5


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_preset_may_be_had_of_the_other_kind(preset):
    """What a preset leaves open goes by the kind that is chosen."""
    assert replace(preset, ssm="mamba1").state_width == 16


def test_the_error_reads_as_the_style_guide_shows_it():
    assert refused(d_model=100) == (
        ["2 x d_model 100 is not divisible by headdim 64"],
        ["try --headdim 50"],
    )
    assert refused(d_model=128, n_groups=3) == (
        ["4 heads of width 64 are not divisible by n_groups 3"],
        ["try --n-groups 2"],
    )


@pytest.mark.parametrize(
    ("d_model", "expand", "headdim"), [(100, 2, 64), (7, 1, 2), (96, 3, 1000), (33, 2, 64)]
)
def test_what_the_hint_suggests_for_heads_works(d_model, expand, headdim):
    _, (hint,) = refused(d_model=d_model, expand=expand, headdim=headdim)
    MambaConfig(d_model=d_model, expand=expand, headdim=int(hint.removeprefix("try --headdim ")))


@pytest.mark.parametrize(("headdim", "n_groups"), [(64, 3), (64, 8), (256, 2), (16, 11)])
def test_what_the_hint_suggests_for_groups_works(headdim, n_groups):
    _, (hint,) = refused(d_model=128, headdim=headdim, n_groups=n_groups)
    MambaConfig(d_model=128, headdim=headdim, n_groups=int(hint.removeprefix("try --n-groups ")))


def test_mamba_1_has_no_heads_to_fit():
    assert MambaConfig(ssm="mamba1", d_model=100).d_inner == 200


def test_all_problems_are_reported_at_once():
    messages, _ = refused(n_layer=0, d_conv=65, expand=-1, vocab_size=0, norm_eps=1.0)
    assert messages == [
        "n_layer 0 is not from 1 to 1,024",
        "d_conv 65 is not from 1 to 64",
        "expand -1 is not from 1 to 16",
        "vocab_size 0 is not from 1 to 1,048,576",
        "norm_eps 1.0 is not between 0 and 1",
    ]
    messages, hints = refused(d_model=100, norm_eps=0.0)
    assert len(messages) == 2 and hints == ["try --headdim 50"]


def test_all_wrong_types_are_reported_at_once():
    messages, _ = refused(ssm="mamba3", n_layer=2.0, d_state="4", ternary=1, norm_eps=None)
    assert messages == [
        "ssm is 'mamba3', expected one of mamba2, mamba1",
        "n_layer is 2.0, expected a whole number",
        "d_state is '4', expected a whole number or nothing",
        "ternary is 1, expected true or false",
        "norm_eps is None, expected a number",
    ]


@pytest.mark.parametrize("name", LARGEST)
@pytest.mark.parametrize("value", [0, -1, 10**9, True])
def test_what_could_not_be_built_is_refused_in_a_moment(name, value):
    messages, _ = refused(**{name: value})
    assert any(name in message for message in messages)


@pytest.mark.parametrize("value", [0.0, 1.0, -1e-5, math.nan, math.inf])
def test_an_epsilon_that_is_none_is_refused(value):
    refused(norm_eps=value)


@pytest.mark.parametrize("config", [MambaConfig(ssm="mamba1", d_model=48), MambaConfig(d_state=5)], ids=str)
def test_a_config_can_be_read_back(config):
    assert from_dict(MambaConfig, to_dict(config), where="test") == config


def size_of(name, config):
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in family(name).build(config).parameters())


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_as_large_as_those_of_ar(name):
    assert family("mamba").presets is PRESETS
    other = size_of("ar", family("ar").presets[name])
    assert size_of("mamba", PRESETS[name]) == pytest.approx(other, rel=0.05)


def test_presets_are_those_of_ar_by_name():
    assert list(PRESETS) == list(family("ar").presets)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_models_of_bytes_in_full_precision(name):
    config = PRESETS[name]
    assert config.vocab_size == 256 and config.tied and not config.ternary
    assert config.d_conv in (2, 3, 4)  # what causal_conv1d's kernels can do
