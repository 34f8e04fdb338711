"""Spans leave where an endpoint is set; elsewhere nothing of OpenTelemetry is even imported."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"  # pragma: allowlist secret
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"

OFF = """
import sys
from procrastinate_app import main, tracing
import web.gateway.app
assert not tracing.start("worker")
with tracing.span("sync_product", product=1) as span:
    span.set(outcome="synced")
    assert tracing.headers() == {}
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""
ON = f"""
from procrastinate_app import tracing
assert tracing.start("worker") and tracing.start("worker")
with tracing.span("request", kind="server", parent={{"traceparent": "{PARENT}"}}, handler="/detect", nothing=None):
    print(tracing.headers()["traceparent"])
    with tracing.span("call", kind="client") as call:
        call.set(request_id="r-1", nothing=None)
try:
    with tracing.span("sync_product"):
        raise ValueError("no photo")
except ValueError:
    pass
tracing.stop()
assert tracing.headers() == {{}}
"""
ABSENT = """
import sys
sys.modules["opentelemetry"] = None
from procrastinate_app import tracing
assert not tracing.start("worker")
with tracing.span("sync_product"):
    print(tracing.headers())
"""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """An OTLP endpoint that keeps what it gets."""
    got: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", got
        server.shutdown()
        thread.join()


def run(program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    database = {"STAGING_DB_URL": "postgresql://nobody@127.0.0.1:1/none", "XIMILAR_ENV_FILE": ""}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**kept, **database, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_without_an_endpoint_nothing_is_imported() -> None:
    assert run(OFF).stdout.strip() == "[]"
    assert run(OFF, OTEL_EXPORTER_OTLP_ENDPOINT="").stdout.strip() == "[]"


def test_without_the_extra_it_says_so_and_goes_on() -> None:
    done = run(ABSENT, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert "tracing_off" in done.stdout
    assert done.stdout.strip().endswith("{}")


@pytest.mark.skipif(
    importlib.util.find_spec("opentelemetry") is None, reason="the extra `tracing` is not installed"
)
def test_spans_continue_the_trace_they_were_given(collector: tuple[str, list[bytes]]) -> None:
    url, got = collector
    done = run(ON, OTEL_EXPORTER_OTLP_ENDPOINT=url)
    assert done.stdout.startswith(f"00-{TRACE}-")
    assert PARENT not in done.stdout
    sent = b"".join(got)
    for part in (b"request", b"/detect", b"call", b"r-1", b"sync_product", b"ValueError", b"worker"):
        assert part in sent
    assert sent.count(bytes.fromhex(TRACE)) == 2
    assert b"nothing" not in sent
    assert b"no photo" not in sent
