"""A web server of files, and of those calls of the Hugging Face Hub that reading a dataset makes."""

import contextlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Server(ThreadingHTTPServer):
    """Serves `files`, a dict of path to bytes, and `datasets`, name to (card, dict of path to bytes).

    has_ranges: whether parts may be asked for. cut: after how many bytes every answer breaks off. asked:
    "METHOD path" of all that came. ranges: the sizes of the parts asked for.
    """

    daemon_threads = True

    def __init__(self, files=(), datasets=(), *, has_ranges=True, cut=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.datasets = dict(files), dict(datasets)
        self.has_ranges, self.cut, self.asked, self.ranges = has_ranges, cut, [], []
        self.url = f"http://127.0.0.1:{self.server_port}"


@contextlib.contextmanager
def serving(*contents, **settings):
    server = Server(*contents, **settings)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        self.answer(asked.get("paths", []))

    def answer(self, paths=()):
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(f"{self.command} {path}")
        dataset = re.match(r"(/api)?/datasets/([^/]+/[^/]+)(?:/(\w[\w-]*)/([^/]+)(?:/(.*))?)?$", path)
        if path in self.server.files:
            self.give(self.server.files[path])
        elif dataset is None or dataset[2] not in self.server.datasets:
            self.reply(404, b"not found", {"X-Error-Code": "RepoNotFound"} if dataset else {})
        else:
            card, files = self.server.datasets[dataset[2]]
            is_api, kind, inside = dataset[1], dataset[3], dataset[5]
            listed = [
                {"type": "file", "oid": "0" * 40, "size": len(data), "path": name}
                for name, data in files.items()
            ]
            if is_api and kind == "tree":
                self.reply_json(listed)
            elif is_api and kind == "paths-info":
                self.reply_json([one for one in listed if one["path"] in paths])
            elif is_api:
                siblings = [{"rfilename": name} for name in files]
                about = {"id": dataset[2], "sha": COMMIT, "cardData": card, "siblings": siblings, "tags": []}
                self.reply_json({**about, "private": False, "downloads": 0, "likes": 0})
            elif kind == "resolve" and inside in files:
                self.give(files[inside])
            else:
                self.reply(404, b"not found", {"X-Error-Code": "EntryNotFound"})

    def reply_json(self, value):
        self.reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def give(self, data):
        headers = {"ETag": f'"{len(data)}-etag"', "X-Repo-Commit": COMMIT}
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if part is None or not self.server.has_ranges:
            headers["Accept-Ranges"] = "bytes" if self.server.has_ranges else "none"
            self.reply(200, data, headers)
            return
        start, stop = int(part[1]), min(len(data), int(part[2] or len(data) - 1) + 1)
        self.server.ranges.append(stop - start)
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        self.reply(206, data[start:stop], headers)

    def reply(self, status, data, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": len(data)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: self.server.cut])
        if self.server.cut is not None:
            self.close_connection = True
