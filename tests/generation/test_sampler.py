"""The sampler: equal to its slow twin and to plain C, distributed as it should be, and pinned."""

import math
import shutil
import struct
import subprocess
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbyte.errors import BbyteError, UsageError
from bbyte.generation.sampler import GOLDEN, exp40, keep, random_bits, sample, scale
from bbyte.generation.sampler_reference import bits_of, mix, sample_lane, weight_of
from bbyte.generation.sampling import Sampling

samplings = st.builds(
    Sampling,
    temperature=st.sampled_from([0, 0.01, 0.3, 0.9, 1, 2.5, 100]),
    top_k=st.sampled_from([0, 1, 2, 50, 255, 256, 1000]),
    top_p=st.sampled_from([1.0, 0.999, 0.9, 0.5, 1e-9]),
    min_p=st.sampled_from([0.0, 0.01, 0.5, 1.0]),
    repetition_penalty=st.sampled_from([1.0, 1.1, 2.0, 0.5]),
    penalty_window=st.integers(1, 64),
    seed=st.integers(0, 2**64 - 1),
)


def some_logits(seed, lanes):
    """Logits with ties, impossible bytes and wide gaps."""
    rng = np.random.default_rng(seed)
    logits = (rng.normal(size=(lanes, 256)) * rng.choice([0.1, 3, 30])).astype(np.float32)
    if rng.random() < 0.5:
        logits = np.round(logits)
    logits[rng.random(logits.shape) < rng.choice([0, 0.3, 0.99])] = -np.inf
    logits[:, rng.integers(256)] = 0
    return logits


@settings(max_examples=150, deadline=None)
@given(
    sampling=samplings, seed=st.integers(0, 2**32), lanes=st.integers(1, 4), position=st.integers(0, 2**40)
)
def test_it_agrees_with_the_slow_twin(sampling, seed, lanes, position):
    logits = some_logits(seed, lanes)
    recent = np.random.default_rng(seed).integers(0, 256, (lanes, 80), dtype=np.uint8)
    drawn = sample(logits, sampling, position, recent)
    expected = [
        sample_lane(logits[lane].tolist(), sampling, position, lane, recent[lane].tobytes())
        for lane in range(lanes)
    ]
    assert drawn.tolist() == expected


def test_it_agrees_with_plain_c(tmp_path):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    program = tmp_path / "sampler"
    source = Path(__file__).with_name("sampler.c")
    subprocess.run(
        [compiler, "-std=c11", "-O2", "-ffp-contract=off", "-o", program, source, "-lm"], check=True
    )
    rng = np.random.default_rng(0)
    records, expected = [], []
    for case in range(4000):
        logits = some_logits(case, 1)
        s = Sampling(
            temperature=float(rng.choice([0, 0.01, 0.9, 1, 3])),
            top_k=int(rng.choice([0, 1, 50, 300])),
            top_p=float(rng.choice([1, 0.9, 0.3])),
            min_p=float(rng.choice([0, 0.02])),
            repetition_penalty=float(rng.choice([1, 1.3])),
            seed=int(rng.integers(2**63)),
        )
        recent, position = rng.bytes(64), int(rng.integers(2**40))
        records.append(logits.tobytes())
        values = (s.temperature, s.top_k, s.top_p, s.min_p, s.repetition_penalty, 0, position, 64)
        records.append(struct.pack("=8dQ64s", *values, s.seed, recent))
        expected.append(int(sample(logits, s, position, np.frombuffer(recent, np.uint8)[None])[0]))
    answer = subprocess.run([program], input=b"".join(records), stdout=subprocess.PIPE, check=True).stdout
    assert list(answer) == expected


def test_golden_values():
    """Pinned: a change here changes what every seed writes, on every machine and in every engine."""
    first_of_splitmix64 = 6457827717110365317  # as published, for seed 1234567
    assert mix((1234567 + GOLDEN) % 2**64) == first_of_splitmix64
    assert [f"{bits:016x}" for bits in random_bits(0, 3, 0)] == GOLDEN_BITS_SEED_0
    assert [f"{bits:016x}" for bits in random_bits(2**64 - 1, 2, 2**40)] == GOLDEN_BITS_LAST_SEED
    points = np.array([0, -1e-9, -0.1, -0.5, -1, -3.3, -10, -27.7, -28.4, -28.5, -1000])
    assert exp40(points).tolist() == GOLDEN_WEIGHTS
    logits = (
        np.array([[math.sin(0.37 * byte * byte) * 4 for byte in range(256)]] * 4).round(3).astype(np.float32)
    )
    text = [sample(logits, Sampling(seed=7), position).tolist() for position in range(6)]
    assert text == GOLDEN_DRAWS


GOLDEN_BITS_SEED_0 = ["238275bc38fcbe91", "2f101fe21496ea20", "0b91752fd22fb56a"]
GOLDEN_BITS_LAST_SEED = ["390f6bad5acd71be", "2b265c6a270ac4d5"]
GOLDEN_WEIGHTS = [
    1099511627776,
    1099511626676,
    994879262377,
    666887512957,
    404487723188,
    40553471427,
    49917751,
    1,
    1,
    0,
    0,
]
GOLDEN_DRAWS = [
    [167, 50, 114, 105],
    [114, 19, 135, 130],
    [254, 64, 32, 19],
    [32, 75, 50, 15],
    [137, 167, 52, 135],
    [195, 57, 140, 209],
]


