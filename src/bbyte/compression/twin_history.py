"""What the hybrid coder knows of a chunk so far: the text, its words, and where it was like this before."""

MASK = (1 << 32) - 1
PLACE_BITS = 18
SHORTEST, LONGEST = 5, 63


def hashed(a: int, b: int) -> int:
    """`hash(a, b)` of docs/coder.md."""
    h = (a * 0x2C1B3C6D ^ (b + 0x9E3779B9) * 0x297A2D39) & MASK
    h ^= h >> 15
    h = h * 0x85EBCA6B & MASK
    return h ^ h >> 13


class History:
    """The bytes of a chunk so far."""

    def __init__(self) -> None:
        self.text = bytearray()
        self.word = self.word_before = 0
        self.length = 0
        """Of the match; 0 where there is none."""
        self.match = 0
        """Where the byte is that followed the last time."""
        self._places: dict[int, int] = {}

    def back(self, count: int) -> int:
        """The byte so many bytes ago, 1 being the last; 0 before the chunk."""
        return self.text[-count] if count <= len(self.text) else 0

    def expected(self, known: int, bits: int) -> int | None:
        """The next bit by the match; None where there is none, or it has begun otherwise."""
        if self.length == 0:
            return None
        byte = self.text[self.match]
        begun = 1 << bits | byte >> (8 - bits)
        return byte >> (7 - bits) & 1 if begun == known else None

    def append(self, byte: int) -> None:
        """One more byte."""
        self.text.append(byte)
        letter = bytes([byte]).lower()
        if letter.isalpha() or byte >= 128:
            self.word = hashed(self.word, letter[0])
        else:
            self.word_before = self.word or self.word_before
            self.word = 0
        if len(self.text) >= SHORTEST:
            self._find_match()

    def _find_match(self) -> None:
        here, hash_ = len(self.text), 0
        for byte in self.text[-SHORTEST:]:
            hash_ = hashed(hash_, byte)
        place = hash_ >> (32 - PLACE_BITS)
        if self.length:
            self.match += 1
            self.length = min(self.length + 1, LONGEST)
        elif place in self._places:
            self.match = self._places[place]
            same = self._same_before(self.match)
            self.length = same if same >= SHORTEST else 0
        self._places[place] = here

    def _same_before(self, there: int) -> int:
        same = 0
        while same < min(LONGEST, there) and self.text[there - 1 - same] == self.text[-1 - same]:
            same += 1
        return same
