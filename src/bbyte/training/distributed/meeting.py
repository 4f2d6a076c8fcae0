"""How the processes of one start find each other, and nobody of the start before."""

import secrets
import time

from torch.distributed import PrefixStore, Store  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from bbyte.device import World

PAUSE = 0.005


def meet(world: World) -> Store:
    """A store of their own for the processes that were started together.

    torchrun's is that of earlier starts too (pytorch issues 135712, 167288): after a restart, processes would
    look for each other at the addresses of those that have ended. Counts of restarts do not tell starts
    apart, for each machine has its own.
    """
    store, _, _ = next(rendezvous("env://"))
    name = _welcome(store, world.size) if world.rank == 0 else _ask(store, world.rank)
    return PrefixStore(name, store)


def _ask(store: Store, rank: int) -> str:
    """The name that the first process has given to this start; it answers to a word that is new."""
    word = secrets.token_hex(8)
    store.set(f"hello/{rank}", word)
    while True:
        answered, _, name = _read(store, f"welcome/{rank}").partition(" ")
        if answered == word:
            store.set(f"ready/{rank}", name)
            return name
        time.sleep(PAUSE)


def _welcome(store: Store, size: int) -> str:
    """Name this start, and answer the others until all have taken the name."""
    name, answered = secrets.token_hex(8), dict.fromkeys(range(1, size), "")
    while answered:
        for rank in [rank for rank in answered if _read(store, f"ready/{rank}") == name]:
            del answered[rank]
        for rank, before in answered.items():
            word = _read(store, f"hello/{rank}")
            if word != before:  # perhaps one of an earlier start: the right one follows
                store.set(f"welcome/{rank}", f"{word} {name}")
                answered[rank] = word
        time.sleep(PAUSE)
    return name


def _read(store: Store, key: str) -> str:
    return store.get(key).decode() if store.check([key]) else ""
