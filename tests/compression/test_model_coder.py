"""Chunks coded with a model: the same words by the core and by its twin, and the same bytes back."""

import numpy as np
import pytest
from coder_models import BOOK, MODELS, TEXTS, by_core, by_twin
from native_models import native

from bbyte.compression.model_coder import segments
from bbyte.engine import core
from bbyte.models.window import forgotten

ALL = range(4)
pytestmark = native


def assert_twins(model, mode, text):
    ours, twin = by_core(model, mode), by_twin(model, mode)
    coded = ours.encode(text)
    assert coded == twin.encode(text) and coded[0] == mode
    assert ours.decode(mode, coded[1], len(text)) == text
    assert twin.decode(mode, coded[1], len(text)) == text


@pytest.mark.parametrize("mode", ALL)
def test_the_twin_writes_the_same_words(mode):
    assert_twins("tiny", mode, TEXTS["broken"] + TEXTS["runs"][100:240] + TEXTS["noise"][:60])


@pytest.mark.parametrize("model", MODELS)
def test_with_every_model(model):
    assert_twins(model, 3, TEXTS["broken"][:150])


@pytest.mark.parametrize("name", ["empty", "one", "few", "values"])
def test_short_texts(name):
    assert_twins("tiny", 1, TEXTS[name])


@pytest.mark.slow
@pytest.mark.parametrize("mode", ALL)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", TEXTS)
def test_every_text_with_every_model(name, model, mode):
    assert_twins(model, mode, TEXTS[name])


@pytest.mark.slow
@pytest.mark.parametrize("mode", ALL)
def test_long_matches_counts_at_their_limit_and_lines_that_are_lost(mode):
    dice = np.random.default_rng(2)
    words = [dice.integers(97, 123, int(n), dtype=np.uint8).tobytes() for n in dice.integers(1, 9, 50)]
    text = b" ".join(words[i] for i in dice.integers(0, 50, 1500)) + BOOK * 3 + bytes(3000)
    assert_twins("tiny", mode, text + dice.bytes(3000))


@pytest.mark.parametrize("mode", ALL)
@pytest.mark.parametrize("model", MODELS)
def test_every_text_comes_back(model, mode):
    coder = by_core(model, mode)
    for text in TEXTS.values():
        assert coder.decode(mode, coder.encode(text)[1], len(text)) == text


@pytest.mark.parametrize("path", core.paths())
@pytest.mark.parametrize("model", MODELS)
def test_every_path_and_number_of_threads(model, path):
    text = BOOK[:300]
    for mode in (0, 3):
        expected = by_core(model, mode).encode(text)
        for threads in (1, 2, 4):
            coder = by_core(model, mode, path=path, threads=threads)
            assert coder.encode(text) == expected
            assert coder.decode(mode, expected[1], len(text)) == text


def test_the_smallest_is_taken():
    each = [by_core("tiny", mode).encode(BOOK) for mode in ALL]
    assert by_core("tiny", *ALL).encode(BOOK) == min(each, key=lambda one: len(one[1]))
    assert by_core("tiny", 0, 1).encode(BOOK)[0] == 1
    assert by_core("tiny", 1, 3, 0).encode(b"") == (1, b"")
    assert by_twin("tiny", 0, 1).encode(BOOK[:80]) == by_core("tiny", 0, 1).encode(BOOK[:80])


def test_a_chunk_leaves_nothing_to_the_next():
    coder = by_core("mamba2", 3)
    first = coder.encode(BOOK)
    coder.encode(TEXTS["noise"])
    assert coder.encode(BOOK) == first
    assert coder.decode(3, first[1], len(BOOK)) == BOOK


@pytest.mark.parametrize("context", [2, 3, 4, 5, 31, 48])
def test_segments_go_through_the_window_byte_by_byte(context):
    """Against what `forgotten` says of each byte, and against the words of docs/coder.md."""
    for size in (0, 1, context - 1, context, context + 1, 5 * context + 1):
        at, held = 1, 1
        for segment in segments(size, context):
            assert segment.begin == at and segment.count >= 1
            if segment.reread is None:
                held += segment.count
                assert held <= context
            else:
                assert held == context and segment.count == 1
                held = at + 1 - segment.reread
                assert held == context // 2 + 1 == context + 1 - forgotten(context + 1, context)
            at += segment.count
        assert at == size + 1


def test_progress_is_told_and_may_end_it():
    coder, twin = by_core("tiny", 0), by_twin("tiny", 0)

    def stop(done):
        raise KeyboardInterrupt

    for one in (coder, twin):
        told = []
        _, coded = one.encode(BOOK[:100], told.append)
        one.decode(0, coded, 100, told.append)
        assert told[-1] == 100 and told.count(100) == 2
        with pytest.raises(KeyboardInterrupt):
            one.encode(BOOK, stop)
        with pytest.raises(KeyboardInterrupt):
            one.decode(0, coded, 100, stop)


def test_the_window_and_the_lanes_are_those_of_the_model():
    for make in (by_core, by_twin):
        found = {name: make(name, 0).window for name in MODELS}
        assert found == {name: "none" if "mamba" in name else "half-overlap" for name in MODELS}
        assert make("tiny", 0, 1, 2, 3).mode == "hybrid+adapt" and make("tiny", 0).lanes == 1
