"""Models of allocators, beside a slow one that looks at every byte."""

import random

import pytest

from bbyte.training.planning.heap import PAGE, SCATTERED, Heap, Rounded

HEADER, ALIGNMENT = 16, 64


class SlowHeap:
    """The same rules on a list of units of 64 bytes, each True where it is taken."""

    def __init__(self):
        self.units, self.taken, self.highest = [], {}, 0

    def allocate(self, name, size):
        units = -(-(size + HEADER) // ALIGNMENT)
        holes = [(length, start) for start, length in self.holes() if length > units]
        if holes:
            start = min(holes)[1]
        else:
            start = len(self.units)
            self.units += [True] * units
        self.units[start : start + units] = [True] * units
        self.taken[name] = (start, units)
        self.highest = max(self.highest, len(self.units) * ALIGNMENT)

    def free(self, name):
        start, units = self.taken.pop(name)
        self.units[start : start + units] = [False] * units
        while self.units and not self.units[-1]:
            self.units.pop()

    def holes(self):
        start = None
        for place, taken in enumerate([*self.units, True]):
            if not taken and start is None:
                start = place
            if taken and start is not None:
                yield start, place - start
                start = None


@pytest.mark.parametrize("seed", range(5))
def test_the_heap_grows_as_one_that_looks_at_every_unit(seed):
    dice, fast, slow, alive = random.Random(seed), Heap(1 << 40), SlowHeap(), []
    for name in range(400):
        size = dice.choice([0, 1, 48, 49, 200, 1000, 5000])
        fast.allocate(name, size)
        slow.allocate(name, size)
        alive.append(name)
        while alive and dice.random() < 0.48:
            name = alive.pop(dice.randrange(len(alive)))
            fast.free(name)
            slow.free(name)
        assert fast.peak == round(slow.highest * (1 + SCATTERED))
    assert slow.highest > 3000


def test_what_is_freed_between_others_is_lost_for_what_is_larger():
    heap = Heap(1 << 30)
    for name in range(10):
        heap.allocate(name, 1_000_000)
    for name in range(0, 10, 2):
        heap.free(name)
    before = heap.take_peak()
    heap.allocate(10, 900_000)  # there is a hole for this
    assert heap.take_peak() == before
    heap.allocate(11, 2_000_000)  # and none for this
    assert heap.peak - before == pytest.approx(2_000_000 * (1 + SCATTERED), rel=0.01)


def test_large_pieces_have_pages_of_their_own():
    heap = Heap(threshold=1000)
    heap.allocate(1, 999)
    small = heap.take_peak()
    heap.allocate(2, 10 * PAGE)
    heap.free(2)
    heap.allocate(3, 5 * PAGE - 1)
    assert heap.take_peak() == small + 11 * PAGE
    heap.free(3)
    assert heap.take_peak() == small + 6 * PAGE and heap.take_peak() == small


def test_rounded_counts_what_is_alive_in_whole_blocks():
    cuda = Rounded(512)
    cuda.allocate(1, 1)
    cuda.allocate(2, 512)
    cuda.free(1)
    cuda.allocate(3, 513)
    assert cuda.now == 512 + 1024 and cuda.take_peak() == 1536
    cuda.free(2)
    assert cuda.take_peak() == 1536 and cuda.take_peak() == 1024
