"""Streams that version 1 of the coder has written: what writes others, or cannot read these, is another."""

import pytest
from blake3 import blake3
from coder_models import MODELS, TEXTS, by_core, by_twin
from native_models import native

SHORT = b"Bytes, bytes, bytes.\0\xff"
WORDS = {
    0: "34147d3c685cc2d9b6a9278addc46441150b94f38a93a0dc84ef437500000000",
    1: "588fbb3cdc312308bc915f06298cf2170745bd92920d26b33aa78268",
    2: "7e2a7d3cd8f3512022cbe83a88cc8e217d4b48232a73b5aa384f288500000000",
    3: "548fbb3cdb90acf6fcba1f81a3ee9f4a769514656193630d3cfb4260",
}
DIGESTS = {
    "tiny": (
        (216, "1ceab76e7f0423ce"),
        (112, "50f1eacc26a84ca4"),
        (208, "255bdbde7084ad50"),
        (112, "5227f5a8d2c5b2c6"),
    ),
    "grouped": (
        (348, "c1e85ebed48931e4"),
        (152, "76a9cdb976fa5dca"),
        (336, "fe9b6828646dfb56"),
        (152, "4dc1fdf8b4c75f72"),
    ),
    "full": (
        (232, "2fa8ccb1a2786d85"),
        (124, "cace91dabb9ec6b9"),
        (228, "d3c3151db571c4c8"),
        (120, "387ee2f44d9f65ac"),
    ),
    "mamba2": (
        (212, "53bdd575aac75c94"),
        (108, "3caa3c9aa068621c"),
        (208, "ac36c52aa842496e"),
        (108, "81382b1614e17134"),
    ),
    "mamba1": (
        (212, "11aabac98f53ed20"),
        (112, "58848237031126d1"),
        (204, "6a0e6e84d751ca7e"),
        (112, "f1bc7da582b2c6a6"),
    ),
}
"""Of each model the length and the digest of the stream in each mode."""
TEXT = TEXTS["broken"][:130] + TEXTS["runs"][90:140] + TEXTS["noise"][:20]


def shown(coded):
    return len(coded), blake3(coded).hexdigest()[:16]


@pytest.mark.parametrize("mode", range(4))
@pytest.mark.parametrize("model", DIGESTS)
@native
def test_streams_are_pinned(model, mode):
    coder = by_core(model, mode)
    _, coded = coder.encode(TEXT)
    assert shown(coded) == DIGESTS[model][mode]
    assert coder.decode(mode, coded, len(TEXT)) == TEXT


@pytest.mark.parametrize("mode", range(4))
@pytest.mark.parametrize("model", DIGESTS)
def test_the_twin_writes_them(model, mode):
    assert shown(by_twin(model, mode).encode(TEXT)[1]) == DIGESTS[model][mode]


@pytest.mark.parametrize("mode", range(4))
def test_old_words_are_read(mode):
    coded = bytes.fromhex(WORDS[mode])
    assert by_twin("tiny", mode).decode(mode, coded, len(SHORT)) == SHORT
    assert by_twin("tiny", mode).encode(SHORT) == (mode, coded)


@native
@pytest.mark.parametrize("mode", range(4))
def test_old_words_are_read_by_the_core(mode):
    coded = bytes.fromhex(WORDS[mode])
    assert by_core("tiny", mode).decode(mode, coded, len(SHORT)) == SHORT
    assert by_core("tiny", mode).encode(SHORT) == (mode, coded)


def test_every_kind_of_model_is_pinned():
    assert set(DIGESTS) == set(MODELS)
