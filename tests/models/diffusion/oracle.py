"""Models whose any-order code length can be written down, to hold the estimates of it against."""

import itertools
import math

import numpy as np
import torch
from torch import Tensor, nn

from bbyte.models.diffusion.config import MASK

ALPHABET = 97  # the byte that stands for symbol 0
IMPOSSIBLE = -1000.0


class TableModel(nn.Module):
    """p(symbol at i | what is seen), a table of random numbers: no two orders need the same bits.

    For windows of `length` bytes after a first one, which it does not look at.
    """

    def __init__(self, length: int, symbols: int = 3, seed: int = 0) -> None:
        super().__init__()
        self.length, self.symbols = length, symbols
        drawn = np.random.default_rng(seed).normal(0, 1.5, ((symbols + 1) ** length, length, symbols))
        self.table = torch.from_numpy(drawn).log_softmax(-1)

    def forward(self, tokens: Tensor) -> Tensor:
        digits = torch.where(tokens == MASK, self.symbols, tokens - ALPHABET)[:, 1:].long()
        found = self.table[(digits * (self.symbols + 1) ** torch.arange(self.length)).sum(1)]
        logits = found.new_full((*tokens.shape, 256), IMPOSSIBLE)
        logits[:, 1:, ALPHABET : ALPHABET + self.symbols] = found
        logits[:, 0] = 0
        return logits

    def rows(self, count: int, seed: int = 0) -> Tensor:
        """Random windows (B, T + 1) uint8 of its symbols."""
        drawn = np.random.default_rng(seed).integers(0, self.symbols, (count, self.length + 1))
        return torch.from_numpy((drawn + ALPHABET).astype(np.uint8))


def costs_by_hidden(model: nn.Module, row: Tensor, skip: int = 0) -> dict[tuple[int, ...], np.ndarray]:
    """For every set of hidden targets from `skip` on, the nats of each: -log p(row[i] | the rest)."""
    targets = range(skip, len(row) - 1)
    sets = [held for k in range(1, len(targets) + 1) for held in itertools.combinations(targets, k)]
    tokens = row.int().repeat(len(sets), 1)
    for line, held in zip(tokens, sets, strict=True):
        line[[i + 1 for i in held]] = MASK
    nats = -model(tokens).double().log_softmax(-1)
    return {
        held: np.array([float(line[i + 1, int(row[i + 1])]) for i in held])
        for held, line in zip(sets, nats, strict=True)
    }


def over_all_orders(model: nn.Module, row: Tensor, skip: int = 0) -> float:
    """The mean over all orders of the nats of the targets, each given those that came before it."""
    costs = costs_by_hidden(model, row, skip)
    totals = []
    for order in itertools.permutations(range(skip, len(row) - 1)):
        rest = [tuple(sorted(order[n:])) for n in range(len(order))]
        totals.append(math.fsum(costs[held][held.index(i)] for held, i in zip(rest, order, strict=True)))
    return math.fsum(totals) / len(totals)


def estimates(model: nn.Module, row: Tensor, skip: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """What one draw of a mask may say of the row's nats, and how probable each of these is."""
    costs = costs_by_hidden(model, row, skip)
    count = len(row) - 1 - skip
    values = [count * found.mean() for found in costs.values()]
    chances = [1 / count / math.comb(count, len(held)) for held in costs]
    return np.array(values), np.array(chances)


class MarkovPosterior(nn.Module):
    """What hidden symbols of an order-1 source may be, by Bayes' rule: nothing can predict them better."""

    def __init__(self, transitions: np.ndarray) -> None:
        super().__init__()
        self.transitions = nn.Parameter(torch.from_numpy(transitions), requires_grad=False)

    def forward(self, tokens: Tensor) -> Tensor:
        matrix = self.transitions
        symbols = torch.arange(len(matrix)) + ALPHABET
        evidence = ((tokens[:, :, None] == symbols) | (tokens[:, :, None] == MASK)).to(matrix.dtype)
        before, after = torch.ones_like(evidence), torch.ones_like(evidence)
        for t in range(1, tokens.shape[1]):
            before[:, t] = _normal(before[:, t - 1] * evidence[:, t - 1]) @ matrix
        for t in reversed(range(tokens.shape[1] - 1)):
            after[:, t] = _normal(after[:, t + 1] * evidence[:, t + 1]) @ matrix.T
        logits = evidence.new_full((*tokens.shape, 256), IMPOSSIBLE)
        logits[:, :, symbols] = (before * after).log()
        return logits

    def sample(self, rows: int, length: int, seed: int = 0) -> Tensor:
        """Windows (B, T + 1) uint8 of the source."""
        dice = np.random.default_rng(seed)
        ladder = self.transitions.numpy().cumsum(1)
        drawn = np.empty((rows, length + 1), np.int64)
        drawn[:, 0] = dice.integers(0, len(ladder), rows)
        for t in range(length):
            drawn[:, t + 1] = (dice.random(rows)[:, None] > ladder[drawn[:, t], :-1]).sum(1)
        return torch.from_numpy((drawn + ALPHABET).astype(np.uint8))

    def nats(self, rows: Tensor) -> np.ndarray:
        """Of each row, from its second byte on: -log p, (B,)."""
        symbols = rows.long() - ALPHABET
        return -self.transitions[symbols[:, :-1], symbols[:, 1:]].log().sum(1).numpy()

    def entropy(self) -> float:
        """Nats a symbol of an endless text."""
        matrix = self.transitions.numpy()
        often = np.linalg.matrix_power(matrix, 1000)[0]
        return float(-(often[:, None] * matrix * np.log(matrix)).sum())


def _normal(messages: Tensor) -> Tensor:
    return messages / messages.sum(-1, keepdim=True)
