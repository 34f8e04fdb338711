"""Every line of the table of answers: what becomes of the row, the ledger, the attempt and the account."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.fix_catalogue import Catalogue
from tests.fix_upstream import Upstream, code, huge, raw, reset, silence, truncated
from tests.fix_worker import TOKEN, Worker

STORED = {
    **{f"body {number!r}": code(number) for number in (200, 201, 210, 211, 299, 411, "200", 200.0)},
    "body 200 under HTTP 500": code(200, http=500),
    "status an int": raw(b'{"status":200}'),
}
REFUSED = {
    **{
        f"body {number}": (code(number, "bad"), number)
        for number in (400, 404, 405, 409, 413, 415, 418, 422, 499)
    },
    **{f"body {number}": (code(number, "unheard of"), number) for number in (0, 100, 300, 600, 999)},
    **{
        f"HTTP {number}": (raw(b"no", http=number), number)
        for number in (400, 406, 409, 413, 415, 418, 422, 499)
    },
    "body 400 under HTTP 500": (code(400, "bad", http=500), 400),
    "detail": (raw(b'{"detail":"no"}', http=422), 422),
    "status an int": (raw(b'{"status":422}'), 422),
}
ACCOUNT = {401: "token_refused", 402: "credit_exhausted", 403: "forbidden", 412: "collection_full"}
PAUSING = {
    **{f"body {number}": (code(number), cause, number) for number, cause in ACCOUNT.items()},
    **{f"HTTP {number}": (raw(b"", http=number), cause, number) for number, cause in ACCOUNT.items()},
    **{f"HTTP {number}": (raw(b"<html>", http=number), "path_unknown", number) for number in (404, 405)},
}
RETRY_AFTER: dict[str | None, tuple[float, float]] = {
    **{"17": (15, 17), "0": (0, 1), "-5": (0, 1), "86400": (290, 300), "soon": (0, 60)},
    "Sun, 06 Nov 1994 08:49:37 GMT": (0, 1),
    None: (0, 60),
}
PUT_OFF = {
    **{f"body {number}": (code(number), "server_fault", number) for number in (500, 502, 503, 504, 599)},
    **{f"HTTP {n}": (raw(b"<html>", http=n), "server_fault", n) for n in (500, 502, 503, 504)},
    "reset": (reset(), "no_answer", None),
    "redirect": (raw(b"", http=302, Location="/elsewhere"), "nonsense", 302),
    "HTML": (raw(b"<html>all is well</html>"), "nonsense", 200),
    "empty": (raw(b""), "nonsense", 200),
    "a list": (raw(b"[]"), "nonsense", 200),
    "null": (raw(b"null"), "nonsense", 200),
    "no code": (raw(b'{"status":{"text":"OK"}}'), "nonsense", 200),
    "code null": (raw(b'{"status":{"code":null}}'), "nonsense", 200),
    "code true": (raw(b'{"status":{"code":true}}'), "nonsense", 200),
    "code a word": (raw(b'{"status":{"code":"two hundred"}}'), "nonsense", 200),
    "deep": (raw(b"[" * 100_000), "nonsense", 200),
    "no text": (raw(b"\xff\xfe\x00"), "nonsense", 200),
    "truncated": (truncated(), "no_answer", None),
    "huge": (huge(), "nonsense", None),
}
UNWRITABLE = {
    **{"nul in the text": code(400, "nul \x00"), "surrogate in the text": code(400, "half \ud800")},
    "nul in the id": code(400, request_id="nul \x00"),
    "surrogate in the id": code(400, request_id="half \ud800"),
    **{f"code {number}": code(number) for number in (10**12, -(10**12), 1e29)},
}


def test_stored(catalogue: Catalogue, worker: Worker, upstream: Upstream, subtests: pytest.Subtests) -> None:
    for name, answer in STORED.items():
        with subtests.test(name):
            product = catalogue.add()
            upstream.once(product.urls[0], answer)
            assert worker.sync_product(product.id) == "synced"
            row = catalogue.row(product.id)
            assert (row["ximilar_status"], row["error_message"]) == ("synced", None)
            assert row["ximilar_synced_at"] == row["updated_at"]
            assert catalogue.stored(product.id) == product.urls
            assert catalogue.outcomes(product.id) == ["synced"]


def test_refused(catalogue: Catalogue, worker: Worker, upstream: Upstream, subtests: pytest.Subtests) -> None:
    for name, (answer, number) in REFUSED.items():
        with subtests.test(name):
            product = catalogue.add(3)
            upstream.once(product.urls[1], answer)
            assert worker.sync_product(product.id) == "error"
            row = catalogue.row(product.id)
            assert row["ximilar_status"] == "error"
            assert row["ximilar_synced_at"] is None
            assert row["error_message"].startswith(f"{product.urls[1]}: {number} ")
            assert catalogue.stored(product.id) == [product.urls[0], product.urls[2]]
            (attempt,) = catalogue.attempts(product.id)
            assert (attempt["outcome"], attempt["cause"], attempt["code"]) == ("error", "refused", number)
            assert attempt["photos_sent"] == 2
            assert catalogue.throttle()["pause_cause"] is None


def test_the_account_pauses_at_once(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, subtests: pytest.Subtests
) -> None:
    for name, (answer, cause, number) in PAUSING.items():
        with subtests.test(name):
            catalogue.calm()
            put_back(catalogue, worker, upstream, answer, cause, number)
            throttle = catalogue.throttle()
            assert (throttle["pause_cause"], throttle["pause_code"]) == (cause, number)
            assert 290 < throttle["paused"] <= 300


@pytest.mark.parametrize("http", [200, 429])
def test_too_many_requests(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, subtests: pytest.Subtests, http: int
) -> None:
    for retry_after, (low, high) in RETRY_AFTER.items():
        with subtests.test(str(retry_after)):
            catalogue.calm()
            product = catalogue.add()
            headers: dict[str, Any] = {} if retry_after is None else {"Retry_After": retry_after}
            answer = code(429, **headers) if http == 200 else raw(b"", http=429, **headers)
            upstream.once(product.urls[0], answer)
            assert worker.sync_product(product.id) == "put back: rate_limited"
            assert catalogue.state(product.id) == "pending"
            throttle = catalogue.throttle()
            assert (throttle["pause_cause"], throttle["pause_code"]) == ("rate_limited", 429)
            assert low < throttle["paused"] <= high


def test_this_product_is_put_off(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, subtests: pytest.Subtests
) -> None:
    for name, (answer, cause, number) in PUT_OFF.items():
        with subtests.test(name):
            catalogue.calm()
            url = put_back(catalogue, worker, upstream, answer, cause, number)
            throttle = catalogue.throttle()
            assert (throttle["pause_cause"], throttle["faults"]) == (None, 1)
            assert upstream.photos.count(url) == 1


def put_back(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, answer: Any, cause: str, number: int | None
) -> str:
    """Have a product's first photo meet `answer`; it must keep its state and come back. Returns the photo."""
    product = catalogue.add()
    before = catalogue.row(product.id)
    upstream.once(product.urls[0], answer)
    assert worker.sync_product(product.id) == f"put back: {cause}"
    assert catalogue.row(product.id) == before
    assert catalogue.stored(product.id) == []
    (attempt,) = catalogue.attempts(product.id)
    assert (attempt["outcome"], attempt["cause"], attempt["code"]) == ("postponed", cause, number)
    return product.urls[0]


