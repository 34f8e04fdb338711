"""The kinds of fault that need no connection of their own; test_server.py has the others."""

from __future__ import annotations

from typing import Any

import falcon.testing
import pytest

from tests.emulator.conftest import API, TOKEN, Api
from tests.emulator.drawing import as_bytes, garment

RED, NAVY = "http://photos.test/red.png", "http://photos.test/navy.png"
KINDS_OF_NO_JSON = [("garbage", "application/json"), ("html", "text/html")]


@pytest.fixture(autouse=True)
def shop(photos: dict[str, bytes]) -> None:
    """Two photos."""
    photos.update({RED: as_bytes(garment("red")), NAVY: as_bytes(garment("navy"))})


def code(api: Api, url: str) -> int:
    """`status.code` of collecting a photo."""
    return int(api.collect(url)[1]["status"]["code"])


def test_status_with_headers_once_then_the_truth(api: Api) -> None:
    api.script({"kind": "status", "status": 503, "headers": {"Retry-After": "7"}})
    status, body, headers = api.collect(RED)
    assert (status, list(body), headers["retry-after"]) == (503, ["detail"], "7")
    assert (api.last_request()["fault"], api.last_request()["applied"]) == ("status", False)
    assert code(api, RED) == 200
    assert api.control("GET", "faults")["faults"][0]["played"] == 1


def test_apply_stores_before_the_fault(api: Api) -> None:
    api.script({"kind": "status", "status": 500, "apply": True})
    assert api.collect(RED)[0] == 500
    assert api.last_request()["applied"] is True
    assert code(api, RED) == 411


@pytest.mark.parametrize("body", [{"status": {"code": 402, "text": "x"}}, {"status": 7}, {}, [], None])
def test_body_is_sent_as_scripted(api: Api, body: Any) -> None:
    api.script({"kind": "body", "body": body})
    assert api.collect(RED)[:2] == (200, body)
    code_logged = api.last_request()["code"]
    assert code_logged == (402 if body == {"status": {"code": 402, "text": "x"}} else None)


@pytest.mark.parametrize(("kind", "content_type"), KINDS_OF_NO_JSON)
def test_garbage_and_html_are_no_json(
    api: Api, client: falcon.testing.TestClient, kind: str, content_type: str
) -> None:
    api.script({"kind": kind})
    result = client.simulate_post(f"{API}detect", headers={"Authorization": f"Token {TOKEN}"}, body=b"{}")
    assert result.status_code == 200
    assert result.headers["content-type"].startswith(content_type)
    with pytest.raises(ValueError, match=r"."):
        _ = result.json


def test_redirect_leads_where_nothing_is(api: Api) -> None:
    api.script({"kind": "redirect"})
    status, _, headers = api.collect(RED)
    assert (status, headers["location"]) == (307, "http://falconframework.org/redirected")
    api.script({"kind": "redirect", "headers": {"Location": "http://elsewhere.test/"}, "status": 302})
    status, _, headers = api.collect(RED)
    assert (status, headers["location"]) == (302, "http://elsewhere.test/")


def test_huge_is_valid_and_larger_than_four_megabytes(api: Api) -> None:
    api.script({"kind": "huge"})
    answer = api.collect(RED)
    assert answer[1]["status"]["code"] == 200
    assert int(answer[2]["content-length"]) > 4 * 1024 * 1024


def test_delay_comes_before_the_effect_and_after_it_when_applied(api: Api) -> None:
    api.script({"kind": "delay", "seconds": 0.1})
    assert code(api, RED) == 200
    assert api.last_request()["seconds"] >= 0.1
    api.script({"kind": "delay", "seconds": 0.1, "apply": True})
    assert code(api, NAVY) == 200
    assert api.last_request()["seconds"] >= 0.1


def test_a_fault_on_the_base_url_must_name_it(api: Api, client: falcon.testing.TestClient) -> None:
    api.script({"kind": "status", "status": 500})
    assert client.simulate_get("/").status_code == 200
    api.script({"kind": "status", "status": 502}, match={"path": "/"})
    assert client.simulate_get("/").status_code == 502


def test_a_call_over_the_limit_uses_up_no_fault(api: Api) -> None:
    api.control("PUT", "settings", {"rate": 1})
    api.script({"kind": "html"}, times=None)
    assert [api.call("detect")[0] for _ in range(3)] == [200, 429, 429]
    assert api.control("GET", "faults")["faults"][0]["played"] == 1
