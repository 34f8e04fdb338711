"""The products: a list by filter, one product, and their retry, whose count is shown before it is done."""

from __future__ import annotations

import json
from typing import Any

import falcon

from .. import actions, search, waiting
from ..desk import Desk, ask, form, now
from ..filters import PRODUCT_STATES, ProductFilter, whole
from ..staging import MAX_ID, Row, Session, TooSlow
from .overview import next_ticks

ATTEMPTS = 50
PHOTOS = 60
AHEAD_CAP = 10_001
COUNT_SECONDS = 20.0


class ProductsResource:
    """GET /products"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        chosen = ProductFilter.read(req.params)
        below = whole(req.params, "below", MAX_ID)
        found = search.find(self._desk.staging, chosen, below)
        resp.set_header("HX-Push-Url", _back(chosen))
        self._desk.page(
            req,
            resp,
            "products.html",
            chosen=chosen,
            found=found,
            first=below == MAX_ID,
            total=search.count(self._desk.staging, chosen),
            cap=search.COUNT_CAP,
            states=PRODUCT_STATES,
            suggestions=suggestions(self._desk),
        )


class ProductResource:
    """GET /products/ID"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, product_id: int) -> None:
        with self._desk.staging.reading() as session:
            product = session.one("product_view", product_id=product_id)
            if product is None:
                raise falcon.HTTPNotFound(title=f"There is no product {product_id}")
            facts = _history(session, product_id)
            why = _why(session, product, facts["jobs"])
        urls = listed_photos(product["image_urls"])
        stored = {photo["url"] for photo in facts["stored"] or ()}
        self._desk.page(
            req,
            resp,
            "product.html",
            product=product,
            why=why,
            photos=[{"url": url, "stored": url in stored} for url in urls[:PHOTOS]],
            more_photos=max(0, len(urls) - PHOTOS),
            **facts,
        )


class RetryResource:
    """GET /products/retry shows what would be queued; POST does it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        chosen = ProductFilter.read(req.params)
        counts: Row | None = None
        try:
            with self._desk.staging.reading(seconds=COUNT_SECONDS) as session:
                counts = session.one("count_retry", **chosen.parameters)
        except TooSlow:
            pass
        self._desk.page(req, resp, "retry.html", chosen=chosen, counts=counts, back=_back(chosen))

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        chosen = ProductFilter.read(form(req))
        self._desk.act(
            req,
            _back(chosen),
            "retry products",
            lambda: actions.retry_products(self._desk.staging, chosen),
            **chosen.chosen,
        )


class RetryOneResource:
    """POST /products/ID/retry"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response, product_id: int) -> None:
        self._desk.act(
            req,
            f"/products/{product_id}",
            "retry product",
            lambda: actions.retry_product(self._desk.staging, product_id),
            product=product_id,
        )


def suggestions(desk: Desk) -> dict[str, list[str]]:
    """{brand: [...], category: [...]}: what one is likely to filter by."""

    def question() -> dict[str, list[str]]:
        with desk.staging.reading() as session:
            return {row["column"]: sorted(row["values"])[:200] for row in session.all("suggestions")}

    return desk.suggestions.get(question)


def listed_photos(text: str | None) -> list[str]:
    """The addresses in image_urls, which may be anything; only those a browser may load."""
    try:
        listed = json.loads(text or "null", parse_int=float)
    except (ValueError, RecursionError):
        return []
    urls = [url for url in listed if isinstance(url, str)] if isinstance(listed, list) else []
    return [
        url for url in dict.fromkeys(urls) if url.startswith(("https://", "http://")) and len(url) <= 2000
    ]


def _history(session: Session, product_id: int) -> dict[str, Any]:
    return {
        "stored": ask(session, lambda: session.all("photos_view", product_id=product_id)),
        "attempts": ask(session, lambda: session.all("attempts_view", product_id=product_id, limit=ATTEMPTS)),
        "jobs": ask(session, lambda: session.all("jobs_of", product_id=product_id)),
    }


def _why(session: Session, product: Row, jobs: list[Row] | None) -> waiting.Reason | None:
    at = now()
    alive = [job for job in jobs or () if job["state"] in ("todo", "doing")]
    if alive:
        # The one at work, else the one that comes next.
        job = min(alive, key=lambda row: (row["state"] != "doing", row["id"]))
        return why_job_waits(session, job["id"])
    return waiting.product_waits(product, at, next_ticks(session.all("schedule_view"), at))


def why_job_waits(session: Session, job_id: int) -> waiting.Reason | None:
    """Why a job is not done yet; None if it is over, or gone."""
    facts = session.one("waiting_facts", job_id=job_id, cap=AHEAD_CAP)
    throttle = session.one("throttle_view")
    if facts is None or throttle is None:
        return None
    return waiting.job_waits(facts, throttle, session.value("alive_workers"), AHEAD_CAP, now())


def _back(chosen: ProductFilter) -> str:
    return f"/products?{chosen.query}" if chosen.query else "/products"
