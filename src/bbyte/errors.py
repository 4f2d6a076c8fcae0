"""The errors a user can meet: one sentence that says what is wrong, one hint that says what to do."""


class BbyteError(Exception):
    """Something the user asked for cannot be done; `message` says what, `hint` what to try instead."""

    exit_code = 1
    label = "error"
    """What stands before the message on a screen."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(BbyteError):
    """The request itself is off: a flag, a setting or a combination of them."""

    exit_code = 2


class DataError(BbyteError):
    """A file is damaged, truncated, or does not belong to what it is used with."""

    exit_code = 3


class OutOfMemoryError(BbyteError):
    """The work does not fit in the memory found."""

    exit_code = 4


class InterruptedRunError(BbyteError):
    """A signal ended a run after its checkpoint was saved; `--resume` goes on from there."""

    exit_code = 75
    label = "stopped"
