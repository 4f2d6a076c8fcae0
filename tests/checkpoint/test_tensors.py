"""Our safetensors files are everybody's, and the gate refuses what is not one."""

import json
import random
from pathlib import Path

import pytest
import safetensors.torch
import torch
from safetensors import SafetensorError

from bbyte.checkpoint import tensors
from bbyte.checkpoint.tensors import TensorInfo
from bbyte.errors import DataError

EDGE = Path(__file__).parents[3] / "shared" / "data" / "safetensors-edge"
DTYPES = (
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
    torch.int8, torch.uint8, torch.bool,
)  # fmt: skip


def examples():
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randint(0, 100, (3, 5), generator=generator)
    whole = torch.randn(6, 8, generator=generator)
    return {
        **{f"of.{str(dtype).partition('.')[2]}": numbers.to(dtype) for dtype in DTYPES},
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 4),
        "transposed": whole.t(),
        "strided": whole[::2, ::3],
        "parameter": torch.nn.Parameter(whole.clone()),
        "not.finite": torch.tensor([float("nan"), float("inf"), -0.0]),
    }


def infos(values):
    return {name: tensors.info_of(value) for name, value in values.items()}


def same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].dtype == other[name].dtype and one[name].shape == other[name].shape
        raw = [
            value.detach().contiguous().reshape(-1).view(torch.uint8) for value in (one[name], other[name])
        ]
        assert torch.equal(*raw)


def test_what_we_write_everybody_reads(tmp_path):
    path, values = tmp_path / "a.safetensors", examples()
    entry = tensors.write(path, values)
    assert entry["bytes"] == path.stat().st_size
    same(safetensors.torch.load_file(path), values)
    assert tensors.read_header(path) == infos(values)
    same(tensors.load(path, infos(values)), values)


def test_what_everybody_writes_we_read(tmp_path):
    path = tmp_path / "a.safetensors"
    values = {name: value.detach().contiguous() for name, value in examples().items()}
    safetensors.torch.save_file(values, path, metadata={"format": "pt"})
    same(tensors.load(path, infos(values)), values)


def test_no_tensors_at_all(tmp_path):
    path = tmp_path / "a.safetensors"
    tensors.write(path, {})
    assert tensors.read_header(path) == {} and safetensors.torch.load_file(path) == {}


def test_the_digest_is_that_of_the_file(tmp_path):
    from blake3 import blake3

    path = tmp_path / "a.safetensors"
    assert tensors.write(path, examples())["blake3"] == blake3(path.read_bytes()).hexdigest()


def test_a_file_is_never_written_over(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        tensors.write(path, examples())
    assert path.read_bytes() == b"precious"


@pytest.mark.skipif(not EDGE.is_dir(), reason="needs ../shared/data/safetensors-edge")
@pytest.mark.parametrize("name", sorted(path.name for path in EDGE.glob("bad_*")) or ["none"])
def test_what_the_format_forbids_is_refused(name):
    with pytest.raises(DataError, match=name):
        tensors.read_header(EDGE / name)


@pytest.mark.skipif(not EDGE.is_dir(), reason="needs ../shared/data/safetensors-edge")
@pytest.mark.parametrize("name", sorted(path.name for path in EDGE.glob("ok_*")) or ["none"])
def test_what_the_format_allows_is_read(name):
    found = tensors.read_header(EDGE / name)
    same(tensors.load(EDGE / name, found), safetensors.torch.load_file(EDGE / name))


def raw_file(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\0" * 7, b"\0" * 8, b"\xff" * 8, (1 << 40).to_bytes(8, "little") + b"{}", raw_file([]),
        raw_file(b"null"), raw_file(b"[" * 100_000), raw_file(b'{"a":' * 20_000), raw_file(b"\xff\xff"),
        raw_file({"a": 1}), raw_file({"a": {}}), raw_file({"a": None}, b"\0" * 8),
        raw_file({"a": {**ONE, "dtype": "F31"}}, b"\0" * 8),
        raw_file({"a": {**ONE, "dtype": ["F32"]}}, b"\0" * 8),
        raw_file({"a": {**ONE, "dtype": {"F32": 1}}}, b"\0" * 8),
        raw_file({"a": {**ONE, "dtype": None}}, b"\0" * 8),
        raw_file({"a": {**ONE, "shape": None}}, b"\0" * 8), raw_file({"a": {**ONE, "shape": 2}}, b"\0" * 8),
        raw_file({"a": {**ONE, "shape": [2.0]}}, b"\0" * 8),
        raw_file({"a": {**ONE, "shape": [True, 2]}}, b"\0" * 8),
        raw_file({"a": {**ONE, "shape": [-2, -1]}}, b"\0" * 8),
        raw_file({"a": {**ONE, "shape": [1] * 9 + [2]}}, b"\0" * 8),
        raw_file({"a": {**ONE, "shape": [1 << 62, 1 << 62]}}, b"\0" * 8),
        raw_file({"a": {**ONE, "data_offsets": [0, 8.0]}}, b"\0" * 8),
        raw_file({"a": {**ONE, "data_offsets": [0]}}, b"\0" * 8),
        raw_file({"a": {**ONE, "data_offsets": [8, 0]}}, b"\0" * 8),
        raw_file({"a": {**ONE, "data_offsets": [-8, 0]}}, b"\0" * 8),
        raw_file({"a": {**ONE, "data_offsets": [1, 9]}}, b"\0" * 9),
        raw_file({"a": {**ONE, "more": 1}}, b"\0" * 8),
        raw_file({"a": ONE, "b": ONE}, b"\0" * 8), raw_file({"a": ONE}, b"\0" * 9),
        raw_file({"a": ONE}, b"\0" * 7),
        raw_file(b'{"a": %s, "a": %s}' % ((json.dumps(ONE).encode(),) * 2), b"\0" * 8),
        raw_file({"": ONE}, b"\0" * 8), raw_file({"a b": ONE}, b"\0" * 8), raw_file({"a/b": ONE}, b"\0" * 8),
        raw_file({"a" * 201: ONE}, b"\0" * 8),
        raw_file({"a\n": ONE}, b"\0" * 8), raw_file({"\ud800": ONE}, b"\0" * 8),
        raw_file({"__metadata__": 3}), raw_file({"__metadata__": {"a": 1}}), raw_file({"__metadata__": None}),
        raw_file({"__metadata__": ["a"]}),
        raw_file(b'{"a": {"dtype": "F32", "shape":[' + b"9" * 5000 + b'],"data_offsets":[0,8]}}', b"\0" * 8),
    ],
    ids=lambda raw: repr(raw[8:70]),
)  # fmt: skip
def test_a_header_that_is_none_is_refused(tmp_path, raw):
    path = tmp_path / "a.safetensors"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"a\.safetensors"):
        tensors.read_header(path)


