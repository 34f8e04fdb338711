"""The collection stays true, as ops see it: real worker processes that are killed while scrapers edit."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.fix_system import BOTH_PROFILES, IMAGES, Emulator, System, wait_until

PRODUCTS = 300
FAST = {
    "XIMILAR_RATE_LIMIT": "400",
    "REPAIR_SHARE": "1",
    "XIMILAR_REMOVE": "on",
    "XIMILAR_CARRY_METADATA": "on",
    "REMOVAL_DEBOUNCE_SECONDS": "1",
    "REMOVAL_MAX_PERCENT": "100",
}


@pytest.fixture
def emulator(start_emulator: Callable[..., Emulator]) -> Emulator:
    """One without a limit: this is about what arrives, not when."""
    return start_emulator(rate=0, delay=0.0)


def photos(system: System, sku: str, places: list[int]) -> list[str]:
    # The scarves are broken on purpose.
    names = sorted(path.name for path in IMAGES.glob("0*.jpg"))
    return [f"{system.photos_url}/{names[place]}?{sku}-{place}" for place in places]


def edit(system: System, owner: psycopg.Connection, chance: random.Random, product: int) -> None:
    """Do to one product what scrapers do."""
    sku = f"SKU-{product - 1:04}"
    what = chance.randrange(8)
    if what == 0:
        owner.execute("DELETE FROM raw_products WHERE id = %s", [product])
    elif what == 1:
        owner.execute("UPDATE raw_products SET image_status = 'pending' WHERE id = %s", [product])
    elif what == 2:
        owner.execute("UPDATE raw_products SET image_status = 'collage_ready' WHERE id = %s", [product])
    elif what <= 4:
        listed = photos(system, sku, chance.sample(range(6), chance.randint(1, 3)))
        owner.execute("UPDATE raw_products SET image_urls = %s WHERE id = %s", [json.dumps(listed), product])
    elif what <= 6:
        owner.execute("UPDATE raw_products SET price = %s WHERE id = %s", [chance.randint(1, 900), product])
    else:
        owner.execute("UPDATE raw_products SET name = name, updated_at = now() WHERE id = %s", [product])


def stored(system: System) -> dict[tuple[str, str], Any]:
    """{(SKU, address): price} of the collection; a photo that is there twice fails the test."""
    found = system.emulator._control("GET", "collection")["photos"]
    assert len({(photo["sku_id"], photo["url"]) for photo in found}) == len(found)
    return {(photo["sku_id"], photo["url"]): photo["metadata"]["price"] for photo in found}


def wanted(system: System) -> dict[tuple[str, str], Any]:
    """{(SKU, address): price} of the catalogue."""
    rows = system.query(
        "SELECT external_id, jsonb_array_elements_text(image_urls), price::text FROM raw_products"
        " WHERE image_status IN ('uploaded', 'collage_ready')"
    )
    return {(sku, url): price for sku, url, price in rows}


def command(system: System, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = system.run("procrastinate_app", *arguments, "--json", **FAST)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def idle(system: System) -> bool:
    left = "SELECT count(*) FROM ximilar.procrastinate_jobs WHERE queue_name = 'products' AND status::text = ANY (%s)"
    return system.query(left, ["todo", "doing"]) == [(0,)]


@BOTH_PROFILES
@pytest.mark.timeout(240)
def test_edits_while_workers_are_killed_all_reach_the_collection(system: System) -> None:
    for number, sku in enumerate(system.add_products(PRODUCTS, photos=1)):
        listed = json.dumps(photos(system, sku, [0, 1]))
        system.query("UPDATE raw_products SET image_urls = %s WHERE id = %s RETURNING 1", listed, number + 1)
    worker = system.worker(**FAST)
    command(system, "sync")
    wait_until(lambda: len(stored(system)) > PRODUCTS, 60, system.tails)

    chance = random.Random(5)
    with psycopg.connect(system.database.owner_url, autocommit=True) as owner:
        for round_ in range(3):
            for product in chance.choices(range(1, PRODUCTS + 1), k=PRODUCTS // 3):
                edit(system, owner, chance, product)
            command(system, "reconcile")
            worker.end(signal.SIGKILL)
            worker = system.worker(**FAST)
            print(f"round {round_}: {len(stored(system))} photos stored")

    wait_until(lambda: settle(system), 120, system.tails)

    assert stored(system) == wanted(system)
    assert command(system, "verify")[0] == 0
    ended = command(system, "reconcile")[1]
    assert (ended["changed"], ended["absent"], ended["held"]) == (0, 0, 0)


def settle(system: System) -> bool:
    """Let the schedule's tasks come by once; returns whether there was nothing left for them to do."""
    system.query(
        "UPDATE raw_products SET updated_at = now() - interval '7 hours' WHERE ximilar_status = 'error' RETURNING 1"
    )
    for task in ("sync", "retry", "reconcile"):
        command(system, task)
    wait_until(lambda: idle(system), 60, system.tails)
    return stored(system) == wanted(system)


