"""Profile `fashion` looks at photos: the bodies it sends, and what it makes of answers, whole and broken."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from procrastinate_app.ximilar import errors
from procrastinate_app.ximilar.answers import Candidate, Item, Photo, Tags
from procrastinate_app.ximilar.calls import Response
from procrastinate_app.ximilar.fashion import Fashion

URL = "https://cdn.example.com/a.jpg"
PROFILE = Fashion("c")
TAG, COLORS = PROFILE.tag([Photo(URL)])
TAG_TWO, COLORS_TWO = PROFILE.tag([Photo(URL), Photo(jpeg=b"\xff\xd8")])
SEARCH = PROFILE.search(Photo(URL), 3)
REFUSED = {"_status": {"code": 400, "text": "image cannot be read"}}


def ok(code: int = 200, **content: Any) -> Response:
    return Response(200, {}, json.dumps({**content, "status": {"code": code}}).encode())


def test_paths_and_bodies() -> None:
    detect = PROFILE.detect(URL)
    assert (detect.request.path, detect.request.body) == (
        "/tagging/fashion/v2/detect",
        {"records": [{"_url": URL}]},
    )
    assert TAG_TWO.request.path == "/tagging/fashion/v2/tags"
    assert COLORS_TWO.request.path == "/dom_colors/product/v2/dominantcolor"
    both = {"records": [{"_url": URL}, {"_base64": base64.b64encode(b"\xff\xd8").decode()}]}
    assert TAG_TWO.request.body == COLORS_TWO.request.body == both
    assert (TAG.optional, COLORS.optional) == (False, True)


def test_search_names_the_collection_in_a_header_and_asks_for_more_records_than_products() -> None:
    call = Fashion("c", "/similarity/x/v2", "visual_search").search(Photo(URL), 10, "Dress")
    assert call.request.path == "/similarity/x/v2/visual_search"
    assert call.request.headers == {"collection-id": "c"}
    assert call.request.body == {
        "query_record": {"_url": URL},
        "k": 50,
        "fields_to_return": ["*"],
        "filter": {"category": {"$in": ["Dress", "dress", "DRESS"]}},
    }
    assert "filter" not in SEARCH.request.body


@pytest.mark.parametrize(("top_k", "records"), [(1, 5), (60, 300), (100, 300), (500, 500)])
def test_records_asked_for(top_k: int, records: int) -> None:
    assert PROFILE.search(Photo(URL), top_k).request.body["k"] == records


def test_detect_reads_boxes_and_the_size_they_are_of() -> None:
    found = {"name": "Dress", "bound_box": [1, 2, 3.5, 4], "prob": 0.9, "Category": "Clothing/Dresses"}
    record = {"_objects": [found, {}], "_width": 800, "_height": 1200, "_status": {"code": 200}}
    assert PROFILE.detect(URL).read(ok(records=[record])) == [
        Item(None, [1, 2, 3.5, 4], "Dress", 0.9, (800, 1200)),
        Item(None, [], None, None, (800, 1200)),
    ]


def test_a_photo_that_was_read_and_shows_nothing_is_no_fault() -> None:
    size = {"_width": 8, "_height": 8}
    for record in ({**REFUSED, **size}, {**size, "_objects": []}, {**REFUSED, "_objects": []}, {}):
        assert PROFILE.detect(URL).read(ok(records=[record])) == []
    for unread in ({}, {"_objects": None}):
        with pytest.raises(errors.ItemFault, match="400 image cannot be read"):
            PROFILE.detect(URL).read(ok(records=[{**REFUSED, **unread}]))


def test_a_records_own_status_may_be_the_accounts_fault() -> None:
    record = {"_status": {"code": 402, "text": "no credits"}, "_width": 8, "_height": 8}
    for call in (PROFILE.detect(URL), TAG, COLORS):
        with pytest.raises(errors.CreditExhausted):
            call.read(ok(records=[record]))


def test_tags_of_several_photos_have_a_gap_for_a_refused_one() -> None:
    red = {"_tags": {"Color": [{"name": "red"}]}}
    assert TAG_TWO.read(ok(records=[red, REFUSED])) == [Tags(color="red"), None]
    assert TAG_TWO.read(ok(records=[REFUSED, REFUSED])) == [None, None]
    with pytest.raises(errors.ItemFault):
        TAG.read(ok(records=[REFUSED]))


@pytest.mark.parametrize("records", [[{}], [{}, {}, {}], [{}, None]])
def test_answers_for_other_than_the_photos_sent_are_nonsense(records: list[Any]) -> None:
    with pytest.raises(errors.Nonsense):
        TAG_TWO.read(ok(records=records))


@pytest.mark.parametrize(
    ("colors", "found"),
    [
        ({"rgb_hex_colors": ["#1f2c5c", "#ece6dc"]}, "#1F2C5C"),
        ({"rgb_hex_colors": ["1f2c5c", "#ece6dc"], "percentages": [0.2, 0.8]}, "#ECE6DC"),
        ({"rgb_hex_colors": ["#1f2c5c", "#ece6dc"], "percentages": [0.2]}, "#1F2C5C"),
        ({"rgb_hex_colors": ["blue", "#ece6dc"], "percentages": ["?", None]}, "#ECE6DC"),
        ({"rgb_colors": [[31, 44, 92.0]]}, "#1F2C5C"),
        ({"rgb_colors": [[31, 44, 256]]}, None),
        ({"rgb_colors": [[31, 44]]}, None),
        ({"rgb_colors": [[True, 1, 2, 3]]}, None),
        ({"rgb_hex_colors": "#1f2c5c"}, None),
        ([], None),
    ],
)
def test_the_largest_colour(colors: object, found: str | None) -> None:
    (tags,) = COLORS.read(ok(records=[{"_dominant_colors": colors}]))
    assert tags == Tags(color_hex=found)


def test_search_makes_one_candidate_of_a_products_records() -> None:
    rows = [
        {"_id": "1", "_url": "u1", "sku_id": "A", "product_id": "A", "brand": "B", "price": "5", "_tags": {}},
        {"_id": "2", "_url": "u2", "sku_id": "C"},
        {"_id": "3", "_url": "u3", "sku_id": "A", "brand": "old"},
        {"_id": "4"},
    ]
    answer = ok(answer_records=rows, answer_distances=[0.0, 0.25, 1.0, 2.0])
    assert SEARCH.read(answer) == [
        Candidate("A", 1.0, ["u1", "u3"], {"brand": "B", "price": "5"}),
        Candidate("C", 0.8, ["u2"], {}),
    ]


def test_search_gives_no_more_products_than_were_asked_for() -> None:
    rows = [{"sku_id": number} for number in range(9)]
    found = SEARCH.read(ok(answer_records=rows, answer_distances=list(range(9))))
    assert [candidate.sku_id for candidate in found] == ["0", "1", "2"]


def test_score_falls_with_the_distance_and_stays_within_its_bounds() -> None:
    distances = [-1, 0, 1e-9, 0.1, 1, 3.7, 1e30, 10**400]
    rows = [{"sku_id": f"s{number}"} for number in range(len(distances))]
    search = PROFILE.search(Photo(URL), 50)
    scores = [one.score for one in search.read(ok(answer_records=rows, answer_distances=distances))]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


@pytest.mark.parametrize("distances", [None, [], ["near", None, True], [0.1]])
def test_a_missing_distance_is_the_farthest(distances: object) -> None:
    rows = [{"sku_id": "A"}, None, {"sku_id": "B"}]
    found = {
        one.sku_id: one.score for one in SEARCH.read(ok(answer_records=rows, answer_distances=distances))
    }
    assert found["B"] == 0.0


def test_records_not_found_is_an_empty_list() -> None:
    assert SEARCH.read(ok(404, answer_records=[])) == []
    assert SEARCH.read(ok(200, answer_records=[], answer_distances=[])) == []


def test_an_unknown_collection_is_not_the_photos_fault() -> None:
    answer = Response(400, {}, b'{"detail":"collection-id: no such collection"}')
    with pytest.raises(errors.Forbidden):
        SEARCH.read(answer)
    with pytest.raises(errors.ItemFault):
        SEARCH.read(Response(400, {}, b'{"detail":"query_record: cannot be read"}'))
