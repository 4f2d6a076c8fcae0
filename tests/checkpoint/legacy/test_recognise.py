"""Which legacy file is what: by its settings, names and tags, and what is said where they disagree."""

import legacy_files
import pytest

from bbyte.checkpoint.legacy import bitbyte
from bbyte.checkpoint.legacy.extract import Extracted
from bbyte.checkpoint.legacy.recognise import (
    DIFFUSION_SETTINGS,
    MAMBA_SETTINGS,
    agreed_family,
    check_convertible,
    recognise,
)
from bbyte.checkpoint.tensors import info_of
from bbyte.errors import BbyteError, DataError, UsageError

KEYS = {legacy_files.blm: "model_state", legacy_files.muon: "model_state_dict"}


def facts(tmp_path, make=legacy_files.bitbyte, *, settings=None, labels=None, **changes):
    """What `extract` says of a file that `make` writes, without a process of its own."""
    weights = make(tmp_path / "old.pt", **changes)
    return Extracted(
        tmp_path / "old.pt", ("args", "model"), KEYS.get(make, "model"),
        {name: info_of(value) for name, value in weights.items()}, {"lm_head.weight": "tok_emb.weight"},
        settings or {}, labels or {}, {}, None, None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "changes", "script", "family", "reason"),
    [
        (legacy_files.bitbyte, {}, "BitByte", "ar", ""),
        (legacy_files.bitbyte, {"n_kv_head": 2}, "BitByte", "ar", ""),
        (legacy_files.diffusion, {"form": "additive"}, "BitByte diffusion", "diffusion", "noise level"),
        (legacy_files.diffusion, {"form": "adaln"}, "BitByte diffusion", "diffusion", "noise level"),
        (legacy_files.mamba, {}, "BitByte Mamba", "mamba", "feed-forward after it"),
        (legacy_files.blm, {}, "BLM", "", "learned positions"),
        (legacy_files.muon, {}, "Muon LM", "", "without a gate"),
    ],
)  # fmt: skip
def test_each_script_is_known_by_its_tensors_alone(tmp_path, make, changes, script, family, reason):
    found = facts(tmp_path, make, **changes)
    guess = recognise(found)
    assert (guess.script, guess.family) == (script, family) and guess.why
    if reason:
        with pytest.raises(BbyteError, match=f"is a {script} checkpoint: .*{reason}") as refusal:
            check_convertible(found, guess)
        assert refusal.value.exit_code == 1 and refusal.value.hint
    else:
        check_convertible(found, guess)


@pytest.mark.parametrize(
    ("settings", "family"),
    [
        ({}, "ar"),
        *[({name: 1}, "diffusion") for name in DIFFUSION_SETTINGS],
        *[({name: 4}, "mamba") for name in MAMBA_SETTINGS],
        ({"d_state": 4, "diffusion_steps": 64}, "diffusion"),
        ({"d_state": None}, "ar"),
    ],
)  # fmt: skip
def test_settings_come_before_names(tmp_path, settings, family):
    guess = recognise(facts(tmp_path, settings=settings))
    assert guess.family == family
    assert guess.why.startswith("settings ") if family != "ar" else "attn.q_proj" in guess.why


def test_anything_else_is_no_checkpoint_of_a_byte_model(tmp_path):
    found = Extracted(tmp_path / "x.pt", (), "", {}, {}, {}, {}, {}, None, None)
    with pytest.raises(UsageError, match="no checkpoint of a byte model that bbyte knows: it holds nothing"):
        recognise(found)


@pytest.mark.parametrize(
    ("labels", "asked", "outcome"),
    [
        ({}, {}, "ar"),
        ({"variant": "ar", "model_family": "bitbyte"}, {}, "ar"),
        ({}, {"variant": "ar", "family": "bitbyte"}, "ar"),
        ({}, {"family": "ar"}, "ar"),
        ({"model_family": "mamba"}, {}, None),
        ({"model_family": "mamba"}, {"force": True}, "ar"),
        ({"model_family": "mamba"}, {"family": "ar"}, None),
        ({"variant": "diffusion"}, {}, None),
        ({"variant": "diffusion"}, {"force": True}, "ar"),
        ({}, {"family": "diffusion"}, None),
        ({}, {"family": "diffusion", "force": True}, "diffusion"),
        ({"model_family": "elephant"}, {}, None),
        ({}, {"family": "elephant", "force": True}, None),
        ({"variant": 3}, {}, None),
        ({"variant": "bitnet-ar"}, {}, None),
        ({"variant": "bitnet-ar"}, {"force": True}, "ar"),
    ],
)
def test_tags_and_words_that_contradict_are_refused_unless_forced(tmp_path, labels, asked, outcome):
    found = facts(tmp_path, labels=labels)
    asked = {"family": None, "variant": None, "force": False} | asked
    words = asked.pop("family"), asked.pop("variant")
    if outcome is None:
        with pytest.raises(UsageError):
            agreed_family(found, recognise(found), *words, **asked)
    else:
        assert agreed_family(found, recognise(found), *words, **asked)[0] == outcome


def test_the_old_variant_of_a_mamba_is_no_contradiction(tmp_path):
    found = facts(tmp_path, legacy_files.mamba, labels={"variant": "ar", "model_family": "mamba"})
    family, why = agreed_family(found, recognise(found), None, None, force=False)
    assert family == "mamba" and why.endswith("tags agree")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "n_head None"),
        ({"n_head": 5}, "n_head 5"),
        ({"n_head": "4"}, "n_head '4'"),
        ({"n_head": True}, "n_head True"),
        ({"n_head": 4, "d_ff": 25}, "settings say d_ff 25, its weights 24"),
        ({"n_head": 4, "n_layer": 3}, "settings say n_layer 3, its weights 2"),
        ({"n_head": 4, "n_kv_head": 2}, "settings say n_kv_head 2, its weights 4"),
    ],
)
def test_settings_that_the_weights_belie_are_refused(tmp_path, settings, message):
    found = facts(tmp_path)
    with pytest.raises(DataError, match=message):
        bitbyte.architecture(found.tensors, settings, True)


def test_the_architecture_is_that_of_the_weights(tmp_path):
    found = facts(tmp_path, n_kv_head=2)
    values = bitbyte.architecture(found.tensors, {"n_head": 4, "no_act_quant": True, "n_kv_head": None}, True)
    sizes = {"n_layer": 2, "d_model": 16, "n_head": 4, "n_kv_head": 2, "d_ff": 24, "vocab_size": 256}
    assert values == sizes | {
        "ternary": True, "act_quant": False, "sub_norm": False, "tied": True, "rope_base": 10000.0,
        "norm_eps": 1e-6,
    }  # fmt: skip
