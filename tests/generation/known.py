"""An infiller whose joint distribution is known, for the tests of what fills holes with infillers."""

import itertools

import numpy as np


class Known:
    """Texts of `length` letters a, b, c ... with a random joint table; hidden ones get exact conditionals."""

    def __init__(self, length=3, letters=3, seed=1, context=64):
        self.context = context
        self.length, self.letters = length, letters
        table = np.random.default_rng(seed).gamma(0.5, size=(letters,) * length)
        self.joint = table / table.sum()
        self.calls = 0
        self._rows = {}

    def logits(self, tokens, before=None):
        self.calls += 1
        assert tokens.dtype == np.int16
        return np.stack([self._row(tuple(row)) for row in tokens.tolist()])

    def _row(self, row):
        if row not in self._rows:
            known = tuple(slice(None) if token == 256 else token - 97 for token in row)
            left = self.joint[known]
            out = np.full((self.length, 256), np.nan, np.float32)  # nobody may look at what is visible
            hidden = [place for place, token in enumerate(row) if token == 256]
            for axis, place in enumerate(hidden):
                others = tuple(other for other in range(left.ndim) if other != axis)
                out[place] = -np.inf
                out[place, 97 : 97 + self.letters] = np.log(left.sum(axis=others) / left.sum())
            self._rows[row] = out
        return self._rows[row]

    def texts(self):
        return [
            bytes(97 + letter for letter in text)
            for text in itertools.product(range(self.letters), repeat=self.length)
        ]


class Noise:
    """Logits that are a fixed random function of the whole text it is shown, and of the place."""

    def __init__(self, context=64, seed=0, sharpness=3.0):
        self.context, self._seed, self._sharpness = context, seed, sharpness
        self.seen = []

    def logits(self, tokens, before=None):
        assert tokens.shape[1] <= self.context
        self.seen.append(tokens.copy())
        rows = [
            np.random.default_rng([self._seed, *row]).normal(size=(len(row), 256)) * self._sharpness
            for row in tokens.tolist()
        ]
        return np.array(rows, np.float32)
