"""The statistics stored of ternary matrices: known answers."""

import torch

from bbyte.models.ar.config import ARConfig
from bbyte.models.families import family
from bbyte.quantization.statistics import ternary_statistics

SMALL = {"n_layer": 1, "d_model": 8, "n_head": 2, "d_ff": 8}


def test_zeros_and_scale_of_a_known_matrix():
    model = family("ar").build(ARConfig(**SMALL))
    weights = dict(model.state_dict())
    known = torch.zeros(8, 8)
    known[0] = 4.0  # an eighth of the entries: the mean magnitude is 0.5
    weights["layers.0.self_attn.q_proj.weight"] = known
    found = ternary_statistics(model, weights)
    assert len(found) == 7
    assert found["layers.0.self_attn.q_proj"] == {"zeros": 0.875, "scale": 0.5}


def test_what_is_not_ternary_has_none():
    model = family("ar").build(ARConfig(**SMALL, ternary=False))
    assert ternary_statistics(model, model.state_dict()) == {}
