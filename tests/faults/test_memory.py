"""The memory of a worker over very many products: flat once it has warmed up."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import psutil
import psycopg
import pytest

from tests.fix_drill import Drill
from tests.fix_system import Emulator, System, pictures, wait_until

PARTS = 20
WARM_PARTS = 4
GROWTH_MEGABYTES = 15.0


@pytest.fixture
def emulator(start_emulator: Callable[..., Emulator]) -> Emulator:
    """An emulator without limit or latency."""
    return start_emulator(rate=0, delay=0)


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_memory_stays_flat(drill: Drill) -> None:
    """So many products of one photo each; the photos are one file, as SKUs of their own."""
    products = int(os.environ.get("PRODUCTS", "100000"))
    system = drill.system
    add_products(system, products)
    worker = system.worker(XIMILAR_RATE_LIMIT="1000", BATCH_SIZE=str(products))
    process, curve, begun = psutil.Process(worker.process.pid), list[float](), time.monotonic()
    system.defer("ximilar_sync")
    for part in range(1, PARTS + 1):
        due = products * part // PARTS
        wait_until(lambda due=due: system.states().get("synced", 0) >= due, 3600)  # type: ignore[misc]
        curve.append(round(process.memory_info().rss / 2**20, 1))
    seconds = time.monotonic() - begun
    growth = round(max(curve[WARM_PARTS:]) - curve[WARM_PARTS - 1], 1)
    drill.say(
        {
            **{"products": products, "a second": round(products / seconds), "MB": curve},
            "growth in MB after the first fifth": growth,
        }
    )
    assert growth < GROWTH_MEGABYTES


def add_products(system: System, count: int) -> None:
    """Add pending products in one statement."""
    with psycopg.connect(system.database.owner_url, autocommit=True) as owner:
        owner.execute(
            """
            INSERT INTO raw_products (external_id, brand, name, category, price, image_urls, image_status,
                                      ximilar_status)
            SELECT 'SKU-' || n, 'Nord', 'Dress ' || n, 'dress', 599, jsonb_build_array(%s::text), 'uploaded', 'pending'
              FROM generate_series(1, %s) AS n
            """,
            [f"{system.photos_url}/{pictures()[0]}", count],
        )
