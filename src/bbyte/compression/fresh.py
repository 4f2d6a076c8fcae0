"""Whether an archive decodes, asked of a process that shares nothing with the one that wrote it."""

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

from bbyte.errors import BbyteError, DataError


class FreshProcess:
    """Decodes, in a new process, the archive that is written to it.

    command: reads an archive from its standard input and writes {"files": [{"blake3": …}]}, that is
    `bbyte decompress - --test --json`. No BBYTE_ variable reaches it, so that none changes what it does.
    """

    def __init__(self, command: Sequence[str]) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BBYTE_")}
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=self._out, stderr=subprocess.DEVNULL, env=environment
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.__exit__(None, None, None)
        self._out.close()

    def write(self, data: bytes) -> None:
        """Take the next bytes of the archive; what comes after a failure is passed over."""
        assert self._process.stdin is not None  # noqa: S101
        with suppress(BrokenPipeError):
            self._process.stdin.write(data)

    def compare(self, blake3: str, name: str) -> None:
        """Raise DataError, about the archive `name`, unless it was decoded to bytes with this digest."""
        assert self._process.stdin is not None  # noqa: S101
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        code = self._process.wait()
        answer = self._answer()
        if code == 0 and [one.get("blake3") for one in answer.get("files", ())] == [blake3]:
            return
        if code not in (0, DataError.exit_code):
            raise BbyteError(
                f"{name} could not be verified: {answer.get('error', f'exit code {code}')}",
                "--no-verify compresses without decoding again",
            )
        raise DataError(
            f"{name} does not decode to what was compressed: {answer.get('error', 'another digest')}",
            "this machine may be faulty; please report it if another one says the same",
        )

    def _answer(self) -> dict[str, Any]:
        self._out.seek(0)
        try:
            answer = json.loads(self._out.read().decode())
        except ValueError:
            return {}
        return answer if isinstance(answer, dict) else {}
