"""Asks the gateway, as the Recognition Orchestrator does, for what is on a photo and where it is sold."""

from __future__ import annotations

import io
import time
from typing import Any

import requests
from PIL import Image

from ops.local.check import Check
from ops.local.programs import ROOT
from ops.local.system import STATE, System

TIMEOUT_SECONDS = 30
CROP = STATE / "crop.jpg"
SHAPE_TOLERANCE = 0.03


def judge(system: System) -> list[Check]:
    """Return a check of /detect, /tag, /search and /recognize, all about a photo of a known product."""
    # The account is this demo's own: what was the workers' limit is not to slow the gateway down.
    system.emulator.set_limits(0, system.options.delay)
    product = system.catalogue.good[len(system.catalogue.good) // 2]
    photo = f"{system.photos.url}/{product.photos[0]}"
    (item, *_), detect = _detect(system, photo)
    return [
        detect,
        _crop(item),
        _tag(system, item["crop_url"]),
        _search(system, photo, product.external_id),
        _recognize(system, photo),
    ]


def _detect(system: System, photo: str) -> tuple[list[dict[str, Any]], Check]:
    items = _post(system, "detect", {"url": photo})["items"]
    seen = ", ".join(f"{item['category']} at {item['bbox']}" for item in items)
    return items, Check("gateway /detect", seen or "nothing", bool(items))


def _crop(item: dict[str, Any]) -> Check:
    """Look at a crop, as anybody may, and keep it to be looked at: its shape must be that of its box."""
    content = _get(item["crop_url"])
    CROP.parent.mkdir(exist_ok=True)
    CROP.write_bytes(content)
    with Image.open(io.BytesIO(content)) as crop:
        width, height = crop.size
    left, top, right, bottom = item["bbox"]
    alike = abs(width / height * (bottom - top) / (right - left) - 1) < SHAPE_TOLERANCE
    return Check("crop of the first item", f"{width} x {height} pixels, in {CROP.relative_to(ROOT)}", alike)


def _tag(system: System, crop: str) -> Check:
    tags = _post(system, "tag", {"url": crop})
    seen = ", ".join(str(tags[name]) for name in ("type", "color", "color_hex", "material", "pattern"))
    return Check("gateway /tag", seen, bool(tags["type"] and tags["color_hex"]))


def _search(system: System, photo: str, sku: str) -> Check:
    body = {"crop_url": photo, "category": None, "top_k": 3}
    found = [candidate["sku_id"] for candidate in _post(system, "search", body)["candidates"]]
    return Check(f"gateway /search for {sku}", f"found {', '.join(found)}", found[:1] == [sku])


def _recognize(system: System, photo: str) -> Check:
    started = time.monotonic()
    items = _post(system, "recognize", {"url": photo, "top_k": 3})["items"]
    seconds = time.monotonic() - started
    whole = all(item["attributes"] and item["candidates"] for item in items)
    return Check("gateway /recognize", f"{len(items)} item(s) in {seconds:.2f} s", bool(items) and whole)


def _get(url: str) -> bytes:
    with requests.Session() as session:
        session.trust_env = False
        response = session.get(url, timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        return response.content


def _post(system: System, call: str, body: dict[str, Any]) -> dict[str, Any]:
    with requests.Session() as session:
        session.trust_env = False
        # The demo has just asked the emulator the same: no answer from memory.
        headers = {"Cache-Control": "no-cache"}
        response = session.post(
            f"{system.gateway_url}/{call}", json=body, headers=headers, timeout=TIMEOUT_SECONDS
        )
        response.raise_for_status()
        document: dict[str, Any] = response.json()
        return document
