"""Files elsewhere, by their address: https://, s3://, gs://, and whatever else fsspec knows."""

import glob
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from bbyte.data.sources.documents import Reading, is_archive
from bbyte.data.sources.extras import needs_data
from bbyte.data.sources.file import File
from bbyte.errors import BbyteError, UsageError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem  # type: ignore[import-untyped,unused-ignore]

_REVISIONS = ("ETag", "etag", "e_tag", "md5Hash", "Last-Modified", "LastModified", "mtime")
_SECONDS_OF_SILENCE = 60
_SECRETS = re.compile(r"(?<=//)[^/@]*@|[?#].*", re.DOTALL)
_OF_NETWORKS = (
    "aiohttp",
    "httpcore",
    "httpx",
    "huggingface_hub",
    "botocore",
    "aiobotocore",
    "s3fs",
    "gcsfs",
    "google",
)
"""Packages whose exceptions mean: the other side, or the way to it, failed."""


def files(url: str, reading: Reading) -> list[File]:
    """The files at an address, sorted: itself, those that match a pattern, or all below a folder.

    Their names in corpus.json are their addresses without passwords and queries. Raises UsageError where
    there is nothing, or a library that this kind of address needs is missing.
    """
    with failures_told(url):
        system, path = _system(url)
        is_http = url.startswith(("http://", "https://"))
        if glob.has_magic(path) and not is_http:
            found = system.glob(path, detail=True)
        elif (info := system.info(path))["type"] == "directory":
            found = {
                name: about
                for name, about in system.find(path, detail=True).items()
                if reading.takes(name) or is_archive(name)
            }
        else:
            found = {path: info}
        infos = {name: about for name, about in found.items() if about["type"] == "file"}
        if not infos:
            raise UsageError(f"there is no file at {without_secrets(url)}", "check the address")
        return [_file(system, name, infos[name]) for name in sorted(infos)]


def opened(url: str, *, at_random: bool) -> BinaryIO:
    """The file at an address, streamed from its beginning, or read at any place in parts."""
    with failures_told(url):
        system, path = _system(url)
        streamed = {} if at_random or not url.startswith(("http", "hf://")) else {"block_size": 0}
        return cast(BinaryIO, _Reader(system.open(path, "rb", **streamed), url))


def without_secrets(url: str) -> str:
    """An address without a password and without a query, which may be a key."""
    return _SECRETS.sub("", url)


@contextmanager
def failures_told(url: str) -> Iterator[None]:
    """Turns what goes wrong elsewhere, or on the way there, into an error of one sentence."""
    shown = without_secrets(url)
    try:
        with needs_data(shown):
            yield
    except BbyteError:
        raise
    except Exception as error:
        cause = error.__cause__ or error  # fsspec says that a file is not there whatever else went wrong
        if isinstance(error, FileNotFoundError) and (cause is error or getattr(cause, "status", 0) == 404):
            raise UsageError(f"there is nothing at {shown}", "check the address") from None
        if not (isinstance(cause, OSError | ValueError) or type(cause).__module__.startswith(_OF_NETWORKS)):
            raise
        words = without_secrets(" ".join(str(cause).split())) or type(cause).__name__
        raise BbyteError(f"{shown} cannot be read: {words[:300]}", "try again later") from None


class _Reader(io.RawIOBase):
    """A file of fsspec whose failures are told in words."""

    def __init__(self, file: Any, url: str) -> None:
        self._file, self._url = file, url

    def readinto(self, buffer: Any) -> int:
        with failures_told(self._url):
            found = self._file.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        with failures_told(self._url):
            return int(self._file.seek(place, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _system(url: str) -> "tuple[AbstractFileSystem, str]":
    from fsspec.core import url_to_fs  # type: ignore[import-untyped,unused-ignore]

    settings: dict[str, Any] = {}
    if url.startswith(("http://", "https://")):
        from aiohttp import ClientTimeout

        # By default a download is broken off after five minutes, and proxies are not asked.
        patience = ClientTimeout(sock_connect=_SECONDS_OF_SILENCE, sock_read=_SECONDS_OF_SILENCE)
        settings = {"client_kwargs": {"timeout": patience, "trust_env": True}}
    system, path = url_to_fs(url, **settings)
    return system, str(path)


def _file(system: "AbstractFileSystem", path: str, info: dict[str, Any]) -> File:
    url = system.unstrip_protocol(path)
    revision = next((str(info[key]) for key in _REVISIONS if info.get(key)), None)
    return File(without_secrets(url), None, info.get("size") or 0, url, revision)
