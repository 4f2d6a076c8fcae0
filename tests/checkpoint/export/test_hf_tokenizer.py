"""The exported tokenizer: ids are the values of the bytes, whatever the text."""

import json
import random

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from bbyte.checkpoint.export.hf_tokenizer import characters, tokenizer_config, tokenizer_json

TEXTS = (
    "", " ", "a", "Once upon a time", "  two  spaces and\ttab\r\n", "é Ä ß 你好 🙂", "👩\u200d👩\u200d👧",
    "\x00", "a\x00b\x00\x00", "Ā", "ĀĀ a Ġ", "<s></s><|endoftext|>", "it's we'll 123 4567",
    "\u200d\ufeff\u202e", "".join(map(chr, range(256))),
)  # fmt: skip


@pytest.fixture(scope="module", params=["llama", "qwen3", "bitnet", "mamba", "mamba2"])
def tokenizer(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    for name, content in (
        ("tokenizer.json", tokenizer_json()),
        ("tokenizer_config.json", tokenizer_config(64)),
        ("config.json", {"model_type": request.param}),
    ):
        (folder / name).write_text(json.dumps(content))
    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)


def test_every_byte_is_its_own_id(tokenizer):
    assert len(tokenizer) == tokenizer.vocab_size == 256
    assert tokenizer.convert_tokens_to_ids(characters()) == list(range(256))
    assert tokenizer.all_special_ids == [0]
    for byte in range(256):
        text = tokenizer.decode([byte])
        assert text == (chr(byte) if byte < 128 else "\ufffd")


@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_the_bytes_and_come_back(tokenizer, text):
    plain = tokenizer.encode(text, add_special_tokens=False)
    assert plain == list(text.encode())
    assert tokenizer.decode(plain) == text
    assert tokenizer.encode(text) == [0, *plain]
    assert tokenizer(text)["input_ids"] == [0, *plain]
    assert tokenizer.decode(tokenizer.encode(text), skip_special_tokens=True) == text.replace("\x00", "")
    assert tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids == plain


def test_random_characters(tokenizer):
    generator = random.Random(5)
    for _ in range(50):
        most = [generator.choice((256, 0x3000, 0xD800)) for _ in range(40)]
        text = "".join(chr(generator.randrange(limit)) for limit in most) + chr(
            generator.randint(65536, 130000)
        )
        assert tokenizer.encode(text, add_special_tokens=False) == list(text.encode())
        assert tokenizer.decode(list(text.encode())) == text


def test_batches_are_padded_on_the_left_and_masked(tokenizer):
    batch = tokenizer(["ab", "c"], padding=True)
    assert batch["input_ids"] == [[0, 97, 98], [0, 0, 99]]
    assert batch["attention_mask"] == [[1, 1, 1], [0, 1, 1]]
    assert set(batch) == {"input_ids", "attention_mask"}


def test_saving_it_again_changes_nothing(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        assert again.encode(text) == tokenizer.encode(text)


def test_the_file_alone_does_the_same(tmp_path):
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer_json()))
    alone = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in TEXTS:
        assert alone.encode(text).ids == [0, *text.encode()]
        assert alone.decode(list(text.encode()), skip_special_tokens=False) == text


def test_the_characters_are_those_of_every_byte_level_vocabulary():
    assert dict(enumerate(characters())) == bytes_to_unicode()