def test_an_impossible_shape_is_told_in_a_short_line(tmp_path):
    for shape in ([-1] * 8, [10**4000]):
        entry = {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}
        text = json.dumps({"a": entry}).encode()
        (tmp_path / "a.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
        with pytest.raises(DataError, match="impossible shape") as refused:
            tensors.read_header(tmp_path / "a.safetensors")
        assert len(refused.value.message) < 200 + len(str(tmp_path))


def test_a_header_beyond_8_mib_is_refused_unread(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(raw_file(b"{}" + b" " * (8 << 20)))
    with pytest.raises(DataError, match="has no safetensors header"):
        tensors.read_header(path)


def test_other_names_types_or_shapes_than_expected_are_refused(tmp_path):
    path, values = tmp_path / "a.safetensors", {"a": torch.zeros(2, 3), "b": torch.zeros(4)}
    tensors.write(path, values)
    good = infos(values)
    with pytest.raises(DataError, match="lacks tensor 'c'"):
        tensors.load(path, {**good, "c": TensorInfo("F32", (1,))})
    with pytest.raises(DataError, match="has the unexpected tensor 'b'"):
        tensors.load(path, {"a": good["a"]})
    for wrong in (TensorInfo("F16", (2, 3)), TensorInfo("F32", (3, 2)), TensorInfo("F32", (6,))):
        with pytest.raises(DataError, match="holds 'a' as"):
            tensors.load(path, {**good, "a": wrong})


def test_nothing_is_read_of_a_file_that_does_not_fit(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    tensors.write(path, {"a": torch.zeros(4)})
    monkeypatch.setattr(tensors, "_read", lambda *a, **k: pytest.fail("data was read"))
    with pytest.raises(DataError):
        tensors.load(path, {"a": TensorInfo("F32", (5,))})


@pytest.mark.parametrize("count", [600, pytest.param(20_000, marks=pytest.mark.slow)])
def test_what_passes_the_gate_loads_and_what_does_not_is_a_data_error(tmp_path, count):
    """Random damage to the header: no other error escapes, and what is let in is a safetensors file."""
    path = tmp_path / "a.safetensors"
    values = {"a.weight": torch.zeros(2, 3), "b": torch.ones(4, dtype=torch.int8), "c": torch.tensor(1.0)}
    tensors.write(path, values)
    good, rng, passed = path.read_bytes(), random.Random(count), 0
    header_end = 8 + int.from_bytes(good[:8], "little")
    for _ in range(count):
        mutant = bytearray(good)
        for _ in range(rng.choice([1, 1, 2, 4])):
            at = rng.randrange(header_end)
            match rng.randrange(4):
                case 0:
                    mutant[at] ^= 1 << rng.randrange(8)
                case 1:
                    mutant[at] = rng.choice(b'0123456789"{}[],:IFU')
                case 2:
                    mutant.insert(at, rng.choice(b'0123456789"{}[],: '))
                case 3:
                    del mutant[at]
        path.write_bytes(mutant)
        try:
            found = tensors.read_header(path)
        except DataError:
            continue
        passed += 1
        try:
            assert safetensors.torch.load_file(path).keys() == found.keys()
        except SafetensorError as error:
            pytest.fail(f"let in {bytes(mutant[8:header_end])!r}: {error}")
    assert passed < count / 4