def test_exp_is_within_its_stated_error():
    mpmath.mp.prec = 120
    z = -np.random.default_rng(1).random(5000) * 29
    exact = [mpmath.exp(mpmath.mpf(float(value))) * 2**40 for value in z]
    error = [abs(weight - value) for weight, value in zip(exp40(z).tolist(), exact, strict=True)]
    assert all(e <= 0.5 + 1e-14 * float(value) for e, value in zip(error, exact, strict=True))
    assert [weight_of(float(value)) for value in z] == exp40(z).tolist()


@settings(max_examples=200)
@given(bits=st.integers(0, 2**64 - 1), total=st.integers(1, 2**48))
def test_scaling_is_exact(bits, total):
    assert int(scale(np.array([bits], np.uint64), np.array([total], np.uint64))[0]) == bits * total >> 64


@given(seed=st.integers(0, 2**64 - 1), position=st.integers(0, 2**50))
def test_random_bits_agree(seed, position):
    assert random_bits(seed, 3, position).tolist() == [bits_of(seed, lane, position) for lane in range(3)]


def test_bytes_are_drawn_with_the_probabilities_of_the_softmax():
    rng = np.random.default_rng(2)
    logits = (rng.normal(size=256) * 2).astype(np.float32)
    sampling = Sampling(temperature=0.8, top_k=40, seed=11)
    counts = np.zeros(256)
    for position in range(400):
        counts += np.bincount(sample(np.tile(logits, (500, 1)), sampling, position), minlength=256)
    p = np.exp(logits.astype(float) / 0.8)
    p[np.argsort(-p)[40:]] = 0
    expected = p / p.sum() * counts.sum()
    assert counts[p == 0].sum() == 0
    chi_square = ((counts - expected)[p > 0] ** 2 / expected[p > 0]).sum()
    assert chi_square < 39 + 5 * math.sqrt(2 * 39)  # mean and standard deviation of 39 degrees of freedom


def test_neighbouring_seeds_lanes_and_positions_are_unrelated():
    bits = np.array([random_bits(seed, 16, position) for seed in range(16) for position in range(16)]).ravel()
    assert len(set(bits.tolist())) == bits.size
    ones = np.unpackbits(bits.view(np.uint8)).mean()
    assert abs(ones - 0.5) < 5 * 0.5 / math.sqrt(bits.size * 64)


def test_what_is_kept():
    weights = np.zeros((1, 256), np.int64)
    weights[0, [5, 9, 7, 3]] = 100, 100, 50, 25
    weights[0, 200] = 1 << 40

    def kept(**how):
        return np.flatnonzero(keep(weights, Sampling(**{"top_k": 0, **how}))[0]).tolist()

    assert kept() == [3, 5, 7, 9, 200]
    assert kept(top_k=2) == [5, 200]  # of equal weights the lower byte comes first
    assert kept(top_k=4) == [5, 7, 9, 200]
    assert kept(top_p=0.5) == [200]
    assert kept(min_p=60 / 2**40) == [5, 9, 200]
    assert kept(top_k=3, min_p=1.0) == [200]


def test_greedy_takes_the_lowest_of_equal_bytes():
    logits = np.zeros((2, 256), np.float32)
    logits[1, [7, 9]] = 3
    assert sample(logits, Sampling(temperature=0), 0).tolist() == [0, 7]


def test_the_penalty_reaches_back_its_window_only():
    logits = np.full((1, 256), -5, np.float32)
    logits[0, [1, 2]] = 4, 3.9
    sampling = Sampling(temperature=0, repetition_penalty=1.5, penalty_window=2)
    assert sample(logits, sampling, 0, np.array([[1, 0, 0]], np.uint8)).tolist() == [1]
    assert sample(logits, sampling, 0, np.array([[0, 1, 0]], np.uint8)).tolist() == [2]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_logits_that_are_no_distribution_are_refused(bad):
    logits = np.zeros((2, 256), np.float32)
    logits[1, 3] = bad
    with pytest.raises(BbyteError, match="no distribution"):
        sample(logits, Sampling(), 0)
    with pytest.raises(BbyteError, match="no distribution"):
        sample(np.full((1, 256), -np.inf, np.float32), Sampling(temperature=0), 0)


def test_all_problems_of_the_settings_are_reported_at_once():
    with pytest.raises(UsageError) as caught:
        Sampling(temperature=-1, top_k=-2, top_p=0, min_p=2, repetition_penalty=0, penalty_window=0, seed=-1)
    for name in ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "penalty_window", "seed"):
        assert name in caught.value.message
    for value in (math.nan, math.inf, "warm"):
        with pytest.raises(UsageError, match="temperature"):
            Sampling(temperature=value)
