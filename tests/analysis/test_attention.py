"""Maps of attention: rows that sum to one, and the very output of the layer that they are said to give."""

import numpy as np
import pytest
import torch
from engine_models import SHAPES, packed

from bbyte.analysis import attention, attention_picture, themed_svg
from bbyte.checkpoint import store
from bbyte.errors import UsageError

TEXT = b"the cat sat on"


@pytest.fixture(scope="module")
def seen(models):
    return attention.attention(store.load(models["full"]), TEXT)


def test_rows_sum_to_one_and_nobody_looks_ahead(seen):
    assert [maps.shape for maps in seen] == [(4, 15, 15)] * 2
    for maps in seen:
        np.testing.assert_allclose(maps.sum(axis=2), 1, atol=1e-5)
        assert (np.triu(maps, 1) == 0).all() and (maps >= 0).all()
        assert maps[:, 0, 0].tolist() == [1] * 4


def test_the_maps_give_what_the_layer_gives(models, seen):
    """The first layer's output, computed anew as map times values, through its own projections."""
    model = store.load(models["full"]).model
    layer = model.layers[0]
    kept = {}
    layer.self_attn.register_forward_hook(lambda _, args, out: kept.update(x=args[0], out=out))
    with torch.no_grad():
        model(torch.tensor([[0, *TEXT]]))
        values = layer.self_attn.v_proj(kept["x"])[0].view(15, 2, 8).repeat_interleave(2, dim=1)
        mixed = torch.einsum("hij,jhd->ihd", torch.from_numpy(seen[0]), values).reshape(1, 15, 32)
        if layer.self_attn.attn_sub_norm is not None:
            mixed = layer.self_attn.attn_sub_norm(mixed)
        again = layer.self_attn.o_proj(mixed)
    torch.testing.assert_close(again, kept["out"], atol=1e-5, rtol=1e-4)


def test_watching_changes_nothing(models):
    model = store.load(models["ternary"]).model
    tokens = torch.tensor([[0, *TEXT]])
    with torch.inference_mode():
        before = model(tokens)
        attention._seen(model, tokens)
        assert torch.equal(model(tokens), before)


def test_figures_of_known_heads():
    last = np.eye(4, dtype=np.float32)[[0, 0, 1, 2]]  # each place looks at the one before it
    even = np.tril(np.ones((4, 4), np.float32)) / np.arange(1, 5)[:, None]
    before, all_ = attention.gazes([np.stack([last, even])])
    assert (before.previous, before.own, before.distance, before.entropy) == (1, 0, 1, 0)
    assert before.start == pytest.approx(1 / 3)
    assert all_.entropy == pytest.approx((1 + np.log2(3) + 2) / 3)
    assert all_.distance == pytest.approx((0.5 + 1 + 1.5) / 3)


def test_models_without_attention_say_so(models):
    with pytest.raises(UsageError, match="has no attention"):
        attention.attention(store.load(models["mamba"]), TEXT)


@pytest.mark.parametrize(("text", "words"), [(b"", "nothing to read"), (b"a" * 64, "sees 63 at once")])
def test_texts_that_do_not_fit(models, text, words):
    with pytest.raises(UsageError, match=words):
        attention.attention(store.load(models["full"]), text)


def test_both_eyes_of_diffusion_are_open():
    from types import SimpleNamespace

    from bbyte.models.diffusion.config import DiffusionConfig
    from bbyte.models.families import family

    kind = family("diffusion")
    model = kind.build(DiffusionConfig(n_layer=1, d_model=16, n_head=2, d_ff=16)).eval()
    (maps,) = attention.attention(
        SimpleNamespace(model=model, family=kind, meta=SimpleNamespace(context=20)), b"abc"
    )
    np.testing.assert_allclose(maps.sum(axis=2), 1, atol=1e-5)
    assert (maps[:, 0, 1:] > 0).all()


def test_pictures(seen):
    grid = themed_svg.document(attention_picture.drawing(seen, TEXT, "m"))
    assert "head 3" in grid and "layer 1" in grid
    one = themed_svg.document(attention_picture.drawing(seen, TEXT, "m", layer=1, head=2))
    assert "Layer 1, head 2" in one and ">space<" in one


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"layer": 2}, "no layer 2"), ({"head": 4}, "no head 4"), ({"text": b"a" * 200}, "too many for a map")],
)
def test_what_cannot_be_told_apart_is_refused(seen, changes, words):
    with pytest.raises(UsageError, match=words):
        attention_picture.drawing(seen, **{"text": TEXT, "below": "", **changes})
    with pytest.raises(UsageError, match="66 maps"):
        attention_picture.drawing([seen[0][:1]] * 66, TEXT, "")


def test_ternary_and_grouped_heads(tmp_path):
    found = packed(tmp_path / "squared", SHAPES["squared"])
    maps = attention.attention(store.load(found), b"xyz")
    np.testing.assert_allclose(np.stack(maps).sum(axis=3), 1, atol=1e-5)
