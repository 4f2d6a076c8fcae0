"""Shares of trits beside what the checkpoint says of itself, and histograms beside numpy's."""

import numpy as np
import pytest
import torch
from small import saved

from bbyte.analysis import stored_weights, themed_svg, weights, weights_picture
from bbyte.checkpoint import store
from bbyte.checkpoint.find import find
from bbyte.errors import UsageError
from bbyte.quantization.bitlinear import ternary_layers, trits_and_scale
from bbyte.quantization.ternary import ternarize


@pytest.mark.parametrize("kind", ["packed", "resume"])
def test_shares_are_those_the_checkpoint_states(models, kind):
    found = models["ternary"]
    if kind == "resume":
        found = find(found.path.with_name("ternary-run"))
        assert found.meta.kind == "resume"
    stated = found.meta.ternary
    trits = weights.trits(stored_weights.layer_matrices(found))
    assert {one.name for one in trits} == set(stated)
    layers = ternary_layers(store.load(found).model)
    for one in trits:
        assert one.zero / one.size == pytest.approx(stated[one.name]["zeros"], abs=1e-3)
        assert one.scale == pytest.approx(stated[one.name]["scale"], rel=1e-6)
        own, _ = trits_and_scale(layers[one.name])
        assert [one.minus, one.zero, one.plus] == [int((own == trit).sum()) for trit in (-1, 0, 1)]


def test_trits_of_numpy_are_those_of_torch():
    torch.manual_seed(3)
    values = torch.randn(40, 30) * 0.02
    values[0, :3] = 0
    ours, scale = stored_weights.ternarize(values.numpy())
    theirs, own = ternarize(values)
    np.testing.assert_array_equal(ours, theirs.numpy())
    assert scale == pytest.approx(float(own), rel=1e-6)
    assert stored_weights.ternarize(np.zeros((2, 2), np.float32))[0].tolist() == [[0, 0], [0, 0]]


def test_histograms_are_those_of_numpy(models):
    found = weights.values(stored_weights.layer_matrices(models["full"]))
    state = store.load(models["full"]).model.state_dict()
    assert {one.layer for one in found} == {0, 1}
    for one in found:
        own = state[f"{one.name}.weight"].numpy()
        assert one.size == own.size and one.largest == pytest.approx(np.abs(own).max())
        assert one.counts.tolist() == np.histogram(own, one.edges)[0].tolist()
        assert one.deviation == pytest.approx(own.std(), rel=1e-5)
    assert not weights.trits(stored_weights.layer_matrices(models["full"]))


def test_sixteen_bits_are_read_as_numbers():
    values = torch.randn(5, 7).bfloat16()
    bits = values.view(torch.uint16).numpy()
    np.testing.assert_array_equal(stored_weights._of_bits(bits), values.float().numpy())


def test_a_run_that_is_not_ternary_yet_shows_values(tmp_path):
    found = find(saved(tmp_path / "run", quantized=False))
    assert all(one.scale is None for one in stored_weights.layer_matrices(found))
    with pytest.raises(UsageError, match="no embeddings of the 256 bytes"):
        stored_weights.embedding(found)  # its vocabulary has four


def test_pictures_name_every_layer_and_matrix(models):
    trits = weights.trits(stored_weights.layer_matrices(models["ternary"]))
    text = themed_svg.document(weights_picture.of_trits(trits, "x"))
    assert all(one.name in text for one in trits) and "layer 1" in text
    values = weights.values(stored_weights.layer_matrices(models["mamba"]))
    assert "layer 1" in themed_svg.document(weights_picture.of_values(values, "x"))
