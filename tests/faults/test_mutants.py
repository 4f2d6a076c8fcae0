"""No damaged file is accepted: thousands of mutants of each format, and what may come of them.

A mutant is refused with a DataError that names the file, or what is read of it is exactly what was saved (as
where a key of a table has moved). A mutant that is signed anew, as an attacker can, is no damage any more; it
may be read where the values mean something, and then what is read is what stands there: `checkpoint.json` as
it would be written again, the weights bit for bit those in the file, and a model that computes.
"""

import json
import time

import numpy as np
import pytest
import safetensors.torch
import torch
from blake3 import blake3
from campaign import campaign
from mutants import binary, header, signed, text
from small import saved

from bbyte import manifest
from bbyte.checkpoint import find, meta, store, tensors
from bbyte.checkpoint.meta import MODEL
from bbyte.data import meta as corpus_meta
from bbyte.data.corpus import ByteCorpus
from bbyte.data.corpus_writer import CorpusWriter

COUNTS = [300, pytest.param(10_000, marks=pytest.mark.slow)]
WINDOW = np.arange(9, dtype=np.uint8)[None] % 4


@pytest.fixture
def folder(tmp_path):
    saved(tmp_path, 1)
    return saved(tmp_path, 2)


def weights(state):
    return {
        name: (
            tuple(value.shape),
            str(value.dtype),
            value.detach().reshape(-1).view(torch.uint8).numpy().tobytes(),
        )
        for name, value in state.items()
    }


def checkpoint(folder):
    """All that is read of a checkpoint, in values that can be compared."""
    found = find.verify(folder)
    loaded = store.load(folder)
    assert loaded.meta == found
    return vars(found), weights(loaded.model.state_dict())


def reported(outcome, record_property, began):
    record_property("counts", f"{dict(outcome.counts)} in {time.perf_counter() - began:.1f} s")
    return outcome


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", [meta.FILE, MODEL, store.OPTIMIZER])
def test_checkpoints(folder, count, name, record_property):
    began = time.perf_counter()
    path, donor = folder / name, (folder.with_name("step-0000001") / name).read_bytes()
    kinds = text if name == meta.FILE else binary
    outcome = campaign(
        path, kinds(path.read_bytes(), count, donor), count, lambda: checkpoint(folder), checkpoint(folder)
    )
    reported(outcome, record_property, began).assert_none_slipped_through()
    if name != meta.FILE:
        assert not outcome.counts["equal"]


@pytest.mark.parametrize("count", COUNTS)
def test_signed_checkpoints_are_refused_or_are_what_they_say(folder, count, record_property):
    began, path = time.perf_counter(), folder / meta.FILE
    good = checkpoint(folder)

    def read():
        found = checkpoint(folder)
        loaded = store.load(folder)
        objective = loaded.family.objective(loaded.model, loaded.family.objective_config())
        objective.measure(torch.from_numpy(WINDOW))
        return found

    def is_good(found, mutant):
        content = {key: value for key, value in json.loads(mutant).items() if key in found[0]}
        return found == (content, good[1])

    outcome = campaign(path, signed(path.read_bytes(), count), count, read, good, is_good)
    reported(outcome, record_property, began).assert_none_slipped_through(most_equal=0.6)
    assert outcome.counts["refused"] > 0.4 * count


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("damage", [binary, header])
def test_weights_under_a_signature_that_fits_are_refused_or_are_those_in_the_file(
    folder, count, damage, record_property
):
    began, path, signature = time.perf_counter(), folder / MODEL, folder / meta.FILE
    unsigned = json.loads(signature.read_text())
    del unsigned["digest"]

    def read():
        raw = path.read_bytes()
        unsigned["files"][MODEL] = {"bytes": len(raw), "blake3": blake3(raw).hexdigest()}
        signature.write_text(manifest.write_text(unsigned))
        return checkpoint(folder)[1]

    good = read()

    def is_good(found, mutant):
        same_kinds = all(found[name][:2] == good[name][:2] for name in good)
        return same_kinds and found == weights(safetensors.torch.load(mutant))

    outcome = campaign(path, damage(path.read_bytes(), count), count, read, good, is_good)
    reported(outcome, record_property, began).assert_none_slipped_through(most_equal=0.7)
    assert outcome.counts["refused"] > 0.2 * count


