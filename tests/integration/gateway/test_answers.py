"""What clients see of a real gunicorn: the contract's fields, headers, log lines and metrics."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest

from .conftest import StartGateway
from .servers import ANSWERS, CROPS, Gateway, Reply, ScriptedUpstream, wait_for

PHOTO = {"url": "https://cdn.example.com/a.jpg"}


@pytest.fixture(scope="module", params=["recognition", "fashion"])
def profile(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_detect(shared_gateway: Gateway, scripted: ScriptedUpstream, profile: str) -> None:
    answer = shared_gateway.post("/detect", PHOTO)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["items"][0] == {
        "crop_url": CROPS[0] if profile == "recognition" else None,
        "bbox": [1, 2, 30, 40],
        "category": "Jacket",
        "confidence": 0.9,
    }
    assert scripted.calls == [("detect", {"records": [{"_url": PHOTO["url"]}]})]
    assert scripted.headers[0]["Authorization"] == "Token s3cret-token"


def test_tag(shared_gateway: Gateway, scripted: ScriptedUpstream) -> None:
    assert shared_gateway.post("/tag", PHOTO).json() == {
        "type": "bomber_jacket",
        "color": None,
        "color_hex": None,
        "material": None,
        "pattern": None,
    }
    assert scripted.calls[0][0] == "classify"


SEARCHES = {
    "recognition": {"records": [{"_url": CROPS[0]}], "collection_id": "c", "k": 3},
    "fashion": {"query_record": {"_url": CROPS[0]}, "k": 15, "fields_to_return": ["*"]},
}


def test_search(shared_gateway: Gateway, scripted: ScriptedUpstream, profile: str) -> None:
    answer = shared_gateway.post("/search", {"crop_url": CROPS[0], "category": "Jacket", "top_k": 3})
    assert answer.json() == {
        "candidates": [{"sku_id": "A-1", "score": 0.8, "image_urls": [], "metadata": {"price": 599.0}}]
    }
    assert scripted.calls == [("visualSearch", SEARCHES[profile])]


CALLS = {
    "recognition": {"detect": 1, "classify": 4, "visualSearch": 4},
    "fashion": {"detect": 1, "classify": 1, "colors": 1, "visualSearch": 4},
}


def test_recognize_takes_two_calls_time(gateway: Gateway, upstream: ScriptedUpstream, profile: str) -> None:
    gateway.post("/tag", PHOTO)
    upstream.calls.clear()
    upstream.delay = 0.5
    started = time.monotonic()
    answer = gateway.post("/recognize", {**_photo(upstream, profile), "top_k": 3})
    assert time.monotonic() - started < 1.45  # three calls, one after the other, would take longer
    items = answer.json()["items"]
    assert [item["crop_url"] for item in items] == (CROPS if profile == "recognition" else [None] * 4)
    assert all(item["attributes"]["type"] == "bomber_jacket" for item in items)
    assert all(item["candidates"][0]["metadata"] == {"price": 599.0} for item in items)
    assert Counter(method for method, _ in upstream.calls) == CALLS[profile]


def _photo(upstream: ScriptedUpstream, profile: str) -> dict[str, str]:
    """One that can be had where this gateway cuts the crops itself."""
    return {"url": upstream.photo} if profile == "fashion" else PHOTO


def test_recognize_tells_the_part_that_failed(
    shared_gateway: Gateway, scripted: ScriptedUpstream, profile: str
) -> None:
    scripted.script = lambda method, _: (500, b"", {}) if method == "classify" else None
    answer = shared_gateway.post("/recognize", _photo(scripted, profile))
    assert answer.status_code == 200
    item = answer.json()["items"][0]
    assert item["attributes"] is None
    assert item["errors"]["attributes"]["status"] == 503
    assert item["candidates"][0]["sku_id"] == "A-1"


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        ((200, b'{"status":{"code":401,"text":"s3cret words"}}', {}), 502, "token_refused"),
        ((402, b"", {}), 502, "credit_exhausted"),
        ((403, b"", {}), 502, "forbidden"),
        ((404, b"<h1>s3cret words</h1>", {}), 502, "path_unknown"),
        ((200, b"<html>s3cret words", {}), 502, "nonsense"),
        ((200, b"[]", {}), 502, "nonsense"),
        ((500, b"s3cret words", {}), 503, "server_fault"),
        ((200, b'{"status":{"code":503}}', {}), 503, "server_fault"),
        ((200, b'{"status":{"code":400,"text":"s3cret words"}}', {}), 422, "refused"),
    ],
)
def test_errors_have_their_status_and_keep_quiet(
    shared_gateway: Gateway, scripted: ScriptedUpstream, reply: Reply, status: int, code: str
) -> None:
    scripted.script = lambda method, number: reply
    answer = shared_gateway.post("/detect", PHOTO)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert ("Retry-After" in answer.headers) is (status == 503)
    assert (answer.json().get("field") == "url") is (status == 422)
    assert "s3cret" not in answer.text
    assert len(scripted.calls) == 1


def test_no_connection_is_503(start_gateway: StartGateway) -> None:
    answer = start_gateway(XIMILAR_API_URL="http://127.0.0.1:1").post("/detect", PHOTO)
    assert (answer.status_code, answer.json()["code"]) == (503, "not_sent")
    assert int(answer.headers["Retry-After"]) >= 1


def test_silence_is_504_at_the_deadline(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.delay = 3.0
    started = time.monotonic()
    answer = gateway.post("/detect", PHOTO, headers={"X-Request-Timeout": "0.5"})
    assert (answer.status_code, answer.json()["code"]) == (504, "timed_out")
    assert 0.5 <= time.monotonic() - started < 1.0


def test_starts_without_a_token_and_says_so(start_gateway: StartGateway, upstream: ScriptedUpstream) -> None:
    gateway = start_gateway(XIMILAR_API_TOKEN="xxx", XIMILAR_COLLECTION_ID="")
    assert gateway.post("/detect", PHOTO).status_code == 502
    assert gateway.post("/search", {"crop_url": PHOTO["url"]}).json()["code"] == "no_collection"
    assert not upstream.calls
    warned = {line["variable"] for line in gateway.lines("variable_missing")}
    assert warned == {"XIMILAR_API_TOKEN", "XIMILAR_COLLECTION_ID"}
    assert gateway.get("/readyz").status_code == 503
    assert gateway.get("/livez").status_code == 200


def test_health_probes_seldom_and_without_a_token(
    start_gateway: StartGateway, upstream: ScriptedUpstream
) -> None:
    gateway = start_gateway(WORKERS="3")
    for _ in range(30):
        assert gateway.get("/health").json() == {"status": "ok", "ximilar_reachable": True}
    assert upstream.probes == 1
    assert not upstream.calls


def test_health_is_200_without_ximilar(start_gateway: StartGateway) -> None:
    answer = start_gateway(XIMILAR_API_URL="http://127.0.0.1:1").get("/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "ximilar_reachable": False}


def test_request_id_and_trace_are_passed_on(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = gateway.post("/detect", PHOTO, headers={"X-Request-ID": "order-17", "traceparent": trace})
    assert answer.headers["X-Request-ID"] == "order-17"
    assert upstream.headers[0]["traceparent"] == trace
    assert gateway.get("/livez", headers={"X-Request-ID": "a b\tc"}).headers["X-Request-ID"] != "a b\tc"
    wait_for(lambda: any(line["request_id"] == "order-17" for line in gateway.lines("request")))


def test_log_has_a_line_a_request_and_no_query_or_token(gateway: Gateway) -> None:
    gateway.post("/detect?key=s3cret", PHOTO)
    wait_for(lambda: gateway.lines("request"))
    (line,) = gateway.lines("request")
    assert line["method"] == "POST"
    assert line["path"] == "/detect"
    assert line["status"] == 200
    assert line["cache"] == "MISS"
    assert 0 < line["upstream_seconds"] <= line["seconds"]
    assert "s3cret" not in gateway.log.read_text()


def test_metrics_are_those_of_the_old_gateway(two_workers: Gateway) -> None:
    gateway = two_workers
    wait_for(lambda: len(list(gateway.samples("process_start_time_seconds"))) == 2)
    gateway.post("/detect", PHOTO)
    gateway.post("/detect", {})
    for path in ("/nowhere", "/detect/x", "/%0a"):
        gateway.get(path)
    page = gateway.get("/metrics").text
    for family, kind in (
        ("http_requests_total", "counter"),
        ("http_request_duration_seconds", "histogram"),
        ("http_requests_in_progress", "gauge"),
        ("process_cpu_seconds_total", "counter"),
        ("process_resident_memory_bytes", "gauge"),
        ("python_gc_collections_total", "counter"),
        ("python_info", "gauge"),
    ):
        assert f"# TYPE {family} {kind}\n" in page
        assert page.count(f"# TYPE {family} ") == 1
    assert 'http_requests_total{handler="/detect",method="POST",status="2xx"} 1.0' in page
    assert 'http_requests_total{handler="/detect",method="POST",status="4xx"} 1.0' in page
    assert 'http_requests_total{handler="none",method="GET",status="4xx"} 3.0' in page
    for bound in ("0.1", "0.5", "1.0", "+Inf"):
        assert (
            f'http_request_duration_seconds_bucket{{handler="/detect",le="{bound}",method="POST"}} 2.0'
            in page
        )
    assert "/nowhere" not in page


def test_pages(shared_gateway: Gateway) -> None:
    assert shared_gateway.get("/openapi.json").json()["openapi"] == "3.1.0"
    page = shared_gateway.get("/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "/recognize" in page.text
    assert "//" not in page.text.replace("https://cdn.example.com", "")
    assert shared_gateway.get("/nowhere").headers["Content-Type"] == "application/problem+json"
    wrong = shared_gateway.get("/detect")
    assert wrong.status_code == 405
    assert "POST" in wrong.headers["Allow"]


def test_answer_of_strange_values_is_strict_json(
    shared_gateway: Gateway, scripted: ScriptedUpstream, profile: str
) -> None:
    content = json.dumps(ANSWERS[profile]["visualSearch"]).replace(
        '"599.00"', 'NaN, "a": 1e999, "b": "\\ud800", "c": 9e99'
    )
    scripted.script = lambda method, number: (200, content.encode(), {})
    answer = shared_gateway.post("/search", {"crop_url": CROPS[0]})
    assert answer.status_code == 200

    def refuse(word: str) -> None:
        raise AssertionError(word)

    metadata = json.loads(answer.content.decode(), parse_constant=refuse)["candidates"][0]["metadata"]
    assert metadata == {"price": None, "a": None, "b": "?", "c": 9e99}
