"""Judges a finished demo: what came out, what was expected, and whether they agree."""

from __future__ import annotations

from typing import Any

from psycopg.rows import dict_row
from rich.console import Console
from rich.text import Text

from ops.local import gateway
from ops.local.check import Check
from ops.local.emulator import Traffic
from ops.local.system import System

SEARCHES = 3

PRODUCTS = "SELECT external_id, ximilar_status, error_message FROM public.raw_products ORDER BY id"
LOGS = """
    SELECT scraper_name, status, records_fetched, records_new, records_errors, duration_seconds, error_message
      FROM public.scraper_logs ORDER BY id
"""


def judge(system: System) -> list[Check]:
    """Return every check of the demo, in the order of the summary."""
    with system.database.owner() as owner, owner.cursor(row_factory=dict_row) as cursor:
        products = {row["external_id"]: row for row in cursor.execute(PRODUCTS)}
        logs = cursor.execute(LOGS).fetchall()
    return [
        *_products(system, products),
        *_traffic(system.emulator.traffic(), system.options.rate),
        _collection(system),
        _scraper_log(system, logs),
        *_searches(system),
        *gateway.judge(system),
    ]


def show(console: Console, checks: list[Check], *, seconds: float) -> bool:
    """Print the summary; return whether all is as expected."""
    console.print()
    for check in checks:
        mark = Text("ok   ", "green") if check.right else Text("WRONG", "bold red")
        console.print(Text.assemble(mark, f" {check.subject:<28} {check.seen}"), soft_wrap=True)
    wrong = sum(not check.right for check in checks)
    verdict = f"[red]{wrong} not as expected[/]" if wrong else "[green]all as expected[/]"
    console.print(f"\n{verdict}, {seconds:.1f} s from the deferred task to the end of its run")
    return not wrong


def _products(system: System, rows: dict[str, Any]) -> list[Check]:
    good, broken = system.catalogue.good, system.catalogue.broken
    synced = sum(rows[product.external_id]["ximilar_status"] == "synced" for product in good)
    checks = [Check("products synced", f"{synced} of {len(good)}", synced == len(good))]
    for product in broken:
        row = rows[product.external_id]
        reason = row["error_message"] or ""
        right = row["ximilar_status"] == "error" and (product.broken or "") in reason
        checks.append(
            Check(f"{product.external_id}, broken on purpose", f"{row['ximilar_status']}: {reason}", right)
        )
    known = {product.external_id for product in broken}
    others = [row for sku, row in rows.items() if row["ximilar_status"] == "error" and sku not in known]
    checks += [Check(row["external_id"], f"error: {row['error_message']}", right=False) for row in others]
    return checks


def _traffic(traffic: Traffic, rate: int) -> list[Check]:
    most = f"{traffic.most_in_a_second}, the limit is {rate}"
    return [
        Check("requests", f"{traffic.calls}, {traffic.per_second:.2f} a second", traffic.calls > 0),
        Check("most requests in one second", most, traffic.most_in_a_second <= rate),
        Check("answers 429", str(traffic.rate_limited), traffic.rate_limited == 0),
        Check("photos sent twice", str(traffic.sent_again), traffic.sent_again == 0),
    ]


def _collection(system: System) -> Check:
    expected, stored = system.catalogue.storable(), system.emulator.photos()
    seen = f"{len(stored)} of {len(expected)}"
    if stored != expected:
        seen += f"; missing {sorted(expected - stored)[:3]}, unexpected {sorted(stored - expected)[:3]}"
    return Check("photos in the collection", seen, stored == expected)


def _scraper_log(system: System, logs: list[dict[str, Any]]) -> Check:
    good, broken = len(system.catalogue.good), len(system.catalogue.broken)
    expected = {
        "scraper_name": "ximilar_sync",
        "status": "partial" if broken else "success",
        "records_fetched": good + broken,
        "records_new": good,
        "records_errors": broken,
    }
    right = len(logs) == 1 and {name: logs[0][name] for name in expected} == expected
    seen = "; ".join(
        f"{row['scraper_name']} {row['status']}: {row['records_fetched']} fetched, {row['records_new']} new, "
        f"{row['records_errors']} errors, {row['duration_seconds']:.1f} s"
        for row in logs
    )
    return Check("scraper_logs", seen or "no row", right)


def _searches(system: System) -> list[Check]:
    """Search by a photo of a few products spread over the catalogue; each must find itself."""
    good = system.catalogue.good
    chosen = good[len(good) // (2 * SEARCHES) :: max(1, len(good) // SEARCHES)][:SEARCHES]
    checks = []
    for product in chosen:
        found = system.emulator.search(f"{system.photos.url}/{product.photos[0]}")
        seen = f"found {', '.join(dict.fromkeys(found))}"
        checks.append(Check(f"search for {product.external_id}", seen, found[:1] == [product.external_id]))
    return checks
