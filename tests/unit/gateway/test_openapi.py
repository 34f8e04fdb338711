"""openapi.json against the code: paths, limits, codes and examples."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import falcon.asgi
import pytest
from falcon import inspect

from procrastinate_app.ximilar import urls
from web.gateway import docs, problems, questions
from web.gateway.exchange import HANDLERS

from .application import StubTransport, ask, make_app, said

DOCUMENT: dict[str, Any] = json.loads((Path(docs.__file__).parent / "openapi.json").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
CALLS = ("/detect", "/tag", "/search", "/recognize")


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, name, found) for path, methods in DOCUMENT["paths"].items() for name, found in methods.items()
    ]


def test_paths_and_methods_are_the_applications() -> None:
    app = make_app(StubTransport(lambda call: said()))._app
    assert isinstance(app, falcon.asgi.App)
    routes = {
        (route.path, method.method.lower())
        for route in inspect.inspect_routes(app)
        for method in route.methods
        if not method.internal
    }
    assert {(path, method) for path, method, _ in operations()} == routes
    assert set(DOCUMENT["paths"]) == HANDLERS


def test_limits_are_the_codes() -> None:
    for name in ("Search", "Recognize"):
        top_k = SCHEMAS[name]["properties"]["top_k"]
        assert (top_k["minimum"], top_k["maximum"], top_k["default"]) == (
            1,
            questions.MAX_TOP_K,
            questions.TOP_K,
        )
    assert SCHEMAS["Photo"]["properties"]["url"]["maxLength"] == urls.MAX_LENGTH
    assert SCHEMAS["Search"]["properties"]["crop_url"]["maxLength"] == urls.MAX_LENGTH
    assert SCHEMAS["Search"]["properties"]["category"]["maxLength"] == questions.MAX_CATEGORY


def test_calls_name_every_status_they_give() -> None:
    given = {"200", "400", "401", "408", "413", "415", "422", "502", "503", "504"}
    for path in CALLS:
        assert set(DOCUMENT["paths"][path]["post"]["responses"]) == given


def test_references_resolve() -> None:
    def walk(node: object) -> None:
        if isinstance(node, dict):
            assert docs._resolved(node, DOCUMENT) is not None
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(DOCUMENT)


def test_problem_has_the_members_of_a_problem() -> None:
    members = problems.Problem(422, "invalid", "url is required.", field="url").members("id")
    assert set(members) == set(SCHEMAS["Problem"]["properties"])
    assert set(SCHEMAS["Problem"]["required"]) == set(members) - {"field"}
    example = DOCUMENT["components"]["responses"]["Invalid"]["content"][problems.MEDIA_TYPE]["examples"][
        "problem"
    ]
    assert example["value"] == {**members, "request_id": example["value"]["request_id"]}


EXAMPLE_ANSWERS = {
    "detect": said(
        records=[
            {
                "_objects": [
                    {
                        "name": "Jacket",
                        "bound_box": [34, 20, 198, 300],
                        "prob": 0.97,
                        "crop_url": "https://cdn.example.com/crops/9c1f.jpg",
                    }
                ]
            }
        ]
    ),
    "tag": said(
        records=[
            {
                "_tags": {
                    "Type": [{"name": "Bomber Jacket"}],
                    "Color": [{"name": "khaki", "hex": "#BDB76B"}],
                    "Material": [{"name": "nylon ripstop"}],
                    "Pattern": [{"name": "solid"}],
                }
            }
        ]
    ),
    "search": said(
        answer_records=[
            {
                "sku_id": "NC-1042",
                "score": 0.91,
                "image_urls": ["https://cdn.example.com/products/nc-1042-1.jpg"],
                "metadata": {
                    "brand": "Northcliff",
                    "name": "Bomber jacket",
                    "category": "Jacket",
                    "price": "599.00",
                    "currency": "AED",
                    "store": "Mall 1",
                    "floor": "2",
                },
            }
        ]
    ),
}


@pytest.mark.parametrize("path", CALLS)
def test_examples_are_what_the_application_takes_and_gives(path: str) -> None:
    operation = DOCUMENT["paths"][path]["post"]
    content = operation["requestBody"]["content"]["application/json"]["examples"]["example"]["value"]
    shown = operation["responses"]["200"]["content"]["application/json"]["examples"]["example"]["value"]
    app = make_app(StubTransport(lambda call: EXAMPLE_ANSWERS[call.name]))
    assert asyncio.run(ask(app, path, content)).json == shown


def test_page_shows_every_call_and_loads_nothing() -> None:
    page = docs.page(DOCUMENT)
    for path, method, _ in operations():
        assert f"<code>{method.upper()} {path}</code>" in page
    assert "<script" not in page
    assert "src=" not in page


def test_page_escapes() -> None:
    hostile = json.loads(json.dumps(DOCUMENT).replace("Find the garments", "<script>alert(1)</script>"))
    assert "<script" not in docs.page(hostile)
