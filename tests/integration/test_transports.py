"""One suite over both transports: a deadline, a cap and an error mean the same in each."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from procrastinate_app.ximilar import errors, http_pool
from procrastinate_app.ximilar.asyncio_transport import AsyncioTransport
from procrastinate_app.ximilar.calls import Call, Request
from procrastinate_app.ximilar.recognition import Recognition
from procrastinate_app.ximilar.requests_transport import RequestsTransport
from tests.fix_system import wait_until

from .fault_server import FaultServer

DEADLINE = 0.6
SLACK = 2.0  # of a machine with much else to do; what would be wrong takes 20 s

Send = Callable[..., object]
Run = Callable[[Coroutine[Any, Any, object]], object]
_read = Recognition("c").detect("https://example.com/a.jpg").read


def _call(line: str) -> Call[object]:
    """A call of "/path" or "METHOD /path"."""
    method, _, path = line.rpartition(" ")
    return Call(
        "detect", Request(method or "POST", path, {"records": [{"_url": "https://example.com/a.jpg"}]}), _read
    )


def _by_requests(base: str, *paths: str, deadline: float = DEADLINE) -> list[object]:
    with RequestsTransport(base, "t0ken", connections=1, deadline=deadline, connect=0.5) as transport:
        return [transport.send(_call(path)) for path in paths]


def _by_asyncio(
    base: str, *paths: str, deadline: float = DEADLINE, runner: Callable[..., list[object]] = asyncio.run
) -> list[object]:
    async def run() -> list[object]:
        transport = AsyncioTransport(base, "t0ken", connections=1, deadline=deadline, connect=0.5)
        with contextlib.closing(transport):
            return [await transport.send(_call(path)) for path in paths]

    return runner(run())


def _by_uvloop(base: str, *paths: str, deadline: float = DEADLINE) -> list[object]:
    return _by_asyncio(base, *paths, deadline=deadline, runner=uvloop.run)


@pytest.fixture(params=[_by_requests, _by_asyncio, _by_uvloop], ids=["requests", "asyncio", "uvloop"])
def send(request: pytest.FixtureRequest) -> Send:
    chosen: Send = request.param
    return chosen


@pytest.fixture
def server() -> Iterator[FaultServer]:
    started = FaultServer().start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of localhost that nobody has signed; its key lies beside it."""
    folder: Path = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    files = ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*command.split(), *files], cwd=folder, check=True, capture_output=True)
    return folder / "cert.pem"


@pytest.fixture(scope="session")
def unknown_certificate(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


def test_success_reuses_its_connection(send: Send, server: FaultServer) -> None:
    assert send(_base(server), "/ok", "/ok", "/ok") == [[], [], []]
    assert server.connections == 1


def test_request_carries_token_and_json(send: Send, server: FaultServer) -> None:
    send(_base(server), "/ok")
    head = server.heads[0].lower()
    assert b"authorization: token t0ken" in head
    assert b"content-type: application/json" in head


def test_a_get_has_no_body(send: Send, server: FaultServer) -> None:
    send(_base(server), "GET /ok", "/ok")
    read, posted = (head.lower() for head in server.heads)
    assert read.startswith(b"get /ok")
    assert b"content-length" not in read or b"content-length: 0" in read
    assert b"content-length: 0" not in posted


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/silence", errors.TimedOut),
        ("/slow-headers", errors.TimedOut),
        ("/dribble", errors.TimedOut),
        ("/reset", errors.NoAnswer),
        ("/close", errors.NoAnswer),
        ("/cut", errors.NoAnswer),
        ("/no-http", errors.NoAnswer),
        ("/redirect", errors.Nonsense),
        ("/huge", errors.Nonsense),
        ("/gzip-bomb", errors.Nonsense),
        ("/bad-gzip", errors.Nonsense),
        ("/html", errors.Nonsense),
        ("/empty", errors.Nonsense),
        ("/nothing-but-100", errors.NoAnswer),
        ("/hints-for-ever", errors.TimedOut),
        ("/503-after-hints", errors.ServerFault),
        ("/switch", errors.NoAnswer),
        ("/switch-with-a-name", errors.NoAnswer),
        ("/429", errors.RateLimited),
        ("/503", errors.ServerFault),
        ("/404", errors.PathUnknown),
    ],
)
def test_fault_has_its_error_and_is_sent_once(
    send: Send, server: FaultServer, path: str, kind: type[errors.XimilarError]
) -> None:
    # A bomb of 64 MB takes a slow machine a while; what is under test there is the cap, not the clock.
    deadline = 10.0 if path in ("/huge", "/gzip-bomb") else DEADLINE
    started = time.monotonic()
    with pytest.raises(errors.XimilarError) as caught:
        send(_base(server), path, deadline=deadline)
    assert type(caught.value) is kind
    assert time.monotonic() - started < deadline + SLACK
    assert server.requests == {path: 1}


