"""Servers of small models in this process, for the tests of what they answer."""

import asyncio
import threading
import time
from contextlib import contextmanager

import numpy as np

from bbyte.commands.serve import served
from bbyte.serving.app import application
from bbyte.serving.limits import Limits
from bbyte.serving.model import Served
from bbyte.serving.running import Server, bind, url
from bbyte.serving.work import Work
from bbyte.terminal.screen import Screen


def opened(path, **changes):
    """The checkpoint at a path as `bbyte serve` has it, on one thread."""
    return served(Screen(quiet=True), path, "cpu", "auto", 1)


def of_predictor(make, **others):
    """A model of which only the next-byte view is there: `make(lanes)`."""
    return Served(name="toy", family="toy", context=64, open_predictor=make, **others)


class Counting:
    """A predictor to which all bytes are alike; it counts those it takes."""

    def __init__(self, lanes):
        self.lanes, self.count, self._even = lanes, 0, np.zeros((lanes, 256), np.float32)

    def reset(self):
        pass

    def prime(self, prompt):
        pass

    def feed(self, data):
        self.count += 1

    def logits(self):
        return self._even


class Even:
    """An infiller to which all bytes are alike."""

    context = 64

    def logits(self, tokens, before=None):
        return np.zeros((*tokens.shape, 256), np.float32)


@contextmanager
def running(model, *, key=None, with_page=False, limits=None, said=None):
    """The address of a server that runs in a thread as long as the block lasts."""
    limits = limits or Limits()
    with bind("127.0.0.1", 0) as taken:
        work = Work(limits.max_requests)
        say = (lambda line: None) if said is None else said.append
        app = application(model, work, limits, key=key, with_page=with_page, say=say)
        server = Server(app, work)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield url(taken)
        finally:
            server.should_exit = True
            thread.join()
            work.join()


def until(holds, seconds=20.0):
    """Wait until something holds; fails when it does not."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.02)


def call(app, method="POST", path="/v1/completions", body=b"{}", headers=None):
    """What an application answers to a request, without a server: status, headers, body."""
    return asyncio.run(called(app, method, path, body, headers))


async def called(app, method="POST", path="/v1/completions", body=b"{}", headers=None):
    """The same, in an event loop that is there."""
    given = {"host": "127.0.0.1", "content-type": "application/json", **(headers or {})}
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "path": path, "root_path": "",
        "raw_path": path.encode("utf-8", "surrogateescape"), "query_string": b"", "scheme": "http",
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given.items()],
    }  # fmt: skip
    unread, sent = [{"type": "http.request", "body": body, "more_body": False}], []

    async def receive():
        return unread.pop() if unread else await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    told = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], told, b"".join(message.get("body", b"") for message in sent[1:])
