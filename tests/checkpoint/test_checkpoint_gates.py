"""What stands before every load: odd files, hostile files, files that change while they are read."""

import json
import os
import resource
import shutil
import time
from pathlib import Path

import pytest
import torch
from blake3 import blake3
from small import saved

from bbyte import manifest
from bbyte.checkpoint import find, store, tensors
from bbyte.checkpoint.meta import FILE, MODEL
from bbyte.checkpoint.store import OPTIMIZER
from bbyte.checkpoint.tensors import TensorInfo
from bbyte.config import to_dict
from bbyte.errors import BbyteError, DataError
from bbyte.models.families import families, family

DATA = Path(__file__).parents[3] / "shared" / "data"
FILES = (FILE, MODEL, OPTIMIZER)
HOSTILE = sorted(
    path
    for folder in ("safetensors-edge", "refuse-pickles")
    for path in (DATA / folder).glob("*")
    if path.name not in ("SOURCE", "LICENSE")
)
MIB = 1 << 20


@pytest.fixture
def folder(tmp_path):
    return saved(tmp_path / "run", 2)


def refused(folder, match, reads=(find.verify, find.find, store.load)):
    """Every way to read the checkpoint is refused for the same reason."""
    for read in reads:
        with pytest.raises(DataError, match=match) as caught:
            read(folder)
        assert caught.value.hint
    return caught.value


def signed(folder, **files):
    """Sign checkpoint.json for the files that now lie beside it."""
    values = json.loads((folder / FILE).read_text())
    del values["digest"]
    for name in values["files"]:
        raw = (folder / name).read_bytes()
        values["files"][name] = {"bytes": len(raw), "blake3": blake3(raw).hexdigest()}
    (folder / FILE).write_text(manifest.write_text(values))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("name", FILES)
