"""Converted BitByte models compute what BitByte's own did, old quantizer included."""

import bitbyte_reference
import legacy_files
import pytest
import torch
from blake3 import blake3

from bbyte.checkpoint import find, meta, store, tagging
from bbyte.checkpoint.legacy import bitbyte
from bbyte.checkpoint.legacy.convert import described, longest_window
from bbyte.checkpoint.legacy.extract import Extracted
from bbyte.checkpoint.tensors import info_of
from bbyte.errors import DataError, UsageError
from bbyte.quantization.ternary import ternarize

SIZES = {"n_layer": 3, "d_model": 48, "n_head": 6, "d_ff": 80}


def converted(path, **asked):
    planned = tagging.plan(path, **asked)
    if planned.problem:
        raise planned.problem
    return tagging.apply(planned)


@pytest.mark.parametrize(
    ("act_quant", "n_kv_head", "seed"), [(True, None, 0), (True, 2, 1), (True, 1, 2), (False, 3, 3)]
)
def test_ar_models_give_the_same_logits(tmp_path, act_quant, n_kv_head, seed):
    path = tmp_path / "ckpt.pt"
    args = {"no_act_quant": not act_quant}
    weights = legacy_files.bitbyte(path, **SIZES, n_kv_head=n_kv_head, args=args, seed=seed)
    before = blake3(path.read_bytes()).hexdigest()
    step = converted(path)
    assert step == tmp_path / "ckpt" / "step-0002000"
    assert blake3(path.read_bytes()).hexdigest() == before
    loaded = store.load(step)
    assert (loaded.meta.family, loaded.meta.variant, loaded.meta.step) == ("ar", "ternary", 2000)
    tokens = torch.randint(0, 256, (3, 40), generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        ours = loaded.model(tokens)
        theirs = bitbyte_reference.logits(weights, tokens, n_head=6, act_quant=act_quant)
    assert theirs.std() > 0.01
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("head", ["own", "tied"])
def test_diffusion_models_that_are_not_told_the_time_give_the_same_logits(tmp_path, head):
    path = tmp_path / "ckpt_diffusion.pt"
    weights = legacy_files.diffusion(path, **SIZES)
    if head == "tied":
        content = torch.load(path, weights_only=True)
        content["model"]["lm_head.weight"] = weights["lm_head.weight"] = weights["tok_emb.weight"][:256]
        torch.save(content, path)
    loaded = store.load(converted(path))
    assert loaded.meta.family == "diffusion" and loaded.meta.config["tied"] == (head == "tied")
    tokens = torch.randint(0, 257, (2, 30), generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        theirs = bitbyte_reference.logits(weights, tokens, n_head=6, causal=False)
        torch.testing.assert_close(loaded.model(tokens), theirs, atol=1e-5, rtol=1e-5)


def test_what_was_saved_is_what_the_file_said(tmp_path):
    path = tmp_path / "ckpt.pt"
    legacy_files.bitbyte(
        path, **SIZES, args={"seq_len": 1024}, tags={"variant": "ar", "model_family": "bitbyte"}
    )
    about = find.find(converted(path)).meta
    assert about.context == 1024 and about.quantized
    assert about.config["norm_eps"] == 1e-6 and not about.config["sub_norm"]
    assert about.tags["source"] == "ckpt.pt" and about.tags["script"] == "BitByte"
    assert about.tags["source_blake3"] == blake3(path.read_bytes()).hexdigest()
    assert about.tags["legacy_model_family"] == "bitbyte" and about.tags["bytes_seen"] == "unknown"
    assert len(about.ternary) == 3 * 7
    assert about.corpus == {"path": "data/shard_*.bin", "size": 0, "fingerprint": ""}


def test_converting_twice_does_nothing_and_a_place_that_is_taken_is_left_alone(tmp_path):
    path = tmp_path / "ckpt.pt"
    legacy_files.bitbyte(path, **SIZES)
    step = converted(path)
    written = (step / meta.FILE).stat().st_mtime_ns
    again = tagging.plan(path)
    assert again.done == step and again.target is None and tagging.apply(again) is None
    assert (step / meta.FILE).stat().st_mtime_ns == written
    legacy_files.bitbyte(path, **SIZES, seed=7)
    assert isinstance(tagging.plan(path).problem, UsageError)
    assert tagging.apply(tagging.plan(path)) is None
    assert (step / meta.FILE).stat().st_mtime_ns == written


def test_forcing_a_family_its_weights_are_not_of_writes_nothing(tmp_path):
    path = tmp_path / "ckpt.pt"
    legacy_files.bitbyte(path)
    planned = tagging.plan(path, family="diffusion", force=True)
    assert planned.family == "diffusion" and planned.target
    with pytest.raises(DataError, match=r"embed_tokens.weight is \(256, 16\), expected \(257, 16\)"):
        tagging.apply(planned)
    with pytest.raises(UsageError, match=r"ckpt\.pt is no model of family mamba: its settings: unknown"):
        tagging.apply(tagging.plan(path, family="mamba", force=True))
    assert [entry.name for entry in tmp_path.iterdir()] == ["ckpt.pt"]


@pytest.mark.parametrize(
    ("part", "values", "message"),
    [
        ("args", {"rope_base": "abc"}, "rope_base 'abc'"),
        ("args", {"seq_len": 10**15}, "windows of 1,000,000,000,000,000 bytes"),
        ("model", {"lm_head.weight": torch.tensor(1.0)}, "no matrix lm_head"),
        ("model", {"tok_emb.weight": torch.tensor(1.0)}, "no matrix tok_emb"),
        ("model", {"tok_emb.weight": torch.ones(128, 16)}, "128 rows"),
        ("model", {"blocks.1.mlp.gate_up.weight": torch.ones(1, 16)}, "two halves"),
        ("model", {"blocks.1.mlp.gate_up.weight": torch.tensor(1.0)}, "two halves"),
        ("model", {"blocks.1.mlp.gate_up.weight": torch.full((48, 16), 3e38)}, "too large"),
        ("model", {"norm_f.weight": torch.full((16,), 1e300, dtype=torch.float64)}, "32 bits"),
    ],
)
def test_what_makes_no_model_is_refused_in_a_sentence(tmp_path, part, values, message):
    path = tmp_path / "ckpt.pt"
    legacy_files.bitbyte(path)
    content = torch.load(path, weights_only=True)
    content[part].update(values)
    weights = content["model"]
    found = Extracted(
        path, ("args", "model"), "model", {name: info_of(value) for name, value in weights.items()}, {},
        content["args"], {"step": 5}, {}, None, None,
    )  # fmt: skip
    with pytest.raises(DataError, match=rf"ckpt\.pt: .*{message}"):
        described(found, weights, "ar", {})


def test_settings_of_other_types_that_say_the_same_are_taken(tmp_path):
    path = tmp_path / "ckpt.pt"
    legacy_files.bitbyte(path, step=2000.0)
    content = torch.load(path, weights_only=True)
    content["args"]["rope_base"] = None
    torch.save(content, path)
    assert converted(path).name == "step-0002000"


def test_a_file_that_changes_between_plan_and_conversion_is_refused(tmp_path):
    path = tmp_path / "ckpt.pt"
    legacy_files.bitbyte(path)
    planned = tagging.plan(path)
    legacy_files.bitbyte(path, seed=7)
    with pytest.raises(DataError, match="not what it was a moment ago"):
        tagging.apply(planned)
    assert [entry.name for entry in tmp_path.iterdir()] == ["ckpt.pt"]


def test_of_two_at_once_one_converts_and_the_other_leaves_it_alone(tmp_path):
    path = tmp_path / "ckpt.pt"
    legacy_files.bitbyte(path)
    planned = tagging.plan(path)
    step = tagging.apply(planned)
    written = (step / meta.FILE).stat().st_mtime_ns
    with pytest.raises(UsageError, match="is there already"):
        tagging.apply(planned)
    assert (step / meta.FILE).stat().st_mtime_ns == written
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["ckpt", "ckpt.pt"]


def test_what_a_killed_conversion_left_is_in_nobodys_way(tmp_path):
    path = tmp_path / "ckpt.pt"
    legacy_files.bitbyte(path)
    (tmp_path / ".tmp-legacy-x" / "ckpt" / ".tmp-step-0002000").mkdir(parents=True)
    (tmp_path / "ckpt").mkdir()  # empty: nothing is lost
    assert tagging.candidates(tmp_path) == [path]
    assert converted(path) == tmp_path / "ckpt" / "step-0002000"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("blocks.1.attn.v_proj.weight", r"lacks layers.1.self_attn.v_proj"),
        ("blocks.1.attn.extra.weight", r"holds blocks.1.attn.extra"),
    ],
)
def test_weights_that_lack_one_or_hold_another_are_refused(tmp_path, changed, message):
    path = tmp_path / "ckpt.pt"
    legacy_files.bitbyte(path)
    content = torch.load(path, weights_only=True)
    if content["model"].pop(changed, None) is None:
        content["model"][changed] = torch.ones(3)
    torch.save(content, path)
    with pytest.raises(DataError, match=message):
        converted(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["ckpt.pt"]


@pytest.mark.parametrize("spread", [0.0, 0.3, 3.0])
def test_gate_and_up_keep_the_trits_and_the_scale_they_had_together(spread):
    generator = torch.Generator().manual_seed(3)
    gate, up = torch.randn(64, 32, generator=generator), torch.randn(64, 32, generator=generator)
    whole = torch.cat((gate, up * (1 + spread)))
    gamma = whole.abs().mean()
    for half, fits in zip(whole.chunk(2), bitbyte.fitted("gate_up", whole, whole.chunk(2)), strict=True):
        trits, scale = ternarize(fits)
        assert torch.equal(trits, (half / gamma).clamp(-1, 1).round())
        assert float(scale) == pytest.approx(float(gamma), rel=1e-6)
        # The latents stay near: training could go on from them.
        assert torch.corrcoef(torch.stack((half.flatten(), fits.flatten())))[0, 1] > 0.85


@pytest.mark.parametrize(
    "half",
    [
        torch.zeros(4, 4),
        torch.full((4, 4), 1e-3),
        torch.eye(4) * 50,
        torch.full((4, 4), 0.5000001) * (torch.arange(16).view(4, 4) % 2 * 2 - 1),
        torch.cat((torch.full((2, 4), 0.4999999), torch.full((2, 4), 0.51))),
    ],
    ids=["zeros", "small", "one a row", "at the border", "around the border"],
)
def test_halves_of_any_kind_are_fitted(half):
    whole = torch.cat((half, torch.ones(4, 4) * 2 - half.abs()))
    gamma = whole.abs().mean()
    for part, fits in zip(whole.chunk(2), bitbyte.fitted("gate_up", whole, whole.chunk(2)), strict=True):
        trits, scale = ternarize(fits)
        wanted = (part / gamma).clamp(-1, 1).round()
        torch.testing.assert_close(trits * scale, wanted * gamma, rtol=1e-5, atol=0)


def test_a_scale_below_our_smallest_is_refused_and_zeros_are_not():
    small = torch.full((4, 4), 1e-7)
    with pytest.raises(DataError, match="below the smallest"):
        bitbyte.fitted("w", small, (small,))
    zeros = torch.zeros(4, 4)
    assert torch.equal(bitbyte.fitted("w", zeros, (zeros,))[0], zeros)


@pytest.mark.parametrize(
    ("settings", "step", "window"),
    [
        ({"seq_len": 1024, "steps": 100}, 99, 1024),
        ({"steps": 100}, 0, 2048),
        ({"steps": 100}, 19, 2048),
        ({"steps": 100}, 20, 4096),
        ({"steps": 100}, 50, 8192),
        ({"steps": 100, "seq_len_cap": 3000}, 99, 3000),
        ({}, 5, 8192),
    ],
)
def test_the_longest_window_is_that_of_the_old_curriculum(settings, step, window):
    assert longest_window(settings, step) == window
