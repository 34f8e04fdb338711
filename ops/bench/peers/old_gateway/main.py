"""The old gateway's design: FastAPI and pydantic, one httpx client a process, the instrumentator's metrics.

It answers as the new one does, without what the old one never had: no cache, no breaker, no request ids, no
tokens. Its client has httpx's own limits, so a process has at most 100 connections to Ximilar and answers no more
than 100 requests at a time: two cannot reach 40 % of what 512 callers could get at 200 ms, four 80 %. Settings are
read from the environment, as there: XIMILAR_API_URL, XIMILAR_API_TOKEN, XIMILAR_COLLECTION_ID.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI, HTTPException, Request
from prometheus_fastapi_instrumentator import Instrumentator
from pydantic import BaseModel, Field, HttpUrl

RETRIES = 3
BACKOFF_SECONDS = 0.5
TIMEOUT_SECONDS = 30
COLLECTION = os.environ.get("XIMILAR_COLLECTION_ID", "")


class PhotoRequest(BaseModel):
    url: HttpUrl


class SearchRequest(BaseModel):
    crop_url: HttpUrl
    category: str | None = None
    top_k: int = Field(10, ge=1, le=100)


class DetectedItem(BaseModel):
    crop_url: str | None
    bbox: list[float]
    category: str | None
    confidence: float | None


class DetectResponse(BaseModel):
    items: list[DetectedItem]


class TagResponse(BaseModel):
    type: str | None
    color: str | None
    color_hex: str | None
    material: str | None
    pattern: str | None


class Candidate(BaseModel):
    sku_id: str
    score: float
    image_urls: list[str]
    metadata: dict[str, Any]


class SearchResponse(BaseModel):
    candidates: list[Candidate]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with httpx.AsyncClient(
        base_url=os.environ["XIMILAR_API_URL"],
        headers={"Authorization": f"Token {os.environ['XIMILAR_API_TOKEN']}"},
        timeout=TIMEOUT_SECONDS,
    ) as client:
        app.state.client = client
        yield


app = FastAPI(title="Ximilar Gateway", lifespan=lifespan)
Instrumentator(
    should_instrument_requests_inprogress=True,
    inprogress_name="http_requests_in_progress",
    inprogress_labels=True,
).instrument(app).expose(app)


@app.post("/detect")
async def detect(request: Request, photo: PhotoRequest) -> DetectResponse:
    answer = await ask(request, "detect", {"records": [{"_url": str(photo.url)}]})
    found = answer["records"][0].get("_objects", [])
    items = [
        DetectedItem(
            crop_url=item.get("crop_url"),
            bbox=item.get("bound_box", []),
            category=item.get("name"),
            confidence=item.get("prob"),
        )
        for item in found
    ]
    return DetectResponse(items=items)


@app.post("/tag")
async def tag(request: Request, photo: PhotoRequest) -> TagResponse:
    answer = await ask(request, "classify", {"records": [{"_url": str(photo.url)}]})
    record = answer["records"][0]
    tags = {name: max(found, key=lambda tag: tag["prob"]) for name, found in record.get("_tags", {}).items()}
    kind = tags.get("Type") or record.get("best_label") or {}
    name = kind.get("name")
    color = tags.get("Color", {})
    return TagResponse(
        type=name and name.lower().replace(" ", "_"),
        color=color.get("name"),
        color_hex=color.get("hex"),
        material=tags.get("Material", {}).get("name"),
        pattern=tags.get("Pattern", {}).get("name"),
    )


@app.post("/search")
async def search(request: Request, wanted: SearchRequest) -> SearchResponse:
    body = {
        "records": [{"_url": str(wanted.crop_url)}],
        "collection_id": COLLECTION,
        "k": wanted.top_k,
    }
    answer = await ask(request, "visualSearch", body)
    best: dict[str, Candidate] = {}
    for record in sorted(answer.get("answer_records", []), key=lambda record: -record["score"]):
        metadata = dict(record.get("metadata", {}))
        if "price" in metadata:
            metadata["price"] = float(metadata["price"])
        candidate = Candidate(
            sku_id=record["sku_id"],
            score=record["score"],
            image_urls=record.get("image_urls", []),
            metadata=metadata,
        )
        best.setdefault(candidate.sku_id, candidate)
    return SearchResponse(
        candidates=sorted(best.values(), key=lambda found: found.metadata.get("category") != wanted.category)
    )


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


async def ask(request: Request, method: str, body: dict[str, Any]) -> dict[str, Any]:
    client: httpx.AsyncClient = request.app.state.client
    for attempt in range(RETRIES + 1):
        try:
            answer = await client.post(f"/recognition/v2/{method}", json=body)
        except httpx.TimeoutException:
            raise HTTPException(504, "Ximilar did not answer in time") from None
        except httpx.HTTPError:
            raise HTTPException(503, "Ximilar cannot be reached") from None
        if answer.status_code != httpx.codes.TOO_MANY_REQUESTS or attempt == RETRIES:
            break
        await asyncio.sleep(BACKOFF_SECONDS * 2**attempt)
    if answer.status_code >= httpx.codes.BAD_REQUEST:
        raise HTTPException(502, f"Ximilar answered {answer.status_code}")
    document: dict[str, Any] = answer.json()
    return document
