"""Models of transformers as checkpoints: there and back again."""

import json

import pytest
import torch
from hf_models import CONTEXT, KINDS, built, randomised, saved
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    BitNetConfig,
    BitNetForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Mamba2Config,
    Mamba2ForCausalLM,
    MambaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)
from transformers import MambaConfig as TransformersMamba

from bbyte.checkpoint import store
from bbyte.checkpoint.export.hf import export_hf
from bbyte.checkpoint.find import find
from bbyte.checkpoint.importing.folder import import_folder
from bbyte.quantization.bitlinear import BitLinear, trits_and_scale

TOKENS = torch.randint(0, 256, (4, 50), generator=torch.Generator().manual_seed(1))
SIZES = {
    "vocab_size": 256, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 80, "max_position_embeddings": 77, "bos_token_id": 0,
    "eos_token_id": 0, "pad_token_id": 0,
}  # fmt: skip
STATES = {
    "vocab_size": 256, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8, "bos_token_id": 0,
    "eos_token_id": 0, "pad_token_id": 0,
}  # fmt: skip
THEIRS = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SIZES)),
    "llama, tied": lambda: LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=True)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=12)),
    "bitnet": lambda: BitNetForCausalLM(BitNetConfig(**SIZES)),
    "mamba": lambda: MambaForCausalLM(TransformersMamba(**STATES)),
    "mamba2": lambda: Mamba2ForCausalLM(Mamba2Config(**STATES, num_heads=4, head_dim=16, n_groups=2)),
}


@torch.no_grad()
def logits(path):
    return store.load(path).model(TOKENS)


@pytest.mark.parametrize("kind", [kind for kind, (*_, weights) in KINDS.items() if weights != "packed"])
def test_full_weights_come_back_bit_for_bit(kind, tmp_path):
    family, settings, _, weights = KINDS[kind]
    found = saved(tmp_path / "run", family, randomised(built(family, settings)))
    export_hf(found, tmp_path / "hf", weights="online" if weights == "online" else None)
    back = store.load(import_folder(tmp_path / "hf", tmp_path / "back"))
    assert torch.equal(logits(found), logits(back.found))
    assert (back.meta.family, back.meta.step, back.meta.context) == (family, 0, CONTEXT)
    assert back.meta.tags == {"source": "hf", "bytes_seen": "unknown"} and back.meta.bytes_seen == 0
    if weights != "dequantized":
        assert family != "ar" or back.model.config == store.load(found).model.config
        expected = store.load(found).model.state_dict()
        assert all(torch.equal(value, expected[name]) for name, value in back.model.state_dict().items())


@pytest.mark.parametrize("kind", [kind for kind, (*_, weights) in KINDS.items() if weights == "packed"])
def test_packed_weights_come_back_with_their_trits_and_scales(kind, tmp_path):
    family, settings, _, _ = KINDS[kind]
    found = saved(tmp_path / "run", family, randomised(built(family, settings)))
    export_hf(found, tmp_path / "hf")
    back = import_folder(tmp_path / "hf", tmp_path / "back")
    torch.testing.assert_close(logits(back), logits(found), atol=1e-5, rtol=0)
    for one, two in zip(store.load(found).model.modules(), store.load(back).model.modules(), strict=True):
        if isinstance(one, BitLinear):
            (trits, scale), (again, its_own) = trits_and_scale(one), trits_and_scale(two)
            assert torch.equal(trits, again)
            torch.testing.assert_close(its_own, scale, rtol=1e-6, atol=0)
    export_hf(find(back), tmp_path / "again")
    a, b = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("hf", "again"))
    assert a == b


def of_their_own(kind):
    torch.manual_seed(0)
    return randomised(THEIRS[kind]())


@pytest.mark.parametrize("kind", THEIRS)
@torch.no_grad()
def test_what_transformers_saves_is_taken(kind, tmp_path):
    model = of_their_own(kind)
    model.save_pretrained(tmp_path / "theirs")
    says_nothing = kind.startswith("mamba")
    back = import_folder(tmp_path / "theirs", tmp_path / "back", context=64 if says_nothing else None)
    expected = model(TOKENS).logits
    assert expected.std() > 0.1
    torch.testing.assert_close(logits(back), expected, atol=1e-4, rtol=0)
    assert find(back).meta.context == (64 if says_nothing else 77)


@torch.no_grad()
def test_weights_in_several_files_of_16_bits_are_taken(tmp_path):
    model = of_their_own("llama").to(torch.bfloat16)
    model.save_pretrained(tmp_path / "theirs", max_shard_size="50KB")
    assert len(list((tmp_path / "theirs").glob("model-*.safetensors"))) > 2
    back = import_folder(tmp_path / "theirs", tmp_path / "back")
    theirs = LlamaForCausalLM.from_pretrained(tmp_path / "theirs", dtype=torch.float32)
    torch.testing.assert_close(logits(back), theirs(TOKENS).logits, atol=1e-4, rtol=0)


@torch.no_grad()
def test_packed_weights_whose_scale_is_multiplied_with_are_taken(tmp_path):
    pytest.importorskip("accelerate")
    family, settings, _, _ = KINDS["bitnet packed, grouped"]
    found = saved(tmp_path / "run", family, randomised(built(family, settings)))
    folder = export_hf(found, tmp_path / "hf").path
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"]["linear_class"] = "autobitlinear"
    (folder / "config.json").write_text(json.dumps(config))
    weights = load_file(folder / "model.safetensors")
    for name in weights:
        weights[name] = 1 / weights[name] if name.endswith("_scale") else weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    back = import_folder(folder, tmp_path / "back")
    torch.testing.assert_close(logits(back), logits(found), atol=1e-5, rtol=0)
    with torch.compiler.set_stance("force_eager"):
        theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)(TOKENS).logits
    apart = (theirs - logits(found)).abs().amax(dim=(1, 2))
    assert apart.median() <= 1e-4  # a text may hold a value on the border of two 8-bit ones
