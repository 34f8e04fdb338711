"""The sync as ops see it: real worker processes, the real command line, a real Postgres, an upstream that counts."""

from __future__ import annotations

import itertools
import signal
import sys

import pytest

from tests.fix_pgbouncer import PgBouncer
from tests.fix_system import BOTH_PROFILES, System, most_in_a_second, wait_until

# Of products with two photos each, which profile `fashion` sends in one request.
PHOTOS_IN_FLIGHT = {"recognition": 8, "fashion": 16}
WORKER = (sys.executable, "-m", "procrastinate", "--app=procrastinate_app.main.app", "worker")


# Requests for twenty products of two photos each.
@pytest.mark.parametrize(
    ("profile", "requests", "through"),
    [
        ("recognition", 40, "direct"),
        ("recognition", 40, "pooled"),
        ("recognition", 40, "pooled with a connection for LISTEN"),
        ("fashion", 20, "pooled with a connection for LISTEN"),
    ],
)
def test_two_workers_sync_the_catalogue(
    system: System, request: pytest.FixtureRequest, through: str, requests: int
) -> None:
    variables = {}
    if through != "direct":
        variables["STAGING_DB_URL"] = request.getfixturevalue("pooled")
    if through.endswith("LISTEN"):
        variables["STAGING_DB_LISTEN_URL"] = system.database.url
    system.add_products(20, photos=2)
    workers = [system.worker(**variables) for _ in range(2)]

    system.defer("ximilar_sync")

    (row,) = system.wait_for_logs(1)
    assert (row["scraper_name"], row["status"]) == ("ximilar_sync", "success")
    assert (row["records_fetched"], row["records_new"], row["records_errors"]) == (20, 20, 0)
    assert row["error_message"] is None
    assert row["duration_seconds"] > 0
    assert system.states() == {"synced": 20}
    assert system.emulator.photos() == system.listed_photos()
    state = system.emulator.state()
    assert (state["api_calls"], state["rate_limited"]) == (requests, 0)
    assert most_in_a_second(system.emulator.arrivals()) <= 10
    listening = through != "pooled"
    assert [worker.events("worker_started")[0]["listening"] for worker in workers] == [listening, listening]
    assert [worker.end() for worker in workers] == [0, 0]


@BOTH_PROFILES
def test_log_tells_the_run(system: System) -> None:
    system.add_products(2)
    system.query("UPDATE raw_products SET image_urls = '[]' WHERE external_id = 'SKU-0001' RETURNING 1")
    worker = system.worker()

    system.defer("ximilar_sync")
    system.wait_for_logs(1)
    worker.end()

    assert worker.events("run_started")
    assert worker.events("products_found")[0]["products"] == 2
    (synced,) = worker.events("product_synced")
    assert (synced["sku"], synced["photos"]) == ("SKU-0000", 2)
    (error,) = worker.events("product_error")
    assert (error["sku"], error["reason"]) == ("SKU-0001", "no photos")
    (completed,) = worker.events("run_completed")
    assert (completed["fetched"], completed["synced"], completed["errors"]) == (2, 1, 1)
    assert completed["seconds"] > 0


@BOTH_PROFILES
def test_killed_worker_loses_nothing_and_repeats_only_what_was_in_flight(
    system: System, profile: str
) -> None:
    system.add_products(30, photos=2)
    doomed = system.worker()
    system.defer("ximilar_sync")
    wait_until(lambda: len(system.emulator.photos()) >= 15, 30)

    doomed.end(signal.SIGKILL)
    system.worker()

    system.wait_for_states(90, synced=30)
    assert system.emulator.photos() == system.listed_photos()
    assert (
        system.emulator.state()["photos_sent_again"] <= 8 * 2
    )  # in flight, of two photos in profile `fashion`
    assert most_in_a_second(system.emulator.arrivals()) <= 10
    system.wait_for_logs(1)


