"""The server in this process, until a signal ends it."""

import socket
import sys
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from bbyte.errors import BbyteError
from bbyte.serving.limits import HEADER_SECONDS, MOST_CONNECTIONS
from bbyte.serving.work import Work

_LARGEST_HEAD = 1 << 14
_KEPT_SECONDS = 5
_LEAVING_SECONDS = 2


def bind(host: str, port: int) -> socket.socket:
    """A socket that waits for clients; port 0 takes any that is free. Raises BbyteError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        taken = socket.socket(family, kind, protocol)
    except OSError as error:
        raise BbyteError(f"there is no address {host}: {error.strerror or error}") from error
    try:
        if sys.platform != "win32":  # there it would let two programs have the same port
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
        taken.listen()
    except OSError as error:
        taken.close()
        raise BbyteError(
            f"port {port} of {host} cannot be taken: {error.strerror}", "--port 0 takes any that is free"
        ) from error
    return taken


def url(taken: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = taken.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """Answers until `should_exit`; then what is computed is ended, so that nobody is waited for."""

    def __init__(self, app: ASGIApp, work: Work) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_Timed,
                ws="none",
                lifespan="off",
                loop="asyncio",
                log_config=None,
                log_level="critical",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=MOST_CONNECTIONS,
                timeout_keep_alive=_KEPT_SECONDS,
                timeout_graceful_shutdown=_LEAVING_SECONDS,
                h11_max_incomplete_event_size=_LARGEST_HEAD,
            )
        )
        self._work = work

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more, end what is there."""
        self._work.close()
        await super().shutdown(sockets)


class _Timed(H11Protocol):
    """A connection on which the head of a request must come in time; uvicorn would wait for ever."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self.loop.call_later(HEADER_SECONDS, self._check, None)

    def on_response_complete(self) -> None:
        """Begin to wait for the next one."""
        answered = self.cycle
        super().on_response_complete()
        self.loop.call_later(HEADER_SECONDS, self._check, answered)

    def _check(self, answered: Any) -> None:
        if self.cycle is answered and not self.transport.is_closing():
            self.transport.close()
