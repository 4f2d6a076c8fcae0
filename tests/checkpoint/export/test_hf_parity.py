"""What transformers computes from an export is what we compute: logits, and the text written."""

import pytest
import torch
from hf_models import CONTEXT, KINDS, PROMPTS, built, randomised, saved, trained
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.integrations import bitnet

from bbyte.checkpoint import store
from bbyte.checkpoint.export.hf import export_hf
from bbyte.checkpoint.export.packed import export_packed
from bbyte.checkpoint.find import find
from bbyte.generation.sampling import Sampling
from bbyte.generation.stream import generate
from bbyte.quantization.activations import Int8Activations

CLOSE = 1e-4
WRITTEN = 100


@pytest.fixture(autouse=True)
def eager():
    """BitNet's quantizers compile themselves: minutes of compilation, for the same numbers."""
    with torch.compiler.set_stance("force_eager"):
        yield


def exported(found, target, weights):
    if weights in ("packed", "online"):
        pytest.importorskip("accelerate", reason="transformers loads no quantized BitNet without it")
        return export_hf(found, target, weights=weights)
    return export_hf(found, target)


def theirs(folder):
    model, said = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, trust_remote_code=False, output_loading_info=True
    )
    assert not said["missing_keys"] and not said["unexpected_keys"] and not said["mismatched_keys"]
    return model.eval()


@torch.no_grad()
def differences(ours, model):
    """The largest difference of a logit in each of 32 short texts, in rising order."""
    tokens = torch.randint(0, 256, (32, 12), generator=torch.Generator().manual_seed(1))
    found, expected = model(tokens).logits, ours(tokens)
    assert found.dtype == torch.float32 and expected.std() > 0.1
    return (found - expected).abs().amax(dim=(1, 2)).sort().values


def check_logits(ours, model, weights):
    """All the same; but where both round activations to 8 bits, one that lies on the border between two
    values up to the last bit of a float32 sum may go either way, and then a text comes out a little off."""
    apart = differences(ours, model)
    may_differ = 6 if weights in ("packed", "online") else 0
    assert apart[: len(apart) - may_differ].max() <= CLOSE
    assert apart.max() <= (0.3 if may_differ else CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_logits_of_random_weights(kind, tmp_path):
    family, settings, architecture, weights = KINDS[kind]
    found = saved(tmp_path / "run", family, randomised(built(family, settings)))
    written = exported(found, tmp_path / "hf", weights)
    assert (written.architecture, written.weights, written.difference) == (architecture, weights, None)
    model = theirs(written.path)
    assert type(model).__name__ == architecture
    check_logits(store.load(found).model, model, weights)


@pytest.mark.parametrize("kind", KINDS)
def test_logits_and_text_of_a_trained_model(kind, tmp_path):
    family, settings, _, weights = KINDS[kind]
    found = saved(tmp_path / "run", family, trained(built(family, settings)))
    folder = exported(found, tmp_path / "hf", weights).path
    model, tokenizer = theirs(folder), AutoTokenizer.from_pretrained(folder)
    loaded = store.load(found)
    check_logits(loaded.model, model, weights)
    predictor = loaded.family.predictor(loaded.model, CONTEXT, 1)
    for prompt in PROMPTS:
        ours = b"".join(
            part.tobytes() for part in generate(predictor, prompt.encode(), WRITTEN, Sampling(temperature=0))
        )
        until_end = ours[: ours.index(0) + 1] if 0 in ours else ours
        given = tokenizer(prompt, return_tensors="pt")
        tokens = model.generate(**given, max_new_tokens=WRITTEN, do_sample=False)[0]
        assert bytes(tokens[given["input_ids"].shape[1] :].tolist()) == until_end
        assert len(until_end) == WRITTEN or 0 in ours
        predictor.reset()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind][3] in ("packed", "online")])
@torch.no_grad()
def test_but_for_these_borders_bitnet_is_the_same(kind, tmp_path, monkeypatch):
    """With the 8-bit rounding taken out of both, no logit of a long text differs."""
    family, settings, _, weights = KINDS[kind]
    found = saved(tmp_path / "run", family, randomised(built(family, settings)))
    model, ours = theirs(exported(found, tmp_path / "hf", weights).path), store.load(found).model
    tokens = torch.randint(0, 256, (8, 200), generator=torch.Generator().manual_seed(2))
    rounded = ours(tokens)
    monkeypatch.setattr(bitnet.ActQuant, "apply", lambda x: x)
    monkeypatch.setattr(bitnet.BitLinear, "activation_quant", lambda self, x: (x, torch.ones(1)))
    for module in ours.modules():
        if isinstance(module, Int8Activations):
            module.active = False
    expected = ours(tokens)
    assert (expected - rounded).abs().max() > 100 * CLOSE
    assert (model(tokens).logits - expected).abs().max() <= CLOSE


@pytest.mark.parametrize("trits_a_byte", [4, 5])
def test_a_packed_checkpoint_exports_to_the_same_bytes(tmp_path, trits_a_byte):
    family, settings, _, _ = KINDS["bitnet packed, grouped"]
    found = saved(tmp_path / "run", family, trained(built(family, settings), steps=5))
    packed = find(export_packed(found, tmp_path / "run-packed" / "step", trits_a_byte=trits_a_byte))
    one, two = export_hf(found, tmp_path / "a"), export_hf(packed, tmp_path / "b")
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (one.path / name).read_bytes() == (two.path / name).read_bytes()


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("ar", {"n_layer": 2, "d_model": 48, "n_head": 4, "d_ff": 80, "sub_norm": False}),
        ("mamba", {"n_layer": 2, "d_model": 32, "headdim": 16, "d_state": 8, "ternary": True}),
    ],
)
def test_what_leaving_8_bit_activations_out_changes_is_said(family, settings, tmp_path):
    found = saved(tmp_path / "run", family, randomised(built(family, settings)))
    written = export_hf(found, tmp_path / "hf", dequantize=True)
    text = torch.randint(0, 256, (1, 256), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        apart = (theirs(written.path)(text).logits - store.load(found).model(text)).abs().max()
    assert written.difference == pytest.approx(float(apart), abs=CLOSE)
    assert written.difference > 100 * CLOSE
