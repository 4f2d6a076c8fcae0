"""Requests that are wrong in every way get a 4xx and harm nobody: RELIABILITY row 14."""

import asyncio
import json
import random
import socket
import string

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from running_server import Counting, Even, called, of_predictor, running

from bbyte.serving.app import application
from bbyte.serving.limits import Limits
from bbyte.serving.work import Work

GOOD = {
    "/v1/completions": {"prompt": "ab", "max_tokens": 2, "temperature": 0.5, "n": 1, "stop": ["x"], "seed": 3,
                        "echo": True, "logprobs": 1, "stream": False, "top_p": 0.5, "top_k": 5, "min_p": 0.1,
                        "repetition_penalty": 1.1, "penalty_window": 3, "utf8": "any", "user": "u"},
    "/score": {"prompt": "ab", "top": 3, "start": 1, "stream": True},
    "/infill": {"prompt": "a[MASK]b", "n": 1, "steps": 2, "order": "left", "remask": True, "seed": 1},
}  # fmt: skip
WRONG = [
    -1, 1.5, 1e308, 2**62, True, "", "x", "\ud800", "1", [], [[]], [[[[1]]]], {}, {"a": None}, [None],
    [1, "a"], [256], [-1], [True], ["a", 1], "\x00" * 50, "é" * 40000, [0] * 70000, [["x"]] * 40,
    "any", "valid",
]  # fmt: skip
LIMITS = Limits(max_requests=4, max_body_bytes=1 << 18, max_new_tokens=64)


def wrong_value(dice, path):
    """A field that exists, with a value that may be none of its own; sometimes another field as well."""
    body = {**GOOD[path], dice.choice(list(GOOD[path])): dice.choice(WRONG)}
    if dice.random() < 0.3:
        body["".join(dice.choices(string.ascii_letters, k=5))] = dice.choice(WRONG)
    return json.dumps(body).encode()


def damaged(dice, path):
    """A good body with some bytes changed, cut out or put in."""
    body = bytearray(json.dumps(GOOD[path]).encode())
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(body))
        body[at : at + dice.randint(0, 2)] = dice.randbytes(dice.randint(0, 2))
    return bytes(body)


def no_json(dice, path):
    """What is no JSON object at all, or one that is made to hurt."""
    return dice.choice(
        [
            b"", b"null", b"[]", b"1", b'"a"', b"{", b"{}}", b'{"prompt": NaN}', 
            b'{"seed": 1' + b"0" * 5000 + b"}",
            b'{"prompt": ' + b"[" * 20000 + b"]" * 20000 + b"}", b'{"a": ' * 500 + b"1" + b"}" * 500,
            b'{"prompt": "a", "prompt": "b"}', b"\xff\xfe{}", b'{"prompt": "\xff"}', dice.randbytes(200),
            b'{"prompt": "' + b"x" * (1 << 18) + b'"}', b'{"temperature": 1e999}',
            b'{"max_tokens": 1' + b"0" * 25 + b"}",
        ]
    )  # fmt: skip


def request(dice):
    """Some request, most of them wrong: method, path, headers, body."""
    path = dice.choice(list(GOOD))
    method, headers = "POST", {}
    body = dice.choice([wrong_value, wrong_value, damaged, no_json])(dice, path)
    whim = dice.random()
    if whim < 0.1:
        method = dice.choice(["GET", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "x", "HEAD"])
    elif whim < 0.2:
        path = "/" + dice.choice(
            ["../etc/passwd", "v1/completions/", "%2e%2e/", "//", "score\x00", "é" * 99, "."]
        )
    elif whim < 0.3:
        junk = "".join(chr(dice.randrange(32, 256)) for _ in range(20))
        headers[dice.choice(["host", "content-type", "origin", "authorization", "content-length"])] = junk
    return method, path, body, headers


async def answered(count, seed):
    """How often each status came."""
    dice, found = random.Random(seed), {}
    app = application(of_predictor(Counting, infiller=Even()), Work(LIMITS.max_requests), LIMITS)
    for number in range(count):
        method, path, body, headers = request(dice)
        status, _, answer = await called(app, method, path, body, headers)
        found[status] = found.get(status, 0) + 1
        where = f"request {number}: {method} {path} {body[:200]!r} {headers}: {status} {answer[:300]!r}"
        assert status == 200 or 400 <= status < 500, where
        if status != 200 and method != "HEAD":
            assert json.loads(answer)["error"]["message"], where
            assert "Traceback" not in answer.decode()
    # And after all that it does its work.
    assert (await called(app, body=b'{"prompt": "a", "max_tokens": 1}'))[0] == 200
    return found


def test_a_few_hundred_malformed_requests():
    found = asyncio.run(answered(500, 1))
    assert set(found) >= {200, 400, 403, 404, 405, 413, 415}


@pytest.mark.slow
def test_ten_thousand_malformed_requests():
    found = asyncio.run(answered(14_000, 2))
    assert sum(count for status, count in found.items() if status != 200) >= 10_000


HEAD = b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


def garbage(dice):
    """Bytes for a socket that are no request, or the beginning of one."""
    good = HEAD + b"Content-Length: 15\r\n\r\n" + b'{"prompt": "a"}'
    kind = dice.randrange(6)
    if kind == 0:
        return dice.randbytes(dice.randint(1, 400))
    if kind == 1:
        cut = bytearray(good)
        cut[dice.randrange(len(HEAD))] = dice.randrange(256)
        return bytes(cut)
    if kind == 2:
        return (
            dice.choice([b"GET", b"\x16\x03\x01", b"PRI *"])
            + b" / HTTP/"
            + dice.choice([b"9.9", b"2.0", b""])
            + b"\r\n\r\n"
        )
    if kind == 3:
        return HEAD + b"X: " + b"a" * dice.choice([100, 20000]) + b"\r\n\r\n"
    if kind == 4:
        size = dice.choice(
            [b"-1", b"x", b"9" * 30, b"1\r\nContent-Length: 2", b"1\r\nTransfer-Encoding: chunked"]
        )
        return HEAD + b"Content-Length: " + size + b"\r\n\r\n{}"
    return (
        HEAD
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + dice.choice([b"zz\r\n", b"-1\r\n{}\r\n", b"ffffffffffffffffffff\r\n"])
    )


def sent(address, data):
    """What a server says to some bytes, after which nothing more comes."""
    with socket.create_connection(address, timeout=20) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while part := client.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
    return answer


def test_garbage_on_a_socket():
    dice = random.Random(3)
    with running(of_predictor(Counting)) as url:
        host, port = url.removeprefix("http://").split(":")
        for _ in range(300):
            data = garbage(dice)
            answer = sent((host, int(port)), data)
            assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200")), (data, answer)
        good = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        assert sent((host, int(port)), good).endswith(b'{"status":"ok"}')


def test_a_slow_client_is_left(monkeypatch):
    monkeypatch.setattr("bbyte.serving.running.HEADER_SECONDS", 0.3)
    monkeypatch.setattr("bbyte.serving.app.HEADER_SECONDS", 0.3)
    with running(of_predictor(Counting)) as url:
        host, port = url.removeprefix("http://").split(":")
        for begin, ending in ((b"GET / HT", b""), (HEAD + b"Content-Length: 9\r\n\r\n{", b"HTTP/1.1 408")):
            with socket.create_connection((host, int(port)), timeout=20) as client:
                client.sendall(begin)
                assert client.recv(12) == ending
        with socket.create_connection((host, int(port)), timeout=20) as client:
            client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b'{"status":"ok"}'):
                answer += client.recv(1000)
            client.sendall(b"GET /hea")
            assert client.recv(1000) == b""
