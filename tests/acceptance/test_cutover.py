"""The cut-over from the old servers, rehearsed: the commands of ops/docs/cutover.md on tables that they have filled."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import requests
from psycopg import sql

from ops.local import staging
from ops.local.postgres import Cluster
from tests.fix_pgbouncer import PgBouncer
from tests.fix_postgres import Database
from tests.fix_system import COLLECTION, IMAGES, ROOT, TOKEN, Emulator, System, Worker
from tests.integration.deployment import documents
from tests.integration.deployment.bare_staging import bare_staging

PAGE = "cutover.md"
# Columns that the scrapers keep for themselves, and the old server's rows in its log.
OLD_TABLES = """
    ALTER TABLE raw_products ADD COLUMN store text, ADD COLUMN scraped_at timestamptz DEFAULT now();
    INSERT INTO scraper_logs (scraper_name, status, records_fetched, records_new, records_errors, started_at,
                              completed_at)
    VALUES ('ximilar_sync', 'success', 6, 6, 0, now() - interval '7 days', now() - interval '7 days');
"""
INSERT = """
    INSERT INTO raw_products (external_id, brand, name, category, price, image_urls, image_status, ximilar_status,
                              ximilar_synced_at, error_message, updated_at)
    VALUES (%(sku)s, 'Nord', 'Dress', 'dress', 599, %(urls)s, %(photos)s, %(state)s::text,
            CASE %(state)s::text WHEN 'synced' THEN now() - interval '3 days' END, %(error)s, now() - interval '3 days')
