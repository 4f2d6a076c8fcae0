"""Bytes as a vocabulary that llama.cpp reads: 256 tokens, each the character that stands for its byte.

It is a byte-level BPE vocabulary (that of GPT-2) without its merges, so that text becomes exactly its bytes,
with one 0x00 before them, which is what bbyte's models see at the beginning of a document. Imports no torch.
"""

from typing import Any

from bbyte.checkpoint.export.hf_tokenizer import characters

BEGIN_OF_DOCUMENT = END_OF_DOCUMENT = 0
NORMAL = 1
"""llama.cpp's word for a token of plain text. Were 0x00 a control token, it would not be printed, and its
character in a prompt would be taken for it."""
NEVER_MERGED = "ĀĀ ĀĀ"
"""llama.cpp refuses a vocabulary without merges; this one needs a token of two bytes, which there is not."""
SPLITTING = "smollm"
"""How text is cut into words before merging. As nothing merges, all of llama.cpp's ways give the same tokens;
but with this one, unlike `gpt-2`, its detokenizer leaves the spaces before punctuation."""


def add_vocabulary(writer: Any) -> None:
    """Give a `gguf.GGUFWriter` the vocabulary; a 0x00 begins every prompt and ends what is generated."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(SPLITTING)
    writer.add_token_list(characters())
    writer.add_token_types([NORMAL] * 256)
    writer.add_token_merges([NEVER_MERGED])
    writer.add_bos_token_id(BEGIN_OF_DOCUMENT)
    writer.add_eos_token_id(END_OF_DOCUMENT)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