@BOTH_PROFILES
def test_surviving_worker_takes_over_from_a_killed_one(system: System, profile: str) -> None:
    system.add_products(30, photos=2)
    doomed, _survivor = system.worker(), system.worker()
    system.defer("ximilar_sync")
    wait_until(lambda: len(system.emulator.photos()) >= 10, 30)

    doomed.end(signal.SIGKILL)

    system.wait_for_states(100, synced=30)
    assert system.emulator.photos() == system.listed_photos()
    assert system.emulator.state()["photos_sent_again"] <= PHOTOS_IN_FLIGHT[profile]


@BOTH_PROFILES
def test_asked_to_stop_it_finishes_what_it_holds(system: System) -> None:
    system.add_products(30, photos=3)
    first = system.worker()
    system.defer("ximilar_sync")
    wait_until(lambda: len(system.emulator.photos()) >= 8, 30)

    assert first.end(signal.SIGTERM) == 0

    assert system.query(
        "SELECT count(*) FROM ximilar.procrastinate_jobs WHERE status IN ('doing', 'aborted')"
    ) == [(0,)]
    system.worker()
    system.wait_for_states(60, synced=30)
    assert system.emulator.state()["photos_sent_again"] == 0
    assert system.emulator.photos() == system.listed_photos()


@BOTH_PROFILES
def test_outage_turns_nothing_red(system: System) -> None:
    system.add_products(12, photos=1)
    system.emulator.play({"kind": "status", "status": 503})
    system.worker()
    system.defer("ximilar_sync")
    wait_until(lambda: system.query("SELECT pause_cause FROM ximilar.throttle") == [("server_fault",)], 30)
    assert system.states() == {"pending": 12}
    calls = len(system.emulator.calls())

    system.emulator.heal()
    system.query("UPDATE ximilar.throttle SET paused_until = now() RETURNING 1")  # the pause is over

    system.wait_for_states(60, synced=12)
    assert calls < 12
    assert system.emulator.photos() == system.listed_photos()


@BOTH_PROFILES
def test_refused_token_pauses_everybody_and_marks_nothing(system: System) -> None:
    system.add_products(12, photos=1)
    system.emulator.settings(token="another")
    worker = system.worker()
    system.defer("ximilar_sync")
    wait_until(lambda: bool(worker.events("account_paused")), 30)

    assert system.query("SELECT pause_cause, pause_code FROM ximilar.throttle") == [("token_refused", 401)]
    assert system.states() == {"pending": 12}
    assert len(system.emulator.calls()) <= 8
    assert "token_refused" in system.run("procrastinate_app", "status").stdout


@BOTH_PROFILES
def test_429_is_obeyed(system: System) -> None:
    system.add_products(12, photos=1)
    system.emulator.play({"kind": "status", "status": 429, "headers": {"Retry-After": "3"}}, times=1)
    system.worker()
    system.defer("ximilar_sync")

    system.wait_for_states(60, synced=12)

    arrivals = system.emulator.arrivals()
    longest = max(later - earlier for earlier, later in itertools.pairwise(arrivals))
    assert longest >= 2.5
    assert len(arrivals) == 13


@BOTH_PROFILES
def test_poisonous_product_becomes_an_error_while_others_succeed(system: System) -> None:
    skus = system.add_products(40, photos=1)
    system.emulator.play({"kind": "status", "status": 500}, sku_id=skus[3])
    system.worker()
    system.defer("ximilar_sync")

    (row,) = system.wait_for_logs(1, seconds=90)

    assert (row["status"], row["records_new"], row["records_errors"]) == ("partial", 39, 1)
    ((message,),) = system.query("SELECT error_message FROM raw_products WHERE ximilar_status = 'error'")
    assert message.startswith("met 3 times while other products succeeded: 500")