"""
SYNCED, PENDING, NOT_READY, FAILED = 6, 4, 2, 2


@dataclasses.dataclass(slots=True)
class OldSystem:
    """Staging and the collection as the old server left them, and the new programs beside them."""

    system: System
    environ: dict[str, str]
    folder: Path

    def follow(self, heading: str) -> str:
        """Type the tested blocks under a heading of the page; return what they printed."""
        found = documents.runnable(PAGE, heading)
        assert found, heading
        output = ""
        for block in found:
            done = documents.run(block.text, self.environ, self.folder)
            # This one reports by its exit code that there are products in error, which is no failure of the page.
            expected = (0, 1) if block.text == "ximilar-sync errors\n" else (0,)
            assert done.returncode in expected, f"{block.text}\n{done.stdout}\n{done.stderr}"
            output += done.stdout
        return output

    def add(
        self, prefix: str, count: int, state: str, *, photos: str = "uploaded", error: str | None = None
    ) -> None:
        """Add products of two photos each; of those that are synced the collection has the photos."""
        names = sorted(path.name for path in IMAGES.glob("*.jpg"))
        with psycopg.connect(self.system.database.owner_url, autocommit=True) as owner:
            for number in range(count):
                sku = f"{prefix}-{number}"
                urls = [
                    f"{self.system.photos_url}/{names[number + place]}?{sku}-{place}" for place in range(2)
                ]
                values = {
                    "sku": sku,
                    "urls": json.dumps(urls),
                    "photos": photos,
                    "state": state,
                    "error": error,
                }
                owner.execute(INSERT, values)
                if state == "synced":
                    for url in urls:
                        self.collect(sku, url)

    def collect(self, sku: str, url: str) -> None:
        """Store a photo as the old server did: without remembering it."""
        answer = requests.post(
            f"{self.system.emulator.url}/recognition/v2/collectImage",
            json={"collection_id": COLLECTION, "image": url, "metadata": {"sku_id": sku}},
            headers={"Authorization": f"Token {TOKEN}"},
            timeout=20,
        )
        assert answer.json()["status"]["code"] == 200

    def sent(self) -> list[str]:
        """The SKUs of the photos sent to the collection so far, sorted, one for each call."""
        return sorted(call["sku_id"] for call in self.system.emulator.calls())

    def snapshot(self, prefix: str) -> list[tuple[object, ...]]:
        """All columns of the products with a prefix."""
        statement = "SELECT to_jsonb(p)::text FROM raw_products p WHERE external_id LIKE %s ORDER BY id"
        return self.system.query(statement, f"{prefix}%")

    def attempt_to_start(self) -> tuple[int, str]:
        """Start a worker that is expected to end at once; return its exit code and its complaint."""
        done = self.system.run("procrastinate_app", "worker")
        return done.returncode, done.stderr


@pytest.fixture
def old_database(cluster: Cluster, template: str, role_password: str) -> Iterator[Database]:
    """Staging before anybody here was heard of, with columns and rows that are no business of ours."""
    with bare_staging(cluster, role_password) as database:
        with psycopg.connect(database.owner_url, autocommit=True) as owner:
            owner.execute(OLD_TABLES.encode())
        yield database


@pytest.fixture
def old(
    old_database: Database, emulator: Emulator, photo_server: str, pgbouncer: PgBouncer
) -> Iterator[OldSystem]:
    """The old system with its rows, reached through PgBouncer, whose connections know no grant yet."""
    if shutil.which("psql") is None:
        pytest.skip("psql is not installed (apt-get install postgresql-client)")
    pgbouncer.start()
    pooled = pgbouncer.url(staging.ROLE, old_database.name)
    with tempfile.TemporaryDirectory(prefix="ximilar-sync-cutover-") as name:
        folder = Path(name)
        for part in ("sql", "procrastinate_app"):  # the page is followed in the project's root
            (folder / part).symlink_to(ROOT / part)
        settings = {
            "XIMILAR_ENV_FILE": "",
            "STAGING_DB_URL": pooled,
            "XIMILAR_API_URL": emulator.url,
            "XIMILAR_API_TOKEN": TOKEN,
            "XIMILAR_COLLECTION_ID": COLLECTION,
            "XIMILAR_ALLOW_PRIVATE_URLS": "on",
            "LOG_FORMAT": "json",
            "PYTHONWARNINGS": "",
        }
        environ = settings | {
            "PATH": f"{_commands(folder)}:{os.environ['PATH']}",
            "OWNER_URL": old_database.owner_url,
            "PGBOUNCER_URL": pgbouncer.admin_url,
        }
        system = System(old_database, emulator, photo_server, folder, {**os.environ, **settings})
        old = OldSystem(system, environ, folder)
        old.add("OLD", SYNCED, "synced")
        old.add("NEW", PENDING, "pending")
        old.add("BARE", NOT_READY, "pending", photos="downloading")
        old.add("RED", FAILED, "error", error="timeout")
        _fill_pool(pooled)
        yield old
        _end(system.workers)


def _fill_pool(pooled: str) -> None:
    """Have PgBouncer hold several connections that begin now, with the search path of now."""
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(psycopg.connect(pooled, prepare_threshold=None))
            client.execute(
                "SELECT 1"
            )  # begins a transaction, so that the next client needs another connection


def _commands(folder: Path) -> Path:
    """The virtual environment's programs, by the names that the page uses."""
    commands = folder / "bin"
    commands.mkdir()
    modules = {"ximilar-sync": "procrastinate_app", "procrastinate": "procrastinate", "python": ""}
    for name, module in modules.items():
        script = commands / name
        run = f"-m {module} " if module else ""
        script.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} {run}"$@"\n')
        script.chmod(0o755)
    return commands


def _end(workers: list[Worker]) -> None:
    for worker in workers:
        if worker.process.poll() is None:
            worker.end()


