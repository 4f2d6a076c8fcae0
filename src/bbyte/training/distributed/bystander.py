"""A run's folder as all processes but the first know it: by its name."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bbyte.runs.folder import Run


class Bystander(Run):
    """Writes nothing and locks nothing; the first process does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def record(self, config: str, environment: dict[str, Any]) -> None:
        """Nothing."""

    def append(self, row: dict[str, Any]) -> None:
        """Nothing."""

    def flush(self) -> None:
        """Nothing."""

    def cut(self, step: int) -> None:
        """Nothing."""

    def write(self, content: Iterable[dict[str, Any]]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""
