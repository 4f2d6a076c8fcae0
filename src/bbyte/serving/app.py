"""The server's addresses, and what is answered at each."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bbyte import manifest
from bbyte.errors import BbyteError
from bbyte.serving import completion_request, infill, page, score
from bbyte.serving.answers import Document, Events, Whole, answer, refused
from bbyte.serving.completions import Shape, complete
from bbyte.serving.gate import Gate
from bbyte.serving.limits import HEADER_SECONDS, Limits
from bbyte.serving.model import Served
from bbyte.serving.refusals import RefusedError
from bbyte.serving.work import Heed, Work

_LOG = logging.getLogger(__name__)


def application(
    model: Served,
    work: Work,
    limits: Limits,
    *,
    key: str | None = None,
    with_page: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> ASGIApp:
    """The server as an ASGI application; `say` is told a line about each request, as it came, of any text."""
    addresses = _Addresses(model, work, limits, with_page)
    app = Starlette(
        routes=[
            Route("/", addresses.front),
            Route("/health", addresses.health),
            Route("/v1/models", addresses.models),
            Route("/v1/models/{name:path}", addresses.model),
            Route("/v1/completions", addresses.completions, methods=["POST"]),
            Route("/infill", addresses.infill, methods=["POST"]),
            Route("/score", addresses.score, methods=["POST"]),
        ],
        exception_handlers={
            BbyteError: _refused,
            HTTPException: _not_there,
            ClientDisconnect: _left,
            Exception: _failed,
        },
    )
    app.router.redirect_slashes = False
    return Gate(app, key, say)


class _Addresses:
    def __init__(self, model: Served, work: Work, limits: Limits, with_page: bool) -> None:
        self._model, self._work, self._limits = model, work, limits
        self._page = page.read() if with_page else None
        self._card: Document = {
            "id": model.name,
            "object": "model",
            "created": int(time.time()),
            "owned_by": "bbyte",
            "family": model.family,
            "context": model.context,
            "fills_holes": model.infiller is not None,
        }

    async def front(self, request: Request) -> Response:
        if self._page is None:
            return answer({"bbyte": "POST /v1/completions writes; bbyte serve --ui has a page here"})
        data, policy = self._page
        return Response(data, 200, {"Content-Security-Policy": policy}, "text/html; charset=utf-8")

    async def health(self, request: Request) -> Response:
        return answer({"status": "ok"})

    async def models(self, request: Request) -> Response:
        return answer({"object": "list", "data": [self._card]})

    async def model(self, request: Request) -> Response:
        if request.path_params["name"] != self._model.name:
            raise RefusedError(404, f"the only model here is {self._model.name!r}", code="model_not_found")
        return answer(self._card)

    async def completions(self, request: Request) -> Any:
        asked = completion_request.read(await self._body(request), self._model.name, self._limits)
        shape, compute = Shape(self._model, asked), partial(complete, self._model, asked)
        if asked.wanted.stream:
            return Events(self._work, compute, shape.chunks)
        return Whole(self._work, compute, shape.whole)

    async def infill(self, request: Request) -> Any:
        asked = infill.read(await self._body(request), self._model, self._limits)
        infiller = self._model.infiller
        assert infiller is not None  # noqa: S101 - read refuses it

        def compute(heed: Heed) -> Iterator[Document]:
            return infill.fill(infiller, asked, self._model.name)

        return self._documents(compute, asked.wanted.stream)

    async def score(self, request: Request) -> Any:
        asked = score.read(await self._body(request), self._model.name, self._limits)
        return self._documents(partial(score.score, self._model, asked), asked.wanted.stream)

    def _documents(self, compute: Callable[[Heed], Iterator[Document]], stream: bool) -> Any:
        """What gives out documents, all of them as they come or the last one alone."""
        if stream:
            return Events(self._work, compute, lambda documents: iter(documents or []))
        return Whole(self._work, compute, lambda documents: documents[-1])

    async def _body(self, request: Request) -> Document:
        """The JSON object in the body of a request. Raises RefusedError."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise RefusedError(415, "the body is no JSON: send it with Content-Type: application/json")
        body, most = bytearray(), self._limits.max_body_bytes
        try:
            async with asyncio.timeout(HEADER_SECONDS):
                async for part in request.stream():
                    body += part
                    if len(body) > most:
                        raise RefusedError(413, f"the body has more than {most} bytes")
        except TimeoutError:
            raise RefusedError(408, f"the body did not come within {HEADER_SECONDS:.0f} seconds") from None
        try:
            return manifest.document(bytes(body))
        except (ValueError, RecursionError) as error:
            raise RefusedError(400, f"the body is no JSON as it is taken here: {error}") from None


async def _refused(request: Request, error: Any) -> Response:
    return refused(error)


async def _not_there(request: Request, error: Any) -> Response:
    refusal = RefusedError(error.status_code, f"{error.detail}: {request.method} {request.scope['path']}")
    response = refused(refusal)
    response.headers.update(error.headers or {})
    return response


async def _left(request: Request, error: Exception) -> Any:
    return None  # nobody would read an answer


async def _failed(request: Request, error: Exception) -> Response:
    _LOG.error("bbyte made a mistake; please report it with these lines", exc_info=error)
    return refused(BbyteError(f"bbyte made a mistake: {type(error).__name__}"))