def test_page_leads_from_the_old_server_to_this_one(old: OldSystem) -> None:
    system, before = old.system, old.snapshot("OLD")
    stored_before = system.emulator.photos()

    old.follow("2. Write down how things are")
    assert len((old.folder / "cutover-before.csv").read_text().splitlines()) == 14
    old.follow("3. Grants")
    old.follow("4. Schema")
    adopted = old.follow("5. Adopt")
    assert f"recorded {2 * SYNCED} photo(s) of {SYNCED} synced product(s)" in adopted
    estimate = old.follow("6. Look before you leap")
    assert f"{PENDING} products, {2 * PENDING} photos" in estimate
    assert system.emulator.photos() == stored_before  # nothing was sent so far

    system.worker()
    assert "success" in old.follow("7. Start")

    assert system.states() == {"synced": SYNCED + PENDING, "pending": NOT_READY, "error": FAILED}
    assert old.sent() == sorted(
        [f"OLD-{n}" for n in range(SYNCED)] * 2 + [f"NEW-{n}" for n in range(PENDING)] * 2
    )
    assert old.snapshot("OLD") == before
    compared = old.follow("8. Compare")
    rows = [[cell.strip() for cell in line.split("|")] for line in compared.splitlines() if "|" in line]
    assert ["synced", "synced", "f", str(SYNCED)] in rows
    assert ["pending", "synced", "t", str(PENDING)] in rows
    assert ["pending", "pending", "f", str(NOT_READY)] in rows
    assert ["error", "error", "f", str(FAILED)] in rows
    assert ["success", str(PENDING), str(PENDING), "0", ""] in rows


def test_without_reconnect_a_worker_says_what_to_do(old: OldSystem) -> None:
    """It matters where the role had a search path of its own; else the schema is found by the role's name."""
    path = sql.SQL("ALTER ROLE {} IN DATABASE {} SET search_path = public")
    with psycopg.connect(old.system.database.owner_url, autocommit=True) as owner:
        owner.execute(path.format(sql.Identifier(staging.ROLE), sql.Identifier(old.system.database.name)))
    assert documents.run('psql "$PGBOUNCER_URL" -c RECONNECT', old.environ).returncode == 0
    _fill_pool(old.environ["STAGING_DB_URL"])
    grants = documents.runnable(PAGE, "3. Grants")[0].text
    without = "\n".join(line for line in grants.splitlines() if "RECONNECT" not in line)
    assert documents.run(without, old.environ, old.folder).returncode == 0
    old.follow("4. Schema")

    code, complaint = old.attempt_to_start()

    assert code == 78
    assert "RECONNECT" in complaint
    old.follow("3. Grants")
    assert old.system.worker().end() == 0


def test_back_to_the_old_server_and_forward_again(old: OldSystem) -> None:
    system = old.system
    for heading in ("2. Write down how things are", "3. Grants", "4. Schema", "5. Adopt"):
        old.follow(heading)
    worker = system.worker()
    old.follow("7. Start")
    assert worker.end() == 0  # back out

    # The old server goes on: it finds its own states, and syncs what is pending and ready by now.
    system.query(
        "UPDATE raw_products SET image_status = 'uploaded' WHERE external_id LIKE 'BARE%%' RETURNING 1"
    )
    pending = "SELECT external_id, image_urls FROM raw_products WHERE ximilar_status = 'pending'"
    for sku, urls in system.query(pending):
        for url in urls:
            old.collect(str(sku), url)
    synced = "SET ximilar_status = 'synced', ximilar_synced_at = now() WHERE ximilar_status = 'pending'"
    assert len(system.query(f"UPDATE raw_products {synced} RETURNING id")) == NOT_READY
    sent = old.sent()

    old.follow("2. Write down how things are")
    adopted = old.follow("5. Adopt")
    system.worker()
    old.follow("7. Start")

    assert f"recorded {2 * NOT_READY} photo(s)" in adopted
    assert old.sent() == sent  # nothing was sent twice, by nobody
    assert system.states() == {"synced": SYNCED + PENDING + NOT_READY, "error": FAILED}
    assert system.emulator.state()["photos_sent_again"] == 0


def test_old_errors_are_tried_again(old: OldSystem) -> None:
    for heading in ("3. Grants", "4. Schema", "5. Adopt"):
        old.follow(heading)
    old.system.worker()

    old.system.defer("ximilar_retry")

    old.system.wait_for_states(60, synced=SYNCED + FAILED, pending=PENDING + NOT_READY)
    assert [sku for sku in old.sent() if sku.startswith("RED")] == ["RED-0", "RED-0", "RED-1", "RED-1"]
