"""Forty rows that no sane scraper writes among a thousand: each has its own verdict, and no good row notices."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.fix_catalogue import HOST, Catalogue
from tests.fix_upstream import Upstream
from tests.fix_worker import Worker
from tests.integration.test_poison import GOOD, NO_PHOTOS, ODD, document, run, state

GOOD_ROWS = 960
MORE_WITHOUT_PHOTOS: dict[str, Any] = {
    "an escaped surrogate": document(r'["https://photos.example.com/\\ud800.jpg"]'),
    "a user in the address": document('["https://user:word@photos.example.com/x.jpg"]'),
    "spaces": document('["https://photos.example.com/a b.jpg"]'),
    "a line break": document(r'["https://photos.example.com/a\nb.jpg"]'),
    "a backslash": document(r'["http://127.0.0.1\\@photos.example.com/x.jpg"]'),
    "a file": document('["file:///etc/passwd"]'),
    "loopback in disguise": document(
        '["http://2130706433/x.jpg", "http://0x7f.1/x.jpg", "http://127.1/x.jpg"]'
    ),
    "the metadata service": document('["http://169.254.169.254/latest/meta-data"]'),
    "an object of addresses": document(json.dumps({"a": GOOD})),
    "lists in lists": document(json.dumps([[GOOD], [[GOOD]]])),
    "300 deep in a list": document("[" + "[" * 300 + "]" * 300 + "]"),
    "many numbers": document(json.dumps(list(range(5000)))),
}
MORE_ODD: dict[str, dict[str, Any]] = {
    "no brand, a brand of spaces": {"brand": " " * 50},
    "a name of nothing": {"name": ""},
    "letters that combine": {"name": "e" + "\u0301" * 2000},
    "the smallest price": {"price": "0.01"},
}


@pytest.mark.drill
@pytest.mark.timeout(400)
def test_forty_in_a_thousand(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, say: Callable[[dict[str, object]], None]
) -> None:
    catalogue.add_many(GOOD_ROWS // 2)
    bad = {
        name: catalogue.add(None, image_urls=value)
        for name, value in {**NO_PHOTOS, **MORE_WITHOUT_PHOTOS}.items()
    }
    odd = {name: catalogue.add(1, **columns) for name, columns in {**ODD, **MORE_ODD}.items()}
    for _ in range(GOOD_ROWS // 2):
        catalogue.add()
    run(worker, seconds=300)
    (log,) = catalogue.logged()
    say(
        {
            "poison": len(bad) + len(odd),
            "synced": log["records_new"],
            "in error": log["records_errors"],
            "sent": len(upstream.requests),
        }
    )
    assert len(bad) + len(odd) == 40
    assert (log["records_fetched"], log["records_new"], log["records_errors"]) == (
        1000,
        GOOD_ROWS + len(odd),
        len(bad),
    )
    assert {name: state(catalogue, product)[0] for name, product in odd.items()} == dict.fromkeys(
        odd, "synced"
    )
    reasons = {name: str(state(catalogue, product)[1]) for name, product in bad.items()}
    unreadable = {name: reason for name, reason in reasons.items() if not readable(reason)}
    assert unreadable == {}
    assert len(upstream.requests) == GOOD_ROWS + len(odd)
    assert all(HOST in url for sent in upstream.requests for url in [sent.body["image"]])


def readable(reason: str) -> bool:
    """Words that an operator can act upon: short, printable, and no piece of a program."""
    return (
        reason.startswith("no photos")
        and len(reason) <= 1000
        and reason.isprintable()
        and "Error(" not in reason
    )
