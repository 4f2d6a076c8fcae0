"""No damaged packed checkpoint reaches the engine: mutants of its files, by the way that `generate` takes.

A mutant is refused with a DataError, or is no damage. Where a liar has signed the weights anew, what is
computed is what stands there, by the core as by its twin, and what are no packed trits are refused by both.
"""

import json

import numpy as np
import pytest
from blake3 import blake3
from campaign import campaign
from engine_models import SHAPES, packed
from mutants import binary, header, text

from bbyte import manifest
from bbyte.checkpoint import find
from bbyte.checkpoint.meta import FILE, MODEL
from bbyte.engine import core, weights
from bbyte.engine.native import Native, NativeModel
from bbyte.engine.twin import Twin
from bbyte.errors import DataError

COUNTS = [100, pytest.param(10_000, marks=pytest.mark.slow)]
TOKENS = np.arange(5, dtype=np.uint8)[None]
PACKING = {"grouped": 5, "floats": 4, "mamba2": 4}


@pytest.fixture(params=PACKING)
def folder(request, tmp_path):
    for seed, name in enumerate(("model", "another")):
        packed(tmp_path / name, SHAPES[request.param], seed=seed, trits_a_byte=PACKING[request.param])
    return tmp_path / "model"


def streams(given):
    return Twin(given, 1, 8) if core.library() is None else Native(NativeModel(given), 1, 8)


def logits(folder, made=streams):
    """What the engine makes of a checkpoint, all of its files verified."""
    given = weights.load(find.find(folder))
    try:
        return made(given).step(TOKENS, True)
    except DataError as error:  # which knows of no file
        raise DataError(f"{folder / MODEL}: {error.message}", error.hint) from error


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", [FILE, MODEL])
def test_damaged_files(folder, count, name):
    path, donor = folder / name, (folder.with_name("another") / name).read_bytes()
    mutants = (text if name == FILE else binary)(path.read_bytes(), count, donor)
    good = logits(folder).tobytes()
    outcome = campaign(path, mutants, count, lambda: logits(folder).tobytes(), good)
    outcome.assert_none_slipped_through()
    if name == MODEL:
        assert not outcome.counts["equal"]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("damage", [binary, header])
def test_weights_under_a_signature_that_fits(folder, count, damage):
    path, signature = folder / MODEL, folder / FILE
    unsigned = json.loads(signature.read_text())
    del unsigned["digest"]

    def signed_anew():
        raw = path.read_bytes()
        unsigned["files"][MODEL] = {"bytes": len(raw), "blake3": blake3(raw).hexdigest()}
        signature.write_text(manifest.write_text(unsigned))

    def read():
        signed_anew()
        return logits(folder).tobytes()

    def is_good(found, mutant):
        """A number that is none makes others none, but not all: which ones, the arithmetic does not say."""
        found, right = (
            np.frombuffer(found, np.float32),
            logits(folder, lambda given: Twin(given, 1, 8)).ravel(),
        )
        return found.tobytes() == right.tobytes() or not (
            np.isfinite(found).all() or np.isfinite(right).all()
        )

    outcome = campaign(path, damage(path.read_bytes(), count), count, read, read(), is_good)
    outcome.assert_none_slipped_through(most_equal=0.8)
    assert outcome.counts["refused"] > 0.2 * count


@pytest.mark.parametrize("trits_a_byte", [4, 5])
def test_every_byte_that_is_no_packed_trits_is_refused_by_both(trits_a_byte, tmp_path):
    """All 256 bytes in the middle of a row and at its end, where some trits are but filling."""
    given = weights.load(find.find(packed(tmp_path / "model", SHAPES["odd"], trits_a_byte=trits_a_byte).path))
    matrix = given.layers[0].matrices["qkv"]
    assert matrix.columns % trits_a_byte == (0 if trits_a_byte == 4 else 4)
    refused = {0: 0, matrix.packed.shape[1] - 1: 0}
    for column in refused:
        for byte in range(256):
            matrix.packed[1, column] = byte
            found = [is_refused(made, given) for made in (streams, lambda given: Twin(given, 1, 8))]
            assert found[0] == found[1], (column, byte)
            refused[column] += found[0]
        matrix.packed[1, column] = 0x55 if trits_a_byte == 4 else 121
    assert list(refused.values()) == ([256 - 81] * 2 if trits_a_byte == 4 else [256 - 243, 256 - 81])


def is_refused(made, given):
    try:
        made(given)
    except DataError:
        return True
    return False
