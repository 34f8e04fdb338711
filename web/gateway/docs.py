"""The description of this API as OpenAPI 3.1, and the page that shows it: one document, no script, no CDN."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import falcon.asgi
import msgspec

_FILE = Path(__file__).with_name("openapi.json")
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:54rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}
h2{border-top:1px solid #ddd;padding-top:1.2rem}code,pre{font:14px/1.45 ui-monospace,monospace}
pre{background:#f5f5f5;padding:.8rem;overflow-x:auto}table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.25rem .8rem .25rem 0;border-bottom:1px solid #eee}
"""


class OpenApiResource:
    """GET /openapi.json."""

    def __init__(self) -> None:
        self._content = _FILE.read_bytes()

    async def on_get(self, _req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.data = self._content
        resp.content_type = falcon.MEDIA_JSON


class DocsResource:
    """GET /docs."""

    def __init__(self) -> None:
        self._content = page(msgspec.json.decode(_FILE.read_bytes())).encode()

    async def on_get(self, _req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.data = self._content
        resp.content_type = falcon.MEDIA_HTML
        resp.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")


def page(document: Mapping[str, Any]) -> str:
    """Return an HTML page for an OpenAPI document."""
    info = document["info"]
    title = html.escape(f"{info['title']} {info['version']}")
    return "\n".join(
        [
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>',
            f"<style>{_STYLE}</style><h1>{title}</h1>{_paragraphs(info['description'])}",
            '<p>As a file: <a href="/openapi.json">openapi.json</a></p>',
            *_operations(document),
            "</html>",
        ]
    )


def _operations(document: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"<h2><code>{method.upper()} {html.escape(path)}</code></h2>"
            yield f"<p><b>{html.escape(operation['summary'])}</b></p>"
            yield _paragraphs(operation.get("description", ""))
            yield from _request(operation.get("requestBody"), document)
            yield from _responses(operation["responses"], document)


def _request(body: Mapping[str, Any] | None, document: Mapping[str, Any]) -> Iterator[str]:
    if body is None:
        return
    media = body["content"]["application/json"]
    schema = _resolved(media["schema"], document)
    required = schema.get("required", ())
    yield "<table><tr><th>field<th>type<th>meaning</tr>"
    for name, field in schema["properties"].items():
        kind = field["type"] if isinstance(field["type"], str) else " or ".join(field["type"])
        mark = ", required" if name in required else ""
        meaning = html.escape(field.get("description", ""))
        yield f"<tr><td><code>{html.escape(name)}</code><td>{kind}{mark}<td>{meaning}</tr>"
    yield "</table>"
    yield _examples(media)


def _responses(responses: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    yield "<table><tr><th>status<th>meaning</tr>"
    for status, response in responses.items():
        yield f"<tr><td>{status}<td>{html.escape(_resolved(response, document)['description'])}</tr>"
    yield "</table>"
    for media in _resolved(responses["200"], document).get("content", {}).values():
        yield _examples(media)


def _examples(media: Mapping[str, Any]) -> str:
    shown = []
    for example in media.get("examples", {}).values():
        value = example["value"]
        text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        shown.append(f"<pre>{html.escape(text)}</pre>")
    return "".join(shown)


def _resolved(node: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in node:
        return node
    found: Any = document
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    resolved: Mapping[str, Any] = found
    return resolved


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{html.escape(part)}</p>" for part in text.split("\n\n") if part)
