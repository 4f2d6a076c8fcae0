"""checkpoint.json: read as written, and nothing else, however well it is signed."""

import json

import pytest
from small import CONFIG, described, saved

from bbyte import manifest
from bbyte.checkpoint import find, meta, store
from bbyte.errors import BbyteError, DataError

ENTRY = {"bytes": 1, "blake3": "0" * 64}


def test_what_is_written_is_read(tmp_path):
    folder = saved(tmp_path)
    found = meta.read(folder)
    assert found.files.keys() == {"model.safetensors", "optimizer.safetensors"}
    assert {**vars(found), "files": {}} == vars(described())
    assert found.model_config() == CONFIG


def test_the_version_before_is_read(tmp_path):
    folder = saved(tmp_path)
    path = folder / meta.FILE
    values = json.loads(path.read_text())
    del values["digest"], values["ternary"], values["packing"]
    path.write_text(manifest.write_text({**values, "version": 2}))
    assert find.verify(folder).ternary == {} and meta.read(folder).model_config() == CONFIG
    path.write_text(path.read_text().replace('"step": 1', '"step": 2'))
    with pytest.raises(DataError, match="digest"):
        meta.read(folder)


def rewritten(folder, **changes):
    """Change values of checkpoint.json and sign them anew."""
    path = folder / meta.FILE
    values = json.loads(path.read_text())
    del values["digest"]
    path.write_text(manifest.write_text(values | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 1}, {"version": 2}, {"version": 4}, {"version": True}, {"version": 3.0},
        {"format": "bbyte-corpus"}, {"extra": 1},
        {"kind": "frozen"}, {"kind": 1}, {"family": "arr"}, {"family": None}, {"family": ["ar"]},
        {"variant": 3}, {"config": []}, {"config": None}, {"step": -1}, {"step": True}, {"step": 1.0},
        {"step": 1 << 70}, {"step": "1"}, {"bytes_seen": None}, {"context": 0}, {"context": 16.0},
        {"context": 1 << 25},
        {"quantized": 1}, {"corpus": {}}, {"corpus": {"path": 1, "size": 1, "fingerprint": ""}},
        {"corpus": {"path": "", "size": -1, "fingerprint": ""}},
        {"corpus": {"path": "", "size": 1, "fingerprint": "", "train_size": "1"}},
        {"metrics": {"val_bpb": "2"}}, {"metrics": {"val_bpb": True}}, {"metrics": []},
        {"environment": None}, {"tags": {"a": 1}}, {"tags": []},
        {"ternary": []}, {"ternary": {"a": 1}}, {"ternary": {"a": {"zeros": 0.5}}},
        {"ternary": {"a": {"zeros": 1, "scale": 0.5}}}, {"ternary": {"a": {"zeros": -0.5, "scale": 0.5}}},
        {"packing": {"trits_a_byte": 4, "rest": "F32", "matrices": {}}}, {"packing": []}, {"kind": "packed"},
        {"kind": "packed", "packing": {"trits_a_byte": 3, "rest": "F32", "matrices": {}}},
        {"kind": "packed", "packing": {"trits_a_byte": True, "rest": "F32", "matrices": {}}},
        {"kind": "packed", "packing": {"trits_a_byte": 4, "rest": "F64", "matrices": {}}},
        {"kind": "packed", "packing": {"trits_a_byte": 4, "rest": "F32", "matrices": {"a": [1, 0]}}},
        {"files": {}}, {"files": []}, {"files": {"optimizer.safetensors": ENTRY}},
        {"files": {"model.safetensors": None}}, {"files": {"model.safetensors": {"bytes": 1}}},
        {"files": {"model.safetensors": {"bytes": True, "blake3": ""}}},
        {"files": {"model.safetensors": {"bytes": 1, "blake3": 3}}},
        {"files": {"model.safetensors": {**ENTRY, "more": 1}}},
        {"files": {"model.safetensors": ENTRY, "../model.safetensors": ENTRY}},
        {"files": {"model.safetensors": ENTRY, "/etc/passwd": ENTRY}},
        {"files": {"model.safetensors": ENTRY, "a/b.txt": ENTRY}},
        {"files": {"model.safetensors": ENTRY, "a\\b.txt": ENTRY}},
        {"files": {"model.safetensors": ENTRY, "..": ENTRY}},
        {"files": {"model.safetensors": ENTRY, "": ENTRY}},
        {"files": {"model.safetensors": ENTRY, "a\0.b": ENTRY}},
        {"files": {"model.safetensors": ENTRY, "model.safetensors\n": ENTRY}},
    ],
    ids=str,
)  # fmt: skip
def test_well_signed_nonsense_is_refused(tmp_path, changes):
    folder = saved(tmp_path)
    rewritten(folder, **changes)
    for reads in (meta.read, find.verify, find.find, store.load):
        with pytest.raises(DataError, match=r"checkpoint\.json"):
            reads(folder)


@pytest.mark.parametrize(
    "config",
    [
        {}, {"n_layer": "1"}, {"d_model": 9}, {"n_layers": 1}, {"n_layer": 10**9}, {"d_model": 2**50},
        {"vocab_size": 2**60}, {"n_head": 0}, {"norm_eps": 0}, {"ternary": None}, {"d_ff": 16},
        {"n_layer": 1024}, {"qk_norm": True}, {"tied": False}, {"sub_norm": False}, {"d_model": [8]},
    ],
    ids=str,
)  # fmt: skip
def test_a_config_that_does_not_fit_the_weights_is_refused_before_anything_is_allocated(tmp_path, config):
    folder = saved(tmp_path)
    rewritten(folder, config=config and {**described().config, **config})
    with pytest.raises(DataError):
        store.load(folder)


@pytest.mark.parametrize(
    ("old", "new"), [("\n", "\n\n"), ('"step": 1', '"step":  1'), ("\n}", "}"), ("\n", "\r\n"), (" ", "\t")]
)
def test_the_same_values_in_other_words_are_refused(tmp_path, old, new):
    path = saved(tmp_path) / meta.FILE
    text = path.read_text()
    assert old in text
    path.write_bytes(text.replace(old, new, 1).encode())
    with pytest.raises(DataError, match="was changed after it was written"):
        meta.read(path.parent)


@pytest.mark.parametrize("bits", [1, pytest.param(8, marks=pytest.mark.slow)])
def test_no_flip_of_a_bit_is_accepted(tmp_path, bits):
    folder = saved(tmp_path)
    path = folder / meta.FILE
    good = path.read_bytes()
    for at in range(len(good)):
        for bit in ((at + n) % 8 for n in range(bits)):
            path.write_bytes(good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :])
            with pytest.raises(DataError, match=r"checkpoint\.json"):
                find.verify(folder)
    path.write_bytes(good)
    find.verify(folder)


def test_no_truncation_is_accepted(tmp_path):
    folder = saved(tmp_path)
    path = folder / meta.FILE
    good = path.read_bytes()
    for length in range(0, len(good), 3):
        path.write_bytes(good[:length])
        with pytest.raises(DataError):
            find.verify(folder)


def test_a_folder_in_place_of_the_file_is_told_in_words(tmp_path):
    folder = saved(tmp_path)
    (folder / meta.FILE).unlink()
    (folder / meta.FILE).mkdir()
    with pytest.raises((BbyteError, OSError)):
        store.load(folder)
