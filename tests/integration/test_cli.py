"""The operators' commands on a real database: what they say, in both forms, and how they exit."""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from procrastinate_app.cli import enqueue, operate
from procrastinate_app.cli.parser import main
from procrastinate_app.database import open_database
from procrastinate_app.process import this_process
from tests.fix_catalogue import Catalogue
from tests.fix_postgres import Database
from tests.fix_upstream import Upstream, code
from tests.fix_worker import COLLECTION, TOKEN, Worker

Run = Callable[..., tuple[int, str]]
Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(
    database: Database,
    upstream: Upstream,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run a command; its exit code and what it wrote to stdout."""
    monkeypatch.setenv("STAGING_DB_URL", database.url)
    monkeypatch.setenv("XIMILAR_COLLECTION_ID", COLLECTION)

    def command(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        exit_code = main(list(arguments))
        return exit_code, capsys.readouterr().out

    return command


@pytest.fixture
def ask(run: Run) -> Ask:
    """Run a command with --json; its exit code and the document."""

    def command(*arguments: str) -> tuple[int, Any]:
        exit_code, out = run(*arguments, "--json")
        return exit_code, json.loads(out)

    return command


def test_status(catalogue: Catalogue, run: Run, ask: Ask) -> None:
    catalogue.add()
    catalogue.add(ximilar_status="synced")
    catalogue.add(ximilar_status=None)
    run_id = catalogue.open_run()
    catalogue.queue(catalogue.add().id, run_id)
    exit_code, found = ask("status")
    assert exit_code == 0
    assert {row["state"]: row["products"] for row in found["products"]} == {
        "none": 1,
        "pending": 2,
        "synced": 1,
    }
    assert [(row["id"], row["remaining"]) for row in found["runs"]] == [(run_id, 1)]
    assert found["jobs"] == [{"task": "sync_product", "status": "todo", "jobs": 1}]
    assert found["throttle"]["rate"] == 10
    assert {row["task"] for row in found["schedule"]} == {
        *("ximilar_sync", "ximilar_retry"),
        *("rescue_stalled", "prune", "reconcile", "queue_touched"),
    }
    assert found["warnings"] == ["no worker is alive"]
    exit_code, text = run("status")
    assert exit_code == 0
    assert "WARNING: no worker is alive" in text
    assert "\x1b" not in text


def test_status_of_a_paused_account(catalogue: Catalogue, ask: Ask) -> None:
    catalogue.owner.execute("SELECT pause_v1('token_refused', 401, 'revoked', 300)")
    _, found = ask("status")
    assert "the account is paused: token_refused (401 revoked)" in found["warnings"]
    assert 290 < found["throttle"]["paused_seconds"] <= 300


def test_status_while_an_operator_has_paused_the_account(catalogue: Catalogue, ask: Ask) -> None:
    catalogue.owner.execute("UPDATE throttle SET pause_cause = 'operator', paused_until = 'infinity'")
    exit_code, found = ask("status")
    assert (exit_code, found["throttle"]["cause"]) == (0, "operator")


def test_runs(catalogue: Catalogue, run: Run, ask: Ask) -> None:
    for _ in range(3):
        catalogue.open_run()
    _, found = ask("runs", "--limit", "2")
    assert [(row["id"], row["status"]) for row in found["runs"]] == [(3, "running"), (2, "running")]
    exit_code, text = run("runs")
    assert (exit_code, "running" in text) == (0, True)


def test_no_runs(run: Run) -> None:
    assert run("runs") == (0, "Runs: none\n")


def test_errors(catalogue: Catalogue, worker: Worker, upstream: Upstream, run: Run, ask: Ask) -> None:
    assert run("errors")[0] == 0
    upstream.always("*", code(415, "not an image"))
    for _ in range(4):
        worker.sync_product(catalogue.add().id)
    catalogue.add(ximilar_status="error", error_message="from before")
    exit_code, found = ask("errors", "--examples", "2")
    assert exit_code == 1
    first, second = found["causes"]
    assert (first["cause"], first["code"], first["products"], len(first["examples"])) == (
        "refused",
        415,
        4,
        2,
    )
    assert (second["cause"], second["products"]) == ("before_this_system", 1)
    exit_code, text = run("errors")
    assert exit_code == 1
    assert "SKU-1" in text
    assert "415 not an image" in text


def test_product(catalogue: Catalogue, worker: Worker, run: Run, ask: Ask) -> None:
    product = catalogue.add(2)
    worker.sync_product(product.id)
    catalogue.queue(product.id)
    exit_code, found = ask("product", product.sku)
    assert exit_code == 0
    (fact,) = found["products"]
    assert (fact["id"], fact["ximilar_status"]) == (product.id, "synced")
    assert sorted(photo["url"] for photo in fact["stored"]) == product.urls
    assert [attempt["outcome"] for attempt in fact["attempts"]] == ["synced"]
    assert [job["status"] for job in fact["jobs"]] == ["todo"]
    assert run("product", product.sku)[0] == 0
    assert ask("product", "no such") == (1, {"products": []})


def test_a_dry_run_says_how_much_there_is_to_do_and_does_nothing(
    catalogue: Catalogue, run: Run, ask: Ask
) -> None:
    for photos in (1, 2, 3):
        catalogue.add(photos)
    exit_code, found = ask("sync", "--dry-run")
    assert exit_code == 0
    assert (found["products"], found["photos"], found["requests"]) == (3, 6, 6)
    assert 0.6 <= found["seconds"] < 1
    assert "3 products, 6 photos" in run("sync", "--dry-run")[1]
    assert (catalogue.jobs(), catalogue.runs()) == ([], [])


@pytest.mark.parametrize("command", ["sync", "retry"])
def test_a_run_is_deferred(catalogue: Catalogue, ask: Ask, command: str) -> None:
    exit_code, found = ask(command)
    assert exit_code == 0
    job = catalogue.one("SELECT * FROM procrastinate_jobs")
    assert (job["id"], job["task_name"], job["priority"]) == (found["job_id"], f"ximilar_{command}", 100)


@pytest.mark.parametrize(("refused", "expected"), [(False, 0), (True, 1)])
def test_a_run_is_watched_to_its_end(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, run: Run, refused: bool, expected: int
) -> None:
    products = [catalogue.add() for _ in range(3)]
    if refused:
        upstream.always(products[0].urls[0], code(400))
    working = threading.Thread(target=worker.until, args=(catalogue_logged(worker),))
    working.start()
    exit_code, text = run("sync", "--wait")
    working.join()
    assert exit_code == expected
    assert f"{3 - refused} synced, {int(refused)} errors of 3" in text


def catalogue_logged(worker: Worker) -> Callable[[], object]:
    """Whether there is a row in scraper_logs; for another thread, which needs a connection of its own."""

    def logged() -> object:
        info = worker.catalogue.owner.info
        with psycopg.connect(info.dsn, password=info.password) as connection:
            return connection.execute("SELECT FROM scraper_logs").fetchone() is not None

    return logged


def test_resend(catalogue: Catalogue, worker: Worker, upstream: Upstream, run: Run, ask: Ask) -> None:
    products = [catalogue.add(2) for _ in range(2)]
    for product in products:
        worker.sync_product(product.id)
    assert ask("resend", products[0].sku) == (0, {"products": 1})
    worker.until(lambda: set(catalogue.statuses()) == {"succeeded"})
    assert len(upstream.requests) == 6
    assert ask("resend", "--all") == (0, {"products": 2})
    worker.until(lambda: set(catalogue.statuses()) == {"succeeded"})
    assert len(upstream.requests) == 10
    assert run("resend", "no such")[0] == 1


@pytest.mark.parametrize("arguments", [(), ("SKU", "--all")])
def test_resend_wants_to_know_what(run: Run, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run("resend", *arguments)
    assert stopped.value.code == 2


def test_adopt(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enqueue, "ADOPT_CHUNK", 3)
    products = [catalogue.add(2, ximilar_status="synced") for _ in range(10)]
    catalogue.add(2)
    odd: list[object] = [
        "https://photos.example.com/x.jpg#top",
        None,
        7,
        {},
        "https://photos.example.com/x.jpg#top",
    ]
    catalogue.add(odd, ximilar_status="synced")
    catalogue.add(None, ximilar_status="synced")
    exit_code, found = ask("adopt")
    assert (exit_code, found) == (0, {"products": 11, "photos": 21})
    assert ask("adopt")[1]["photos"] == 0
    assert worker.sync_product(products[0].id) == "synced"
    assert upstream.requests == []
    assert catalogue.one("SELECT * FROM photos WHERE url = %s", [products[0].urls[0]])["content_hash"] is None


def test_what_was_adopted_sends_nothing_however_its_address_is_written(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, ask: Ask
) -> None:
    product = catalogue.add(["https://photos.example.com/x.jpg#top"], ximilar_status="synced")
    ask("adopt")
    assert worker.sync_product(product.id) == "synced"
    assert upstream.requests == []


def test_config(run: Run, ask: Ask, monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    exit_code, found = ask("config")
    assert (exit_code, found["faults"]) == (78, ["XIMILAR_API_TOKEN is not set"])
    monkeypatch.setenv("XIMILAR_API_TOKEN", TOKEN)
    exit_code, text = run("config")
    assert exit_code == 0
    assert TOKEN not in text
    password = database.url.split(":")[2].split("@")[0]
    assert password not in text
    assert "***" in text


def test_health(catalogue: Catalogue, run: Run, ask: Ask) -> None:
    assert run("health") == (1, "unhealthy: 0 registered, none beating\n")
    here = this_process()
    insert = """
        INSERT INTO workers (id, host, pid, process, version, concurrency, listening, beat_at)
        VALUES (gen_random_uuid(), %s, 1, %s, '0', 8, false, now() - make_interval(secs => %s))
    """
    catalogue.owner.execute(insert, [here.host, here.identity, 60])
    assert ask("health") == (1, {"healthy": False, "workers": 0, "reason": "1 registered, none beating"})
    catalogue.owner.execute(insert, ["elsewhere", "boot/1/1@1", 1])
    assert ask("health")[0] == 1
    assert ask("health", "--any")[0] == 0
    # Another container of this host name, and a process of this one that has ended.
    catalogue.owner.execute(insert, [here.host, "boot/1/1@1", 60])
    catalogue.owner.execute(insert, [here.host, f"{here.identity}0", 60])
    catalogue.owner.execute("UPDATE workers SET beat_at = now() WHERE process = %s", [here.identity])
    assert ask("health") == (0, {"healthy": True, "workers": 1, "reason": None})


def test_two_workers_of_one_machine_do_not_share_a_verdict(catalogue: Catalogue, ask: Ask) -> None:
    here = this_process()
    for seconds in (1, 60):
        catalogue.owner.execute(
            """
            INSERT INTO workers (id, host, pid, process, version, concurrency, listening, beat_at)
            VALUES (gen_random_uuid(), %s, 1, %s, '0', 8, false, now() - make_interval(secs => %s))
            """,
            [here.host, here.identity, seconds],
        )
    assert ask("health") == (1, {"healthy": False, "workers": 0, "reason": "1 of 2 does not beat"})
    assert ask("health", "--any")[0] == 0


def test_migrate(run: Run, ask: Ask) -> None:
    assert run("migrate") == (0, "the schema is up to date\n")
    assert ask("migrate") == (0, {"applied": []})


@pytest.mark.parametrize("command", ["status", "runs", "errors", "sync", "health"])
def test_before_migrate_a_command_says_what_to_do(
    catalogue: Catalogue, run: Run, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    catalogue.owner.execute("DROP SCHEMA ximilar CASCADE")
    catalogue.owner.execute("CREATE SCHEMA ximilar AUTHORIZATION ximilar")
    exit_code = main([command])
    said = capsys.readouterr()
    assert exit_code in (1, 78)
    assert "migrate" in said.err + said.out
    assert "Traceback" not in said.err


@pytest.mark.parametrize("command", ["status", "runs", "health", "migrate"])
def test_without_a_database(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setitem(inspect.unwrap(open_database).__kwdefaults__, "patience", 0.5)
    monkeypatch.setattr(operate, "HEALTH_PATIENCE", 0.5)
    monkeypatch.setenv(
        "STAGING_DB_URL",
        "postgresql://ximilar:the-password@127.0.0.1:1/nothing",  # pragma: allowlist secret
    )
    exit_code = main([command])
    said = capsys.readouterr()
    assert exit_code == (1 if command == "health" else 69)
    assert "the-password" not in said.err + said.out
    assert "Traceback" not in said.err


@pytest.mark.parametrize("command", ["status", "migrate", "sync", "worker"])
def test_without_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main([command]) == 78
    assert "STAGING_DB_URL is not set" in capsys.readouterr().err


def test_a_worker_without_its_settings(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worker"]) == 78
    assert capsys.readouterr().err == "XIMILAR_API_TOKEN is not set\n"


@pytest.mark.parametrize("arguments", [[], ["unheard-of"], ["status", "--unheard-of"]])
def test_wrong_usage(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage" in capsys.readouterr().err
