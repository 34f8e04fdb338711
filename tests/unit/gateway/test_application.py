"""The application as a whole: every error's answer, admission, headers, recognize, and that a bug stays inside."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from procrastinate_app.ximilar import errors
from procrastinate_app.ximilar.calls import Call, Response

from .application import Answer, StubTransport, ask, make_app, said

URL = "https://cdn.example.com/a.jpg"
CROP = "https://cdn.example.com/crop.jpg"
ITEM = {"name": "Jacket", "bound_box": [1, 2, 3, 4], "prob": 0.9, "crop_url": CROP}
SOLID = {"_tags": {"Pattern": [{"name": "solid"}]}}


def well(call: Call[Any]) -> Response:
    records = {"detect": [{"_objects": [ITEM]}], "tag": [SOLID], "search": []}[call.name]
    return said(records=records, answer_records=[{"sku_id": "A", "score": 0.5}])


def one(path: str, content: Any, answer: Any = well, **environ: str) -> Answer:
    return asyncio.run(ask(make_app(StubTransport(answer), **environ), path, content))


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (errors.ItemFault("s3cret"), 422, "refused", None),
        (errors.TokenRefused("s3cret"), 502, "token_refused", None),
        (errors.CreditExhausted("s3cret"), 502, "credit_exhausted", None),
        (errors.Forbidden("s3cret"), 502, "forbidden", None),
        (errors.CollectionFull("s3cret"), 502, "collection_full", None),
        (errors.PathUnknown("s3cret"), 502, "path_unknown", None),
        (errors.Nonsense("s3cret"), 502, "nonsense", None),
        (errors.RateLimited("s3cret", retry_after=299.5), 503, "rate_limited", "300"),
        (errors.NotSent("s3cret"), 503, "not_sent", "2"),
        (errors.NoAnswer("s3cret"), 503, "no_answer", "2"),
        (errors.ServerFault("s3cret"), 503, "server_fault", "2"),
        (errors.TimedOut("s3cret"), 504, "timed_out", None),
    ],
    ids=lambda value: getattr(value, "cause", None),
)
@pytest.mark.parametrize(("path", "field"), [("/detect", "url"), ("/tag", "url"), ("/search", "crop_url")])
def test_every_error_has_its_answer(
    path: str, field: str, error: errors.XimilarError, status: int, code: str, retry_after: str | None
) -> None:
    answer = one(path, {field: URL}, lambda call: error)
    assert (answer.status, answer.json["code"], answer.json["status"]) == (status, code, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers.get("retry-after") == retry_after
    assert answer.json.get("field") == (field if status == 422 else None)
    assert answer.json["request_id"] == answer.headers["x-request-id"]
    assert b"s3cret" not in answer.body


def test_a_bug_is_a_500_that_tells_nothing() -> None:
    answer = one("/detect", {"url": URL}, lambda call: RuntimeError("s3cret"))
    assert (answer.status, answer.json["code"]) == (500, "bug")
    assert b"s3cret" not in answer.body


@pytest.mark.parametrize("path", ["/detect", "/tag", "/search", "/recognize"])
def test_wrong_bodies_reach_nobody(path: str) -> None:
    stub = StubTransport(well)
    app = make_app(stub)
    assert asyncio.run(ask(app, path, b"{")).status == 400
    assert asyncio.run(ask(app, path, [])).status == 422
    assert asyncio.run(ask(app, path, {"url": 5, "crop_url": 5})).status == 422
    assert asyncio.run(ask(app, path, b" " * 65_537)).status == 413
    assert not stub.calls


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/json"}, 200),
        ({"content-type": "application/json; charset=utf-8"}, 200),
        ({"content-type": 'Application/JSON; Charset="UTF-8"'}, 200),
        ({}, 200),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/json; charset=latin-1"}, 415),
        ({"content-type": "multipart/form-data; boundary=x"}, 415),
        ({"content-encoding": "gzip"}, 415),
        ({"content-length": "70000"}, 413),
        ({"x-request-timeout": "5"}, 200),
        ({"x-request-timeout": "1e9"}, 200),
        ({"x-request-timeout": "0"}, 400),
        ({"x-request-timeout": "-1"}, 400),
        ({"x-request-timeout": "nan"}, 400),
        ({"x-request-timeout": "soon"}, 400),
    ],
)
def test_headers(headers: dict[str, str], status: int) -> None:
    app = make_app(StubTransport(well))
    assert asyncio.run(ask(app, "/detect", {"url": URL}, headers=headers)).status == status


def test_answers_say_what_they_are() -> None:
    answer = one("/detect", {"url": URL})
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-cache"] == "MISS"
    assert len(answer.headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/", "GET", 404), ("/detect/", "POST", 404), ("/detect", "GET", 405), ("/health", "POST", 405)],
)
def test_unknown_paths_and_methods(path: str, method: str, status: int) -> None:
    answer = asyncio.run(ask(make_app(StubTransport(well)), path, method=method))
    assert answer.status == status
    assert answer.json["status"] == status
    assert ("allow" in answer.headers) is (status == 405)


def test_same_question_at_once_is_one_call() -> None:
    stub = StubTransport(well)
    app = make_app(stub)

    async def together() -> list[Answer]:
        return await asyncio.gather(*(ask(app, "/tag", {"url": URL}) for _ in range(50)))

    answers = asyncio.run(together())
    assert len(stub.calls) == 1
    assert sorted({answer.headers["x-cache"] for answer in answers}) == ["JOINED", "MISS"]
    assert len({answer.body for answer in answers}) == 1


def test_a_shared_failure_is_everybodys() -> None:
    app = make_app(StubTransport(lambda call: errors.TokenRefused()))

    async def together() -> list[Answer]:
        return await asyncio.gather(*(ask(app, "/tag", {"url": URL}) for _ in range(5)))

    assert {answer.status for answer in asyncio.run(together())} == {502}


def test_different_questions_are_not_mixed() -> None:
    stub = StubTransport(well)
    app = make_app(stub)
    for path, content in (
        ("/detect", {"url": URL}),
        ("/tag", {"url": URL}),
        ("/tag", {"url": URL + "?"}),
        ("/search", {"crop_url": URL}),
        ("/search", {"crop_url": URL, "top_k": 3}),
    ):
        assert asyncio.run(ask(app, path, content)).headers["x-cache"] == "MISS"
    assert len(stub.calls) == 5


def test_category_orders_but_does_not_ask_again() -> None:
    stub = StubTransport(well)
    app = make_app(stub)
    asyncio.run(ask(app, "/search", {"crop_url": URL}))
    again = asyncio.run(ask(app, "/search", {"crop_url": URL, "category": "Jacket", "strict_category": True}))
    assert (again.headers["x-cache"], again.json) == ("HIT", {"candidates": []})
    assert len(stub.calls) == 1


def test_recognize_joins_all_parts() -> None:
    answer = one("/recognize", {"url": URL})
    assert answer.status == 200
    (item,) = answer.json["items"]
    assert item["crop_url"] == CROP
    assert item["attributes"]["pattern"] == "solid"
    assert [candidate["sku_id"] for candidate in item["candidates"]] == ["A"]
    assert "errors" not in item


@pytest.mark.parametrize(
    ("failing", "part", "error", "status"),
    [
        ("tag", "attributes", errors.ServerFault(), 503),
        ("search", "candidates", errors.TimedOut(), 504),
        ("search", "candidates", errors.ItemFault(), 422),
    ],
)
def test_recognize_reports_a_failed_part(
    failing: str, part: str, error: errors.XimilarError, status: int
) -> None:
    answer = one("/recognize", {"url": URL}, lambda call: error if call.name == failing else well(call))
    (item,) = answer.json["items"]
    assert answer.status == 200
    assert item[part] is None
    assert item["errors"][part]["status"] == status
    assert list(item["errors"]) == [part]


def test_recognize_without_a_usable_crop() -> None:
    def answer(call: Call[Any]) -> Response:
        return said(records=[{"_objects": [{**ITEM, "crop_url": "http://10.0.0.1/"}]}])

    (item,) = one("/recognize", {"url": URL}, answer).json["items"]
    assert {problem["code"] for problem in item["errors"].values()} == {"no_crop"}


def test_recognize_fails_as_a_whole_only_with_detect() -> None:
    assert one("/recognize", {"url": URL}, lambda call: errors.ServerFault()).status == 503


def test_without_a_collection_the_rest_still_works() -> None:
    stub = StubTransport(well)
    app = make_app(stub, XIMILAR_COLLECTION_ID="")
    refused = asyncio.run(ask(app, "/search", {"crop_url": URL}))
    assert (refused.status, refused.json["code"]) == (502, "no_collection")
    (item,) = asyncio.run(ask(app, "/recognize", {"url": URL})).json["items"]
    assert item["attributes"]["pattern"] == "solid"
    assert item["errors"]["candidates"]["code"] == "no_collection"


def test_tokens(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"caller:{hashlib.sha256(b'right').hexdigest()}\n")
    stub = StubTransport(well)
    app = make_app(stub, GATEWAY_TOKENS_FILE=str(file))

    def status(path: str, authorization: str | None) -> int:
        headers = {} if authorization is None else {"authorization": authorization}
        return asyncio.run(ask(app, path, b"{", headers=headers)).status

    for path in ("/detect", "/tag", "/search", "/recognize"):
        for wrong in (
            None,
            "",
            "Bearer",
            "Bearer ",
            "Bearer wrong",
            "Basic right",
            "right",
            "Bearer r\xefght",
        ):
            assert status(path, wrong) == 401
        assert status(path, "bearer right") == 400
    assert not stub.calls


def test_deadline_of_a_call_is_what_is_left() -> None:
    stub = StubTransport(well)
    asyncio.run(ask(make_app(stub, GATEWAY_DEADLINE_SECONDS="3"), "/detect", {"url": URL}))
    assert 2.5 < stub.deadlines[0] <= 3


def test_readiness() -> None:
    def readiness(**environ: str) -> Answer:
        return asyncio.run(ask(make_app(StubTransport(well), **environ), "/readyz", method="GET"))

    assert readiness().status == 200
    missing = readiness(XIMILAR_API_TOKEN="xxx")
    assert (missing.status, missing.json["code"]) == (503, "misconfigured")
    assert "XIMILAR_API_TOKEN" in missing.json["detail"]
