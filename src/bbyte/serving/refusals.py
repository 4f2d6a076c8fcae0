"""What a server answers instead of a result: a status, and a sentence in the shape of OpenAI's errors."""

from typing import Any

from bbyte.errors import BbyteError, OutOfMemoryError, UsageError

_LONGEST = 500


class RefusedError(BbyteError):
    """A request that is not answered: the status says whose fault it is, `param` which field, if one."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None):
        super().__init__(message)
        self.status, self.param, self.code = status, param, code


def refusal_of(error: BbyteError) -> RefusedError:
    """The error as a server tells it: what is asked wrongly is the client's fault."""
    if isinstance(error, RefusedError):
        return error
    sentence = error.message.replace("\n", "; ") + (f" ({error.hint})" if error.hint else "")
    status = 400 if isinstance(error, UsageError) else 503 if isinstance(error, OutOfMemoryError) else 500
    return RefusedError(status, sentence.replace("\n", "; "))


def error_document(refusal: RefusedError) -> dict[str, Any]:
    """The body of an answer that is an error."""
    kinds = {401: "authentication_error", 404: "not_found_error", 503: "overloaded_error"}
    kind = kinds.get(refusal.status) or ("server_error" if refusal.status >= 500 else "invalid_request_error")
    message = refusal.message
    if len(message) > _LONGEST:
        message = f"{message[:_LONGEST]}…"
    return {"error": {"message": message, "type": kind, "param": refusal.param, "code": refusal.code}}
