"""What every request passes before anything else, and what is said of it afterwards.

A server that needs no key is for programs on the same machine, and for its own page. Other pages in the same
browser can reach it too: by their own name for 127.0.0.1 (DNS rebinding), which the Host header tells, or by
posting to it across origins, which the Origin header tells.
"""

import hmac
import ipaddress
import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bbyte.serving.answers import refused
from bbyte.serving.refusals import RefusedError

OPEN = ("/", "/health")
"""Paths that need no key: they say nothing of the model."""
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:]*))(?::[0-9]*)?")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Gate:
    """Lets a request through to `app`, or answers it; `say` is told a line about each.

    key: what a request must show, if anything; where there is none, it must be meant for this machine.
    """

    def __init__(self, app: ASGIApp, key: str | None, say: Callable[[str], None]) -> None:
        self._app, self._key, self._say = app, key, say

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        began, status = time.perf_counter(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", []), *_HEADERS]}
            await send(message)

        try:
            refusal = self._refusal(scope)
            answering = self._app if refusal is None else refused(refusal)
            await answering(scope, receive, watched)
        finally:
            client, seconds = (scope.get("client") or ("?",))[0], time.perf_counter() - began
            what = f"{scope['method'][:16]} {scope['path'][:200]}"
            self._say(f"{client} {what} {status or 'left'} {seconds:.3f} s")

    def _refusal(self, scope: Scope) -> RefusedError | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._key is None and not is_local(name_of(host)):
            return RefusedError(403, "this server answers only to 127.0.0.1 and localhost", code="wrong_host")
        if origin is not None and host_of(origin) != host.lower():
            return RefusedError(403, "this server answers no other pages than its own", code="wrong_origin")
        if self._key is not None and scope["path"] not in OPEN and not self._is_shown(headers):
            return RefusedError(401, "the API key is missing or wrong", code="invalid_api_key")
        return None

    def _is_shown(self, headers: Headers) -> bool:
        kind, _, key = headers.get("authorization", "").partition(" ")
        shown, expected = key.strip().encode("latin-1", "replace"), (self._key or "").encode()
        return hmac.compare_digest(shown, expected) and kind.lower() == "bearer"


def is_local(name: str) -> bool:
    """Whether only this machine can be meant by a name or an address."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"


def name_of(host: str) -> str:
    """The name in a Host header, without its port; empty where it is none."""
    match = _HOST.fullmatch(host.lower())
    return (match[1] or match[2]) if match else ""


def host_of(origin: str) -> str:
    """The host and port of an Origin header; empty for one that has none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
