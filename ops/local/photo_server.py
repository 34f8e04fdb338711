"""Serves the photos of a catalogue on loopback, as the bucket does in production."""

from __future__ import annotations

import functools
import http.server
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from ops.local.loopback import HOST


class PhotoServer:
    """An HTTP server in a thread of its own. Raises OSError when `port` is taken; 0 takes a free one."""

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        handler = functools.partial(_Handler, directory=str(folder))
        try:
            self._server = http.server.ThreadingHTTPServer((HOST, port), handler)
        except OSError as error:
            raise OSError(error.errno, f"cannot serve photos on port {port}: {error.strerror}") from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="photos", daemon=True)

    @property
    def url(self) -> str:
        """The base of the photos' addresses, without a slash at the end."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections
    disable_nagle_algorithm = True  # headers and body are two writes

    def log_message(self, *_args: object) -> None:
        """Keep quiet."""
