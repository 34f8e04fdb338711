"""Every line of the contract's table of answers, and that no answer at all lets another exception out."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from procrastinate_app.ximilar import envelope, errors
from procrastinate_app.ximilar.answers import Photo, Record, Stored
from procrastinate_app.ximilar.calls import Call, Response
from procrastinate_app.ximilar.fashion import Fashion
from procrastinate_app.ximilar.recognition import Recognition

RECORD = Record("https://cdn.example.com/a.jpg", {"sku_id": "A-1"})
PHOTO = Photo(RECORD.url)
PROFILE = Recognition("c")
FASHION = Fashion("c")
STORE = PROFILE.store([RECORD])
REMOVE = PROFILE.remove([RECORD])
ASKING: list[Call[Any]] = [
    PROFILE.detect(RECORD.url),
    *PROFILE.tag([PHOTO]),
    PROFILE.search(PHOTO, 10),
    FASHION.detect(RECORD.url),
    *FASHION.tag([PHOTO]),
    *FASHION.tag([PHOTO, PHOTO]),
    FASHION.search(PHOTO, 10),
]


def answer(status: int, body: Any = b"", **headers: str) -> Response:
    return Response(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


def said(code: object, status: int = 200) -> Response:
    return answer(status, {"status": {"code": code, "text": "why", "request_id": "r-1"}})


@pytest.mark.parametrize("code", [200, 201, 299, 200.0, "200"])
def test_2xx_is_stored(code: object) -> None:
    assert STORE.read(said(code)) == [
        Stored(RECORD.url, already=False, code=int(float(str(code))), request_id="r-1")
    ]


def test_411_is_there_already() -> None:
    (stored,) = STORE.read(said(411))
    assert (stored.already, stored.fault) == (True, None)


def test_404_on_remove_was_not_there() -> None:
    (removed,) = REMOVE.read(said(404))
    assert (removed.already, removed.fault) == (True, None)


@pytest.mark.parametrize("code", [400, 404, 413, 415, 422, 418, 499, 600, 100, 0, -1])
def test_refusal_in_the_body_is_the_items_fault(code: int) -> None:
    (stored,) = STORE.read(said(code))
    assert isinstance(stored.fault, errors.ItemFault)
    assert stored.fault.reason == f"{code} why"
    assert stored.fault.request_id == "r-1"


@pytest.mark.parametrize("status", [400, 406, 409, 410, 413, 415, 418, 422, 451, 499])
def test_http_4xx_without_a_code_is_the_items_fault(status: int) -> None:
    (stored,) = STORE.read(answer(status, b"no"))
    assert isinstance(stored.fault, errors.ItemFault)
    assert stored.code == status


ACCOUNT = {
    401: errors.TokenRefused,
    402: errors.CreditExhausted,
    403: errors.Forbidden,
    412: errors.CollectionFull,
    429: errors.RateLimited,
}


@pytest.mark.parametrize("call", [STORE, REMOVE, *ASKING], ids=lambda call: call.name)
@pytest.mark.parametrize("code", ACCOUNT)
@pytest.mark.parametrize("where", ["body", "http"])
def test_account_faults_by_body_or_http(call: Call[Any], code: int, where: str) -> None:
    response = said(code) if where == "body" else answer(code)
    with pytest.raises(errors.AccountFault) as caught:
        call.read(response)
    assert type(caught.value) is ACCOUNT[code]
    assert caught.value.code == code


@pytest.mark.parametrize("status", [404, 405])
def test_http_404_without_a_code_is_an_unknown_path(status: int) -> None:
    for call in (STORE, REMOVE, *ASKING):
        with pytest.raises(errors.PathUnknown):
            call.read(answer(status, b"<html>"))


def test_the_body_wins_over_http() -> None:
    assert STORE.read(said(200, status=500))[0].fault is None
    with pytest.raises(errors.TokenRefused):
        STORE.read(said(401, status=200))
    (stored,) = STORE.read(said(404, status=404))
    assert isinstance(stored.fault, errors.ItemFault)


@pytest.mark.parametrize("response", [said(500), said(503), said(599), answer(500), answer(502, b"<html>")])
def test_5xx_is_a_server_fault(response: Response) -> None:
    for call in (STORE, REMOVE, *ASKING):
        with pytest.raises(errors.ServerFault):
            call.read(response)


NONSENSE = [
    *(
        b"",
        b"OK",
        b"<html>",
        b"[]",
        b"1",
        b"null",
        b'"a"',
        b"{}",
        b'{"status":{}}',
        b'{"status":{"code":null}}',
    ),
    *(b'{"status":{"code":true}}', b'{"status":{"code":"ok"}}', b'{"status":{"code":1e999}}', b"[" * 100_000),
    *(b"\xff\xfe\x00", b'{"status":{"code":200', b'{"status":{"code":' + b"2" * 5000 + b"}}"),
]


@pytest.mark.parametrize("body", NONSENSE, ids=lambda body: repr(body[:24]))
def test_2xx_without_a_readable_code_is_nonsense(body: bytes) -> None:
    for call in (STORE, REMOVE, *ASKING):
        with pytest.raises(errors.Nonsense):
            call.read(answer(200, body))


@pytest.mark.parametrize("status", [100, 204, 301, 302, 304])
def test_other_http_is_nonsense(status: int) -> None:
    with pytest.raises(errors.Nonsense):
        STORE.read(answer(status))


def test_a_bare_code_is_read() -> None:
    assert STORE.read(answer(200, {"status": 200}))[0].code == 200
    with pytest.raises(errors.CreditExhausted):
        STORE.read(answer(200, {"status": "402"}))


def test_words_of_the_framework_are_the_reason() -> None:
    with pytest.raises(errors.TokenRefused, match="401 Invalid token"):
        STORE.read(answer(401, {"detail": "Invalid token."}))


FIELDS = st.sampled_from(
    [
        *("status", "code", "text", "request_id", "records", "_objects", "_tags", "Type", "Color", "name"),
        *("prob", "bound_box", "best_label", "_status", "crop_url", "answer_records", "sku_id", "score"),
        *("image_urls", "metadata"),
    ]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([200, 401, 411, 500]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | FIELDS, inner),
    max_leaves=8,
)


BODIES = st.binary() | JSON.map(lambda value: json.dumps(value).encode())
# Answers that get as far as the readers of single fields, of fewer and of more records than were asked about.
RECORDS = st.lists(st.dictionaries(FIELDS, JSON), max_size=3)
PLAUSIBLE = st.fixed_dictionaries(
    {"status": st.just({"code": 200})}, optional={"records": RECORDS, "answer_records": RECORDS}
).map(lambda value: json.dumps(value).encode())


@given(st.integers(100, 599), BODIES | PLAUSIBLE)
def test_reading_is_total(status: int, body: bytes) -> None:
    for call in (STORE, REMOVE):
        with contextlib.suppress(errors.XimilarError):
            assert len(call.read(answer(status, body))) == 1
    for asking in ASKING:
        with contextlib.suppress(errors.XimilarError):
            found = asking.read(answer(status, body))
            json.loads(msgspec.json.encode(found), parse_constant=_refuse)


@given(BODIES)
def test_document_is_total_and_strict(body: bytes) -> None:
    found = envelope.document(Response(200, {}, body))
    assert isinstance(found, dict)
    json.loads(msgspec.json.encode(found), parse_constant=_refuse)


def _refuse(word: str) -> None:
    raise AssertionError(word)


def test_every_error_has_a_word_and_the_words_differ() -> None:
    def below(kind: type[errors.XimilarError]) -> list[type[errors.XimilarError]]:
        return [kind, *(leaf for sub in kind.__subclasses__() for leaf in below(sub))]

    kinds = [kind for kind in below(errors.XimilarError) if kind.__module__ == errors.__name__]
    own = [kind.cause for kind in kinds if "cause" in vars(kind)]
    assert len(own) == len(set(own))
    assert all(word.replace("_", "").isalpha() and word.islower() for word in own)


def test_text_is_one_short_line() -> None:
    error = errors.ItemFault("a\nb\t c" + "x" * 1000, code=400)
    assert error.text.startswith("a b c")
    assert len(error.text) == errors.TEXT_LIMIT
    assert "\n" not in error.reason
