"""A predictor small enough to check by hand, for the tests of what writes with predictors."""

import numpy as np

from bbyte.generation.sampler import sample


class OrderTwo:
    """Logits (L, 256) that are a fixed random function of the two bytes seen last."""

    def __init__(self, lanes=1):
        self.lanes = lanes
        self.calls = []
        self.reset()

    def reset(self):
        self.calls.append("reset")
        self.text = [b"\0" for _ in range(self.lanes)]

    def prime(self, prompt):
        self.calls.append("prime")
        self.text = [text + prompt for text in self.text]

    def feed(self, data):
        self.calls.append("feed")
        self.text = [text + bytes([byte]) for text, byte in zip(self.text, data.tolist(), strict=True)]

    def logits(self):
        rows = [np.random.default_rng(list(text[-2:])).normal(size=256) * 3 for text in self.text]
        return np.array(rows, np.float32)


class ContinuingOrderTwo(OrderTwo):
    """The same, able to write many bytes in one call."""

    def continue_(self, n, sampling):
        self.calls.append(n)
        for _ in range(n):
            recent = np.array([list(text[1:][-sampling.penalty_window :]) for text in self.text], np.uint8)
            drawn = sample(self.logits(), sampling, len(self.text[0]) - 1, recent)
            self.text = [text + bytes([byte]) for text, byte in zip(self.text, drawn.tolist(), strict=True)]
        return np.array([list(text[-n:]) for text in self.text], np.uint8)