@BOTH_PROFILES
def test_held_removals_wait_for_their_number(system: System) -> None:
    system.add_products(30, photos=1)
    limits = {**FAST, "REMOVAL_MAX_PERCENT": "5"}
    system.worker(**limits)
    command(system, "sync")
    system.wait_for_states(60, synced=30)
    system.query("DELETE FROM raw_products WHERE id <= 25 RETURNING 1")

    assert command(system, "verify")[1]["orphaned"] == 25
    command(system, "reconcile")
    system.query("UPDATE ximilar.removals SET found_at = found_at - interval '11 min' RETURNING 1")
    held = system.run("procrastinate_app", "reconcile", **limits)
    assert (held.returncode, "--apply 25" in held.stdout) == (1, True)
    assert "25 removals are held" in system.run("procrastinate_app", "status").stdout
    assert command(system, "reconcile", "--apply", "24")[0] == 1
    assert len(stored(system)) == 30

    assert command(system, "reconcile", "--apply", "25") == (
        0,
        {"applied": True, "products": 25, "at_most": 25},
    )

    wait_until(lambda: stored(system) == wanted(system), 60, system.tails)


@pytest.mark.parametrize("profile", ["fashion"])
def test_verify_lists_the_collection_and_puts_it_right(system: System) -> None:
    """With the other reading of the documents: HTTP's status is the code of the body."""
    system.emulator.settings(mirror_status=True)
    system.add_products(5, photos=3)
    assert command(system, "sync", "--dry-run")[1]["requests"] == 5
    system.worker(**FAST)
    command(system, "sync")
    system.wait_for_states(60, synced=5)
    assert command(system, "verify")[1]["collection"]["records"] == 15
    system.emulator.forget()
    gone = "UPDATE raw_products SET price = 1, image_urls = image_urls - 0 WHERE id = 1 RETURNING 1"
    system.query(gone)

    code, facts = command(system, "verify")
    assert (code, facts["collection"]["lost"]) == (1, 15)
    assert command(system, "verify", "--fix")[0] == 1

    wait_until(lambda: stored(system) == wanted(system), 60, system.tails)
    wait_until(lambda: idle(system), 60, system.tails)
    assert command(system, "verify")[0] == 0


@BOTH_PROFILES
def test_a_drain_empties_the_queue_and_a_sample_finds_its_products(system: System) -> None:
    system.add_products(30, photos=1)
    system.worker(**FAST, BATCH_SIZE="10")

    done = system.run("procrastinate_app", "sync", "--drain", "--wait", "--json", **FAST)

    progress = json.loads(done.stdout)
    assert (done.returncode, progress["synced"], progress["runs"]) == (0, 30, 3)
    assert system.query("SELECT records_fetched FROM scraper_logs ORDER BY id") == [(10,), (10,), (10,)]
    code, facts = command(system, "verify", "--sample", "10")
    assert (code, facts["recall"]["recall_10"] is not None) == (0, True)
    assert facts["recall"]["searched"] >= 3
