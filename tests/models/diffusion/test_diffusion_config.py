"""The settings of a DiffusionLM and of its masks: what is refused, and in which words."""

import math

import pytest
import torch

from bbyte.errors import UsageError
from bbyte.models.diffusion.config import MASK, PRESETS, DiffusionConfig, MaskingConfig
from bbyte.models.families import family


def refused(**settings):
    with pytest.raises(UsageError) as caught:
        MaskingConfig(**settings)
    return caught.value.message.splitlines(), caught.value.hint


def test_by_default_it_is_the_any_order_bound_in_full_precision():
    assert MaskingConfig() == MaskingConfig(
        mask_mode="token", diffusion_steps=None, min_mask_prob=0.0, max_mask_prob=1.0, short_windows=0.01
    )
    config = DiffusionConfig()
    assert not config.ternary and config.sub_norm is False and config.n_kv_head == config.n_head
    assert config.vocab_size == MASK == 256


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"span_len": 0}, "span_len 0 is not"),
        ({"diffusion_steps": 0}, "diffusion_steps 0 is not"),
        (
            {"min_mask_prob": 0.6, "max_mask_prob": 0.5},
            "min_mask_prob 0.6 and max_mask_prob 0.5 are no rates",
        ),
        ({"min_mask_prob": -0.1}, "min_mask_prob -0.1"),
        ({"max_mask_prob": 1.1}, "max_mask_prob 1.1"),
        ({"max_mask_prob": 0.0}, "max_mask_prob 0.0"),
        ({"min_mask_prob": math.nan}, "min_mask_prob nan"),
        ({"max_mask_prob": math.inf}, "max_mask_prob inf"),
        ({"short_windows": 1.01}, "short_windows 1.01 is not a part, from 0 to 1"),
        ({"short_windows": math.nan}, "short_windows nan"),
        ({"mask_mode": "word"}, "mask_mode is 'word', expected one of token, span"),
        ({"diffusion_steps": 2.5}, "diffusion_steps is 2.5, expected a whole number or nothing"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_in_a_sentence(settings, words):
    (message,), _ = refused(**settings)
    assert words in message


def test_all_problems_are_reported_at_once():
    messages, hint = refused(span_len=-1, diffusion_steps=-1, min_mask_prob=2.0, short_windows=-1.0)
    assert len(messages) == 4
    assert hint == "leave both out to hide any number of bytes"


@pytest.mark.parametrize("name", ["span_len", "diffusion_steps"])
def test_numbers_that_no_computer_could_use_are_refused(name):
    refused(**{name: 10**400})


def test_another_vocabulary_than_bytes_is_refused():
    with pytest.raises(UsageError, match="vocab_size"):
        DiffusionConfig(vocab_size=100)


@pytest.mark.parametrize("settings", [{"min_mask_prob": 1.0}, {"max_mask_prob": 1e-9}, {"short_windows": 1}])
def test_the_ends_of_what_is_allowed_are_allowed(settings):
    MaskingConfig(**settings)


def size_of(config):
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in family("diffusion").build(config).parameters())


@pytest.mark.parametrize(("name", "least", "most"), [("tiny", 5e5, 1.5e6), ("small", 4e6, 6e6)])
def test_presets_have_about_the_sizes_of_the_other_families(name, least, most):
    assert least < size_of(PRESETS[name]) < most
    ours, theirs = size_of(PRESETS[name]), 0
    other = family("ar")
    with torch.device("meta"):
        theirs = sum(p.numel() for p in other.build(other.presets[name]).parameters())
    assert ours == pytest.approx(theirs, rel=0.05)
