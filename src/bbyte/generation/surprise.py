"""What each byte of a text costs under a model, and what it expected instead. Imports no torch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bbyte.generation.metrics import bits_of
from bbyte.models.contract import Predictor


@dataclass(frozen=True)
class Surprise:
    """A byte, the bits the model gave it, the bits it expected (entropy), and its likeliest byte instead."""

    byte: int
    bits: float
    entropy: float
    likeliest: int
    probability: float
    """Of the likeliest byte."""


def surprises(predictor: Predictor, text: bytes) -> Iterator[Surprise]:
    """Each byte of `text`, from the beginning of a document, with all before it that the model can see.

    The predictor has one lane, and has read the text but for its last byte in the end.
    """
    predictor.reset()
    data = np.frombuffer(text, np.uint8)
    for place in range(len(data)):
        byte = data[place : place + 1]
        logits = predictor.logits()
        likeliest = logits.argmax(axis=1).astype(np.uint8)
        bits, entropy = bits_of(logits, byte)[:, 0].tolist()
        least = bits_of(logits, likeliest)[0, 0]
        yield Surprise(int(byte[0]), bits, entropy, int(likeliest[0]), float(2.0**-least))
        if place + 1 < len(text):
            predictor.feed(byte)
