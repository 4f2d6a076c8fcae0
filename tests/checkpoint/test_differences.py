"""In what two checkpoints differ, beside torch's own answer."""

import math

import pytest
import torch
from every_family import model_of, saved

from bbyte.checkpoint import contents, find
from bbyte.checkpoint import differences as module
from bbyte.checkpoint.differences import differences, to_compare
from bbyte.checkpoint.export.packed import export_packed
from bbyte.checkpoint.meta import MODEL
from bbyte.errors import DataError
from bbyte.models.families import families

TYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def pair(folder, name, one, other, **changes):
    return (
        contents.read(saved(folder / "one", name, state=one)),
        contents.read(saved(folder / "other", name, state=other, **changes)),
    )


def moved(state, seed=1):
    torch.manual_seed(seed)
    return {key: value + 0.1 * torch.randn_like(value) for key, value in state.items()}


def distance(one, other, names):
    difference = sum((other[name].double() - one[name].double()).square().sum().item() for name in names)
    return math.sqrt(difference / sum(one[name].double().square().sum().item() for name in names))


@pytest.mark.parametrize("name", families())
def test_how_far_weights_moved(tmp_path, name, monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", 37)  # blocks that no tensor is a multiple of
    one = moved(model_of(name).state_dict(), seed=2)  # some begin as zeros
    other = moved(one)
    found = differences(*pair(tmp_path, name, one, other))
    assert not found.same_weights and {change.name for change in found.changes} == set(one)
    for change in found.changes:
        assert change.relative == pytest.approx(distance(one, other, [change.name]), rel=1e-12)
    for part in found.parts:
        names = [key for key in one if contents.part_of(key) == part.name]
        assert part.relative == pytest.approx(distance(one, other, names), rel=1e-12)
    assert found.total.relative == pytest.approx(distance(one, other, one), rel=1e-12)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("into", TYPES, ids=str)
def test_every_type_of_number(tmp_path, dtype, into):
    one = {key: value.to(dtype) for key, value in model_of("ar").state_dict().items()}
    other = {key: value.to(into) for key, value in moved(one).items()}
    found = differences(*pair(tmp_path, "ar", one, other))
    assert found.total.relative == pytest.approx(distance(one, other, one), rel=1e-12)
    assert len(found.reshaped) == (0 if dtype == into else len(one))


def test_the_same_weights_are_not_read(tmp_path):
    one, other = pair(tmp_path, "ar", None, None, step=2, tags={"note": "x"})
    (one.path / MODEL).unlink()
    found = differences(one, other)
    assert found.same_weights and not found.changes and to_compare(one, other) == 0
    assert {name: (a, b) for name, a, b in found.settings} == {
        "step": (1, 2), "bytes_seen": (10, 20), "tags.note": ("é\ud800", "x")
    }  # fmt: skip


def test_tensors_of_one_only_and_of_another_shape(tmp_path):
    one = model_of("ar").state_dict()
    other = {key: value for key, value in one.items() if key != "norm.weight"}
    other["lm_head.weight"] = torch.zeros(3, 5)
    other["extra"] = torch.zeros(2)
    found = differences(*pair(tmp_path, "ar", one, other))
    assert found.only_first == ("norm.weight",) and found.only_second == ("extra",)
    assert [(name, there.shape) for name, _, there in found.reshaped] == [("lm_head.weight", (3, 5))]
    assert found.total.difference == 0 and len(found.changes) == len(one) - 2


def test_from_zero_and_not_finite(tmp_path):
    one = model_of("ar").state_dict()
    other = dict(one)
    one["norm.weight"] = torch.zeros(32)
    other["lm_head.weight"] = torch.full_like(one["lm_head.weight"], math.nan)
    other["layers.0.input_layernorm.weight"] = torch.full_like(
        one["layers.0.input_layernorm.weight"], math.inf
    )
    changes = {change.name: change for change in differences(*pair(tmp_path, "ar", one, other)).changes}
    assert math.isinf(changes["norm.weight"].relative)
    assert math.isnan(changes["lm_head.weight"].relative)
    assert math.isnan(changes["layers.0.input_layernorm.weight"].relative)
    assert changes["embed_tokens.weight"].relative == 0


def test_progress_comes_to_what_was_announced(tmp_path):
    one = model_of("ar").state_dict()
    both = pair(tmp_path, "ar", one, moved(one))
    told = []
    differences(*both, told.append)
    assert told == sorted(told) and told[-1] == to_compare(*both)


def test_damaged_weights_are_not_compared(tmp_path):
    one = model_of("ar").state_dict()
    both = pair(tmp_path, "ar", one, moved(one))
    path = both[1].path / MODEL
    good = path.read_bytes()
    for bad in (good[:-100], good[:-1] + bytes([good[-1] ^ 1])):
        path.write_bytes(bad)
        with pytest.raises(DataError, match="does not match the digest"):
            differences(*both)


def test_trits_are_compared_by_digest_alone(tmp_path):
    one = moved(model_of("ar").state_dict(), seed=2)
    resumed = [saved(tmp_path / part, "ar", state=state) for part, state in (("a", one), ("b", moved(one)))]
    packed = [export_packed(find.find(path), tmp_path / f"p{n}") for n, path in enumerate(resumed)]
    first, second = (contents.read(path) for path in packed)
    found = differences(first, second)
    assert not found.same_weights and not found.reshaped
    names = {change.name for change in found.changes}
    assert names and not any(name.endswith(".trits") for name in names)
    assert to_compare(first, second) == sum(
        4 * math.prod(info.shape) for name, info in first.tensors.items() if not name.endswith(".trits")
    )
    assert not any(
        "matrices" in name for name, _, _ in differences(contents.read(resumed[0]), first).settings
    )
