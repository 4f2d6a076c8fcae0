"""What processes tell each other, and how those of one start find each other."""

import threading
from itertools import pairwise

import pytest
import torch
from torch.distributed import TCPStore

from bbyte.device import World
from bbyte.errors import UsageError
from bbyte.training.distributed import meeting
from bbyte.training.distributed.group import SIGNALS, Group, heard


@pytest.mark.parametrize("count", [4, 5, 6, 7, 8, 64, 1000])
def test_shares_are_everything_once_in_order_and_differ_by_one_at_most(count):
    shares = [Group(World(rank, 4)).share(count) for rank in range(4)]
    assert shares[0].start == 0 and shares[-1].stop == count
    assert all(one.stop == following.start for one, following in pairwise(shares))
    lengths = [len(share) for share in shares]
    assert max(lengths) - min(lengths) <= 1 and min(lengths) >= 1


def test_one_process_alone_needs_nobody():
    group, tensor = Group(), torch.ones(3)
    assert group.is_first and group.size == 1
    assert group.first(lambda: "value") == "value"
    assert group.any(True) and not group.any(False)
    assert group.total(tensor) is tensor and group.spread(tensor) is tensor
    assert len(group.signals("SIGTERM", tensor.device)) == 0

    def fails():
        raise UsageError("wrong")

    with pytest.raises(UsageError, match="wrong"):
        group.first(fails)


def test_any_signal_is_heard():
    assert heard([0.0] * len(SIGNALS)) is None and heard([]) is None
    for place, name in enumerate(SIGNALS):
        assert heard([float(index == place) for index in range(len(SIGNALS))]) == name


def test_those_of_one_start_meet_apart_from_what_earlier_starts_have_left(monkeypatch):
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)

    def reach(address):
        yield TCPStore("127.0.0.1", store.port, is_master=False), None, None

    monkeypatch.setattr(meeting, "rendezvous", reach)
    for start in range(3):
        found = {}

        def enter(rank, start=start, found=found):
            found[rank] = meeting.meet(World(rank, 3))
            if rank == start:  # each time another one comes first
                found[rank].set("address", f"of start {start}")

        threads = [threading.Thread(target=enter, args=[rank]) for rank in (2, 0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(found) == [0, 1, 2]
        assert {own.get("address") for own in found.values()} == {f"of start {start}".encode()}


def test_one_that_never_came_further_leaves_nothing_that_others_take_for_theirs(monkeypatch):
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    monkeypatch.setattr(meeting, "rendezvous", lambda address: iter([(store, None, None)]))
    store.set("hello/1", "of one that was killed")
    store.set("ready/1", "a name of before")
    names = []
    first = threading.Thread(target=lambda: names.append(meeting._welcome(store, 2)))
    first.start()
    names.append(meeting._ask(TCPStore("127.0.0.1", store.port, is_master=False), 1))
    first.join(30)
    assert names[0] == names[1]
