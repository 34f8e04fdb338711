"""One call's way to its answer: the fault script, the latency, and a connection that may be cut."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import falcon

from ops.emulator.faults import Fault, Kind
from ops.emulator.requestlog import CALL, Call
from ops.emulator.state import State

HANG_SECONDS = 3600.0
DRIBBLE_SECONDS = 1.0
LOOK_SECONDS = 0.25  # how often a waiting call looks whether its client is still there
OK = {"status": {"code": 200, "text": "OK"}}
HTML = "<!doctype html><title>502 Bad Gateway</title><h1>Bad Gateway</h1>"
GARBAGE = b'{"status": {"code": 200, \x00\xff\xfe'
JSON = "application/json"


class Exchange:
    """A request, its response and the effect between them; `run` decides what the client sees."""

    def __init__(
        self,
        state: State,
        req: falcon.Request,
        resp: falcon.Response,
        *,
        effect: Callable[[], dict[str, Any]],
    ) -> None:
        self._state = state
        self._resp = resp
        self._effect = effect
        self._origin = req.prefix
        self._call: Call = req.env[CALL]
        self._socket: socket.socket | None = req.env.get("gunicorn.socket")

    def run(self, *, latency: float) -> None:
        """Answer with what the effect returns `latency` seconds after the arrival, or play a fault instead.

        Raises what the effect raises (`falcon.HTTPError`).
        """
        fault = self._state.faults.pick(self._call)
        document = self._effect() if fault is None or fault.apply else None
        self._wait(self._call.arrived_monotonic + latency - time.monotonic())
        if fault is None:
            self._answer(document)
        else:
            self._call.fault = fault.kind
            PLAYERS[fault.kind](self, fault, document)

    def _answer(self, document: Any) -> None:
        self._call.code = _body_code(document)
        self._send(json.dumps(document).encode(), JSON, status=self._http_status(document))

    def _http_status(self, document: Any) -> int:
        """Both readings of the documents: 200, or what the body says (README.md)."""
        code = _body_code(document) if self._state.settings.mirror_status else None
        return code if code is not None and 200 <= code <= 599 else 200

    def _send(self, data: bytes, content_type: str, *, status: int = 200) -> None:
        self._resp.status = status
        self._resp.content_type = content_type
        self._resp.data = data

    def _wait(self, seconds: float) -> bool:
        """Wait, but not beyond the process's end or the client's leaving; whether nothing cut it short."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self._state.stopping.wait(min(left, LOOK_SECONDS)) or self._client_gone():
                return False
        return True

    def _client_gone(self) -> bool:
        if self._socket is None or not select.select([self._socket], [], [], 0)[0]:
            return False
        try:
            return not self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:
            return True

    # Faults.

    def _play_status(self, fault: Fault, _document: Any) -> None:
        status = fault.status or 503
        self._send_scripted(fault, {"detail": "The emulator was told to fail."}, status=status)

    def _play_body(self, fault: Fault, _document: Any) -> None:
        self._send_scripted(fault, fault.body, status=fault.status or 200)

    def _play_delay(self, fault: Fault, document: Any) -> None:
        self._wait(fault.seconds or 0.0)
        self._answer(document if fault.apply else self._effect())

    def _play_hang(self, fault: Fault, document: Any) -> None:
        # Logged before the wait: a test wants to see that the call came.
        self._call.code = _body_code(document)
        self._state.log.add(self._call)
        self._wait(HANG_SECONDS if fault.seconds is None else fault.seconds)
        self._cut()

    def _play_drop(self, _fault: Fault, document: Any) -> None:
        self._call.code = _body_code(document)
        # Logged before the cut: the client may ask for the log as soon as it notices.
        self._state.log.add(self._call)
        self._cut()

    def _play_garbage(self, fault: Fault, _document: Any) -> None:
        self._send(GARBAGE if fault.text is None else fault.text.encode(), JSON, status=fault.status or 200)
        self._set_headers(fault)

    def _play_html(self, fault: Fault, _document: Any) -> None:
        self._send((fault.text or HTML).encode(), "text/html; charset=utf-8", status=fault.status or 200)
        self._set_headers(fault)

    def _play_dribble(self, fault: Fault, document: Any) -> None:
        self._send_scripted(fault, document or OK, status=fault.status or self._http_status(document))
        data, self._resp.data = self._resp.data or b"", None
        pause = DRIBBLE_SECONDS if fault.seconds is None else fault.seconds
        self._resp.set_stream(self._dribble(data, pause), len(data))

    def _play_redirect(self, fault: Fault, _document: Any) -> None:
        self._send_scripted(fault, {"detail": "Moved."}, status=fault.status or 307)
        if "location" not in {name.lower() for name in fault.headers}:
            self._resp.set_header("Location", f"{self._origin}/redirected")

    def _play_huge(self, fault: Fault, document: Any) -> None:
        padded = {**(document or OK), "padding": "x" * fault.size}
        self._send_scripted(fault, padded, status=fault.status or self._http_status(document))

    def _send_scripted(self, fault: Fault, default: Any, *, status: int) -> None:
        """The fault's own text or body, else `default`, with its headers."""
        body = default if fault.body is None else fault.body
        if fault.text is None:
            self._answer(body)
        else:
            self._send(fault.text.encode(), JSON)
        self._resp.status = status
        self._set_headers(fault)

    def _set_headers(self, fault: Fault) -> None:
        for name, value in fault.headers.items():
            self._resp.set_header(name, value)

    def _dribble(self, data: bytes, pause: float) -> Iterator[bytes]:
        for value in data:
            yield bytes((value,))
            if not self._wait(pause):
                self._cut()
                return

    def _cut(self) -> None:
        """Close the connection under gunicorn's feet; its own write then fails, as if the client had gone."""
        if self._socket is None:
            raise RuntimeError("only a connection that gunicorn serves can be cut")
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the client was faster


PLAYERS: dict[Kind, Callable[[Exchange, Fault, Any], None]] = {
    "status": Exchange._play_status,
    "delay": Exchange._play_delay,
    "hang": Exchange._play_hang,
    "drop": Exchange._play_drop,
    "garbage": Exchange._play_garbage,
    "html": Exchange._play_html,
    "body": Exchange._play_body,
    "dribble": Exchange._play_dribble,
    "redirect": Exchange._play_redirect,
    "huge": Exchange._play_huge,
}


def _body_code(document: Any) -> int | None:
    """The `status.code` of a JSON document that has one."""
    status = document.get("status") if isinstance(document, dict) else None
    code = status.get("code") if isinstance(status, dict) else None
    return code if isinstance(code, int) else None
