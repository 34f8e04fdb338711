"""Rows that no sane scraper writes, among good ones: each has its own verdict and spoils nobody else's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.fix_catalogue import HOST, Catalogue, Sample
from tests.fix_upstream import Upstream
from tests.fix_worker import Worker

GOOD = f"https://{HOST}/good.jpg"


def document(text: str) -> Any:
    """Text that becomes jsonb as it is."""
    return Jsonb(None, dumps=lambda _: text)


NO_PHOTOS: dict[str, Any] = {
    **{"NULL": None, "null": document("null"), "empty": document("[]"), "object": document('{"url": "x"}')},
    **{"string": document(f'"{GOOD}"'), "number": document("1"), "true": document("true")},
    "5,000 digits": document("9" * 5000),
    "5,000 digits in a list": document(f"[{'9' * 5000}]"),
    "3,000 deep": document("[" * 3000 + "]" * 3000),
    "of no use": document('[null, 1, true, {}, [], "", " ", "x", "ftp://a.b/c", "http://10.0.0.1/x.jpg"]'),
    "a long address": document(json.dumps([GOOD + "x" * 2048])),
    "over a mebibyte": document(json.dumps([GOOD + str(n) + "x" * 100 for n in range(9000)])),
}
ODD: dict[str, dict[str, Any]] = {
    "all NULL": {
        **{"external_id": "ODD", "brand": None, "name": None, "category": None, "price": None},
    },
    "NaN": {"price": "NaN"},
    "the dearest": {"price": "99999999.99"},
    "below nothing": {"price": "-0.01"},
    "a mebibyte of name": {"name": "x" * 2**20},
    "control characters": {"name": "a\x01\x1f\x7f\n\tb"},
    "letters of four bytes": {"name": "\U0001f9e5" * 1000},
    "right to left": {"name": "\u202emalicious\u202c", "brand": "\ufeff"},
    "quotes": {"name": "'; DROP TABLE raw_products; --", "brand": '"\\'},
    "before Christ": {"updated_at": "0044-03-15 BC"},
    "for ever": {"updated_at": "infinity", "ximilar_synced_at": "-infinity"},
}


def run(worker: Worker, seconds: float = 20.0) -> None:
    """Sync everything that is pending, within so many seconds."""
    worker.catalogue.owner.execute(
        "INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('control', 'ximilar_sync')"
    )
    worker.until(worker.catalogue.logged, seconds=seconds)


def test_poison_among_good_rows(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, subtests: pytest.Subtests
) -> None:
    good = [catalogue.add() for _ in range(10)]
    empty = {name: catalogue.add(None, image_urls=value) for name, value in NO_PHOTOS.items()}
    odd = {name: catalogue.add(1, **columns) for name, columns in ODD.items()}
    good += [catalogue.add() for _ in range(10)]
    run(worker)
    (log,) = catalogue.logged()
    assert (log["records_fetched"], log["records_new"], log["records_errors"]) == (
        *(len(good) + len(odd) + len(empty), len(good) + len(odd)),
        len(empty),
    )
    assert {catalogue.state(product.id) for product in good} == {"synced"}
    for name, product in odd.items():
        with subtests.test(name):
            assert state(catalogue, product) == ("synced", None)
    for name, product in empty.items():
        with subtests.test(name):
            found, reason = state(catalogue, product)
            assert found == "error"
            assert str(reason).startswith("no photos")
    assert len(upstream.requests) == len(good) + len(odd)
    for sent in upstream.requests:
        assert len(sent.body["metadata"]["name"].encode() if "name" in sent.body["metadata"] else b"") <= 1024


def state(catalogue: Catalogue, product: Sample) -> tuple[str, str | None]:
    """State and reason, without the columns that a driver may choke on."""
    row = catalogue.one("SELECT ximilar_status, error_message FROM raw_products WHERE id = %s", [product.id])
    return row["ximilar_status"], row["error_message"]


def test_what_is_left_out_and_what_is_cut(catalogue: Catalogue, worker: Worker, upstream: Upstream) -> None:
    catalogue.add(1, **ODD["all NULL"])
    catalogue.add(1, price="NaN", name="\U0001f9e5" * 1000, category="a\x01b\nc")
    run(worker)
    said = {sent.body["metadata"]["sku_id"]: sent.body["metadata"] for sent in upstream.requests}
    assert said["ODD"] == {"sku_id": "ODD", "currency": "AED"}
    (other,) = (metadata for sku, metadata in said.items() if sku != "ODD")
    assert other["name"] == "\U0001f9e5" * 256
    assert other["category"] == "a b c"
    assert "price" not in other


def test_a_bad_address_among_good_ones(catalogue: Catalogue, worker: Worker, upstream: Upstream) -> None:
    good = [f"https://{HOST}/{n}.jpg" for n in range(3)]
    product = catalogue.add([good[0], "http://localhost/x.jpg", good[1], None, good[2], good[0]])
    run(worker)
    found, reason = state(catalogue, product)
    assert found == "error"
    assert reason == "photo 2: host is not a public name; photo 4: not a text"
    assert sorted(upstream.photos) == good
    assert catalogue.stored(product.id) == good


def test_hundreds_of_photos(catalogue: Catalogue, worker: Worker, upstream: Upstream) -> None:
    product = catalogue.add(300)
    run(worker)
    assert state(catalogue, product) == ("synced", None)
    assert sorted(upstream.photos) == sorted(product.urls)


def test_a_number_of_any_size_where_the_owner_has_lifted_the_columns_limit(
    catalogue: Catalogue, worker: Worker, upstream: Upstream
) -> None:
    catalogue.owner.execute("ALTER TABLE raw_products ALTER price TYPE numeric")
    products = [catalogue.add(price=price) for price in ("Infinity", "-Infinity", "9" * 5000, "1e-300")]
    good = catalogue.add()
    run(worker)
    assert {catalogue.state(product.id) for product in [*products, good]} == {"synced"}
    prices = {
        sent.body["metadata"]["sku_id"]: sent.body["metadata"].get("price") for sent in upstream.requests
    }
    assert prices[good.sku] == "599.00"
    assert [prices[product.sku] for product in products[:3]] == [None, None, None]


def test_jobs_with_nonsense_for_arguments_fail_alone(catalogue: Catalogue, worker: Worker) -> None:
    good = catalogue.add()
    for arguments in ({}, {"product_id": "x"}, {"product_id": None}, {"product_id": 1, "unheard": 2}):
        catalogue.owner.execute(
            """
            INSERT INTO procrastinate_jobs (queue_name, task_name, args, lock)
            VALUES ('products', 'sync_product', %s, 'product:' || gen_random_uuid())
            """,
            [Jsonb(arguments)],
        )
    catalogue.queue(good.id)
    worker.until(
        lambda: "todo" not in catalogue.statuses() and "doing" not in catalogue.statuses(), seconds=30
    )
    assert catalogue.state(good.id) == "synced"


def test_the_rescue_survives_a_job_with_nonsense_for_arguments(catalogue: Catalogue, worker: Worker) -> None:
    for arguments in ({"product_id": "x"}, {"product_id": 1, "run_id": "y"}):
        job = catalogue.value(
            """
            INSERT INTO procrastinate_jobs (queue_name, task_name, args, lock)
            VALUES ('products', 'sync_product', %s, gen_random_uuid()::text) RETURNING id
            """,
            [Jsonb(arguments)],
        )
        catalogue.start(job)
    lost = catalogue.add()
    catalogue.start(catalogue.queue(lost.id))
    worker.until(lambda: catalogue.state(lost.id) == "synced")
