"""Which bytes each training sample reads: a pure function of the seed and the global sample index.

Nothing here holds state or knows how many processes there are, so a resumed run, a run on more
machines and the run that was never interrupted all read the same bytes in the same order.
"""

import numpy as np
from numpy.typing import NDArray

from bbyte.errors import UsageError

GROUP = 64
"""Blocks visited side by side, at least: neighbouring samples come from that many different blocks."""

_ROUNDS = 8
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_WORD = (1 << 64) - 1


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The splitmix64 finaliser (Steele, Lea and Flood 2014): every output bit depends on every input bit."""
    words = (words ^ (words >> np.uint64(30))) * _MIX_1
    words = (words ^ (words >> np.uint64(27))) * _MIX_2
    return words ^ (words >> np.uint64(31))


def _noise(words: NDArray[np.uint64], key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The round function of `permute`: one multiplication, then the well-mixed upper half."""
    words = (words + key) * _MIX_1
    words ^= words >> np.uint64(32)
    words *= _MIX_2
    words >>= np.uint64(32)
    return words


def permute(index: NDArray[np.integer], n: int, key: int | NDArray[np.uint64]) -> NDArray[np.int64]:
    """Where a keyed permutation of range(n) sends each index, shape of `index`, without building a table.

    `key` is one 64-bit number, or an array with one key an index. A Feistel network over the rectangle
    ceil(sqrt n) x ceil(n / ceil(sqrt n)), adding modulo the side instead of xor, with cycle walking for
    what falls outside n (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). The rectangle
    exceeds n by less than one row, so walking is rare even for n just above a power of two.
    """
    index = np.asarray(index)
    if n < 1 or (index.size and (int(index.min()) < 0 or int(index.max()) >= n)):
        raise ValueError(f"permute takes indices from 0 to n - 1, with n {n} at least 1")
    if not isinstance(key, np.ndarray):
        key = np.full(1, key & _WORD, np.uint64)
    side = int(np.ceil(np.sqrt(n)))
    rows, columns = np.uint64(side), np.uint64(-(-n // side))
    steps = _GOLDEN * np.arange(1, _ROUNDS + 1, dtype=np.uint64).reshape((_ROUNDS,) + (1,) * key.ndim)
    keys = _mixed(key + steps)

    def walk(value: NDArray[np.uint64], keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
        left, right = np.divmod(value, columns)
        for turn in range(0, _ROUNDS, 2):
            left = (left + _noise(right, keys[turn])) % rows
            right = (right + _noise(left, keys[turn + 1])) % columns
        return left * columns + right

    found = walk(index.astype(np.uint64), keys)
    while (outside := found >= n).any():
        own = np.broadcast_to(keys, (_ROUNDS, *found.shape))[:, outside]
        found[outside] = walk(found[outside], own)
    return found.astype(np.int64)


class WindowOrder:
    """The order in which training reads `size` bytes with windows of at most `longest`.

    A window of length T reads T + 1 bytes: inputs and targets overlap by all but one. Within an epoch the
    bytes are cut in `n_blocks` blocks of `longest`, one beginning every `stride` bytes (default `longest`),
    and visited in a keyed random order, each once. A smaller stride lets blocks overlap, a larger one passes
    bytes over. The first begins at a shift drawn for that epoch, so that epochs do not repeat the same
    borders. `n_blocks` = max(1, (size - longest) // stride) is the same for every epoch, and the shift lies
    in [0, size - 1 - longest - (n_blocks - 1) * stride]. So whatever the shift the last window stays inside,
    and as every place within a stride can be its shift, no byte is out of reach of every epoch.

    Raises UsageError when there are too few bytes for one window.
    """

    def __init__(self, size: int, longest: int, seed: int, stride: int | None = None) -> None:
        stride = longest if stride is None else stride
        if longest < 1:
            raise UsageError(f"the window length is {longest}, expected at least 1")
        if stride < 1:
            raise UsageError(f"the stride is {stride}, expected at least 1")
        if longest > size - 1:
            raise UsageError(
                f"a window of {longest} bytes needs a corpus of at least {longest + 1}, "
                f"this one has {size} to train on",
                f"use --seq-len {size - 1} or less, or more data" if size > 1 else "use more data",
            )
        self.size, self.longest, self.seed, self.stride = size, longest, seed, stride
        self.n_blocks = max(1, (size - longest) // stride)
        self._groups = max(1, self.n_blocks // GROUP)  # in an epoch; the last one takes what is over
        self._shifts = np.uint64(size - longest - (self.n_blocks - 1) * stride)
        self._key = _mixed(np.array([seed & _WORD], np.uint64))

    def offsets(self, first_group: int, samples: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """Where each sample of a stage begins, in bytes, shape of `samples`.

        samples: indices within the stage, from 0, in any order. length: the stage's window, at most
        `longest`. first_group: how many groups of blocks the stages before have used (`groups_in`).

        A stage with windows shorter than the blocks reads `longest // length` sub-windows of each block.
        Samples run first over the blocks of a group, 64 or somewhat more, then over their sub-windows, so
        that neighbours in a batch come from different blocks all the same; the groups of an epoch are read
        before those of the next.
        """
        epoch, group, within = self._place(first_group, np.asarray(samples, np.int64), length)
        last = self.n_blocks - GROUP * (self._groups - 1)
        sub, member = np.divmod(within, np.where(group == self._groups - 1, last, GROUP))
        keys = _mixed(self._key + epoch.astype(np.uint64) * _GOLDEN)
        begins: NDArray[np.int64] = (_mixed(keys ^ _MIX_2) % self._shifts).astype(np.int64)
        begins += permute(group * GROUP + member, self.n_blocks, keys) * self.stride
        begins += sub * length
        return begins

    def keys(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """What random choices about samples go by: consecutive numbers from one that the seed decides."""
        return samples + (self._key >> np.uint64(2)).astype(np.int64)

    def windows_in_epoch(self, length: int) -> int:
        """How many windows of `length` bytes one epoch has."""
        return self.n_blocks * self._sub_windows(length)

    def groups_in(self, samples: int, length: int, first_group: int = 0) -> int:
        """How many groups of blocks a stage of that many windows uses, the last perhaps in part.

        first_group: as `offsets` has it; not every group has the same number of blocks.
        """
        if not samples:
            return 0
        epoch, group, _ = self._place(first_group, np.array([samples - 1]), length)
        return int(epoch[0]) * self._groups + int(group[0]) + 1 - first_group

    def _place(
        self, first_group: int, samples: NDArray[np.int64], length: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The epoch of each sample, its group in the epoch, and its number in the group."""
        subs = self._sub_windows(length)
        epochs, groups = divmod(first_group, self._groups)
        epoch, rest = np.divmod(samples + groups * GROUP * subs, self.n_blocks * subs)
        group = np.minimum(rest // (GROUP * subs), self._groups - 1)
        return epoch + epochs, group, rest - group * GROUP * subs

    def _sub_windows(self, length: int) -> int:
        if not 1 <= length <= self.longest:
            raise UsageError(f"the window length is {length}, expected 1 to {self.longest}")
        return self.longest // length
