"""GGUF files in llama.cpp itself: the same tokens, the same text, the same bits per byte.

Needs llama-cpp-python, which pip builds from source with a compiler and cmake in a few minutes.
"""

import ctypes
import random

import numpy as np
import pytest
import torch
from gguf_models import MODELS, random_model, saved, stored
from small_runs import request

from bbyte.checkpoint import store
from bbyte.checkpoint.export.gguf import FOR_TRITS, TYPES, export_gguf
from bbyte.checkpoint.find import find
from bbyte.evaluation import InMemory, bits_per_byte, objective_measure
from bbyte.models.contract import Cost
from bbyte.starter import documentation
from bbyte.training.start import start

llama_cpp = pytest.importorskip(
    "llama_cpp", reason="llama.cpp is not installed: pip install llama-cpp-python"
)
pytest.importorskip("gguf", reason="gguf is not installed: pip install 'bbyte[export]'")
pytestmark = pytest.mark.slow

CONTEXT, SCORED = 128, 100_000
WORDS = ("the", "of", "Größe", "€", "😀", "house", "they", "then", "\0", "there", "“said”", "ÿ\0")
TRAINED_FULL = {"n_layer": 2, "d_model": 128, "n_head": 4, "n_kv_head": 2, "d_ff": 256, "ternary": False}
TRAINED_TERNARY = {"n_layer": 2, "d_model": 256, "n_head": 4, "n_kv_head": 2, "d_ff": 512}


def opened(path, context=CONTEXT):
    return llama_cpp.Llama(
        str(path), n_ctx=context, n_batch=context, n_ubatch=context, n_threads=1, n_threads_batch=1,
        logits_all=True, verbose=False,
    )  # fmt: skip


def logits(llama, tokens):
    """llama.cpp's logits after each of `tokens`, in float64."""
    llama.reset()
    llama.eval([int(token) for token in tokens])
    return llama.scores[: len(tokens)].astype(np.float64)


def measure_in(llama):
    """What `bits_per_byte` takes, by llama.cpp's logits: so the windows are the same as ours."""

    def measure(rows, skip):
        nats = 0.0
        for row in rows:
            values = torch.from_numpy(logits(llama, row[:-1])[skip:])
            targets = torch.from_numpy(row[1 + skip :].astype(np.int64))
            nats += float(torch.nn.functional.cross_entropy(values, targets, reduction="sum"))
        return Cost(nats, len(rows) * (rows.shape[1] - 1 - skip))

    return measure


def continued_in(llama, prompt, count):
    tokens = llama.tokenize(prompt, add_bos=True, special=False)
    assert tokens == [0, *prompt]
    llama.reset()
    llama.eval(tokens)
    for _ in range(count):
        tokens.append(int(np.argmax(llama.scores[llama.n_tokens - 1])))
        llama.eval(tokens[-1:])
    return bytes(tokens[1:])


