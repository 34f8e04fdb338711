"""Profile `fashion`: tagging, colours and the account, in the shapes of Ximilar's documents."""

from __future__ import annotations

import base64
import re
from typing import Any

import falcon.testing
import pytest

from tests.emulator.conftest import Answer, Api
from tests.emulator.drawing import as_bytes, blank, garment

TAGGING, COLOURS = "/tagging/fashion/v2/", "/dom_colors/"
RED, BLANK, TWO, BAD = (f"http://photos.test/{name}.png" for name in ("red", "blank", "two", "bad"))
METHODS = ("detect", "tags", "detect_tags", "detect_tags_all", "meta")
FEATURES = ["Category", "Subcategory", "Color", "Material", "Design"]


@pytest.fixture(autouse=True)
def shop(photos: dict[str, bytes]) -> None:
    """A garment, two, none, and a file that is no picture."""
    two = garment("navy", (5, 10, 35, 90))
    two.paste((215, 25, 35), (50, 60, 75, 85))
    pictures = {RED: garment("red"), BLANK: blank(), TWO: two}
    photos.update({url: as_bytes(picture) for url, picture in pictures.items()})
    photos[BAD] = b"<html>"


def tagged(api: Api, method: str, *urls: str, **body: Any) -> list[dict[str, Any]]:
    """The records of the answer, which must be a good one."""
    status, answer, _ = api.fashion(TAGGING + method, records=[{"_url": url} for url in urls], **body)
    assert (status, answer["status"]["code"]) == (200, 200)
    assert answer["statistics"]["processing time"] >= 0
    records: list[dict[str, Any]] = answer["records"]
    return records


def check_tags(holder: dict[str, Any], *, color: str) -> None:
    assert list(holder["_tags"]) == FEATURES
    for tags in holder["_tags"].values():
        assert all({"id", "name", "prob"} == set(tag) for tag in tags)
        assert [tag["prob"] for tag in tags] == sorted((tag["prob"] for tag in tags), reverse=True)
    assert holder["_tags"]["Color"][0]["name"] == holder["_tags_map"]["Color"] == color
    assert list(holder["_tags_map"]) == FEATURES[1:]
    assert holder["_tags_simple"] == list(holder["_tags_map"].values())


class TestTagging:
    @pytest.mark.parametrize("method", METHODS)
    def test_a_record_is_echoed_with_size_and_status(self, api: Api, method: str) -> None:
        picture = base64.b64encode(as_bytes(garment("red"))).decode()
        records = [{"_id": "a", "_base64": picture, "note": 1}, {"_url": BAD}, {}]
        answer = api.fashion(TAGGING + method, records=records)[1]
        good, *bad = answer["records"]
        assert (good["_id"], good["note"], good["_width"], good["_height"]) == ("a", 1, 80, 100)
        assert "_base64" not in good
        assert [record["_status"]["code"] for record in (good, *bad)] == [200, 400, 400]
        assert all(record["_id"] for record in bad)

    @pytest.mark.parametrize("method", METHODS)
    def test_no_collection_is_needed_but_ten_records_at_most(self, api: Api, method: str) -> None:
        assert api.fashion(TAGGING + method, collection=None, records=[{"_url": RED}] * 10)[0] == 200
        assert api.fashion(TAGGING + method, records=[{"_url": RED}] * 11)[0] == 400

    def test_detect_gives_boxes_in_pixels_and_nothing_else(self, api: Api) -> None:
        (record,) = tagged(api, "detect", RED)
        (found,) = record["_objects"]
        left, top, right, bottom = found["bound_box"]
        assert abs(left - 20) + abs(top - 15) + abs(right - 60) + abs(bottom - 85) < 24
        assert found["name"] in found["Category"] or found["Category"].startswith(found["Top Category"])
        assert 0 < found["prob"] <= 1
        assert 0.3 < found["area"] < 0.6
        assert not [name for name in found if name.startswith("_")]

    def test_nothing_is_found_on_a_blank_picture(self, api: Api) -> None:
        for method in ("detect", "detect_tags", "detect_tags_all"):
            (record,) = tagged(api, method, BLANK)
            assert (record["_objects"], record["_status"]["code"]) == ([], 200)

    def test_tags_are_of_the_whole_picture(self, api: Api) -> None:
        (record,) = tagged(api, "tags", RED, aggregate_labels=True, profile="ours")
        check_tags(record, color="red")
        assert "_objects" not in record

    def test_a_category_may_be_given(self, api: Api) -> None:
        records = [{"_url": RED, "Category": "Clothing/Jackets"}]
        answer = api.fashion(f"{TAGGING}tags", records=records)[1]
        assert answer["records"][0]["_tags"]["Category"][0]["name"] == "Clothing/Jackets"

    def test_detect_tags_tags_the_largest_and_detect_tags_all_each(self, api: Api) -> None:
        (record,) = tagged(api, "detect_tags", TWO)
        largest, other = record["_objects"]
        check_tags(largest, color="navy")
        assert "_tags" not in other
        (record,) = tagged(api, "detect_tags_all", TWO)
        for found, color in zip(record["_objects"], ("navy", "red"), strict=True):
            check_tags(found, color=color)

    def test_meta(self, api: Api) -> None:
        (record,) = tagged(api, "meta", RED)
        assert record["_tags_meta_simple"] == ["studio background"]

    def test_each_image_is_billed(self, api: Api) -> None:
        tagged(api, "detect", RED, RED, BAD)
        tagged(api, "detect_tags_all", RED)
        assert api.control("GET", "state")["credits"] == {"total": 70, "detect": 10, "detect_tags_all": 60}

    @pytest.mark.parametrize(
        ("name", "one"), [("top_categories", "Clothing"), ("categories", "Clothing/Dresses")]
    )
    def test_the_taxonomy_needs_no_token(
        self, client: falcon.testing.TestClient, name: str, one: str
    ) -> None:
        labels = client.simulate_get(TAGGING + name).json["labels"]
        assert one in [label["name"] for label in labels]


