"""Two dimensions of many, by another way to the same; and labels that keep apart."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from bbyte.analysis import embeddings, themed_svg
from bbyte.analysis.stored_weights import embedding
from bbyte.checkpoint import store
from bbyte.errors import DataError, UsageError


def made(seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(256, 12)) * np.arange(12, 0, -1) + 3).astype(np.float32)


@pytest.mark.parametrize("components", [(1, 2), (2, 3), (5, 1)])
def test_components_are_eigenvectors_of_the_covariance(components):
    rows = made().astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    found = embeddings.principal(made(), components)
    for place, number in enumerate(components):
        by_hand = (rows - rows.mean(axis=0)) @ vectors[:, -number]
        np.testing.assert_allclose(np.abs(found.points[:, place]), np.abs(by_hand), rtol=1e-5, atol=1e-5)
        assert found.shares[place] == pytest.approx(values[-number] / values.sum(), rel=1e-5)


def test_points_in_a_plane_come_back_as_they_are():
    angle = np.linspace(0, 2 * np.pi, 256, endpoint=False)
    circle = np.stack([3 * np.cos(angle), np.sin(angle)], axis=1)
    turned = circle @ np.linalg.qr(np.random.default_rng(2).normal(size=(8, 8)))[0][:2]
    found = embeddings.principal(turned + 7)
    assert found.shares == pytest.approx((0.9, 0.1))
    np.testing.assert_allclose(np.abs(found.points), np.abs(circle), atol=1e-9)


def test_the_same_picture_for_the_mirrored_table():
    np.testing.assert_allclose(
        np.abs(embeddings.principal(made()).points), np.abs(embeddings.principal(-made()).points), rtol=1e-5
    )


def test_what_has_no_components_is_said():
    with pytest.raises(DataError, match="no number"):
        embeddings.principal(np.full((256, 4), np.nan))
    with pytest.raises(UsageError, match="no components 1 and 5"):
        embeddings.principal(np.ones((256, 4)), (1, 5))


def test_every_byte_has_a_dot_and_labels_do_not_overlap():
    text = themed_svg.document(embeddings.drawing(embeddings.principal(made()), "made"))
    root = ElementTree.fromstring(text)  # noqa: S314 - our own
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f".//{space}circle")) == 256
    boxes = [
        (float(label.get("x")), float(label.get("y")) - 8.8, len(label.text) * 6.6, 8.8)
        for label in root.iter(f"{space}text") if "mono" in label.get("class")
    ]  # fmt: skip
    assert len(boxes) > 200
    for place, (x, y, w, h) in enumerate(boxes):
        for left, top, wide, high in boxes[place + 1 :]:
            across = min(x + w, left + wide) - max(x, left)
            assert min(across, min(y + h, top + high) - max(y, top)) < 0.02  # of numbers with two digits


def test_bytes_that_are_all_alike_can_be_drawn():
    text = themed_svg.document(embeddings.drawing(embeddings.principal(np.ones((256, 4))), "same"))
    assert "nan" not in text and re.search(r"2\d\d bytes stand too close", text)


@pytest.mark.parametrize("name", ["ternary", "full", "mamba"])
def test_the_table_is_the_models_own(models, name):
    weights = store.load(models[name]).model.state_dict()
    (table,) = (value for key, value in weights.items() if "embed" in key)
    np.testing.assert_array_equal(embedding(models[name]), table.numpy()[:256])
