"""A campaign: damage a file again and again, and count what comes of it."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice

from bbyte.errors import BbyteError


@dataclass
class Outcome:
    """What became of the mutants: refused, equal (another file, the same content), or what must not be."""

    counts: Counter = field(default_factory=Counter)
    accepted: list = field(default_factory=list)
    tracebacks: list = field(default_factory=list)

    def assert_none_slipped_through(self, most_equal=0.05):
        assert not self.tracebacks, self.tracebacks[:5]
        assert not self.accepted, self.accepted[:5]
        assert self.counts["equal"] <= most_equal * self.counts.total()


def campaign(path, mutants, count, read, good, is_good=None):
    """Write `count` mutants to `path` and read each; the file is put back in the end.

    read: raises a BbyteError that names a file, or returns what was read. good: what it returns of the good
    file.
    is_good: decides, where equality with `good` does not, whether what was read was rightly accepted.
    """
    outcome, original = Outcome(), path.read_bytes()
    assert read() == good
    for kind, mutant in islice(mutants, count):
        path.write_bytes(mutant)
        try:
            found = read()
        except BbyteError as error:
            outcome.counts["refused"] += 1
            if not _is_told_well(error, path):
                outcome.tracebacks.append((kind, repr(error)[:300], mutant[:200]))
        except Exception as error:
            outcome.tracebacks.append((kind, repr(error)[:300], mutant[:200]))
        else:
            if is_good(found, mutant) if is_good else found == good:
                outcome.counts["equal"] += 1
            else:
                outcome.accepted.append((kind, mutant[:200]))
    path.write_bytes(original)
    assert read() == good
    return outcome


def _is_told_well(error, path):
    """In a line and a hint, naming the file or, where two disagree, the one beside it; of decent length."""
    return (
        error.exit_code == 3
        and str(path.parent) in error.message
        and error.hint
        and "\n" not in error.message.strip()
        and len(error.message) < 600
    )