def test_an_answer_that_postgres_cannot_hold_is_written_all_the_same(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, subtests: pytest.Subtests
) -> None:
    for name, answer in UNWRITABLE.items():
        with subtests.test(name):
            product = catalogue.add()
            upstream.once(product.urls[0], answer)
            outcome = worker.sync_product(product.id)
            assert outcome == "error" or outcome.startswith("put back: ")
            assert len(catalogue.attempts(product.id)) == 1


def test_silence_puts_this_product_off(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, impatient: Callable[[float], None]
) -> None:
    impatient(0.4)
    product = catalogue.add()
    upstream.once(product.urls[0], silence())
    assert worker.sync_product(product.id) == "put back: timed_out"
    assert catalogue.state(product.id) == "pending"
    assert catalogue.throttle()["faults"] == 1


@pytest.mark.parametrize("address", ["http://127.0.0.1:{closed}", "http://no-such-host.invalid"])
def test_no_connection_puts_this_product_off(catalogue: Catalogue, worker: Worker, address: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    worker.variables["XIMILAR_API_URL"] = address.format(closed=closed)
    product = catalogue.add()
    assert worker.sync_product(product.id) == "put back: not_sent"
    assert catalogue.state(product.id) == "pending"
    assert catalogue.throttle()["faults"] == 1


def test_no_tls_puts_this_product_off(catalogue: Catalogue, worker: Worker, upstream: Upstream) -> None:
    worker.variables["XIMILAR_API_URL"] = upstream.url.replace("http://", "https://")
    product = catalogue.add()
    assert worker.sync_product(product.id) == "put back: not_sent"
    assert catalogue.state(product.id) == "pending"


def test_what_is_sent(catalogue: Catalogue, worker: Worker, upstream: Upstream) -> None:
    product = catalogue.add()
    worker.sync_product(product.id)
    (sent,) = upstream.requests
    assert sent.path == "/recognition/v2/collectImage"
    assert sent.headers["Authorization"] == f"Token {TOKEN}"
    assert sent.body == {
        "collection_id": "collection-of-the-tests",
        "image": product.urls[0],
        "metadata": {
            **{"sku_id": product.sku, "brand": "UNDE", "name": "Coat", "category": "coats"},
            **{"price": "599.00", "currency": "AED"},
        },
    }


@pytest.mark.parametrize("request_id", ["nul \x00", "half a pair \ud800"])
def test_a_stored_photo_is_written_down_whatever_its_request_id(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, request_id: str
) -> None:
    product = catalogue.add()
    upstream.once(product.urls[0], code(200, request_id=request_id))
    assert worker.sync_product(product.id) == "synced"
    assert catalogue.stored(product.id) == product.urls
