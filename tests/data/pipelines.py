"""The same small pack for every executor of datatrove."""

import gzip
import json

from bbyte.data.corpus import ByteCorpus
from bbyte.data.datatrove import ReadDocuments, WriteSlices
from bbyte.data.merge import merge
from bbyte.data.pack import pack

SETTINGS = {"shard_bytes": 1000, "index": True, "separator": 10}


def make_inputs(folder):
    folder.mkdir()
    (folder / "0.txt.gz").write_bytes(gzip.compress(b"packed " * 100))
    for number in range(1, 5):
        lines = [json.dumps({"text": f"line {line} of {number} ü"}) for line in range(40)]
        (folder / f"{number}.jsonl").write_text("\n".join([*lines, "{}"]))
    (folder / "9.bin").write_bytes(b"\xff\xfe not text \0")
    return folder


def steps(inputs, place):
    return [ReadDocuments([str(inputs)], field="text"), WriteSlices(place / "slices", **SETTINGS)]


def check(inputs, place):
    """The slices make what a single pack makes; only digests of the inputs are not known."""
    merge(sorted((place / "slices").iterdir()), place / "merged")
    pack([str(inputs)], place / "single", field="text", **SETTINGS)
    merged, single = ByteCorpus.open(place / "merged"), ByteCorpus.open(place / "single")
    merged.verify()
    assert (merged.meta.shards, merged.meta.index) == (single.meta.shards, single.meta.index)
    assert merged.meta.documents == single.meta.documents

    def listed(corpus):
        return [(source.name, source.bytes, source.documents) for source in corpus.meta.sources]

    assert listed(merged) == listed(single)
