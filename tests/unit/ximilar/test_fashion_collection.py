"""Profile `fashion`: the collection's calls, and what is made of each documented code, whatever HTTP's status is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from procrastinate_app.ximilar import errors, profiles
from procrastinate_app.ximilar.answers import Held, Page, Record, Stored
from procrastinate_app.ximilar.calls import Response
from procrastinate_app.ximilar.fashion import Fashion

PROFILE = Fashion("c-1")
KEYED = PROFILE.keyed
METADATA = {"sku_id": "A-1", "brand": "B", "price": "599.00", "currency": "AED"}
RECORDS = [Record(f"https://cdn.example.com/{name}.jpg", METADATA, f"p1-{name}") for name in "abc"]
IDS = ["p1-a", "p1-b", "p1-c"]
MIRRORED = pytest.mark.parametrize("mirrored", [False, True], ids=["HTTP 200", "HTTP as the code"])


def answer(code: object, *, mirrored: bool = False, **content: Any) -> Response:
    body = {**content, "status": {"code": code, "text": "said so", "request_id": "r-1"}}
    return Response(code if mirrored and isinstance(code, int) else 200, {}, json.dumps(body).encode())


def listed(*ids: str) -> list[dict[str, str]]:
    return [{"_id": remote_id} for remote_id in ids]


def skipped(remote_id: str, code: int, text: str = "bad image") -> dict[str, Any]:
    return {"_id": remote_id, "_reason": {"status": {"code": code, "text": text}}}


def inserted(response: Response) -> dict[str | None, str]:
    """{id: what became of it}"""
    return {stored.remote_id: fate(stored) for stored in PROFILE.store(RECORDS).read(response)}


def updated(response: Response) -> dict[str | None, str]:
    return {stored.remote_id: fate(stored) for stored in KEYED.update(RECORDS).read(response)}


def removed(response: Response) -> dict[str | None, str]:
    return {stored.remote_id: fate(stored) for stored in PROFILE.remove(RECORDS).read(response)}


def fate(stored: Stored) -> str:
    if stored.fault is not None:
        return stored.fault.reason
    return "already" if stored.already else "missing" if stored.missing else "done"


def all_are(word: str) -> dict[str, str]:
    return dict.fromkeys(IDS, word)


def test_insert_sends_flat_records_to_the_collection_of_the_header() -> None:
    call = PROFILE.store(RECORDS[:1])
    request = call.request
    assert (call.name, request.method, request.path) == ("store", "POST", "/similarity/fashion-new/v2/insert")
    assert request.headers == {"collection-id": "c-1"}
    assert request.body == {
        "records": [{**METADATA, "product_id": "A-1", "_id": "p1-a", "_url": RECORDS[0].url}],
        "fields_to_return": ["_id"],
    }


def test_without_a_sku_there_is_no_group() -> None:
    sent = PROFILE.store([Record("u", {"currency": "AED"}, "p1-a")]).request.body["records"]
    assert sent == [{"_id": "p1-a", "_url": "u", "currency": "AED"}]


def test_delete_sends_ids_only() -> None:
    call = PROFILE.remove(RECORDS)
    assert (call.name, call.request.path) == ("remove", "/similarity/fashion-new/v2/delete")
    assert call.request.body["records"] == listed(*IDS)


def test_update_sends_no_photo_and_takes_old_values_away() -> None:
    call = KEYED.update(RECORDS[:1])
    assert (call.name, call.request.path) == ("update", "/similarity/fashion-new/v2/update")
    assert call.request.body["records"] == [
        {**METADATA, "product_id": "A-1", "_id": "p1-a", "name": None, "category": None}
    ]


def test_the_collections_path_can_be_another() -> None:
    assert Fashion("c", "/similarity/other/v2").store(RECORDS).request.path == "/similarity/other/v2/insert"
    assert Fashion("c", "/x").keyed.page(2).request.path == "/x/allRecords?size=500&page=2"


def test_a_request_takes_ten_records() -> None:
    assert PROFILE.batch == 10


@MIRRORED
@pytest.mark.parametrize(
    ("code", "content", "found"),
    [
        (210, {"answer_records": listed(*IDS), "skipped_records": []}, all_are("done")),
        (210, {}, all_are("done")),
        (200, {}, all_are("done")),
        (210, {"answer_records": [], "skipped_records": []}, all_are("done")),
        (
            211,
            {
                "answer_records": listed("p1-c"),
                "skipped_records": [skipped("p1-b", 400), skipped("p1-a", 211)],
            },
            {"p1-a": "already", "p1-b": "400 bad image", "p1-c": "done"},
        ),
        (
            211,
            {"answer_records": listed("p1-b"), "skipped_records": [skipped("p1-c", 411), {"_id": "p1-a"}]},
            {"p1-a": "skipped without a reason", "p1-b": "done", "p1-c": "already"},
        ),
        (
            211,
            {
                "answer_records": listed("p1-b", "p1-c"),
                "skipped_records": [{"_id": "p1-a", "_reason": {"code": 415}}],
            },
            {"p1-a": "415 refused", "p1-b": "done", "p1-c": "done"},
        ),
        (411, {}, all_are("already")),
        (411, {"skipped_records": [skipped(remote_id, 211) for remote_id in IDS]}, all_are("already")),
        (
            411,
            {"skipped_records": [skipped("p1-a", 411), skipped("p1-b", 400)]},
            {"p1-a": "already", "p1-b": "400 bad image", "p1-c": "already"},
        ),
        (400, {}, all_are("400 said so")),
        (413, {}, all_are("413 said so")),
    ],
)
def test_insert(code: int, content: dict[str, Any], found: dict[str, str], mirrored: bool) -> None:
    assert inserted(answer(code, mirrored=mirrored, **content)) == found


@MIRRORED
@pytest.mark.parametrize(
    ("code", "content"),
    [
        (211, {}),
        (211, {"answer_records": listed("p1-a", "p1-b"), "skipped_records": []}),
        (210, {"answer_records": listed("p1-a")}),
        (220, {}),
        (206, {}),
        (211, {"answer_records": listed("p1-a", "p1-b"), "skipped_records": [{"_reason": {}}, 7, None]}),
    ],
)
def test_a_record_of_which_nothing_is_said_is_not_stored(
    code: int, content: dict[str, Any], mirrored: bool
) -> None:
    with pytest.raises(errors.Nonsense, match="nothing is said"):
        inserted(answer(code, mirrored=mirrored, **content))


@MIRRORED
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (401, errors.TokenRefused),
        (402, errors.CreditExhausted),
        (403, errors.Forbidden),
        (412, errors.CollectionFull),
        (429, errors.RateLimited),
        (500, errors.ServerFault),
        (503, errors.ServerFault),
    ],
)
def test_what_is_nobodys_fault_blames_no_photo(
    code: int, kind: type[errors.XimilarError], mirrored: bool
) -> None:
    for call in (PROFILE.store(RECORDS), PROFILE.remove(RECORDS), KEYED.update(RECORDS)):
        with pytest.raises(kind):
            call.read(answer(code, mirrored=mirrored))
    with pytest.raises(kind):
        KEYED.page(1).read(answer(code, mirrored=mirrored))


def test_a_full_collection_in_the_middle_of_a_request_is_no_photos_fault() -> None:
    content: dict[str, Any] = {
        "answer_records": listed("p1-a", "p1-b"),
        "skipped_records": [skipped("p1-c", 412)],
    }
    with pytest.raises(errors.CollectionFull):
        inserted(answer(211, **content))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, b'{"detail": "Not found."}', errors.PathUnknown),
        (404, b"<html>", errors.PathUnknown),
        (400, b'{"detail": "Collection c-1 does not exist."}', errors.Forbidden),
        (401, b'{"detail": "Invalid token."}', errors.TokenRefused),
        (200, b"", errors.Nonsense),
        (210, b"", errors.Nonsense),
        (502, b"<html>", errors.ServerFault),
    ],
)
def test_without_a_code_https_status_decides(
    status: int, body: bytes, kind: type[errors.XimilarError]
) -> None:
    for call in (PROFILE.store(RECORDS), PROFILE.remove(RECORDS), KEYED.update(RECORDS)):
        with pytest.raises(kind):
            call.read(Response(status, {}, body))


def test_a_refusal_of_the_whole_request_names_its_reason_for_each_photo() -> None:
    response = Response(400, {}, b'{"detail": "Malformed."}')
    assert inserted(response) == all_are("400 Malformed.")


@MIRRORED
@pytest.mark.parametrize(
    ("code", "content", "found"),
    [
        (220, {}, all_are("done")),
        (200, {}, all_are("done")),
        (206, {"answer_records": listed("p1-a")}, all_are("done")),
        (404, {}, all_are("already")),
        (206, {"skipped_records": [skipped("p1-a", 404)]}, all_are("done")),
        (206, {"skipped_records": [skipped("p1-a", 400)]}, {**all_are("done"), "p1-a": "400 bad image"}),
        (400, {}, all_are("400 said so")),
    ],
)
def test_delete(code: int, content: dict[str, Any], found: dict[str, str], mirrored: bool) -> None:
    assert removed(answer(code, mirrored=mirrored, **content)) == found


@MIRRORED
@pytest.mark.parametrize(
    ("code", "content", "found"),
    [
        (200, {}, all_are("done")),
        (205, {"answer_records": listed(*IDS)}, all_are("done")),
        (210, {"answer_records": []}, all_are("done")),
        (206, {"answer_records": listed("p1-b")}, {**all_are("missing"), "p1-b": "done"}),
        (206, {}, all_are("missing")),
        (404, {}, all_are("missing")),
        (
            211,
            {"skipped_records": [skipped("p1-a", 404), skipped("p1-b", 400)]},
            {"p1-a": "missing", "p1-b": "400 bad image", "p1-c": "done"},
        ),
        (422, {}, all_are("422 said so")),
    ],
)
def test_update(code: int, content: dict[str, Any], found: dict[str, str], mirrored: bool) -> None:
    assert updated(answer(code, mirrored=mirrored, **content)) == found


@MIRRORED
def test_a_page_of_the_listing(mirrored: bool) -> None:
    record = {"_id": "p1-a", "_url": "u", "sku_id": "A", "price": 599.5, "brand": None, "other": 1}
    entries = [record, {"_id": 7, "_url": 5}, {"brand": "no id"}, None]
    content = {"answer_records": entries, "next": "https://api.example.com/allRecords?page=2"}
    assert KEYED.page(1).read(answer(200, mirrored=mirrored, **content)) == Page(
        [Held("p1-a", "u", {"sku_id": "A", "price": "599.5"}), Held("7", None, {})], more=True
    )


@pytest.mark.parametrize(
    "content",
    [{"answer_records": []}, {"answer_records": [], "next": "x"}, {"answer_records": listed("p1-a")}],
)
def test_the_last_page(content: dict[str, Any]) -> None:
    assert not KEYED.page(9).read(answer(200, **content)).more


@MIRRORED
def test_past_the_last_page_there_is_nothing(mirrored: bool) -> None:
    assert KEYED.page(9).read(answer(404, mirrored=mirrored)) == Page([], more=False)


def test_a_listing_without_its_list_is_none() -> None:
    with pytest.raises(errors.Nonsense):
        KEYED.page(1).read(Response(200, {}, b"{}"))


@pytest.mark.parametrize(
    ("name", "wish", "may"),
    [
        ("recognition", None, False),
        ("recognition", True, True),
        ("fashion", None, True),
        ("fashion", False, False),
    ],
)
def test_removing_is_the_default_where_the_call_is_proven(name: str, wish: bool | None, may: bool) -> None:
    assert profiles.may_remove(name, wish) is may
