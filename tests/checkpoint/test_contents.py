"""What a checkpoint says of itself, without its weights."""

import os
import shutil

import pytest
import torch
from every_family import model_of, saved

from bbyte.checkpoint import contents, find, listing, matrices, meta
from bbyte.checkpoint.export.packed import export_packed
from bbyte.errors import DataError, UsageError
from bbyte.models.families import families
from bbyte.quantization.ternary import ternarize

FAMILIES = list(families())


@pytest.mark.parametrize("name", FAMILIES)
def test_parameters_and_parts_are_those_of_the_model(tmp_path, name):
    found = contents.read(saved(tmp_path, name))
    model = model_of(name)
    sizes = {key: value.numel() for key, value in model.state_dict().items()}
    assert found.parameters == sum(sizes.values()) == sum(p.numel() for p in model.parameters())
    outside = sum(n for key, n in sizes.items() if "embed" in key or "head" in key)
    assert outside and found.inner_parameters == found.parameters - outside
    parts = {part.name: part for part in found.parts}
    assert contents.OTHER not in parts, "a tensor of a family fits no part"
    assert parts["norms"].parameters == sum(n for key, n in sizes.items() if "norm" in key)
    assert sum(part.bytes for part in found.parts) == 4 * found.parameters
    assert found.dtypes == {"F32": found.parameters}


@pytest.mark.parametrize("name", FAMILIES)
def test_whether_figures_are_bounds_is_known_without_torch(name):
    family = families()[name]
    objective = family.objective(model_of(name), family.objective_config())
    assert family.is_bound == bool(objective.is_bound)


def test_a_name_that_fits_no_part():
    assert contents.part_of("layers.0.gate.weight") == contents.OTHER
    assert contents.part_of("layers.0.self_attn.attn_sub_norm.weight") == "norms"
    assert contents.part_of("backbone.layers.0.mixer.A_log") == "mixer"
    assert contents.part_of("lm_head.weight") == contents.HEAD


