"""What became of the inputs of a pack that is not in the corpus."""

from dataclasses import dataclass, field

from bbyte.data.sources.file import Skipped

LISTED = 100


@dataclass
class Account:
    """How much was left out, and the first hundred of it by name.

    skipped: what is not read by its nature (links, devices). damaged: files left out whole because something
    in them could not be read. without_text: records and rows that have none. duplicates: documents that
    equalled an earlier one.
    """

    skipped: list[Skipped] = field(default_factory=list)
    skipped_count: int = 0
    damaged: list[Skipped] = field(default_factory=list)
    damaged_count: int = 0
    without_text: int = 0
    duplicates: int = 0

    def skip(self, item: Skipped) -> None:
        """Something is not read."""
        self.skipped_count += 1
        self.skipped += [item] if self.skipped_count <= LISTED else []

    def give_up(self, item: Skipped) -> None:
        """A file is left out because it is damaged."""
        self.damaged_count += 1
        self.damaged += [item] if self.damaged_count <= LISTED else []

    def duplicate(self) -> None:
        """A document is left out because an equal one came before."""
        self.duplicates += 1

    def take_in(self, other: "Account") -> None:
        """Add what became of another file."""
        self.skipped = (self.skipped + other.skipped)[:LISTED]
        self.skipped_count += other.skipped_count
        self.without_text += other.without_text
