"""Profile `recognition`: the bodies it sends, and what it makes of answers, whole and broken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from procrastinate_app.ximilar import errors
from procrastinate_app.ximilar.answers import Candidate, Item, Photo, Record, Tags
from procrastinate_app.ximilar.calls import Response
from procrastinate_app.ximilar.recognition import Recognition

URL = "https://cdn.example.com/a.jpg"
PROFILE = Recognition("c", "task-1")
(TAG,) = PROFILE.tag([Photo(URL)])
RECORD = Record(URL, {"sku_id": "A-1", "brand": "B", "price": "599.00", "currency": "AED"})


def ok(**content: Any) -> Response:
    return Response(200, {}, json.dumps({**content, "status": {"code": 200}}).encode())


def record(**content: Any) -> Response:
    return ok(records=[content])


def test_store_sends_one_photo_with_its_metadata() -> None:
    call = PROFILE.store([RECORD])
    assert (call.name, call.request.method, call.request.path) == (
        "store",
        "POST",
        "/recognition/v2/collectImage",
    )
    assert call.request.body == {"collection_id": "c", "image": URL, "metadata": RECORD.metadata}


def test_remove_sends_the_photo_and_its_sku() -> None:
    call = PROFILE.remove([RECORD])
    assert call.request.path == "/recognition/v2/collectRemove"
    assert call.request.body == {"collection_id": "c", "image": URL, "metadata": {"sku_id": "A-1"}}


def test_asking_calls_send_records() -> None:
    records = {"records": [{"_url": URL}]}
    assert PROFILE.detect(URL).request.body == records
    assert TAG.request.body == {**records, "task_id": "task-1"}
    assert Recognition("c").tag([Photo(URL)])[0].request.body == records
    assert PROFILE.search(Photo(URL), 3).request.body == {**records, "collection_id": "c", "k": 3}


def test_bytes_go_as_base64() -> None:
    (tag,) = Recognition("c").tag([Photo(jpeg=b"\xff\xd8")])
    assert tag.request.body == {"records": [{"_base64": "/9g="}]}


def test_detect_reads_objects() -> None:
    found = {"name": "Jacket", "bound_box": [1, 2, 3.5, 4], "prob": 0.93, "crop_url": URL}
    assert PROFILE.detect(URL).read(record(_objects=[found])) == [Item(URL, [1, 2, 3.5, 4], "Jacket", 0.93)]


@pytest.mark.parametrize(
    ("field", "value", "attribute", "read"),
    [
        ("name", None, "category", None),
        ("name", 7, "category", None),
        ("prob", 1.7, "confidence", 1.0),
        ("prob", -1, "confidence", 0.0),
        ("prob", "0.9", "confidence", None),
        ("prob", True, "confidence", None),
        ("prob", 10**400, "confidence", 1.0),
        ("bound_box", None, "bbox", []),
        ("bound_box", [1, 2, 3], "bbox", []),
        ("bound_box", [1, 2, 3, "4"], "bbox", []),
        ("bound_box", [1, 2, 3, 10**400], "bbox", []),
        ("crop_url", "", "crop_url", None),
        ("crop_url", {}, "crop_url", None),
    ],
)
def test_detect_reads_broken_fields(field: str, value: object, attribute: str, read: object) -> None:
    (item,) = PROFILE.detect(URL).read(record(_objects=[{field: value}]))
    assert getattr(item, attribute) == read


@pytest.mark.parametrize("objects", [None, [], {}, "x", [None, 1, "a", []]])
def test_detect_finds_nothing(objects: object) -> None:
    assert PROFILE.detect(URL).read(record(_objects=objects)) == []


def test_no_record_is_nonsense() -> None:
    with pytest.raises(errors.Nonsense):
        PROFILE.detect(URL).read(ok(records=[]))


def test_a_records_own_status_counts() -> None:
    with pytest.raises(errors.ItemFault):
        PROFILE.detect(URL).read(record(_status={"code": 404, "text": "no image"}))


def test_list_without_a_status_is_forgiven() -> None:
    assert PROFILE.detect(URL).read(Response(200, {}, b'{"records":[{}]}')) == []
    assert PROFILE.search(Photo(URL), 1).read(Response(200, {}, b'{"answer_records":[]}')) == []


def test_tag_takes_the_best_of_each() -> None:
    tags = {
        "Type": [{"name": "Coat", "prob": 0.1}, {"name": "Bomber Jacket", "prob": 0.8}],
        "Color": [{"name": "khaki", "prob": 0.9, "hex": "#BDB76B"}],
        "Material": [{"name": "nylon ripstop", "prob": 0.5}],
        "Pattern": [{"name": "solid"}],
    }
    best = {"name": "Shirt", "prob": 1.0}
    assert TAG.read(record(_tags=tags, best_label=best)) == [
        Tags("bomber_jacket", "khaki", "#BDB76B", "nylon ripstop", "solid")
    ]


def test_tag_falls_back_on_the_best_label() -> None:
    assert TAG.read(record(best_label={"name": "Rain Coat"})) == [Tags("rain_coat")]
    assert TAG.read(record()) == [Tags()]
    assert TAG.read(record(_tags=[], best_label=3)) == [Tags()]


def test_search_has_one_candidate_a_sku_best_first() -> None:
    rows = [
        {"sku_id": "A", "score": 0.5, "image_urls": ["u1"], "metadata": {"brand": "old"}},
        {"sku_id": "B", "score": 0.7, "image_urls": ["u2"]},
        {"sku_id": "A", "score": 0.9, "image_urls": ["u3", 4], "metadata": {"brand": "new"}},
    ]
    assert PROFILE.search(Photo(URL), 3).read(ok(answer_records=rows)) == [
        Candidate("A", 0.9, ["u3", "u1"], {"brand": "new"}),
        Candidate("B", 0.7, ["u2"], {}),
    ]


def test_search_reads_a_sku_from_metadata_or_a_number_and_drops_what_has_none() -> None:
    rows = [{"metadata": {"sku_id": "A"}}, {"sku_id": 17}, {"score": 1}, None]
    assert [found.sku_id for found in PROFILE.search(Photo(URL), 3).read(ok(answer_records=rows))] == [
        "A",
        "17",
    ]
