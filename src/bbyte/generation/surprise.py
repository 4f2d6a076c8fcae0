"""What each byte of a text costs under a model, and what it expected instead. Imports no torch."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bbyte.models.contract import Predictor
from bbyte.probabilities import entropy_of, log_probabilities, nats_of


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
        logs = log_probabilities(predictor.logits())
        bits, entropy = nats_of(logs, byte) / math.log(2), entropy_of(logs)
        likeliest = int(logs[0].argmax())
        probability = math.exp(logs[0, likeliest])
        yield Surprise(int(byte[0]), float(bits[0]), float(entropy[0]), likeliest, probability)
        if place + 1 < len(text):
            predictor.feed(byte)
