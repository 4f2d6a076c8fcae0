"""Memory that runs out in one of several processes."""

import torch


class AllOutOfMemoryError(torch.OutOfMemoryError):
    """It ran out in one process at least, and all of them know and do the same about it."""