def continued(loaded, prompt, count):
    predictor = loaded.family.predictor(loaded.model, loaded.meta.context, 1)
    predictor.prime(prompt)
    text = bytearray(prompt)
    for _ in range(count):
        text.append(int(np.argmax(predictor.logits()[0])))
        predictor.feed(np.array([text[-1]], np.uint8))
    return bytes(text)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A file to train on, and text that is not in it."""
    whole = b"\0".join(text for _, text in documentation())
    path = tmp_path_factory.mktemp("texts") / "train.txt"
    path.write_bytes(whole[SCORED:])
    return path, whole[:SCORED]


def trained(out, data, *, steps=200, **model):
    asked = request(
        out, data, model=model, steps=steps, batch_size=8, seq_len=CONTEXT, log_every=100, save_every=steps
    )
    list(start(asked).run())
    return find(out)


@pytest.mark.parametrize("changes", [{}, {"tied": False, "rope_base": 500.0}, {"qk_norm": True}])
def test_full_precision_writes_the_same_text(tmp_path, changes):
    dice = random.Random(1)
    verse = " ".join(dice.choice(WORDS) for _ in range(30)).encode()
    (tmp_path / "verse.txt").write_bytes(verse * 200)  # learnt by heart, it makes text varied and sure
    found = trained(tmp_path / "run", tmp_path / "verse.txt", steps=300, **TRAINED_FULL, **changes)
    loaded = store.load(found)
    llama = opened(export_gguf(found, tmp_path / "f16.gguf").path)
    for place in (0, 40, 80):
        prompt = verse[place : place + 40]
        text = continued(loaded, prompt, 80)
        assert continued_in(llama, prompt, 80) == text
        assert len(set(text[len(prompt) :])) > 10  # text, not one byte over and over


@pytest.mark.parametrize("changes", [{}, {"sub_norm": False}])
def test_ternary_costs_the_same_bits(tmp_path, texts, changes):
    found = trained(tmp_path / "run", texts[0], **TRAINED_TERNARY, **changes)
    loaded, data = store.load(found), InMemory(texts[1])
    windows = {"context": CONTEXT, "stride": CONTEXT // 2}
    objective = loaded.family.objective(loaded.model, loaded.family.objective_config())
    ours = bits_per_byte(objective_measure(objective, "cpu"), data, **windows).bits_per_byte
    assert ours < 4
    for type_ in ("f16", "tq2_0"):
        llama = opened(export_gguf(found, tmp_path / f"{type_}.gguf", type=type_).path)
        theirs = bits_per_byte(measure_in(llama), data, **windows).bits_per_byte
        assert theirs == pytest.approx(ours, rel=0.01)
        llama.close()


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        (name, type_)
        for name, (_, config) in MODELS.items()
        for type_ in TYPES
        if config.ternary or type_ not in FOR_TRITS
    ],
)
def test_logits(tmp_path, name, type_):
    """Those of a model with random weights, its 8-bit activations off, which llama.cpp has in no F16."""
    family, config = MODELS[name]
    found = saved(tmp_path / "run", family, config)
    model = store.load(found).model
    for module in model.modules():
        if hasattr(module, "enabled"):
            module.enabled = False
    llama = opened(export_gguf(found, tmp_path / "model.gguf", type=type_).path)
    row = np.frombuffer(b"\0" + bytes(range(63)), np.uint8)
    with torch.no_grad():
        ours = model(torch.from_numpy(row.copy())[None])[0].double().numpy()
    theirs = logits(llama, row)
    off = np.sqrt(np.mean((theirs - ours) ** 2) / np.mean(ours**2))
    assert off < (0.005 if type_ == "f16" else 0.05)


@pytest.mark.parametrize("name", ["mamba2", "mamba1"])
def test_a_state_goes_on(tmp_path, name):
    family, config = MODELS[name]
    found = stored(tmp_path / "run", family, config, random_model(family, config))
    llama = opened(export_gguf(found, tmp_path / "f16.gguf").path, context=512)
    text = continued(store.load(found), b"one\0two\0", 100)
    assert continued_in(llama, b"one\0two\0", 100) == text


def test_text_becomes_its_bytes_and_bytes_text(tmp_path):
    llama = llama_cpp.Llama(
        str(export_gguf(saved(tmp_path / "run", *MODELS["full"]), tmp_path / "f16.gguf").path),
        vocab_only=True, verbose=False,
    )  # fmt: skip
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x20000), 0x10FFFF])).encode()
    for text in (b"", b"\0", b"a\0b\0", "Ā Ċ Ġ".encode(), b"  hi , you ' there ?  \n\n 's 12345  ", every):
        for special in (False, True):
            assert llama.tokenize(text, add_bos=True, special=special) == [0, *text]
    for byte in range(256):
        assert llama.detokenize([byte], prev_tokens=[97]) == bytes([byte])
    assert (llama.token_bos(), llama.token_eos(), llama.token_nl()) == (0, 0, 10)
    text = b"hi , you ' there ? 's "
    buffer, tokens = ctypes.create_string_buffer(len(text)), (ctypes.c_int32 * len(text))(*text)
    vocabulary = llama._model.vocab
    written = llama_cpp.llama_detokenize(vocabulary, tokens, len(text), buffer, len(text), False, False)
    assert buffer.raw[:written] == text


def test_the_end_of_a_document_ends_the_text(tmp_path):
    family, config = MODELS["untied"]
    model = random_model(family, config)
    with torch.no_grad():  # whatever it reads, 0x00 comes next
        model.embed_tokens.weight[:, 0] = 10.0
        model.lm_head.weight[0, 0] = 100.0
    found = stored(tmp_path / "run", family, config, model)
    llama = opened(export_gguf(found, tmp_path / "f16.gguf").path)
    answer = llama.create_completion("abc", max_tokens=20, temperature=0.0)
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["choices"][0]["text"] == ""
