"""A tokenizer for transformers whose ids are the values of the bytes, written as plain JSON.

It is a byte-level BPE (as GPT-2's) with the 256 characters that stand for bytes and no merges. Its default
way of encoding puts one 0x00, id 0, before a text: what a document begins with in training, and what bbyte's
own predictors have seen before a prompt.
"""

from typing import Any

BEGIN = 0
"""The byte, and so the id, that a document begins and ends with."""


def characters() -> list[str]:
    """The character that stands for each byte in byte-level vocabularies, by the byte's value.

    Printable characters of Latin-1 stand for themselves, the other 68 bytes are numbered from U+0100 on.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = (chr(code) for code in range(0x100, 0x200))
    return [chr(byte) if byte in printable else next(others) for byte in range(256)]


def tokenizer_json() -> dict[str, Any]:
    """The content of tokenizer.json."""
    begin = characters()[BEGIN]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    first, text = {"SpecialToken": {"id": begin, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    second = {"Sequence": {"id": "B", "type_id": 0}}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        # None: the character of byte 0 is a letter too, U+0100, which in a text is its two bytes of UTF-8.
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [first, text],
            "pair": [first, text, first, second],
            "special_tokens": {begin: {"id": begin, "ids": [BEGIN], "tokens": [begin]}},
        },
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {character: byte for byte, character in enumerate(characters())},
            "merges": [],
        },
    }


def tokenizer_config(context: int) -> dict[str, Any]:
    """The content of tokenizer_config.json for a model trained on windows of `context` bytes."""
    begin = characters()[BEGIN]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": begin,
        "eos_token": begin,
        "pad_token": begin,
        # For the same reason a text is never searched for these.
        "split_special_tokens": True,
        "padding_side": "left",
        "clean_up_tokenization_spaces": False,
        "model_max_length": context,
        "model_input_names": ["input_ids", "attention_mask"],
    }
