"""Bodies: what is malformed, what is wrong and in which field, and what is understood."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.gateway import questions
from web.gateway.problems import Problem
from web.gateway.questions import Photo, Recognize, Search

URL = "https://cdn.example.com/a.jpg"

MALFORMED = [
    *(b"", b" ", b"{", b"url=x", b"{'url':1}", b'{"url":NaN}', b'{"url":Infinity}', b'{"url":-Infinity}'),
    *(
        b'{"url":1e999}',
        b'{"url":"\\ud800"}',
        b'{"url":"\xff"}',
        b'{"url":"\xed\xa0\x80"}',
        b'{"url":"a\x01"}',
    ),
    *(b'{"url":"a","url":"b"}', b'{"a":{"b":1,"b":2}}', b'{"url":"\\u0061","\\u0075rl":1}', b'{"a":1} x'),
    *(b'{"url":' + b"9" * 5000 + b"}", b"[" * 100_000, b'{"a":' * 50_000, b'\xef\xbb\xbf{"url":"a"}'),
    *('{"url":"a"}'.encode("utf-16"), b'{"url":01}', b'{"a":1,}', b'{"a\\\\":1,"a\\\\":1}'),
    *(b'[{"a":1,"a":2}', b"{}\x00"),
]


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body[:24]))
def test_malformed_is_400(body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        questions.document(body)
    assert (caught.value.status, caught.value.code) == (400, "malformed_json")


@pytest.mark.parametrize("body", [b"[]", b"1", b'"a"', b"null", b"true", b'[{"url":"a"}]'])
def test_other_than_an_object_is_422(body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        questions.document(body)
    assert caught.value.status == 422


@pytest.mark.parametrize(
    "body",
    [
        b'{"url":"a"}',
        b'{"a":1,"b":2.5,"c":null,"d":true,"e":"x"}',
        b'{"a":"\\"quoted\\""}',
        b'{"a":"ends with \\\\","b":1}',
        b'{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}',
        b'{"a":"\\u0000"}',
        '{"a":"\u00e9\U0001f600"}'.encode(),
        b' \n{ "a" : 1 }\t',
    ],
)
def test_strict_json_is_read(body: bytes) -> None:
    assert questions.document(body) == json.loads(body)


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text()), min_size=1), st.data())
def test_a_repeated_key_is_always_seen(content: dict[str, object], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(content)))
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
    assert set(questions.document(body)) == set(json.loads(body))
    repeated = body[:-1] + b"," + json.dumps(name).encode() + b":1}"
    with pytest.raises(Problem):
        questions.document(repeated)


@given(st.binary())
def test_total(body: bytes) -> None:
    for read in (questions.photo, questions.search, questions.recognize):
        with contextlib.suppress(Problem):
            assert read(body, allow_private=False)


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({}, "crop_url"),
        ({"url": URL}, "crop_url"),
        ({"crop_url": None}, "crop_url"),
        ({"crop_url": 7}, "crop_url"),
        ({"crop_url": ""}, "crop_url"),
        ({"crop_url": "http://127.0.0.1/"}, "crop_url"),
        ({"crop_url": URL, "top_k": 0}, "top_k"),
        ({"crop_url": URL, "top_k": -1}, "top_k"),
        ({"crop_url": URL, "top_k": 101}, "top_k"),
        ({"crop_url": URL, "top_k": 1.5}, "top_k"),
        ({"crop_url": URL, "top_k": "10"}, "top_k"),
        ({"crop_url": URL, "top_k": True}, "top_k"),
        ({"crop_url": URL, "top_k": 10**30}, "top_k"),
        ({"crop_url": URL, "category": 5}, "category"),
        ({"crop_url": URL, "category": "x" * 201}, "category"),
        ({"crop_url": URL, "strict_category": "yes"}, "strict_category"),
    ],
)
def test_wrong_content_is_422_and_names_the_field(content: dict[str, object], field: str) -> None:
    with pytest.raises(Problem) as caught:
        questions.search(json.dumps(content).encode(), allow_private=False)
    assert (caught.value.status, caught.value.field) == (422, field)
    assert caught.value.detail.startswith(field)
    assert "127.0.0.1" not in caught.value.detail


def test_what_is_left_out_has_its_default() -> None:
    body = json.dumps({"crop_url": URL}).encode()
    assert questions.search(body, allow_private=False) == Search(URL, None, 10, False)


def test_what_is_said_is_taken() -> None:
    content = {
        "crop_url": URL,
        "category": "Jacket",
        "top_k": 3.0,
        "strict_category": True,
        "more": {"a": []},
    }
    found = questions.search(json.dumps(content).encode(), allow_private=False)
    assert found == Search(URL, "Jacket", 3, True)
    body = json.dumps({"url": URL, "top_k": 5}).encode()
    assert questions.recognize(body, allow_private=False) == Recognize(URL, 5, False)
    assert questions.photo(body, allow_private=False) == Photo(URL)


def test_local_addresses_where_that_is_set() -> None:
    body = b'{"url":"http://127.0.0.1:9000/a.jpg"}'
    assert questions.photo(body, allow_private=True) == Photo("http://127.0.0.1:9000/a.jpg")