def test_ternary_statistics_by_hand(tmp_path):
    found = contents.read(saved(tmp_path, "ar"))
    state = model_of("ar").state_dict()
    trits = {one.name: ternarize(state[f"{one.name}.weight"]) for one in found.matrices}
    weights = sum(trit.numel() for trit, _ in trits.values())
    whole = matrices.spread(found.matrices)
    assert whole.zeros == pytest.approx(sum((t == 0).sum().item() for t, _ in trits.values()) / weights)
    scales = sorted(float(scale) for _, scale in trits.values())
    assert (whole.smallest_scale, whole.largest_scale) == pytest.approx((scales[0], scales[-1]))
    assert whole.median_scale == pytest.approx((scales[6] + scales[7]) / 2) and len(scales) == 14
    packed = sum(-(-trit.numel() // 4) + 2 for trit, _ in trits.values())
    assert found.packed_bytes == packed + 2 * (found.parameters - weights)


def test_a_row_a_layer(tmp_path):
    columns, rows = matrices.by_layer(contents.read(saved(tmp_path, "ar")).matrices)
    assert columns == ["q", "k", "v", "o", "gate", "up", "down"]
    assert [layer for layer, _ in rows] == ["0", "1"] and all(all(row) for _, row in rows)
    assert rows[1][1][4].name == "layers.1.mlp.gate_proj"


def test_layers_with_unlike_matrices_leave_gaps():
    names = ("first", "layers.0.a.x", "layers.1.b.x")
    found = matrices.matrices(
        {name: {"zeros": 0.5, "scale": 1.0} for name in names}, dict.fromkeys(names, (2, 2))
    )
    columns, rows = matrices.by_layer(found)
    assert columns == ["first", "a.x", "b.x"]
    assert [(layer, [cell is not None for cell in row]) for layer, row in rows] == [
        ("", [True, False, False]), ("0", [False, True, False]), ("1", [False, False, True])
    ]  # fmt: skip


def test_statistics_of_a_matrix_that_is_not_there_are_refused():
    with pytest.raises(DataError, match="not there"):
        matrices.matrices({"gone": {"zeros": 0.5, "scale": 1.0}}, {"there": (2, 2)})


@pytest.mark.parametrize("trits_a_byte", [4, 5])
def test_a_packed_model_has_as_many_parameters_as_before(tmp_path, trits_a_byte):
    folder = saved(tmp_path / "run", "ar")
    packed = export_packed(find.find(folder), tmp_path / "packed", trits_a_byte=trits_a_byte)
    before, after = contents.read(folder), contents.read(packed)
    assert after.parameters == before.parameters and after.inner_parameters == before.inner_parameters
    assert after.matrices == before.matrices and after.packed_bytes is None
    assert after.dtypes == {"F32": after.dtypes["F32"], "trits": sum(one.size for one in after.matrices)}
    assert sum(part.bytes for part in after.parts) < after.files["model.safetensors"]


def test_full_precision_has_no_statistics(tmp_path):
    found = contents.read(saved(tmp_path, "diffusion"))
    assert not found.matrices and found.packed_bytes is None


@pytest.mark.parametrize("inside", ["", "checkpoint.json", "model.safetensors"])
def test_a_path_means_its_checkpoint(tmp_path, inside):
    folder = saved(tmp_path, "ar")
    assert contents.read(folder / inside).path == folder


def test_a_run_means_its_newest_that_can_be_read(tmp_path):
    for step in (1, 2, 10):
        saved(tmp_path, "ar", step)
    assert contents.read(tmp_path).meta.step == 10
    (tmp_path / "step-0000010" / "model.safetensors").write_bytes(b"")
    found = contents.read(tmp_path)
    assert found.meta.step == 2 and "0 bytes long" in found.skipped[0][1]
    for step in (1, 2):
        (tmp_path / f"step-000000{step}" / "checkpoint.json").write_text("{")
    with pytest.raises(DataError, match="none of its 3 checkpoints is intact"):
        contents.read(tmp_path)


def test_where_there_is_none(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        contents.read(tmp_path / "gone")
    with pytest.raises(UsageError, match="holds no checkpoint"):
        contents.read(tmp_path)
    (tmp_path / "old.pt").write_bytes(b"x")
    with pytest.raises(UsageError, match="checkpoint of earlier scripts"):
        contents.read(tmp_path / "old.pt")


def damage_size(folder):
    (folder / "model.safetensors").write_bytes(b"x")


def damage_missing(folder):
    (folder / "model.safetensors").unlink()


def damage_pipe(folder):
    damage_missing(folder)
    os.mkfifo(folder / "model.safetensors")


def damage_folder(folder):
    damage_missing(folder)
    (folder / "model.safetensors").mkdir()


def damage_circle(folder):
    damage_missing(folder)
    (folder / "model.safetensors").symlink_to("model.safetensors")


def damage_json(folder):
    (folder / "checkpoint.json").write_bytes(b"\xff\xfe{}")


def damage_json_pipe(folder):
    (folder / "checkpoint.json").unlink()
    os.mkfifo(folder / "checkpoint.json")


def damage_header(folder):
    path = folder / "model.safetensors"
    path.write_bytes(b"\xff" * path.stat().st_size)


DAMAGES = [
    damage_size, damage_missing, damage_pipe, damage_folder, damage_circle, damage_json, damage_json_pipe,
    damage_header,
]  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="needs pipes")
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_in_a_sentence(tmp_path, damage):
    folder = saved(tmp_path, "ar")
    damage(folder)
    with pytest.raises(DataError, match="step-0000001"):
        contents.read(folder)


def test_the_list_takes_what_lies_at_any_depth(tmp_path):
    saved(tmp_path / "a", "ar", 1)
    saved(tmp_path / "deep" / "down" / "b", "mamba", 2)
    saved(tmp_path / ".hidden", "ar", 3)
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "deep" / "old.pt").write_bytes(b"never opened")
    found = listing.listing(tmp_path)
    assert {one.path.relative_to(tmp_path).as_posix() for one in found.checkpoints} == {
        "a/step-0000001", "deep/down/b/step-0000002"
    }  # fmt: skip
    assert found.legacy == (tmp_path / "deep" / "old.pt",)


def test_the_list_leaves_out_what_was_set_aside(tmp_path):
    folder = saved(tmp_path, "ar")
    shutil.copytree(folder, folder.with_suffix(".old"))
    assert [one.path for one in listing.listing(tmp_path).checkpoints] == [folder]
    folder.rename(tmp_path / ".tmp-step-0000001")
    assert [one.path.name for one in listing.listing(tmp_path).checkpoints] == ["step-0000001.old"]


def test_the_list_is_newest_first_and_names_damage(tmp_path):
    for age, step in enumerate((3, 1, 2)):
        folder = saved(tmp_path, "ar", step)
        os.utime(folder / meta.FILE, (1e9 - age, 1e9 - age))
    (tmp_path / "step-0000001" / "model.safetensors").write_bytes(b"")
    found = listing.listing(tmp_path).checkpoints
    assert [one.path.name[-1] for one in found] == ["3", "1", "2"]
    assert [bool(one.problem) for one in found] == [False, True, False]
    assert found[0].bytes == sum(file.stat().st_size for file in found[0].path.iterdir())


def test_the_best_of_those_that_compare(tmp_path):
    def one(name, bpb, step=1, family="ar", **changes):
        metrics = {"val_bpb": bpb, "val_step": changes.pop("val_step", step), "best_bpb": None}
        folder = saved(tmp_path / name, family, step, metrics=metrics, **changes)
        return str(folder.relative_to(tmp_path))

    one("worse", 3.0)
    one("earlier", 1.0, val_step=0)  # the figure is of another step
    one("start", 1.0, quantized=False)  # of a ternary run
    one("unmeasured", None)
    expected = {one("better", 2.0), one("bound", 2.5, family="diffusion")}
    other = {"path": "p", "size": 9, "fingerprint": "cd", "val_fraction": 0.1}
    expected |= {one("elsewhere", 4.0, corpus=other)}
    found = listing.best(listing.listing(tmp_path).checkpoints)
    assert {str(path.relative_to(tmp_path)) for path in found} == expected


def test_types_are_counted_apart(tmp_path):
    state = {key: value.to(torch.bfloat16) for key, value in model_of("ar").state_dict().items()}
    state["norm.weight"] = state["norm.weight"].float()
    found = contents.read(saved(tmp_path, "ar", state=state))
    assert found.dtypes == {"BF16": found.parameters - 32, "F32": 32}


def test_the_list_has_what_only_ends_like_a_checkpoint_set_aside(tmp_path):
    folder = saved(tmp_path, "ar")
    for name in ("best", "best.old"):
        shutil.copytree(folder, tmp_path / name)
    names = {one.path.name for one in listing.listing(tmp_path).checkpoints}
    assert names == {"best", "best.old", "step-0000001"}


def test_a_number_of_thousands_of_digits_is_no_layer():
    name = f"layers.{'1' * 5000}.x"
    (found,) = matrices.matrices({name: {"zeros": 0.5, "scale": 1.0}}, {name: (2, 2)})
    assert (found.layer, found.place) == (None, name)
