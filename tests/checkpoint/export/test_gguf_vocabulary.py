"""The vocabulary of GGUF files: one token a byte."""

import pytest

from bbyte.checkpoint.export.gguf_vocabulary import NEVER_MERGED, add_vocabulary
from bbyte.checkpoint.export.hf_tokenizer import characters as byte_characters


def test_one_character_a_byte():
    characters = byte_characters()
    assert len(characters) == len(set(characters)) == 256
    assert all(len(character) == 1 and not character.isspace() for character in characters)
    known = {0: "Ā", 10: "Ċ", 32: "Ġ", 65: "A", 126: "~", 127: "ġ", 160: "ł", 161: "¡", 173: "Ń", 255: "ÿ"}
    assert {byte: characters[byte] for byte in known} == known


def test_they_are_those_of_byte_level_bpe():
    tokenizers = pytest.importorskip("tokenizers")
    byte_level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    assert sorted(byte_characters()) == sorted(byte_level.alphabet())
    text = "".join(map(chr, range(0x2000))) + "😀"
    spelled = byte_level.pre_tokenize_str(text)[0][0]
    assert [byte_characters().index(character) for character in spelled] == list(text.encode())


def test_the_merge_never_fires():
    first, second = NEVER_MERGED.split(" ")
    assert first not in byte_characters() and second not in byte_characters()
    assert len(first) > 1 and len(second) > 1  # and no merge makes either


def test_what_the_file_says(tmp_path):
    gguf = pytest.importorskip("gguf", reason="gguf is not installed: pip install 'bbyte[export]'")
    writer = gguf.GGUFWriter(tmp_path / "vocabulary.gguf", "llama")
    add_vocabulary(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    fields = gguf.GGUFReader(tmp_path / "vocabulary.gguf").fields
    said = {name.removeprefix("tokenizer.ggml."): field.contents() for name, field in fields.items()}
    assert said["tokens"] == byte_characters()
    assert said["token_type"] == [gguf.TokenType.NORMAL] * 256
    assert said["merges"] == [NEVER_MERGED]
    assert (said["bos_token_id"], said["eos_token_id"]) == (0, 0)
    assert (said["add_bos_token"], said["add_eos_token"]) == (True, False)
