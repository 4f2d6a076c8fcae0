"""Language models over raw bytes: pack, train, score, generate, compress and export, with no tokenizer."""

__version__ = "0.1.0"
