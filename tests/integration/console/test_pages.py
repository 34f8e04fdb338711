"""What the pages show of a database, as the role `ximilar`."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.fix_catalogue import Catalogue
from tests.fix_postgres import Database
from tests.integration.console.conftest import Visitor, add_worker, attempt, enqueue
from web.console import search, staging


def open_run(catalogue: Catalogue, *products: int) -> int:
    run: int = catalogue.value("INSERT INTO runs (kind) VALUES ('sync') RETURNING id")
    enqueue(catalogue, *products, run=run)
    return run


def test_an_empty_system_has_every_page(olga: Visitor) -> None:
    overview = olga.page("/")
    assert "No worker is alive." in overview
    assert "Synced 0" in overview
    for path in ("/runs", "/products", "/errors", "/jobs", "/schedule", "/rate"):
        olga.page(path)


def test_overview_warns_first_and_counts(olga: Visitor, catalogue: Catalogue) -> None:
    first, second = (catalogue.add().id for _ in range(2))
    catalogue.add(ximilar_status="synced")
    catalogue.add(ximilar_status="error", error_message="refused")
    run = open_run(catalogue, first, second)
    attempt(catalogue, first, "synced", cause=None, run_id=run)
    catalogue.owner.execute("UPDATE run_products SET outcome = 'synced' WHERE product_id = %s", [first])
    catalogue.owner.execute("SELECT pause_v1('rate_limited', 429, 'slow down', 120)")
    add_worker(catalogue, silent=90)
    page = olga.page("/")
    assert page.index("The account has been paused") < page.index("Synced 1")
    assert "over the rate limit (429), “slow down”; tried again in" in page
    assert "No worker is alive. Worker sync-01 (7) fell silent 1 min 30 s ago. 2 jobs wait." in page
    assert "Done 1 of 2" in page
    assert "1 synced, 0 in error, 0 put off" in page


def test_a_live_page_is_only_its_changing_part(olga: Visitor) -> None:
    part = olga.get("/", HX_Request="true")
    assert part.status_code == 200
    assert "<html" not in part.text
    assert "Workers" in part.text


def test_runs_and_one_run(olga: Visitor, catalogue: Catalogue) -> None:
    good, bad, put_off = (catalogue.add().id for _ in range(3))
    run = open_run(catalogue, good, bad, put_off)
    catalogue.owner.execute("UPDATE run_products SET outcome = 'synced' WHERE product_id = %s", [good])
    catalogue.owner.execute("UPDATE run_products SET outcome = 'error' WHERE product_id = %s", [bad])
    attempt(catalogue, good, "synced", cause=None, run_id=run)
    attempt(catalogue, bad, "error", cause="refused", code=413, message="too large", run_id=run)
    attempt(catalogue, put_off, "postponed", cause="timed_out", code=None, message=None, run_id=run)
    assert f"{run} sync running" in olga.page("/runs")
    page = olga.page(f"/runs/{run}")
    assert "Expected 3" in page
    assert "Synced 1 33.3 %" in page
    assert "Put off 1" in page
    assert "photo too large (413) error 1 1 SKU too large" in page
    assert "Ximilar did not answer in time postponed 1 1" in page


def test_products_are_filtered_by_the_url(olga: Visitor, catalogue: Catalogue) -> None:
    nord = catalogue.add(brand="Nord", category="shoes", external_id="A-1", name="Boot")
    other = catalogue.add(brand="Other", external_id="B-2", name="100% wool", ximilar_status="error",
                          error_message="no photos")  # fmt: skip
    attempt(catalogue, other.id, cause="no_photos", code=None)

    def skus(query: str) -> set[str]:
        page = olga.page(f"/products?{query}")
        return {sku for sku in ("A-1", "B-2") if sku in page}

    assert skus("") == {"A-1", "B-2"}
    assert skus("state=error") == {"B-2"}
    assert skus("brand=Nord&category=shoes") == {"A-1"}
    assert skus("q=a-1") == {"A-1"}
    assert skus("q=boo") == {"A-1"}
    assert skus("q=no+photos") == {"B-2"}
    assert skus("q=100%25") == {"B-2"}
    assert skus("q=1_0%25") == set()
    assert skus("cause=no_photos") == {"B-2"}
    assert skus("cause=refused+400") == set()
    assert "1 product in state pending" in olga.page("/products?state=pending")
    assert str(nord.id) in olga.get("/products").text


def test_rows_without_a_state_are_found(olga: Visitor, catalogue: Catalogue) -> None:
    catalogue.add(ximilar_status=None, external_id="STATELESS")
    assert "None 1 100 % of 1" in olga.page("/")
    assert "STATELESS none" in olga.page("/products?state=none")


def test_through_pgbouncer_as_well(make_app: Callable[..., Any], pooled: str, catalogue: Catalogue) -> None:
    product = catalogue.add(ximilar_status="error").id
    visitor = Visitor(make_app(STAGING_DB_URL=pooled), "olga")
    for _ in range(3):
        for path in ("/", "/products?q=SKU", "/errors", "/jobs"):
            visitor.page(path)
    assert visitor.act("/products/retry", state="error") == "Retry products: queued 1 product."
    assert catalogue.statuses(product) == ["todo"]


def test_paging_loses_and_repeats_nothing(
    olga: Visitor, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PAGE", 4)
    monkeypatch.setattr(search, "FIRST_SLICE", 3)
    for number in range(11):
        catalogue.add(external_id=f"P-{number:02}", ximilar_status="synced" if number == 5 else "pending")
    for query, expected in (("", 11), ("state=pending", 10), ("q=P-", 11), ("q=coat&state=pending", 10)):
        seen, path = list[str](), f"/products?{query}"
        while path:
            text = olga.get(path).text
            seen += sorted({f"P-{n:02}" for n in range(11) if f">P-{n:02}<" in text}, reverse=True)
            path = next_link(text)
        assert len(seen) == len(set(seen)) == expected
        assert seen == sorted(seen, reverse=True)


def next_link(text: str) -> str:
    """The address of the next page, empty on the last."""
    found = re.search(r'rel="next" href="([^"]+)"', text)
    return html.unescape(found.group(1)) if found else ""


def test_a_search_that_is_stopped_says_so_and_goes_on(
    olga: Visitor, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue.add(external_id="needle", name="Needle")
    catalogue.add_many(30)
    monkeypatch.setattr(search, "FIRST_SLICE", 10)
    monkeypatch.setattr(search, "SEARCH_SECONDS", 1e-9)
    page = olga.get("/products?q=eedle")
    assert "Searching stopped" in page.text
    link = page.text.partition("/products?below=")[2].partition('"')[0].replace("&amp;", "&")
    monkeypatch.setattr(search, "SEARCH_SECONDS", 2.0)
    assert "needle" in olga.page(f"/products?below={link}")


def test_an_exact_sku_is_found_wherever_it_is(
    olga: Visitor, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue.add(external_id="needle")
    catalogue.add_many(30)
    monkeypatch.setattr(search, "FIRST_SLICE", 10)
    monkeypatch.setattr(search, "MOST_SLICE", 10)
    clock = iter([0.0, 100.0])
    monkeypatch.setattr(search, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    page = olga.page("/products?q=needle")
    assert "The SKU itself" in page
    assert "Searching stopped" in page


def test_one_product(olga: Visitor, catalogue: Catalogue) -> None:
    sample = catalogue.add(photos=["https://cdn.example/1.jpg", "https://cdn.example/2.jpg", 7], price="1.50")
    catalogue.owner.execute(
        "INSERT INTO photos (product_id, profile, collection_id, url, remote_id, content_hash, request_id)"
        " VALUES (%s, 'recognition', 'c', %s, 'remote-9', gen_random_uuid(), 'req-9')",
        [sample.id, sample.urls[0]],
    )
    attempt(catalogue, sample.id, message="image <b>cannot</b> be read", request_id="req-77")
    page = olga.get(f"/products/{sample.id}").text
    assert page.count("<img ") == 2
    assert "1 of 2 stored" in page
    assert "image &lt;b&gt;cannot&lt;/b&gt; be read" in page
    for said in (
        "req-77",
        "req-9",
        "remote-9",
        "1.50 AED",
        "No job is queued for it. The next sync takes it",
    ):
        assert said in page


@pytest.mark.parametrize("poison", [None, {}, "text", [[[]]], ["x" * 5000], [1e308]])
def test_a_poisonous_row_has_a_page(olga: Visitor, catalogue: Catalogue, poison: Any) -> None:
    sample = catalogue.add(photos=1, brand=None, category=None, price="NaN", name="\x01" + "n" * 3000)
    catalogue.owner.execute(
        "UPDATE raw_products SET image_urls = %s WHERE id = %s", [Jsonb(poison), sample.id]
    )
    assert "lists no photo that can be shown" in olga.page(f"/products/{sample.id}")


def test_why_a_product_waits(olga: Visitor, catalogue: Catalogue) -> None:
    first, second = catalogue.add(), catalogue.add()
    job, behind = enqueue(catalogue, first.id, second.id)
    assert "No worker is alive to take it." in olga.page(f"/products/{first.id}")
    add_worker(catalogue)
    assert "It is next" in olga.page(f"/products/{first.id}")
    assert "It waits its turn, with 1 job before it." in olga.page(f"/jobs/{behind}")
    catalogue.owner.execute(
        "UPDATE procrastinate_jobs SET scheduled_at = now() + '10 min' WHERE id = %s", [job]
    )
    assert "It was put off and is due in 10 min." in olga.page(f"/products/{first.id}")
    catalogue.owner.execute("SELECT pause_v1('token_refused', 401, 'bad token', 300)")
    assert "The account is paused: the token is not accepted (401)" in olga.page(f"/products/{second.id}")
    catalogue.owner.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = %s", [behind])
    (third,) = enqueue(catalogue, second.id)
    assert f"It is behind job {behind}, which holds the same product" in olga.page(f"/jobs/{third}")
    assert "It is running" in olga.page(f"/products/{second.id}")


def test_errors_are_grouped_by_the_last_cause(olga: Visitor, catalogue: Catalogue) -> None:
    for number in range(3):
        product = catalogue.add(ximilar_status="error", error_message=f"too large {number}")
        attempt(catalogue, product.id, cause="refused", code=400)
        attempt(catalogue, product.id, cause="refused", code=413)
    catalogue.add(ximilar_status="error", error_message="old", external_id="OLD")
    page = olga.page("/errors")
    assert "4 products in error" in page
    assert "3 Photo too large (413)" in page
    assert "1 In error since before this system" in page
    assert "OLD old" in page


def test_jobs_by_state_and_task(olga: Visitor, catalogue: Catalogue) -> None:
    (job,) = enqueue(catalogue, catalogue.add().id)
    catalogue.owner.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE id = %s", [job])
    enqueue(catalogue, catalogue.add().id)
    assert "todo 1 doing 0 failed 1" in olga.page("/jobs")
    assert f'/jobs/{job}"' in olga.get("/jobs?state=failed&task=sync_product").text
    assert "No failed job of prune." in olga.page("/jobs?state=failed&task=prune")
    page = olga.page(f"/jobs/{job}")
    assert '"product_id"' in page
    assert "deferred" in page


def test_what_takes_too_long_says_so_and_the_rest_is_there(
    make_app: Callable[..., Any], catalogue: Catalogue
) -> None:
    visitor = Visitor(make_app(CONSOLE_STATEMENT_SECONDS="0.05"), "olga")
    catalogue.owner.execute(
        "CREATE OR REPLACE FUNCTION error_cause_v1(product bigint) RETURNS text LANGUAGE sql"
        " AS $$ SELECT pg_sleep(1)::text $$"
    )
    catalogue.add(ximilar_status="error")
    assert "took too long to find out" in visitor.page("/errors")
    assert "Nothing" not in visitor.page("/")


def test_no_database_is_a_page_too(
    make_app: Callable[..., Any], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "POOL_TIMEOUT_SECONDS", 0.3)
    url = database.url.rpartition("/")[0] + "/no_such_database"
    answer = Visitor(make_app(STAGING_DB_URL=url), "olga").get("/runs")
    assert answer.status_code == 503
    assert "The database cannot be reached" in answer.text


def test_pages_cannot_write(app: Any) -> None:
    with app.staging.reading() as session, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        session.run("set_rate", rate=1)