@pytest.fixture
def corpus(tmp_path):
    dice = np.random.default_rng(5)
    for name in ("another", "corpus"):
        with CorpusWriter(tmp_path / name, shard_bytes=9000, val_fraction=0.2, index=True) as writer:
            for number in range(100):
                writer.add_source(corpus_meta.Source(f"{number}.txt", 300, 1, "0" * 64, "etag"))
                writer.add(dice.integers(1, 256, 300, np.uint8).tobytes())
    return tmp_path / "corpus"


def opened(corpus):
    """All that is read of a corpus."""
    found = ByteCorpus.open(corpus)
    found.verify()
    return (
        found.meta,
        found.read(0, found.size).tobytes(),
        found.validation.read(0, found.validation.size).tobytes(),
        found.document_ends.tolist(),
    )


def unverified(corpus):
    """All that is read of a corpus by those who only read: its digests are checked on the way."""
    found = ByteCorpus.open(corpus)
    held_out = found.validation
    return (
        found.meta,
        found.read(0, found.size).tobytes(),
        held_out.windows(np.arange(held_out.size), 1).tobytes(),
        found.document_ends.tolist(),
    )


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(
    "name",
    ["shard_00000.bin", corpus_meta.FILE, corpus_meta.INDEX_FILE, "val/shard_00000.bin", "val/corpus.json"],
)
@pytest.mark.parametrize("read", [opened, unverified])
def test_corpora(corpus, count, name, read, record_property):
    began = time.perf_counter()
    path, donor = corpus / name, (corpus.with_name("another") / name).read_bytes()
    kinds = text if name.endswith(".json") else binary
    outcome = campaign(
        path, kinds(path.read_bytes(), count, donor), count, lambda: read(corpus), read(corpus)
    )
    reported(outcome, record_property, began).assert_none_slipped_through()
    if not name.endswith(".json"):
        assert not outcome.counts["equal"]


@pytest.mark.parametrize("count", COUNTS)
def test_signed_corpora_are_refused_or_are_what_they_say(corpus, count, record_property):
    began, path = time.perf_counter(), corpus / corpus_meta.FILE
    good = opened(corpus)[:3]

    def is_good(found, mutant):
        return found[1] == good[1] and corpus_meta.text(found[0]).encode() == mutant

    def read():
        found = ByteCorpus.open(corpus)
        found.verify()
        held_out = found.validation
        return (
            found.meta,
            found.read(0, found.size).tobytes(),
            held_out and held_out.read(0, held_out.size).tobytes(),
        )

    outcome = campaign(path, signed(path.read_bytes(), count), count, read, good, is_good)
    reported(outcome, record_property, began).assert_none_slipped_through(most_equal=0.3)


class Anything(str):
    """A digest that every other is equal to."""

    __hash__ = str.__hash__

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False


def test_a_verifier_that_compares_no_digest_is_caught(folder, corpus, monkeypatch):
    """The campaign can fail: with the comparison of digests gone, it says so."""
    monkeypatch.setattr(manifest, "digest_of", lambda file: Anything())
    model, shard = folder / MODEL, corpus / "shard_00000.bin"

    def outcome(path, read):
        return campaign(path, binary(path.read_bytes(), 1), 200, read, read())

    assert len(outcome(shard, lambda: opened(corpus)).accepted) > 50
    assert not outcome(model, lambda: checkpoint(folder)).accepted, "loading looks at the digest once more"
    load = tensors.load
    monkeypatch.setattr(tensors, "load", lambda *words, blake3: load(*words))
    assert len(outcome(model, lambda: checkpoint(folder)).accepted) > 20


def test_a_manifest_that_is_only_parsed_is_caught(folder, monkeypatch):
    monkeypatch.setattr(manifest, "_digest", lambda content: "always the same")
    monkeypatch.setattr(manifest, "write_text", lambda content: "always the same")
    monkeypatch.setattr(meta, "text", lambda *_: "always the same")
    parse = manifest.parse
    monkeypatch.setattr(
        manifest, "parse", lambda path: (parse(path)[0] | {"digest": "always the same"}, "always the same")
    )
    path = folder / meta.FILE
    read = lambda: checkpoint(folder)  # noqa: E731
    assert campaign(path, text(path.read_bytes(), 1), 300, read, read()).accepted
