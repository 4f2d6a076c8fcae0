"""ARConfig: every problem at once, derived settings, and presets that can be exported."""

import itertools
import math

import pytest
import torch

from bbyte.config import from_dict, to_dict
from bbyte.errors import UsageError
from bbyte.models.ar.config import PRESETS, ARConfig
from bbyte.models.families import family
from bbyte.models.next_byte_config import NextByteConfig


def refused(**settings):
    with pytest.raises(UsageError) as caught:
        ARConfig(**settings)
    return caught.value.message.splitlines(), caught.value.hint.splitlines()


def test_the_error_reads_as_the_style_guide_shows_it():
    assert refused(d_model=100, n_head=12) == (
        ["d_model 100 is not divisible by n_head 12"],
        ["try --d-model 96 or --n-head 10"],
    )


@pytest.mark.parametrize(("d_model", "n_head"), [(100, 12), (130, 12), (7, 3), (1, 2), (64, 100), (96, 36)])
def test_what_the_hint_suggests_works(d_model, n_head):
    _, hints = refused(d_model=d_model, n_head=n_head)
    words = " ".join(hints).split()
    assert "--d-model" in words
    for word, value in itertools.pairwise(words):
        if word == "--d-model":
            ARConfig(d_model=int(value), n_head=n_head)
        if word == "--n-head":
            ARConfig(d_model=d_model, n_head=int(value))


@pytest.mark.parametrize(("n_head", "n_kv_head"), [(4, 3), (4, 8), (12, 5), (7, 2)])
def test_what_the_hint_suggests_for_key_value_heads_works(n_head, n_kv_head):
    _, hints = refused(d_model=n_head * 8, n_head=n_head, n_kv_head=n_kv_head)
    (hint,) = hints
    ARConfig(d_model=n_head * 8, n_head=n_head, n_kv_head=int(hint.removeprefix("try --n-kv-head ")))


def test_all_problems_are_reported_at_once():
    messages, hints = refused(n_layer=0, d_model=100, n_head=12, n_kv_head=5, d_ff=-1, rope_base=0.5)
    assert messages == [
        "n_layer 0 is not from 1 to 1,024",
        "d_ff -1 is not from 1 to 262,144",
        "d_model 100 is not divisible by n_head 12",
        "n_head 12 is not divisible by n_kv_head 5",
        "rope_base 0.5 is not a number above 1",
    ]
    assert hints == ["try --d-model 96 or --n-head 10", "try --n-kv-head 4", "--rope-base 10000 is usual"]


def test_all_wrong_types_are_reported_at_once():
    messages, _ = refused(n_layer=2.0, ternary=1, activation="gelu", n_kv_head="4", rope_base=None)
    assert messages == [
        "n_layer is 2.0, expected a whole number",
        "n_kv_head is '4', expected a whole number or nothing",
        "ternary is 1, expected true or false",
        "activation is 'gelu', expected one of swiglu, relu2",
        "rope_base is None, expected a number",
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {"n_layer": 10**9}, {"d_model": 2**40, "n_head": 1}, {"vocab_size": 10**12}, {"d_ff": 10**15},
        {"n_head": True}, {"norm_eps": 0.0}, {"norm_eps": math.nan}, {"rope_base": math.inf},
        {"rope_base": math.nan}, {"d_model": 12, "n_head": 4}, {"n_kv_head": 0}, {"n_kv_head": -4},
    ],
    ids=str,
)  # fmt: skip
def test_what_could_not_be_built_is_refused_in_a_moment(settings):
    refused(**settings)


def test_open_settings_follow_the_others():
    assert ARConfig(n_head=8).n_kv_head == 8
    assert ARConfig().sub_norm is True
    assert ARConfig(ternary=False).sub_norm is False
    assert ARConfig(ternary=False, sub_norm=True).sub_norm is True


def size_of(config):
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in family("ar").build(config).parameters())


def test_presets_have_the_sizes_they_are_known_by():
    assert 4e6 < size_of(PRESETS["small"]) < 6e6
    large = PRESETS["12gb"]
    assert (large.n_layer, large.d_model, large.n_head, large.d_ff) == (24, 1536, 12, 4096)
    assert size_of(PRESETS["tiny"]) < 1.5e6
    assert 50e6 < size_of(PRESETS["base"]) < 150e6


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_exported(name):
    config = PRESETS[name]
    assert config.ternary and config.sub_norm and config.tied and not config.qk_norm
    assert config.vocab_size == 256 and config.activation == "swiglu"
    if name != "tiny":
        assert config.d_model % 256 == 0 and config.d_ff % 256 == 0
        assert config.n_kv_head * 4 == config.n_head


def test_a_config_can_be_read_back_with_its_derived_values_fixed():
    config = from_dict(ARConfig, to_dict(ARConfig(n_head=8, ternary=False)), where="test")
    assert (config.n_kv_head, config.sub_norm) == (8, False)


def test_the_objectives_settings_are_checked():
    assert NextByteConfig(z_loss=0.5).z_loss == 0.5
    assert NextByteConfig().z_loss == 1e-4  # what the ternary recipe says
    for value in (-1.0, math.nan, "1"):
        with pytest.raises(UsageError, match="z_loss"):
            NextByteConfig(z_loss=value)
