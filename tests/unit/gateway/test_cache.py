"""What is kept, for how long, and that it comes back as it went in."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from procrastinate_app.ximilar.answers import Candidate, Item, Photo, Tags
from procrastinate_app.ximilar.calls import Call
from procrastinate_app.ximilar.fashion import Fashion
from procrastinate_app.ximilar.recognition import Recognition
from web.gateway import cache
from web.gateway.cache import Cache

PROFILE = Recognition("c")
URL = "https://cdn.example.com/a.jpg"
(TAG,) = PROFILE.tag([Photo(URL)])
_, COLORS = Fashion("c").tag([Photo(URL), Photo(jpeg=b"x")])


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (PROFILE.detect(URL), [Item(URL, [1, 2.5, 3, 4], "Jacket", 0.9), Item(None, [], None, None)]),
        (TAG, [Tags("coat", "khaki")]),
        (COLORS, [Tags(color_hex="#BDB76B"), Tags()]),
        (
            PROFILE.search(Photo(URL), 3),
            [Candidate("A", 0.5, ["u"], {"price": "1", "more": {"a": [1, None]}})],
        ),
        (PROFILE.search(Photo(URL), 3), []),
    ],
)
def test_answers_come_back_as_they_were(call: Any, answer: Any) -> None:
    assert cache.decode(call, cache.encode(answer)) == answer


def test_what_another_program_kept_is_refused() -> None:
    for kept in (b"", b"{}", b'{"a":1}', b"[1]"):
        with pytest.raises(msgspec.DecodeError):
            cache.decode(PROFILE.detect(URL), kept)


def test_keys_differ_by_call_body_and_api() -> None:
    calls: list[Call[Any]] = [PROFILE.detect(URL), TAG]
    calls += [
        PROFILE.search(Photo(URL), 1),
        PROFILE.search(Photo(URL), 2),
        Recognition("other").search(Photo(URL), 1),
    ]
    keys = {cache.key_of(call, api) for call in calls for api in ("https://a", "https://b")}
    assert len(keys) == 10
    searches = [Fashion(collection).search(Photo(URL), 1) for collection in ("c", "other")]
    assert len({cache.key_of(call, "https://a") for call in searches}) == 2
    assert cache.key_of(calls[0], "https://a") == cache.key_of(PROFILE.detect(URL), "https://a")


def test_kept_for_its_seconds_and_no_longer() -> None:
    clock = Clock()
    kept = Cache(10, 100, clock=clock)
    asyncio.run(kept.put(b"k", b"answer"))
    clock.now = 9.9
    assert kept.get(b"k") == b"answer"
    clock.now = 10.1
    assert kept.get(b"k") is None


def test_bounded_in_number_and_size() -> None:
    kept = Cache(10, 3)
    for number in range(10):
        asyncio.run(kept.put(b"%d" % number, b"answer"))
    assert [number for number in range(10) if kept.get(b"%d" % number)] == [7, 8, 9]
    asyncio.run(kept.put(b"big", b"x" * (cache.MAX_ANSWER_BYTES + 1)))
    assert kept.get(b"big") is None


def test_zero_seconds_keep_nothing() -> None:
    kept = Cache(0, 3, redis_url="redis://127.0.0.1:1")
    asyncio.run(kept.put(b"k", b"answer"))
    assert kept.get(b"k") is None
    assert asyncio.run(kept.get_shared(b"k")) is None