@pytest.mark.parametrize(
    "path",
    [
        *("/chunked", "/until-the-end", "/gzip", "/continue", "/in-pieces", "/two-answers"),
        *("/hints", "/hints-late", "/processing-and-hints"),
    ],
)
def test_every_way_to_send_an_answer_is_understood(send: Send, server: FaultServer, path: str) -> None:
    assert send(_base(server), path, "/ok") == [[], []]


def test_an_answer_that_ends_with_its_connection_ends_it(send: Send, server: FaultServer) -> None:
    assert send(_base(server), "/until-the-end", "/ok") == [[], []]
    assert server.connections == 2


@pytest.mark.parametrize(
    ("path", "connections"),
    [
        *(("/ok", 1), ("/continue", 1), ("/hints", 1), ("/hints-late", 1), ("/processing-and-hints", 1)),
        *(("/two-answers", 2), ("/answer-and-more", 2)),
    ],
)
def test_the_next_call_gets_its_own_answer(
    send: Send, server: FaultServer, path: str, connections: int
) -> None:
    with pytest.raises(errors.ServerFault):
        send(_base(server), path, "/503-after-hints")
    assert server.requests == {path: 1, "/503-after-hints": 1}
    assert server.connections == connections


@pytest.mark.parametrize(("path", "connections"), [("/ok", 1), ("/hints-late", 1), ("/two-answers", 2)])
def test_requests_sees_over_tls_what_is_left_of_an_answer(
    certificate: Path, unknown_certificate: ssl.SSLContext, path: str, connections: int
) -> None:
    server = FaultServer(unknown_certificate).start()
    with RequestsTransport(f"https://localhost:{server.port}", "t", connections=1) as transport:
        transport._session.verify = str(certificate)
        assert [transport.send(_call(at)) for at in (path, "/ok")] == [[], []]
    server.stop()
    assert server.connections == connections


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_asyncio_asks_for_leave_when_only_the_request_is_missing(
    certificate: Path, unknown_certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    server = FaultServer(unknown_certificate).start()
    monkeypatch.setattr(http_pool, "_tls", lambda: ssl.create_default_context(cafile=certificate))
    asked: list[int] = []

    async def leave() -> None:
        await _until(lambda: server.handshakes == 1)  # the server's side of it may be the later one
        asked.append(server.requests.total())

    async def ask() -> None:
        with _asyncio(f"https://localhost:{server.port}") as transport:
            for _ in range(2):
                await transport.send(_call("/ok"), permit=leave)

    run(ask())
    server.stop()
    assert sorted(set(asked)) == [0, 1]  # it may have been asked for anew
    assert server.connections == 1


def test_a_ticket_of_tls_is_not_taken_for_the_end(
    certificate: Path, unknown_certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = FaultServer(unknown_certificate).start()
    monkeypatch.setattr(http_pool, "_tls", lambda: ssl.create_default_context(cafile=certificate))

    async def let_it_come() -> None:
        # The loop stands still, and so has not read what the server says after its handshake.
        wait_until(lambda: server.handshakes == server.connections, 5)

    async def ask() -> None:
        with _asyncio(f"https://localhost:{server.port}") as transport:
            assert await transport.send(_call("/ok"), permit=let_it_come) == []

    asyncio.run(ask())
    server.stop()
    assert server.connections == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_asyncio_sends_as_soon_as_it_has_leave(
    certificate: Path,
    unknown_certificate: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
    scheme: str,
) -> None:
    """And not after what else the loop has to do in the same turn, which may take long (uvloop did, up to 0.22)."""
    server = FaultServer(unknown_certificate if scheme == "https" else None).start()
    monkeypatch.setattr(http_pool, "_tls", lambda: ssl.create_default_context(cafile=certificate))
    seen: list[int] = []

    def keep_the_loop_busy(_: object) -> None:
        wait_until(lambda: server.requests.total() == 1, 5)
        seen.append(server.requests.total())

    async def leave() -> None:
        loop = asyncio.get_running_loop()
        given = loop.create_future()
        # In a turn of their own, so that who waits for it comes first when it is there.
        loop.call_soon(given.add_done_callback, keep_the_loop_busy)
        loop.call_soon(given.set_result, None)
        await given

    async def ask() -> None:
        with _asyncio(f"{scheme}://localhost:{server.port}", deadline=20) as transport:
            await transport.send(_call("/ok"), permit=leave)

    run(ask())
    server.stop()
    assert seen == [1]


def test_asyncio_sends_nothing_without_leave(server: FaultServer) -> None:
    class Refused(TimeoutError):  # not to be taken for the deadline's
        pass

    async def refuse() -> None:
        raise Refused

    async def ask() -> None:
        with _asyncio(_base(server)) as transport:
            with pytest.raises(Refused):
                await transport.send(_call("/ok"), permit=refuse)
            assert not server.requests
            assert await transport.send(_call("/ok")) == []

    asyncio.run(ask())
    assert server.connections == 1


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_connection_that_was_lost_while_leave_was_waited_for_is_made_anew(
    server: FaultServer, run: Run
) -> None:
    asked: list[int] = []

    async def cut_off() -> None:
        asked.append(server.connections)
        if len(asked) == 1:
            server.cut_off()

    async def ask() -> None:
        with _asyncio(_base(server)) as transport:
            assert await transport.send(_call("/ok")) == []
            assert await transport.send(_call("/ok"), permit=cut_off) == []

    run(ask())
    assert len(asked) == 2
    assert server.connections == 2
    assert server.requests == {"/ok": 2}


def test_a_connection_that_cannot_be_made_anew_is_not_sent(server: FaultServer) -> None:
    async def stop() -> None:
        server.cut_off()
        server.stop()

    async def ask() -> None:
        with _asyncio(_base(server)) as transport:
            assert await transport.send(_call("/ok")) == []
            for _ in range(2):
                with pytest.raises(errors.NotSent):
                    await transport.send(_call("/ok"), permit=stop)
            assert transport.busy_connections == 0

    asyncio.run(ask())
    assert server.requests == {"/ok": 1}


@pytest.mark.parametrize("path", ["/ok", "/silence"])
def test_waiting_for_leave_is_not_waiting_for_an_answer(server: FaultServer, path: str) -> None:
    left: list[float] = []

    async def wait() -> None:
        await asyncio.sleep(DEADLINE + 0.2)
        left.append(time.monotonic())

    async def ask() -> object:
        with _asyncio(_base(server), deadline=DEADLINE) as transport:
            return await transport.send(_call(path), permit=wait)

    if path == "/ok":
        assert asyncio.run(ask()) == []
    else:
        with pytest.raises(errors.TimedOut):
            asyncio.run(ask())
        assert time.monotonic() - left[0] < DEADLINE + SLACK
    assert server.requests == {path: 1}


def test_retry_after_is_kept(send: Send, server: FaultServer) -> None:
    with pytest.raises(errors.RateLimited) as caught:
        send(_base(server), "/429")
    assert caught.value.retry_after == 7


@pytest.mark.parametrize(
    "base",
    ["http://127.0.0.1:1", "http://no-such-host.invalid", "https://127.0.0.1:{port}"],
    ids=["refused", "dns", "tls-to-plain"],
)
def test_no_connection_is_not_sent(send: Send, server: FaultServer, base: str) -> None:
    with pytest.raises(errors.NotSent):
        send(base.format(port=server.port), "/ok", deadline=5.0)
    assert not server.requests


def test_unknown_certificate_is_not_sent(send: Send, unknown_certificate: ssl.SSLContext) -> None:
    server = FaultServer(unknown_certificate).start()
    with pytest.raises(errors.NotSent):
        send(f"https://localhost:{server.port}", "/ok", deadline=5.0)
    assert not server.requests
    server.stop()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_asyncio_believes_a_known_certificate_of_that_name(
    unknown_certificate: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    server = FaultServer(unknown_certificate).start()
    monkeypatch.setattr(http_pool, "_tls", lambda: ssl.create_default_context(cafile=certificate))
    expected = contextlib.nullcontext() if name == "localhost" else pytest.raises(errors.NotSent)
    for send in (_by_asyncio, _by_uvloop):
        with expected:
            assert send(f"https://{name}:{server.port}", "/ok", "/ok", deadline=5.0) == [[], []]
    assert server.requests["/ok"] == (4 if name == "localhost" else 0)
    server.stop()


def test_failed_connection_does_not_poison_the_pool(send: Send, server: FaultServer) -> None:
    def after_a_fault() -> None:
        for path in ("/cut", "/ok"):
            send(_base(server), path)

    with pytest.raises(errors.NoAnswer):
        after_a_fault()
    assert send(_base(server), "/ok") == [[]]


def test_environment_has_no_say(send: Send, server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert send(_base(server), "/ok") == [[]]


def test_asyncio_waits_for_a_connection_within_the_deadline(server: FaultServer) -> None:
    async def run() -> list[BaseException | object]:
        with _asyncio(_base(server), deadline=0.4) as transport:
            calls = (transport.send(_call("/silence")) for _ in range(3))
            return await asyncio.gather(*calls, return_exceptions=True)

    started = time.monotonic()
    kinds = sorted(type(error).__name__ for error in asyncio.run(run()))
    assert kinds == ["NotSent", "NotSent", "TimedOut"]
    assert time.monotonic() - started < 0.4 + SLACK
    assert server.requests == {"/silence": 1}


def test_asyncio_drops_the_connection_of_a_cancelled_call(server: FaultServer) -> None:
    async def run() -> None:
        with _asyncio(_base(server)) as transport:
            task = asyncio.create_task(transport.send(_call("/silence")))
            while not server.requests:
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait([task])
            assert transport.busy_connections == 0
            assert await transport.send(_call("/ok")) == []

    asyncio.run(run())
    assert server.connections == 2


def test_asyncio_takes_no_connection_that_was_closed_while_it_was_idle(server: FaultServer) -> None:
    async def run() -> None:
        with _asyncio(_base(server)) as transport:
            assert await transport.send(_call("/ok-and-close")) == []
            (idle,) = transport._pool._idle
            await _until(lambda: not idle.reusable)
            assert await transport.send(_call("/ok")) == []

    asyncio.run(run())
    assert server.connections == 2


def test_asyncio_lets_idle_connections_go(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_pool, "IDLE_SECONDS", 0.2)

    async def run() -> None:
        with contextlib.closing(AsyncioTransport(_base(server), "t", connections=2)) as transport:
            await asyncio.gather(*(transport.send(_call("/ok")) for _ in range(2)))
            idle = list(transport._pool._idle)
            assert len(idle) == 2
            await _until(lambda: not transport._pool._idle)
            assert not any(connection.reusable for connection in idle)

    uvloop.run(run())


def test_asyncio_takes_no_connection_that_was_idle_for_long(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        with _asyncio(_base(server)) as transport:
            await transport.send(_call("/ok"))
            monkeypatch.setattr(http_pool, "IDLE_SECONDS", 0.0)  # and the sweeper is still to come
            await transport.send(_call("/ok"))

    asyncio.run(run())
    assert server.connections == 2


def test_asyncio_asks_once_for_the_addresses_of_many_connections(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        ask = loop.getaddrinfo

        def noted(*server: object, **wishes: Any) -> Awaitable[object]:
            asked.append(server)
            return ask(*server, **wishes)  # type: ignore[arg-type]

        monkeypatch.setattr(loop, "getaddrinfo", noted)
        base = f"http://localhost:{server.port}"
        with contextlib.closing(AsyncioTransport(base, "t", connections=5)) as transport:
            await asyncio.gather(*(transport.send(_call("/ok")) for _ in range(5)))

    asyncio.run(run())
    assert asked == [("localhost", server.port)]
    assert server.connections == 5


def test_asyncio_waits_for_a_name_longer_than_for_a_connection(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def run() -> None:
        loop = asyncio.get_running_loop()
        ask = loop.getaddrinfo
        name_server = asyncio.Event()

        async def slow(*host: Any, **wishes: Any) -> Any:
            nonlocal asked
            asked += 1
            await name_server.wait()
            return await ask(*host, **wishes)

        monkeypatch.setattr(loop, "getaddrinfo", slow)
        base = f"http://localhost:{server.port}"
        with _asyncio(base, connect=0.01) as transport:
            with pytest.raises(errors.NotSent):
                await transport.send(_call("/ok"), deadline=0.1)
            name_server.set()
            assert await transport.send(_call("/ok"), deadline=10) == []

    asyncio.run(run())
    assert asked == 1


@pytest.mark.parametrize("headers", [{"X": "a\r\nY: b"}, {"X\r\nY": "b"}, {"X": "ü"}])
def test_asyncio_sends_no_header_that_would_be_two(server: FaultServer, headers: dict[str, str]) -> None:
    async def run() -> None:
        with contextlib.closing(AsyncioTransport(_base(server), "t")) as transport:
            await transport.send(_call("/ok"), headers=headers)

    with pytest.raises(errors.NotSent):
        asyncio.run(run())
    assert not server.requests


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def _asyncio(base: str, **options: Any) -> contextlib.closing[AsyncioTransport]:
    """A transport of one connection that is closed at the end."""
    return contextlib.closing(AsyncioTransport(base, "t", connections=1, **options))


def _base(server: FaultServer) -> str:
    return f"http://127.0.0.1:{server.port}"
