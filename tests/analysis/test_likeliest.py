"""The bytes expected next."""

import math

import numpy as np
import pytest

from bbyte.analysis import likeliest, themed_svg
from bbyte.errors import BbyteError
from bbyte.probabilities import log_probabilities


def logs():
    logits = np.zeros(256)
    logits[ord("e")], logits[0x1B], logits[0xC3] = math.log(512), math.log(256), math.log(128)
    return log_probabilities(logits)


def test_likeliest_first_and_all_of_them():
    found = likeliest.expected(logs())
    total = 512 + 256 + 128 + 253
    assert [one.byte for one in found.candidates[:4]] == [ord("e"), 0x1B, 0xC3, 0]
    assert found.candidates[0].probability == pytest.approx(512 / total)
    assert found.candidates[1].bits == pytest.approx(math.log2(total / 256))
    assert sum(one.probability for one in found.candidates) == pytest.approx(1)
    assert len({one.byte for one in found.candidates}) == 256
    assert found.entropy == pytest.approx(sum(one.probability * one.bits for one in found.candidates))


def test_what_is_no_distribution_is_said():
    with pytest.raises(BbyteError, match="no distribution"):
        likeliest.expected(np.full(256, math.nan))


def test_the_picture_names_them():
    text = themed_svg.document(likeliest.drawing(likeliest.expected(logs()), 4, "after: x"))
    assert all(f">{word}<" in text for word in ("0x65", "e", "1B", "C3", "lower-case letter", "control"))
    themed_svg.document(likeliest.drawing(likeliest.expected(logs()), 256, "all"))
