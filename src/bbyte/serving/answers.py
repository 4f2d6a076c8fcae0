"""Answers that a computation gives: a document when it is done, or events as they come.

A client that goes away ends its computation, and one that does not take what is sent to it is left.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Generic, TypeVar

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from bbyte.errors import BbyteError
from bbyte.serving.limits import SEND_SECONDS
from bbyte.serving.refusals import error_document, refusal_of
from bbyte.serving.work import GoneError, Heed, Job, Work

T = TypeVar("T")
Document = dict[str, Any]
DONE = b"data: [DONE]\n\n"


def answer(document: Document, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A document as an answer, in ASCII: half a surrogate pair that a client sent may stand in it."""
    body = json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


def refused(error: BbyteError) -> Response:
    """An error as an answer."""
    refusal = refusal_of(error)
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}.get(refusal.status)
    return answer(error_document(refusal), refusal.status, headers)


class _Computed(Generic[T]):
    """An answer that a job gives, which ends when the client goes."""

    def __init__(self, work: Work, compute: Callable[[Heed], Iterator[T]]) -> None:
        self._work, self._compute = work, compute

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; a client that has gone is answered nothing. Raises what the computation raises."""
        with self._work.job(self._compute) as job:
            watching = asyncio.create_task(_watch(receive, job))
            try:
                await self._answer(job, scope, receive, _patient(send))
            except (GoneError, TimeoutError):
                return
            finally:
                watching.cancel()

    async def _answer(self, job: Job[T], scope: Scope, receive: Receive, send: Send) -> None:
        raise NotImplementedError


class Whole(_Computed[T]):
    """One document, made of all results: `make(results)`."""

    def __init__(
        self, work: Work, compute: Callable[[Heed], Iterator[T]], make: Callable[[list[T]], Document]
    ) -> None:
        super().__init__(work, compute)
        self._make = make

    async def _answer(self, job: Job[T], scope: Scope, receive: Receive, send: Send) -> None:
        results = [one async for some in job.results() for one in some]
        await answer(self._make(results))(scope, receive, send)


class Events(_Computed[T]):
    """Server-sent events: the documents that `make` gives out for what comes, then DONE.

    make(results): documents for all that came since the last time; called with None in the end.
    """

    def __init__(
        self,
        work: Work,
        compute: Callable[[Heed], Iterator[T]],
        make: Callable[[list[T] | None], Iterator[Document]],
    ) -> None:
        super().__init__(work, compute)
        self._make = make

    async def _answer(self, job: Job[T], scope: Scope, receive: Receive, send: Send) -> None:
        begun = False
        try:
            async for documents in self._documents(job):
                if not begun:
                    await send(_HEAD)
                    begun = True
                await send(_part(b"".join(map(_event, documents))))
        except BbyteError as error:
            if not begun:
                raise
            await send(_part(_event(error_document(refusal_of(error))), more=False))
        else:
            if not begun:
                await send(_HEAD)
            await send(_part(DONE, more=False))

    async def _documents(self, job: Job[T]) -> AsyncIterator[list[Document]]:
        async for results in job.results():
            if documents := list(self._make(results)):
                yield documents
        if documents := list(self._make(None)):
            yield documents


_HEAD: Message = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),  # a proxy in between would hold the text back
    ],
}


def _part(data: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


def _event(document: Document) -> bytes:
    return b"data: " + json.dumps(document, allow_nan=False, separators=(",", ":")).encode() + b"\n\n"


def _patient(send: Send) -> Send:
    async def within_time(message: Message) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await send(message)

    return within_time


async def _watch(receive: Receive, job: Job[Any]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    job.leave()
