"""The application without a socket: shapes of answers, refusals, the log, the control API."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import falcon.testing
import pytest

from ops.emulator.recognition import CREDITS
from tests.emulator.conftest import API, BAD, COLLECTION, NAVY, RED, TOKEN, Answer, Api
from tests.emulator.drawing import as_bytes, blank, garment

pytestmark = pytest.mark.usefixtures("shop")
CALLS = ("collectImage", "collectRemove", "detect", "classify", "visualSearch")


def code(answer: Answer) -> int:
    """`status.code` of an answer with HTTP 200."""
    assert answer[0] == 200, answer
    status = answer[1]["status"]
    assert status["text"]
    assert len(status["request_id"]) == 32
    assert "statistics" in answer[1]
    return int(status["code"])


class TestRefusals:
    @pytest.mark.parametrize("name", CALLS)
    @pytest.mark.parametrize("token", [None, "wrong", "töken"])
    def test_401_without_the_token(self, api: Api, name: str, token: str | None) -> None:
        status, body, _ = api.call(name, token=token)
        assert (status, list(body)) == (401, ["detail"])

    def test_404_and_405_in_the_words_of_the_framework(self, client: falcon.testing.TestClient) -> None:
        unknown = client.simulate_post(f"{API}nothing", json={})
        assert (unknown.status_code, unknown.json) == (404, {"detail": "Not found."})
        assert client.simulate_get(f"{API}detect").status_code == 405

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"k": NaN}', b"[" * 100_000, b"\xff"])
    def test_400_for_what_is_no_object(self, client: falcon.testing.TestClient, body: bytes) -> None:
        result = client.simulate_post(f"{API}detect", body=body, headers={"Authorization": f"Token {TOKEN}"})
        assert (result.status_code, list(result.json)) == (400, ["detail"])

    @pytest.mark.parametrize("name", ["detect", "classify", "visualSearch"])
    @pytest.mark.parametrize("records", [None, [], ["x"], {}, [{"_url": RED}] * 11])
    def test_400_for_a_wrong_number_of_records(self, api: Api, name: str, records: Any) -> None:
        assert api.call(name, collection_id=COLLECTION, records=records)[0] == 400

    @pytest.mark.parametrize("k", [0, -1, "3", 1.5, True, 1001])
    def test_400_for_a_wrong_k(self, api: Api, k: Any) -> None:
        assert api.search(RED, k=k)[0] == 400

    @pytest.mark.parametrize(
        "body", [{"image": RED}, {"image": RED, "metadata": {}}, {"metadata": {"sku_id": "A"}}, {"image": 3}]
    )
    @pytest.mark.parametrize("name", ["collectImage", "collectRemove"])
    def test_400_without_photo_or_sku(self, api: Api, name: str, body: dict[str, Any]) -> None:
        assert api.call(name, collection_id=COLLECTION, **body)[0] == 400

    @pytest.mark.parametrize("name", ["collectImage", "collectRemove", "visualSearch"])
    def test_403_for_a_collection_that_is_not_ours(self, api: Api, name: str) -> None:
        body: dict[str, Any] = {"image": RED, "metadata": {"sku_id": "A"}, "records": [{"_url": RED}]}
        assert api.call(name, collection_id="other", **body)[0] == 403
        assert api.call(name, **body)[0] == 403


class TestCollecting:
    def test_a_photo_is_stored_once(self, api: Api) -> None:
        assert code(api.collect(RED, price="599.00")) == 200
        assert api.last_request()["applied"] is True
        assert code(api.collect(RED, price="1.00")) == 411
        assert api.last_request()["applied"] is False
        (photo,) = api.control("GET", "collection")["photos"]
        assert (photo["sku_id"], photo["url"], photo["times_sent"]) == ("SKU-1", RED, 2)
        assert photo["metadata"] == {"sku_id": "SKU-1", "price": "599.00"}
        state = api.control("GET", "state")
        assert (state["photos_stored"], state["photos_sent_again"]) == (1, 1)
        assert state["credits"] == {"total": CREDITS["collectImage"], "collectImage": CREDITS["collectImage"]}

    def test_the_same_photo_of_another_product_is_another_record(self, api: Api) -> None:
        assert [code(api.collect(RED, sku)) for sku in ("A", "B")] == [200, 200]

    @pytest.mark.parametrize("url", [BAD, "http://photos.test/missing.png"])
    def test_what_is_no_image_is_refused(self, api: Api, url: str) -> None:
        answer = api.collect(url)
        assert code(answer) == 400
        assert "image cannot be" in answer[1]["status"]["text"]
        assert api.control("GET", "collection")["count"] == 0

    def test_a_full_collection_answers_412(self, api: Api) -> None:
        api.control("PUT", "settings", {"capacity": 1})
        assert [code(api.collect(url)) for url in (RED, NAVY, RED)] == [200, 412, 411]

    def test_remove_takes_one_photo_of_one_product(self, api: Api) -> None:
        for sku in ("A", "B"):
            api.collect(RED, sku)
        body: dict[str, Any] = {"collection_id": COLLECTION, "image": RED, "metadata": {"sku_id": "A"}}
        assert [code(api.call("collectRemove", **body)) for _ in range(2)] == [200, 404]
        assert [photo["sku_id"] for photo in api.control("GET", "collection")["photos"]] == ["B"]
        assert code(api.collect(RED, "A")) == 200


class TestReading:
    def test_detect_gives_boxes_and_crops_that_can_be_had(
        self, api: Api, client: falcon.testing.TestClient
    ) -> None:
        status, body, _ = api.call("detect", records=[{"_url": RED, "_id": "1", "note": "x"}, {"_url": BAD}])
        good, bad = body["records"]
        assert status == body["status"]["code"] == 200
        assert good["_status"]["code"] == 200
        assert (good["_id"], good["note"], good["_width"], good["_height"]) == ("1", "x", 80, 100)
        assert bad["_status"]["code"] == 400
        assert "_objects" not in bad
        (found,) = good["_objects"]
        assert sorted(found) == ["bound_box", "crop_url", "name", "prob"]
        crop = client.simulate_get(found["crop_url"].partition("http://falconframework.org")[2])
        assert (crop.headers["content-type"], crop.content[:2]) == ("image/jpeg", b"\xff\xd8")
        again = api.call("classify", records=[{"_url": found["crop_url"]}])[1]["records"][0]
        assert again["_tags"]["Color"][0]["name"] == "red"

    def test_detect_finds_nothing_on_a_blank_picture(self, api: Api, photos: dict[str, bytes]) -> None:
        photos[RED] = as_bytes(blank())
        assert api.call("detect", records=[{"_url": RED}])[1]["records"][0]["_objects"] == []

    def test_classify_tags_a_picture_sent_along(self, api: Api) -> None:
        text = base64.b64encode(as_bytes(garment("navy"))).decode()
        _, body, _ = api.call("classify", records=[{"_base64": text}], task_id="t")
        (record,) = body["records"]
        assert "_base64" not in record
        assert record["_tags"]["Color"][0]["name"] == "navy"
        assert record["_tags"]["Color"][0]["hex"].startswith("#")
        assert record["best_label"] == record["_tags"]["Type"][0]

    @pytest.mark.parametrize("record", [{}, {"_url": RED, "_base64": "eA=="}, {"_url": 3}, {"_base64": "?"}])
    def test_a_record_needs_one_source(self, api: Api, record: dict[str, Any]) -> None:
        _, body, _ = api.call("detect", records=[record])
        assert body["records"][0]["_status"]["code"] == 400

    def test_search_gives_one_record_a_photo_best_first(self, api: Api) -> None:
        for sku, url in (("A", RED), ("B", NAVY), ("B", RED)):
            api.collect(url, sku, brand="Nord")
        answers = api.search(NAVY)[1]["answer_records"]
        assert answers[0]["score"] == pytest.approx(1.0, abs=1e-6)
        assert (answers[0]["sku_id"], answers[0]["image_urls"]) == ("B", [NAVY, RED])
        assert answers[0]["metadata"] == {"sku_id": "B", "brand": "Nord"}
        scores = [answer["score"] for answer in answers]
        assert len(scores) == 3
        assert 1.0 >= scores[0] > scores[1] == scores[2] >= 0.0
        assert len(api.search(NAVY, k=2)[1]["answer_records"]) == 2

    def test_search_without_an_image_says_400_in_the_body(self, api: Api) -> None:
        assert code(api.search(BAD)) == 400

    def test_search_in_an_empty_collection_finds_nothing(self, api: Api) -> None:
        assert api.search(RED)[1]["answer_records"] == []


class TestRate:
    def test_too_many_calls_meet_429_with_retry_after(self, api: Api) -> None:
        api.control("PUT", "settings", {"rate": 3})
        answers = [api.call(name, records=[{"_url": RED}]) for name in ("detect", "classify") * 2]
        assert [status for status, _, _ in answers] == [200, 200, 200, 429]
        _, body, headers = answers[-1]
        assert headers["retry-after"] == "1"
        assert list(body) == ["detail"]
        assert api.control("GET", "state")["rate_limited"] == 1

    def test_calls_without_the_token_do_not_count(self, api: Api) -> None:
        api.control("PUT", "settings", {"rate": 1})
        assert [api.call("detect", token="wrong")[0] for _ in range(5)] == [401] * 5
        assert api.call("detect", records=[{"_url": RED}])[0] == 200


class TestLog:
    def test_an_entry_tells_what_came_and_never_the_token(self, api: Api) -> None:
        api.collect(RED)
        api.call("detect", records=[{"_url": NAVY}, {"_url": RED}])
        log = api.control("GET", "requests")
        collect, detect = log["requests"]
        assert (collect["method"], collect["path"]) == ("POST", "/recognition/v2/collectImage")
        assert (collect["status"], collect["code"], collect["sku_id"]) == (200, 200, "SKU-1")
        assert (collect["urls"], detect["urls"]) == ([RED], [NAVY, RED])
        assert hashlib.sha256(TOKEN.encode()).hexdigest().startswith(collect["token"])
        assert len(collect["token"]) == 12
        assert 0 < collect["arrived_monotonic"] < detect["arrived_monotonic"]
        assert TOKEN not in str(log)
        assert api.control("GET", f"requests?since={collect['seq']}")["requests"] == [detect]
        assert api.control("GET", f"requests?since={log['last']}") == {"requests": [], "last": log["last"]}

    def test_the_control_api_is_not_in_the_log(self, api: Api) -> None:
        api.control("GET", "state")
        assert api.control("GET", "requests")["requests"] == []

    def test_a_slash_at_the_end_is_the_same_path(self, api: Api) -> None:
        api.call("detect/", records=[{"_url": RED}])
        assert api.control("GET", "state")["requests"] == {"/recognition/v2/detect": {"200": 1}}

    def test_latency_counts_from_the_arrival(self, api: Api) -> None:
        api.control("PUT", "settings", {"delay": 0.15})
        api.collect(RED)
        assert 0.15 <= api.last_request()["seconds"] < 2.0


class TestControl:
    def test_the_base_url_answers_without_a_token(self, client: falcon.testing.TestClient) -> None:
        assert client.simulate_get("/").status_code == 200

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [("PUT", "settings", {"rate": -1}), ("PUT", "settings", []), ("POST", "faults", {"fault": {}})],
    )
    def test_a_mistake_is_named(
        self, client: falcon.testing.TestClient, method: str, path: str, body: Any
    ) -> None:
        result = client.simulate_request(method, f"/_emulator/{path}", json=body)
        assert (result.status_code, list(result.json)) == (400, ["detail"])

    def test_a_changed_token_counts_at_once(self, api: Api) -> None:
        api.control("PUT", "settings", {"token": "new"})
        assert api.search(RED)[0] == 401
        assert "new" not in str(api.control("GET", "settings"))

    def test_the_collection_can_be_emptied(self, api: Api) -> None:
        api.collect(RED)
        api.control("DELETE", "collection")
        assert api.control("GET", "collection") == {"photos": [], "count": 0}

    def test_reset_forgets_everything_but_the_settings(self, api: Api) -> None:
        api.control("PUT", "settings", {"rate": 100})
        api.script({"kind": "html"})
        api.collect(RED)
        api.collect(RED)
        api.control("POST", "reset")
        state = api.control("GET", "state")
        assert (state["requests"], state["photos_stored"], state["photos_sent_again"]) == ({}, 0, 0)
        assert (state["credits"], state["settings"]["rate"]) == ({"total": 0}, 100)
        assert api.control("GET", "faults") == {"faults": []}
