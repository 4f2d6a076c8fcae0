"""What happens when a model that sees so many bytes at once has seen them all. Imports no torch."""


def forgotten(total: int, context: int) -> int:
    """How many of the first of `total` bytes fall away, so that the others fit in `context`.

    Each time the context is full, all but its last half goes, and the rest is read again. (Dropping single
    early bytes instead would need a model trained that way; others collapse.)
    """
    once = context - context // 2
    return -(-max(0, total - context) // once) * once
