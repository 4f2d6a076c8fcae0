"""How much memory allocations take: more than what is alive, by what lies unused in between."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field

PAGE = 4096
CUDA_BLOCK = 512


@dataclass
class Rounded:
    """Every allocation by itself, in whole blocks: what CUDA's allocator counts as allocated, or pages."""

    block: int
    now: int = 0
    peak: int = 0
    _sizes: dict[int, int] = field(default_factory=dict)

    def allocate(self, name: int, size: int) -> None:
        """Take `size` bytes under a name that is free."""
        self._sizes[name] = -(-size // self.block) * self.block
        self.now += self._sizes[name]
        self.peak = max(self.peak, self.now)

    def free(self, name: int) -> None:
        """Give back what was taken under `name`."""
        self.now -= self._sizes.pop(name)

    def take_peak(self) -> int:
        """The most bytes that were held at once since the last call."""
        peak, self.peak = self.peak, self.now
        return peak


@dataclass
class Heap:
    """glibc's, the C library of most Linux systems, told to keep what is freed.

    What is smaller than `threshold` comes from one stretch of memory that only grows: from the smallest hole
    that is large enough, else from its end; neighbouring holes become one. What is larger has its own pages,
    and gives them back. So malloc treats large pieces; small ones, which are not followed, lie scattered and
    keep holes apart. `SCATTERED`, a part of the stretch, stands for that, as measured.
    """

    threshold: int
    peak: int = 0
    _end: int = 0
    _highest: int = 0
    _paged: int = 0
    _taken: dict[int, tuple[int | None, int]] = field(default_factory=dict)  # start (None: own pages), size
    _holes: list[tuple[int, int]] = field(default_factory=list)  # size, start, in order
    _sizes: dict[int, int] = field(default_factory=dict)  # of the hole that starts there
    _starts: dict[int, int] = field(default_factory=dict)  # of the hole that ends there

    def allocate(self, name: int, size: int) -> None:
        """Take `size` bytes under a name that is free."""
        if size >= self.threshold:
            start, size = None, -(-size // PAGE) * PAGE + PAGE
            self._paged += size
        else:
            size = -(-(size + _HEADER) // _ALIGNMENT) * _ALIGNMENT
            start = self._place(size)
        self._taken[name] = (start, size)
        self.peak = max(self.peak, self._held())

    def free(self, name: int) -> None:
        """Give back what was taken under `name`."""
        start, size = self._taken.pop(name)
        if start is None:
            self._paged -= size
        else:
            self._open(start, size)

    def take_peak(self) -> int:
        """The most bytes that were held at once since the last call: what the stretch has grown to stays."""
        peak, self.peak = self.peak, self._held()
        return peak

    def _held(self) -> int:
        return round(self._highest * (1 + SCATTERED)) + self._paged

    def _place(self, size: int) -> int:
        # To align a tensor, malloc looks for this much more than it keeps.
        index = bisect_left(self._holes, (size + _ALIGNMENT, 0))
        if index < len(self._holes):
            found, start = self._holes[index]
            self._close(start)
            self._open(start + size, found - size)
        else:
            start, self._end = self._end, self._end + size
            self._highest = max(self._highest, self._end)
        return start

    def _open(self, start: int, size: int) -> None:
        """Make a hole, one with those on both sides."""
        end = start + size
        if start in self._starts:
            start = self._starts[start]
            self._close(start)
        if end in self._sizes:
            end += self._close(end)
        if end == self._end:
            self._end = start
        else:
            self._sizes[start], self._starts[end] = end - start, start
            insort(self._holes, (end - start, start))

    def _close(self, start: int) -> int:
        size = self._sizes.pop(start)
        del self._starts[start + size]
        del self._holes[bisect_left(self._holes, (size, start))]
        return size


SCATTERED = 1 / 16
_HEADER, _ALIGNMENT = 16, 64
