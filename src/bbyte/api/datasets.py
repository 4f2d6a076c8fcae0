"""A corpus as torch's DataLoader reads it, for training loops of one's own."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from bbyte.data.corpus import ByteCorpus
from bbyte.data.sampling import WindowOrder
from bbyte.errors import UsageError


class ByteShardDataset(IterableDataset[tuple[Tensor, Tensor]]):
    """Windows of a corpus without end: inputs and targets, each (seq_len,) int64, targets one byte ahead.

    shard_glob: a pattern such as data/shard_*.bin, or anything else that `ByteCorpus.open` takes: a packed
    folder, one file, a folder of files. Each epoch visits every window once, in an order that the seed
    decides; of `world_size` processes each reads its share, and so does each worker of a DataLoader.

    Raises UsageError where there is nothing at `shard_glob`, or too little for one window.
    """

    def __init__(
        self, shard_glob: str | Path, seq_len: int, seed: int = 1234, rank: int = 0, world_size: int = 1
    ) -> None:
        super().__init__()
        if not 0 <= rank < world_size:
            raise UsageError(f"rank {rank} is not from 0 to {world_size - 1}", "ranks count from 0")
        self.corpus = ByteCorpus.open(shard_glob)
        self.seed, self.rank, self.world_size = seed, rank, world_size
        self.set_seq_len(seq_len)

    def set_seq_len(self, seq_len: int) -> None:
        """Give windows of another length from the next one on; where workers read, from the next loop on."""
        self._order = WindowOrder(self.corpus.size, seq_len, self.seed)
        self.seq_len = seq_len

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        for sample in count(self.rank * workers + number, self.world_size * workers):
            length = self.seq_len
            begins = self._order.offsets(0, np.array([sample]), length)
            window = torch.from_numpy(self.corpus.windows(begins, length + 1)[0]).long()
            yield window[:-1], window[1:]