class TestColours:
    def dominant(self, answer: Answer) -> dict[str, Any]:
        found: dict[str, Any] = answer[1]["records"][0]["_dominant_colors"]
        assert all(re.fullmatch("#[0-9a-f]{6}", value) for value in found["rgb_hex_colors"])
        assert len({len(values) for values in found.values()}) == 1
        assert found["percentages"] == sorted(found["percentages"], reverse=True)
        return found

    def test_the_product_or_the_whole_picture(self, api: Api) -> None:
        records = [{"_url": RED}]
        product = self.dominant(api.fashion(f"{COLOURS}product/v2/dominantcolor", records=records))
        assert (product["rgb_colors"], product["color_names"]) == ([[255, 0, 0]], ["red"])
        generic = self.dominant(api.fashion(f"{COLOURS}generic/v2/dominantcolor", records=records))
        assert {"red", "silver"} <= set(generic["color_names"])

    def test_the_given_object_wins_wherever_it_is_asked_for(self, api: Api) -> None:
        objects = [{"name": "x", "prob": 1, "bound_box": [50, 60, 75, 85]}]
        record = {"_url": TWO, "_objects": objects}
        for body in (
            {"records": [record], "_extract_object": True},
            {"records": [{**record, "_extract_object": True}]},
        ):
            answer = api.fashion(f"{COLOURS}product/v2/dominantcolor", **body)
            assert self.dominant(answer)["color_names"] == ["red"]
        ignored = api.fashion(f"{COLOURS}product/v2/dominantcolor", records=[record])
        assert self.dominant(ignored)["color_names"] == ["navy"]

    @pytest.mark.parametrize("box", [None, [1, 2, 3], ["a"] * 4, [90, 0, 99, 10], [5, 5, 5, 5]])
    def test_an_impossible_box_is_ignored(self, api: Api, box: Any) -> None:
        record = {"_url": RED, "_objects": [{"bound_box": box}], "_extract_object": True}
        answer = api.fashion(f"{COLOURS}product/v2/dominantcolor", records=[record])
        assert self.dominant(answer)["color_names"] == ["red"]

    def test_no_more_colours_than_asked_for(self, api: Api) -> None:
        path = f"{COLOURS}generic/v2/dominantcolor"
        assert len(self.dominant(api.fashion(path, records=[{"_url": TWO}], colors=1))["rgb_colors"]) == 1
        assert api.fashion(path, records=[{"_url": TWO}], colors=0)[0] == 400


class TestAccount:
    def test_credits_go_down_as_they_are_used(self, api: Api) -> None:
        api.control("PUT", "settings", {"credits": 12})
        for left in (12, 7, 2, 0):
            status, details, _ = api.get("/account/v2/details/")
            assert (status, details["credits_counter"], details["credits_limit"]) == (200, left, 12)
            tagged(api, "detect", RED)
        assert api.get("/account/v2/details/", token="wrong")[0] == 401

    def test_authorize(self, api: Api) -> None:
        body = {"service": "fashion-tagging", "call_type": "authenticate"}
        assert "user_id" in api.fashion("/authorization/v2/authorize", **body)[1]
        status, answer, _ = api.fashion("/authorization/v2/authorize", service="remove-bg")
        assert (status, list(answer)) == (403, ["detail"])


class TestSharedWithTheOtherProfile:
    """Faults, limit, log and control do not ask which profile a call is of."""

    def test_a_fault_finds_a_record_by_its_product_or_address(self, api: Api) -> None:
        records = [{"_id": name, "_url": RED, "sku_id": name.upper()} for name in "ab"]
        api.script({"kind": "status", "status": 503}, match={"sku_id": "B"})
        assert api.fashion("insert", records=records)[0] == 503
        api.script({"kind": "status", "status": 503, "apply": True}, match={"url_contains": "red"})
        assert api.fashion("insert", records=records)[0] == 503
        assert api.control("GET", "state")["photos_stored"] == 2
        assert api.fashion("insert", records=records)[1]["status"]["code"] == 411

    def test_the_rate_is_one_for_all(self, api: Api) -> None:
        api.control("PUT", "settings", {"rate": 2})
        assert api.collect(RED)[0] == 200
        assert api.get("/account/v2/details/")[0] == 200
        assert api.fashion("ping")[0] == 429

    def test_collections_are_listed_together_and_told_apart(self, api: Api) -> None:
        api.collect(RED, "A")
        api.fashion("insert", records=[{"_id": "b", "_url": RED, "sku": "B"}])
        photos = api.control("GET", "collection")["photos"]
        assert [(photo["profile"], photo["sku_id"]) for photo in photos] == [
            ("recognition", "A"),
            ("fashion", "B"),
        ]
        api.control("DELETE", "collection")
        assert api.control("GET", "state")["photos_stored"] == 0