def test_a_pipe_is_not_waited_for(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    began = time.perf_counter()
    refused(folder, f"{name} is no plain file")
    assert time.perf_counter() - began < 5


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_that_takes_the_place_of_a_file_at_the_last_moment_is_not_waited_for(folder, monkeypatch):
    (folder / MODEL).unlink()
    os.mkfifo(folder / MODEL)
    monkeypatch.setattr(manifest, "_check_plain", lambda *_: None)
    with pytest.raises(BbyteError, match=MODEL):
        find.verify(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_folder_is_no_file(folder, name):
    (folder / name).unlink()
    (folder / name).mkdir()
    refused(folder, f"{name} is no plain file")


@pytest.mark.parametrize("name", FILES)
def test_a_device_is_no_file(folder, name):
    (folder / name).unlink()
    (folder / name).symlink_to(os.devnull)
    refused(folder, f"{name} is no plain file")


@pytest.mark.parametrize("name", FILES)
def test_a_link_that_leads_out_is_refused_even_to_the_same_bytes(folder, tmp_path, name):
    shutil.move(folder / name, tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    refused(folder, f"{name} is a link that leads out of its folder")


def test_links_within_the_folder_and_to_the_folder_are_the_users_own(folder, tmp_path):
    (folder / MODEL).rename(folder / "weights")
    (folder / MODEL).symlink_to("weights")
    (tmp_path / "link").symlink_to(folder)
    for path in (folder, tmp_path / "link"):
        assert store.load(path).meta.step == 2


@pytest.mark.parametrize("name", FILES[1:])
def test_a_link_in_a_circle_is_a_missing_file(folder, name):
    (folder / name).unlink()
    (folder / name).symlink_to(name)
    refused(folder, f"{name} is missing")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may read everything")
def test_what_may_not_be_read_is_named_by_the_system(folder):
    (folder / MODEL).chmod(0)
    with pytest.raises(PermissionError) as caught:
        find.find(folder.parent)  # no reason to go back to an older checkpoint
    assert caught.value.filename == str(folder / MODEL)


def test_an_error_of_the_disk_names_the_file_and_is_no_damage(folder, monkeypatch):
    def fails(file, on_bytes=None):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(manifest, "digest_of", fails)
    with pytest.raises(OSError, match="Input/output error") as caught:
        find.find(folder.parent)
    assert caught.value.filename == str(folder / MODEL)


def test_a_file_cut_off_while_it_is_read_is_told(tmp_path, monkeypatch):
    path, values = tmp_path / MODEL, {"a": torch.zeros(1 << 18), "b": torch.ones(1 << 18)}
    tensors.write(path, values)
    read = tensors._read

    def cut(*words):
        os.truncate(path, MIB)
        return read(*words)

    monkeypatch.setattr(tensors, "_read", cut)
    with pytest.raises(DataError, match=r"model\.safetensors was cut off while it was read"):
        tensors.load(path, {name: tensors.info_of(value) for name, value in values.items()})


def test_a_file_gone_or_cut_off_between_the_check_and_the_load_is_told(folder):
    found = find.find(folder)
    os.truncate(folder / MODEL, 1500)
    with pytest.raises(DataError, match=r"model\.safetensors is 1500 bytes long"):
        store.load(found)
    (folder / MODEL).unlink()
    with pytest.raises(DataError, match=r"model\.safetensors is missing"):
        store.load(found)


@pytest.mark.parametrize("name", [MODEL, OPTIMIZER])
def test_a_file_changed_between_the_check_and_the_load_is_told(folder, name):
    found = find.find(folder)
    raw = bytearray((folder / name).read_bytes())
    raw[-1] ^= 1
    (folder / name).write_bytes(raw)
    with pytest.raises(DataError, match=f"{name} was changed while it was read"):
        if name == MODEL:
            store.load(found)
        else:
            store.load_optimizer(folder, {"exp_avg.norm.weight": TensorInfo("F32", (8,))}, "cpu")


def test_what_was_loaded_stays_when_the_file_is_written_over_and_cut_off(folder):
    model = store.load(folder).model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with (folder / MODEL).open("r+b") as file:
        file.write(b"\1" * (folder / MODEL).stat().st_size)
    os.truncate(folder / MODEL, 0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    "expected",
    [
        {},
        {"exp_avg.norm.weight": ("F16", (8,))},
        {"exp_avg.norm.weight": ("F32", (9,))},
        {"other": ("F32", (8,))},
    ],
    ids=str,
)
def test_other_optimizer_states_than_expected_are_refused(folder, expected):
    expected = {name: TensorInfo(*info) for name, info in expected.items()}
    with pytest.raises(DataError, match=r"optimizer\.safetensors"):
        store.load_optimizer(folder, expected, "cpu")


def test_an_optimizer_state_that_is_not_listed_is_not_loaded(tmp_path):
    folder = saved(tmp_path, optimizer=False)
    tensors.write(folder / OPTIMIZER, {})
    with pytest.raises(DataError, match=r"is not listed in checkpoint\.json"):
        store.load_optimizer(folder, {}, "cpu")


WIDEST = {
    "transformer": {"d_model": 1 << 16, "n_head": 1024, "n_kv_head": 1024, "d_ff": 1 << 18},
    "mamba": {"d_model": 1 << 16, "expand": 16, "d_state": 1 << 12},
}


@pytest.mark.parametrize("deep", [{}, {"n_layer": 1024}], ids=["wide", "deep"])
@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("name", sorted(families()))
def test_a_config_that_claims_much_over_a_small_file_costs_nothing(tmp_path, name, wide, deep):
    values = to_dict(family(name).config())
    widest = WIDEST["transformer" if "d_ff" in values else "mamba"]
    values |= (widest if wide else {}) | deep
    folder = saved(tmp_path, family=name, config=values)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    refused(folder, r"safetensors (lacks|has|holds)|vocab_size", [store.load])
    assert time.perf_counter() - began < 10  # about a second where there are 1024 blocks
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 300 * MIB


@pytest.mark.parametrize(
    "changes",
    [
        {"config": {"n_layer": 1, "unheard_of": 1}}, {"config": {"rope": 1}},
        {"config": {"rope_base": 10**400}},
        {"config": {"norm_eps": -1e-5}}, {"step": 10**4200}, {"tags": {"a": [1]}}, {"metrics": {"a": 10**30}},
        {"environment": {"a": 1 << 64}}, {"variant": 10**4299},
    ],
    ids=lambda changes: str(changes)[:40],
)  # fmt: skip
def test_oddities_are_told_in_a_short_line(folder, changes):
    values = json.loads((folder / FILE).read_text())
    del values["digest"]
    (folder / FILE).write_text(manifest.write_text(values | changes))
    error = refused(folder, r"json|safetensors")
    assert "\n" not in error.message and len(error.message) < 500


def test_a_number_of_a_million_digits_is_refused_at_once(folder):
    text = (folder / FILE).read_text().replace('"step": 2', '"step": ' + "7" * 1_000_000)
    (folder / FILE).write_text(text)
    began = time.perf_counter()
    assert len(refused(folder, "too large a number").message) < 300
    assert time.perf_counter() - began < 2


def test_the_largest_header_allowed_is_refused_without_much_memory(folder):
    filling = b'{"a":{"b":' + b"[" * 20 + b"[],".join([b""] * (2 * MIB))[:-1] + b"]" * 20 + b"}}"
    (folder / MODEL).write_bytes(len(filling).to_bytes(8, "little") + filling)
    signed(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(folder, r"model\.safetensors has", [store.load])
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 500 * MIB


@pytest.mark.skipif(not HOSTILE, reason="needs ../shared/data")
@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.name)
def test_hostile_files_are_refused_as_they_are_and_in_the_place_of_the_weights(folder, path):
    with pytest.raises(BbyteError) as caught:
        store.load(path)
    assert caught.value.exit_code in (2, 3) and str(path) in caught.value.message
    for name in (MODEL, OPTIMIZER):
        shutil.copyfile(path, folder / name)
        signed(folder)
        find.verify(folder)
        with pytest.raises(DataError, match=name):
            if name == OPTIMIZER:
                store.load_optimizer(folder, {"exp_avg.norm.weight": TensorInfo("F32", (8,))}, "cpu")
            else:
                store.load(folder)
        saved(folder.parent, 2)