@BOTH_PROFILES
def test_procrastinates_own_commands_work_as_documented(system: System) -> None:
    system.add_products(3, photos=1)
    worker = system.worker(*WORKER)
    system.defer("ximilar_sync")
    system.wait_for_states(30, synced=3)

    app = ("procrastinate", "--app=procrastinate_app.main.app")
    assert system.run(*app, "healthchecks").returncode == 0
    listed = system.run(*app, "shell", "list_jobs", "task=sync_product").stdout
    assert listed.count("sync_product") == 3
    assert worker.end() == 0


@BOTH_PROFILES
def test_product_deferred_by_hand_gets_its_lock(system: System) -> None:
    system.add_products(1, photos=1)
    system.worker()

    system.defer("sync_product", '{"product_id": 1}')

    system.wait_for_states(30, synced=1)
    locks = system.query(
        "SELECT lock FROM ximilar.procrastinate_jobs WHERE task_name = 'sync_product' ORDER BY id"
    )
    assert locks == [(None,), ("product:1",)]
    assert system.query("SELECT count(*) FROM scraper_logs") == [(0,)]


@pytest.mark.timing
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("delay", [0.2, 0.5])
def test_limit_is_used_and_never_broken(system: System, workers: int, delay: float) -> None:
    """At least 85 % of the limit while there is work, never more than it in any one second."""
    system.emulator.settings(delay=delay)
    system.add_products(60, photos=2)
    for _ in range(workers):
        system.worker()
    system.defer("ximilar_sync")
    system.wait_for_states(60, synced=60)

    arrivals = system.emulator.arrivals()
    rate = (len(arrivals) - 1) / (arrivals[-1] - arrivals[0])
    print(f"{workers} worker(s), {delay} s: {rate:.2f}/s, at most {most_in_a_second(arrivals)} in a second")
    assert most_in_a_second(arrivals) <= 10
    assert system.emulator.state()["rate_limited"] == 0
    assert rate >= 8.5


@pytest.mark.timing
def test_photos_of_a_product_in_one_request_are_faster_at_the_same_limit(system: System) -> None:
    """With three photos a product, profile `fashion` moves at least 2.5 times as many a second."""
    rates = {}
    for profile, products in (("recognition", 20), ("fashion", 60)):
        system.add_products(products, prefix=profile, photos=3)
        calls = len(system.emulator.calls())
        worker = system.worker(XIMILAR_API_PROFILE=profile)
        system.defer("ximilar_sync")
        wait_until(lambda: system.states().keys() == {"synced"}, 60, system.tails)
        assert worker.end() == 0
        arrivals = system.emulator.arrivals()[calls:]
        assert most_in_a_second(arrivals) <= 10
        photos_a_request = products * 3 / len(arrivals)
        rates[profile] = (len(arrivals) - 1) * photos_a_request / (arrivals[-1] - arrivals[0])
    print({profile: round(rate, 1) for profile, rate in rates.items()})
    assert system.emulator.photos() == system.listed_photos()
    assert rates["fashion"] >= 2.5 * rates["recognition"]


@BOTH_PROFILES
def test_pgbouncer_may_die(system: System, pgbouncer: PgBouncer, pooled: str) -> None:
    system.add_products(30, photos=2)
    worker = system.worker(STAGING_DB_URL=pooled)
    system.defer("ximilar_sync")
    wait_until(lambda: len(system.emulator.photos()) >= 10, 30)

    pgbouncer.stop(signal.SIGKILL)
    pgbouncer.start()

    system.wait_for_states(90, synced=30)
    assert system.emulator.photos() == system.listed_photos()
    assert worker.process.poll() is None


def test_worker_without_its_variables_exits_78(system: System) -> None:
    done = system.run("procrastinate_app", "worker", XIMILAR_API_TOKEN="xxx", XIMILAR_COLLECTION_ID="")

    assert done.returncode == 78
    assert "XIMILAR_API_TOKEN" in done.stderr
    assert "XIMILAR_COLLECTION_ID" in done.stderr
    assert system.run("procrastinate_app", "status", XIMILAR_API_TOKEN="").returncode == 0
