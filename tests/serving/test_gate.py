"""Who is let through, what is refused at the door, and what is said of it."""

import json
import socket

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from running_server import Counting, call, of_predictor, running, until

from bbyte.serving.app import application
from bbyte.serving.limits import Limits
from bbyte.serving.work import Work

BODY = json.dumps({"prompt": "ab", "max_tokens": 3, "seed": 1}).encode()


def app(key=None, said=None, **limits):
    allowed = Limits(**limits)
    model = of_predictor(Counting)
    say = (lambda line: None) if said is None else said.append
    return application(model, Work(allowed.max_requests), allowed, key=key, say=say)


def asked(headers=None, key=None, **others):
    status, told, body = call(app(key, **others), body=BODY, headers=headers)
    assert told["x-content-type-options"] == "nosniff"
    return status, json.loads(body)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:8000", "LOCALHOST", "[::1]:8000", "[::1]", "127.0.0.1:80", "127.0.0.9"]
)
def test_this_machine_is_answered(host):
    assert asked({"host": host})[0] == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "", "[::1", "10.0.0.1", "[::1]x"],
)
def test_another_name_for_it_is_not(host):
    status, told = asked({"host": host})
    assert (status, told["error"]["code"]) == (403, "wrong_host")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:8001", "http://[", "file://"]
)
def test_nor_is_another_page(origin):
    assert asked({"host": "localhost:8000", "origin": origin})[1]["error"]["code"] == "wrong_origin"


def test_its_own_page_is():
    assert asked({"host": "localhost:8000", "origin": "http://localhost:8000"})[0] == 200


def test_a_page_cannot_ask_without_being_asked_for_leave():
    """What a browser sends across origins without asking first is no JSON, and its asking is refused."""
    assert call(app(), body=BODY, headers={"content-type": "text/plain"})[0] == 415
    status, told, _ = call(app(), "OPTIONS", headers={"access-control-request-method": "POST"})
    assert status == 405
    assert not [name for name in told if name.startswith("access-control")]


@pytest.mark.parametrize(
    "shown",
    ["", "Bearer", "Bearer ", "Bearer sesam", "Bearer sesamee", "Basic sesame", "sesame", "Bearer s\xe9same"],
)
def test_a_wrong_key(shown):
    status, told = asked({"authorization": shown, "host": "anywhere"}, key="sesame")
    assert (status, told["error"]["type"]) == (401, "authentication_error")


def test_with_the_key_any_name_will_do():
    assert asked({"authorization": "Bearer sesame", "host": "box.example"}, key="sesame")[0] == 200
    assert asked({"authorization": "bearer sesame", "host": "box.example"}, key="sesame")[0] == 200


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/health", 200), ("/v1/models", 401)])
def test_what_needs_no_key(path, status):
    assert call(app("sesame"), "GET", path)[0] == status


@pytest.mark.parametrize("host", ["[", "a b", "", "\xff", "evil.example/..", "[::1"])
def test_with_the_key_a_name_that_is_none_does_no_harm(host):
    headers = {"authorization": "Bearer sesame", "host": host}
    assert call(app("sesame"), body=BODY, headers=headers)[0] == 200
    assert call(app("sesame"), "GET", "/nowhere", headers=headers)[0] == 404
    assert call(app("sesame"), "GET", "/score", headers=headers)[0] == 405


def test_a_body_that_is_too_large():
    status, _, body = call(app(max_body_bytes=50), body=b" " * 51)
    assert (status, json.loads(body)["error"]["message"]) == (413, "the body has more than 50 bytes")


def test_one_line_about_each_request():
    said = []
    asked(said=said)
    call(app(said=said), "GET", "/\x1b[2J\n" + "x" * 500)
    first, second = said
    assert first.startswith("127.0.0.1 POST /v1/completions 200 0.")
    assert second.startswith("127.0.0.1 GET /\x1b[2J\nxxx") and len(second) < 250


def test_without_a_page_the_front_says_so():
    status, _, body = call(app(), "GET", "/")
    assert status == 200 and "--ui" in json.loads(body)["bbyte"]


def test_who_goes_before_it_has_asked_is_told_of_as_such():
    said = []
    with running(of_predictor(Counting), said=said) as url:
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as client:
            head = "POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            client.sendall(f"{head}Content-Length: 50\r\n\r\n{{".encode())
        until(lambda: said)
    assert said[0].startswith("127.0.0.1 POST /score left ")


def test_a_wrong_method_is_told_the_right_one():
    status, headers, _ = call(app(), "GET", "/score")
    assert (status, headers["allow"]) == (405, "POST")
