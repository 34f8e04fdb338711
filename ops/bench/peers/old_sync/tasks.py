"""The old sync, as it was: one Celery task walks the batch product by product, photo by photo.

A connection to the database for each query, one `requests` session, and after each photo a nap of 1 / rate + 0.05 s.
`fashion` is what it would be with Ximilar's documented insert in place of collectImage.
"""

from __future__ import annotations

import hashlib
import os
import time
from typing import Any

import psycopg2
import requests
from celery import Celery

DATABASE_URL = os.environ["STAGING_DB_URL"]
API_URL = os.environ["XIMILAR_API_URL"]
TOKEN = os.environ["XIMILAR_API_TOKEN"]
COLLECTION_ID = os.environ["XIMILAR_COLLECTION_ID"]
PROFILE = os.environ["XIMILAR_API_PROFILE"]
RATE_LIMIT = float(os.environ["XIMILAR_RATE_LIMIT"])
BATCH_SIZE = int(os.environ["BATCH_SIZE"])
TIMEOUT_SECONDS = 30

app = Celery("sync", broker=os.environ["REDIS_URL"])
session = requests.Session()
session.trust_env = False
session.headers["Authorization"] = f"Token {TOKEN}"

SELECT = """
    SELECT id, external_id, brand, name, category, price, image_urls FROM raw_products
     WHERE image_status IN ('uploaded', 'collage_ready') AND ximilar_status = 'pending' ORDER BY id LIMIT %s
"""
SYNCED = """
    UPDATE raw_products SET ximilar_status = 'synced', ximilar_synced_at = now(), error_message = NULL,
           updated_at = now() WHERE id = %s
"""
ERROR = """
    UPDATE raw_products SET ximilar_status = 'error', error_message = %s, updated_at = now() WHERE id = %s
"""
LOG = """
    INSERT INTO scraper_logs (scraper_name, status, records_fetched, records_new, records_errors, started_at,
           completed_at, duration_seconds) VALUES ('ximilar_sync', 'success', %s, %s, %s, to_timestamp(%s), now(), %s)
"""


@app.task(name="ximilar_sync")  # type: ignore[untyped-decorator, unused-ignore]
def ximilar_sync() -> None:
    """Sync one batch."""
    started = time.time()
    products = query(SELECT, BATCH_SIZE)
    synced = sum(sync_product(product) for product in products)
    query(LOG, len(products), synced, len(products) - synced, started, time.time() - started)


def sync_product(product: tuple[Any, ...]) -> bool:
    """Send all photos of a product and write its state; whether all of them were taken."""
    product_id, sku, brand, name, category, price, urls = product
    metadata = {"sku_id": sku, "brand": brand, "name": name, "category": category}
    try:
        for url in urls:
            send(url, {**metadata, "price": str(price), "currency": "AED"})
    except (requests.RequestException, ValueError) as error:
        query(ERROR, str(error), product_id)
        return False
    query(SYNCED, product_id)
    return True


def send(url: str, metadata: dict[str, str]) -> None:
    """Store one photo. Raises ValueError, or requests' own errors."""
    if PROFILE == "fashion":
        photo_id = hashlib.sha256(f"{metadata['sku_id']}\n{url}".encode()).hexdigest()
        body: dict[str, Any] = {
            "records": [{"_id": photo_id, "_url": url, "product_id": metadata["sku_id"], **metadata}]
        }
        path, headers = "/similarity/fashion-new/v2/insert", {"collection-id": COLLECTION_ID}
    else:
        body = {"collection_id": COLLECTION_ID, "image": url, "metadata": metadata}
        path, headers = "/recognition/v2/collectImage", {}
    response = session.post(API_URL + path, json=body, headers=headers, timeout=TIMEOUT_SECONDS)
    time.sleep(1 / RATE_LIMIT + 0.05)
    response.raise_for_status()
    if response.json()["status"]["code"] >= 300:
        raise ValueError(response.json()["status"]["text"])


def query(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Run one statement over a connection of its own."""
    connection = psycopg2.connect(DATABASE_URL)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
