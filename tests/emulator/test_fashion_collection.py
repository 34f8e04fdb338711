"""Profile `fashion`: the collection's codes, pages, fields and searches, as Ximilar documents them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.emulator.conftest import BAD, NAVY, RED, Answer, Api
from tests.emulator.drawing import as_bytes, garment

METHODS = ("insert", "get", "update", "delete", "deleteByFilter", "allRecords", "random", "ping", "visualKNN")
pytestmark = pytest.mark.usefixtures("shop")
SEARCHES = ("visualKNN", "visual_search", "visualTagsKNN")


def code(answer: Answer) -> int:
    """`status.code` of an answer with HTTP 200."""
    assert answer[0] == 200, answer
    assert answer[1]["answer_count"] == len(answer[1]["answer_records"])
    assert answer[1]["status"]["text"]
    return int(answer[1]["status"]["code"])


def ids(answer: Answer) -> list[Any]:
    return [record["_id"] for record in answer[1]["answer_records"]]


def record(record_id: str, url: str = RED, **metadata: Any) -> dict[str, Any]:
    return {"_id": record_id, "_url": url, **metadata}


def insert(api: Api, *records: dict[str, Any], **body: Any) -> Answer:
    return api.fashion("insert", records=[*records], **body)


def reasons(answer: Answer) -> dict[str, int]:
    """Of skipped records, by id."""
    return {one["_id"]: one["_reason"]["status"]["code"] for one in answer[1]["skipped_records"]}


def stored(api: Api) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = api.control("GET", "collection")["photos"]
    return listed


def credits_used(api: Api) -> int:
    return int(api.control("GET", "state")["credits"]["total"])


class TestRefusals:
    @pytest.mark.parametrize("method", METHODS)
    def test_403_without_the_collection(self, api: Api, method: str) -> None:
        assert api.fashion(method, collection=None)[0] == 403
        assert api.fashion(method, collection="other")[0] == 403

    def test_a_wrong_token_is_401_or_403(self, api: Api) -> None:
        status, body, _ = api.fashion("get", token="wrong")
        assert (status, list(body)) == (401, ["detail"])
        api.control("PUT", "settings", {"token_status": 403})
        assert api.fashion("get", token="wrong")[0] == 403

    @pytest.mark.parametrize("method", ["insert", "get", "update", "delete"])
    @pytest.mark.parametrize("count", [0, 11])
    def test_400_for_a_wrong_number_of_records(self, api: Api, method: str, count: int) -> None:
        assert api.fashion(method, records=[record(str(number)) for number in range(count)])[0] == 400
        assert stored(api) == []

    @pytest.mark.parametrize("method", ["nearDuplicates", "visualRankRecords", "detect"])
    def test_404_for_a_method_there_is_not(self, api: Api, method: str) -> None:
        assert api.fashion(method)[:2] == (404, {"detail": "Not found."})

    @pytest.mark.parametrize(
        ("method", "body"),
        [
            ("get", {"records": [{"_id": "a"}], "fields_to_return": "*"}),
            ("visualKNN", {"query_record": {"_url": RED}, "k": 0}),
            ("visualKNN", {"records": [{"_url": RED}] * 2}),
            ("visualKNN", {}),
            ("visualKNN", {"query_record": {"_url": RED}, "filter": {"a": {"$regex": "b"}}}),
            ("deleteByFilter", {"filter": {}}),
            ("deleteByFilter", {}),
            ("allRecords?size=0", {}),
            ("allRecords?size=1&page=x", {}),
            ("random", {"count": 0}),
        ],
    )
    def test_400_for_what_makes_no_sense(self, api: Api, method: str, body: dict[str, Any]) -> None:
        insert(api, record("a"))
        status, answer, _ = api.fashion(method, **body)
        assert (status, list(answer)) == (400, ["detail"])
        assert len(stored(api)) == 1


class TestInserting:
    def test_210_and_what_is_kept(self, api: Api) -> None:
        answer = insert(api, record("a", sku_id="S", price=5), record("b", NAVY), fields_to_return=["price"])
        assert code(answer) == 210
        assert answer[1]["answer_records"] == [{"_id": "a", "price": 5}, {"_id": "b"}]
        assert answer[1]["skipped_records"] == []
        photo = stored(api)[0]
        assert (photo["id"], photo["sku_id"], photo["url"]) == ("a", "S", RED)
        assert (photo["metadata"], photo["times_sent"]) == ({"sku_id": "S", "price": 5}, 1)
        entry = api.last_request()
        assert (entry["record_ids"], entry["sku_ids"], entry["urls"]) == (["a", "b"], ["S"], [RED, NAVY])
        assert (entry["applied"], entry["code"]) == (True, 210)

    def test_411_when_all_are_there_and_nothing_is_changed(self, api: Api) -> None:
        insert(api, record("a", price=1))
        before = credits_used(api)
        answer = insert(api, record("a", NAVY, price=2))
        assert (code(answer), reasons(answer)) == (411, {"a": 211})
        assert (stored(api)[0]["url"], stored(api)[0]["metadata"]) == (RED, {"price": 1})
        assert stored(api)[0]["times_sent"] == 2
        assert api.last_request()["applied"] is False
        assert credits_used(api) == before

    def test_a_duplicate_may_be_billed(self, api: Api) -> None:
        api.control("PUT", "settings", {"bill_duplicates": True})
        insert(api, record("a"))
        before = credits_used(api)
        assert code(insert(api, record("a"))) == 411
        assert credits_used(api) > before

    def test_211_names_each_record_it_left_out_and_why(self, api: Api) -> None:
        insert(api, record("a"))
        answer = insert(api, record("b"), record("a"), record("c", BAD), record("b", NAVY))
        assert (code(answer), ids(answer)) == (211, ["b"])
        skipped = [(one["_id"], one["_reason"]["status"]["code"]) for one in answer[1]["skipped_records"]]
        assert skipped == [("a", 211), ("c", 400), ("b", 211)]
        assert code(insert(api, record("c", BAD))) == 211

    def test_a_record_needs_an_id_and_one_image(self, api: Api) -> None:
        picture = base64.b64encode(as_bytes(garment("red"))).decode()
        both = {**record("a"), "_base64": picture}
        answer = insert(api, {"_url": RED}, both, {"_id": "b"}, {"_id": None, "_url": RED})
        assert [one["_reason"]["status"]["code"] for one in answer[1]["skipped_records"]] == [400] * 4
        assert not any("_base64" in one for one in answer[1]["skipped_records"])
        assert code(insert(api, {"_id": "c", "_base64": picture, "noise": None})) == 210
        assert (stored(api)[0]["url"], stored(api)[0]["metadata"]) == (None, {"noise": None})

    def test_412_when_it_is_full(self, api: Api) -> None:
        api.control("PUT", "settings", {"capacity": 2})
        answer = insert(api, record("a"), record("b"), record("c"))
        assert (code(answer), reasons(answer)) == (211, {"c": 412})
        answer = insert(api, record("d"), record("a"))
        assert (code(answer), reasons(answer)) == (412, {"d": 412, "a": 211})

    def test_numbers_and_texts_are_different_ids(self, api: Api) -> None:
        assert code(insert(api, {"_id": 1, "_url": RED}, {"_id": "1", "_url": RED})) == 210


class TestRecords:
    def test_get_205_206_and_404(self, api: Api) -> None:
        insert(api, record("a", brand="Nord"))
        answer = api.fashion("get", records=[{"_id": "a"}], fields_to_return=["*"])
        assert code(answer) == 205
        assert answer[1]["answer_records"] == [{"_id": "a", "_url": RED, "brand": "Nord"}]
        assert code(api.fashion("get", records=[{"_id": "a"}, {"_id": "b"}])) == 206
        assert code(api.fashion("get", records=[{"_id": "b"}])) == 404

    def test_update_merges_or_replaces_and_never_looks_at_the_image(self, api: Api) -> None:
        insert(api, record("a", price=1, brand="Nord"))
        before = credits_used(api)
        change = {"_id": "a", "_url": NAVY, "price": 2}
        answer = api.fashion("update", records=[change], fields_to_return=["*"])
        assert code(answer) == 200
        assert answer[1]["answer_records"] == [{"_id": "a", "_url": RED, "price": 2, "brand": "Nord"}]
        api.control("PUT", "settings", {"update_replaces": True})
        answer = api.fashion("update", records=[change], fields_to_return=["*"])
        assert answer[1]["answer_records"] == [{"_id": "a", "_url": RED, "price": 2}]
        found = api.fashion("visualKNN", query_record={"_url": RED})
        assert found[1]["answer_distances"] == [pytest.approx(0)]
        assert code(api.fashion("update", records=[{"_id": "b", "price": 1}])) == 404
        assert credits_used(api) == before + 10

    def test_delete_220_206_and_404(self, api: Api) -> None:
        insert(api, record("a"), record("b"))
        answer = api.fashion("delete", records=[{"_id": "a"}])
        assert (code(answer), ids(answer)) == (220, ["a"])
        assert code(api.fashion("delete", records=[{"_id": "a"}, {"_id": "b"}])) == 206
        assert code(api.fashion("delete", records=[{"_id": "b"}])) == 404
        assert api.last_request()["applied"] is False
        assert stored(api) == []

    def test_delete_by_filter(self, api: Api) -> None:
        insert(api, record("a", price=1), record("b", price=2), record("c"))
        answer = api.fashion("deleteByFilter", filter={"price": {"$lt": 2}})
        assert (code(answer), ids(answer)) == (220, ["a"])
        assert code(api.fashion("deleteByFilter", filter={"price": {"$lt": 2}})) == 404

    def test_pages_of_all_records(self, api: Api) -> None:
        insert(api, *(record(str(number), price=number) for number in range(5)))
        seen, page, answer = [], 0, None
        while answer is None or "next" in answer[1]:
            page += 1
            answer = api.fashion(f"allRecords?size=2&page={page}", fields_to_return=["_id"])
            seen.append(ids(answer))
        assert seen == [["0", "1"], ["2", "3"], ["4"]]
        assert ids(api.fashion("allRecords?size=2&page=9")) == []
        assert "next" not in api.fashion("allRecords?size=5&page=1")[1]
        assert ids(api.fashion("allRecords", filter={"price": {"$gte": 3}})) == ["3", "4"]

    def test_random_draws_each_record_once(self, api: Api) -> None:
        insert(api, *(record(str(number), even=number % 2 == 0) for number in range(6)))
        drawn = api.fashion("random", count=10, filter={"even": True})
        assert sorted(ids(drawn)) == ["0", "2", "4"]
        assert len(ids(api.fashion("random", count=2))) == 2

    def test_ping_needs_no_body(self, api: Api) -> None:
        assert code(api.fashion("ping")) == 200


class TestSearching:
    @pytest.mark.parametrize("method", SEARCHES)
    def test_nearest_first_by_each_name(self, api: Api, method: str) -> None:
        insert(api, record("red", sku_id="R"), record("navy", NAVY, sku_id="N"))
        answer = api.fashion(method, query_record={"_url": NAVY}, fields_to_return=["_id", "sku_id"])
        assert code(answer) == 200
        assert answer[1]["answer_records"] == [{"_id": "navy", "sku_id": "N"}, {"_id": "red", "sku_id": "R"}]
        near, far = answer[1]["answer_distances"]
        assert near == pytest.approx(0)
        assert 0.3 < far <= 1
        assert ids(api.fashion(method, records=[{"_url": RED}], k=1)) == ["red"]

    def test_by_id_costs_less_and_finds_itself(self, api: Api) -> None:
        insert(api, record("red"), record("navy", NAVY))
        before = credits_used(api)
        assert ids(api.fashion("visualKNN", query_record={"_id": "red"})) == ["red", "navy"]
        assert credits_used(api) == before + 1
        assert code(api.fashion("visualKNN", query_record={"_id": "gone"})) == 404

    def test_by_bytes(self, api: Api) -> None:
        insert(api, record("red"), record("navy", NAVY))
        picture = base64.b64encode(as_bytes(garment("red"))).decode()
        for text in (picture, f"data:image/png;base64,{picture}"):
            assert ids(api.fashion("visualKNN", query_record={"_base64": text}, k=1)) == ["red"]

    def test_only_what_the_filter_fits_is_searched(self, api: Api) -> None:
        insert(api, record("a", price=1), record("b", NAVY, price=9))
        answer = api.fashion("visualKNN", query_record={"_url": RED}, k=1, filter={"price": {"$gt": 5}})
        assert ids(answer) == ["b"]

    def test_a_query_that_is_no_picture(self, api: Api) -> None:
        answer = api.fashion("visualKNN", query_record={"_url": BAD})
        assert (code(answer), answer[1]["answer_distances"]) == (400, [])

    def test_the_largest_garment_is_what_counts(self, api: Api, photos: dict[str, bytes]) -> None:
        two = garment("red", (5, 20, 35, 80))
        two.paste((20, 30, 90), (50, 60, 60, 70))
        photos["http://photos.test/two.png"] = as_bytes(two)
        insert(api, record("two", "http://photos.test/two.png"))
        (near,) = api.fashion("visualKNN", query_record={"_url": RED})[1]["answer_distances"]
        (far,) = api.fashion("visualKNN", query_record={"_url": NAVY})[1]["answer_distances"]
        assert near < 0.05 < 0.3 < far


class TestBothReadingsOfTheStatus:
    def test_the_http_status_may_mirror_the_code(self, api: Api) -> None:
        api.control("PUT", "settings", {"mirror_status": True, "capacity": 1})
        answers = [
            insert(api, record("a")),
            insert(api, record("a")),
            insert(api, record("b")),
            api.fashion("get", records=[{"_id": "a"}]),
            api.fashion("get", records=[{"_id": "a"}, {"_id": "b"}]),
            api.fashion("delete", records=[{"_id": "a"}]),
            api.fashion("delete", records=[{"_id": "a"}]),
        ]
        statuses = [status for status, _body, _headers in answers]
        assert statuses == [210, 411, 412, 205, 206, 220, 404]
        assert [body["status"]["code"] for _status, body, _headers in answers] == statuses
