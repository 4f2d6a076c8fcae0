"""bbyte serve as a process: what it says, what it answers, how it ends, and what it refuses."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest
from engine_models import SHAPES, packed
from fresh import checkpoint

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    packed(root / "small", SHAPES["grouped"])
    return root


class Process:
    """A server as a user starts it, and the address it says it has."""

    def __init__(self, folder, *words, **environment):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bbyte", "serve", *words, "--port", "0"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
            env={**os.environ, **environment},
        )  # fmt: skip
        self.said = ""
        for line in self.process.stderr:
            self.said += line
            if found := re.search(r"serving .* at (http://\S+\d), Ctrl-C ends it", line):
                self.url = found[1]
                return
        pytest.fail(self.said)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def end(self, number):
        self.process.send_signal(number)
        out, said = self.process.communicate(timeout=30)
        return self.process.returncode, out, said

    def ask(self, path, key=None, **fields):
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        body = json.dumps(fields).encode() if fields else None
        with urllib.request.urlopen(urllib.request.Request(self.url + path, body, headers)) as answer:  # noqa: S310
            return answer.read()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a child")
def test_openai_client_against_a_real_server(folder):
    openai = pytest.importorskip("openai")
    words = (
        "--prompt",
        "Once",
        "--max-new-tokens",
        "40",
        "--temperature",
        "1",
        "--top-k",
        "0",
        "--seed",
        "9",
    )
    command = [sys.executable, "-m", "bbyte", "generate", "--ckpt", "small", *words, "--no-echo", "-q"]
    expected = subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout
    with Process(folder, "small", "--ui", "--json") as server:
        client = openai.OpenAI(base_url=server.url + "/v1", api_key="none")
        settings = {"model": "small", "prompt": "Once", "max_tokens": 40, "seed": 9}
        whole = client.completions.create(**settings).choices[0].text
        assert whole == expected.decode("utf-8", "replace")
        assert whole == "".join(
            one.choices[0].text for one in client.completions.create(**settings, stream=True)
        )
        assert server.ask("/").startswith(b"<!doctype html>")
        code, out, said = server.end(signal.SIGINT)
    assert json.loads(out) == {"url": server.url, "model": "small"}
    assert code == 130
    assert re.fullmatch(r"(127\.0\.0\.1 (GET|POST) /\S* 200 \d\.\d+ s\n){3}interrupted\n", said)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no signals to a child")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_ends_while_it_computes(folder, number, code):
    checkpoint(folder / f"holes{code}", family="diffusion")
    with Process(folder, f"holes{code}") as server:
        body = json.dumps({"prompt": "a", "max_tokens": 16384, "stream": True}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(server.url + "/v1/completions", body, headers)  # noqa: S310
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            assert answer.readline().startswith(b"data: ")
            assert server.end(number)[0] == code
            assert b"the server is stopping" in answer.read()


def test_a_key_from_the_environment(folder):
    with Process(folder, "small", BBYTE_API_KEY="sesame") as server:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            server.ask("/v1/models")
        assert b'"small"' in server.ask("/v1/models", "sesame")
        assert server.ask("/health") == b'{"status":"ok"}'


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("--host", "0.0.0.0"), 2, "a server that other machines can reach needs a key"),  # noqa: S104
        (("--host", "example.org"), 2, "needs a key"),
        (("--api-key", "two words"), 2, "an API key is letters, digits and signs of ASCII"),
        (("--max-requests", "0"), 2, "max_requests 0 is not at least 1"),
        (("--port", "65536"), 2, "--port is 65536, expected at most 65535"),
        (("nowhere",), 2, "nowhere does not exist"),
        (("small", "--host", "no such host", "--api-key", "k"), 1, "there is no address no such host"),
    ],
)
def test_what_it_refuses(folder, words, code, sentence):
    done = subprocess.run(
        [sys.executable, "-m", "bbyte", "serve", *words],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert sentence in done.stderr


def test_a_port_that_is_taken(folder):
    with Process(folder, "small") as server:
        port = server.url.rpartition(":")[2]
        command = [sys.executable, "-m", "bbyte", "serve", "small", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=60)
    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1 cannot be taken" in done.stderr
    assert "--port 0" in done.stderr


def test_without_the_extra_one_line_says_what_to_install(folder):
    program = (
        "import sys; sys.modules['starlette'] = None; import bbyte.cli; sys.exit(bbyte.cli.main(['serve']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 2
    assert done.stderr == "error: a server needs starlette and uvicorn\nhint: pip install 'bbyte[serve]'\n"


def test_the_command_is_imported_without_what_it_needs():
    program = (
        "import sys, bbyte.commands.serve\n"
        "print({'torch', 'numpy', 'starlette', 'uvicorn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
