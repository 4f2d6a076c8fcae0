"""Next-byte views whose answers are known."""

import numpy as np


class Uniform:
    """Expects every byte alike, and remembers what it was fed."""

    lanes = 1

    def __init__(self):
        self.fed = []

    def logits(self):
        return np.zeros((1, 256), np.float32)

    def feed(self, data):
        self.fed += data.tolist()
