"""The questions of sql/ops/ through a real psql, as the role `ximilar`: each answers as its example says."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest

from procrastinate_app.queries import SQL_FOLDER
from tests.fix_catalogue import Catalogue
from tests.fix_postgres import Database
from tests.integration.console.conftest import add_worker, attempt, enqueue

FILES = sorted((SQL_FOLDER / "ops").glob("*.sql"))
RULE = re.compile(r"-+(\+-+)*")


@pytest.fixture(scope="module", autouse=True)
def need_psql() -> None:
    if not shutil.which("psql"):
        pytest.skip("psql is not installed (apt-get install postgresql-client)")


def ask(database: Database, name: str, **variables: str) -> str:
    """Run a file and return what psql prints; a failed statement fails the test."""
    given = [part for name, value in variables.items() for part in ("-v", f"{name}={value}")]
    path = SQL_FOLDER / "ops" / f"{name}.sql"
    done = subprocess.run(
        ["psql", database.url, "-X", "-v", "ON_ERROR_STOP=1", *given, "-f", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def headers(text: str) -> list[list[str]]:
    """The column names of each table that psql printed."""
    lines = text.splitlines()
    return [
        [column.strip() for column in above.split("|")]
        for above, line in itertools.pairwise(lines)
        if RULE.fullmatch(line.strip())
    ]


def example(path: Path) -> list[list[str]]:
    """The column names in a file's own example."""
    comments = [line.removeprefix("--") for line in path.read_text().splitlines() if line.startswith("--")]
    return headers("\n".join(comments))


def test_every_question_is_answered_as_its_example_says(database: Database, catalogue: Catalogue) -> None:
    catalogue.add(external_id="SKU-0042")
    assert len(FILES) >= 10
    for path in FILES:
        assert path.read_text().startswith("-- "), path.name
        runs = [{"go": "0"}, {"go": "1"}] if path.stem == "requeue_set" else [{"sku": "SKU-0042"}]
        printed = [header for variables in runs for header in headers(ask(database, path.stem, **variables))]
        assert printed == example(path), path.name


def test_stuck_jobs_and_lock_holders(
    database: Database, catalogue: Catalogue, owner: psycopg.Connection
) -> None:
    product = catalogue.add().id
    (held,) = enqueue(catalogue, product)
    owner.execute("UPDATE procrastinate_jobs SET status = 'doing'")
    (waiting,) = enqueue(catalogue, product)
    assert f"{held} | sync_product" in ask(database, "stuck_jobs")
    assert f"product:{product} |" in ask(database, "lock_holders")
    assert f"{{{waiting}}}" in ask(database, "lock_holders")
    worker = owner.execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id").fetchone()
    assert worker
    add_worker(catalogue)
    owner.execute("UPDATE workers SET queue_worker = %s", worker)
    owner.execute("UPDATE procrastinate_jobs SET worker_id = %s WHERE id = %s", [*worker, held])
    assert "(0 rows)" in ask(database, "stuck_jobs")


def test_errors_and_history(database: Database, catalogue: Catalogue) -> None:
    product = catalogue.add(ximilar_status="error", error_message="too large", external_id="it's")
    attempt(catalogue, product.id, code=413, request_id="req-5")
    assert re.search(r"refused 413 \| +1 \|.*\| it's +\| too large", ask(database, "errors_by_cause"))
    assert "req-5" in ask(database, "product_history", sku="it's")


def test_a_set_is_counted_first_and_queued_once(database: Database, catalogue: Catalogue) -> None:
    for brand, code in (("Nord", 413), ("Nord", 400), ("It's", 413)):
        product = catalogue.add(ximilar_status="error", brand=brand)
        attempt(catalogue, product.id, code=code)
    assert re.search(r"would_queue\s+-+\s+2\n", ask(database, "requeue_set", cause="refused 413"))
    assert catalogue.statuses() == []
    assert re.search(
        r"queued\s+-+\s+1\n", ask(database, "requeue_set", cause="refused 413", brand="It's", go="1")
    )
    assert re.search(r"queued\s+-+\s+2\n", ask(database, "requeue_set", go="1"))
    assert re.search(r"queued\s+-+\s+0\n", ask(database, "requeue_set", go="1"))
    assert catalogue.statuses() == ["todo"] * 3


def test_the_views_are_readable_and_keep_their_columns(conn: psycopg.Connection) -> None:
    names = [
        row[0]
        for row in conn.execute("SELECT viewname FROM pg_views WHERE schemaname = 'ximilar' ORDER BY 1")
    ]
    kept = "runs run_products attempts photos jobs throttle workers schedule audit"
    assert set(names) >= {f"v_{name}" for name in kept.split()}
    for name in names:
        conn.execute(f"SELECT * FROM {name}")  # noqa: S608 - from the catalogue


def test_no_view_stands_in_the_way_of_the_owners_alter_table(owner: psycopg.Connection) -> None:
    owner.execute(
        "ALTER TABLE public.raw_products ALTER COLUMN brand TYPE varchar(80), ALTER COLUMN name TYPE varchar"
    )
