"""Profile `recognition`: two rows of one SKU list the same photo, of which there is one record, and their jobs are at
work at one time. Whatever the order of their steps, what the ledger believes in the end is so."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg.types.json import Jsonb

from procrastinate_app.ledger import SharedLedger
from procrastinate_app.plan import UNSURE
from procrastinate_app.services import make_profile
from procrastinate_app.ximilar.answers import Record
from tests.fix_system import wait_until
from tests.integration.reconcile.harness import Harness, urls
from tests.integration.reconcile.interleaving import do_together
from tests.integration.reconcile.test_heirs import after_first_call
from tests.integration.reconcile.test_removals import two_passes

SEEDS = range(15)
WAITING = (
    "SELECT count(*) FROM pg_locks WHERE NOT granted"
    " AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
)

Twins = tuple[int, int]


def both_change(harness: Harness) -> Twins:
    twins = stored_twins(harness)
    harness.edit(twins[0], price="3.00")
    harness.edit(twins[1], price="4.00")
    harness.reconcile()
    return twins


def one_changes_and_one_drops_the_photo(harness: Harness) -> Twins:
    twins = stored_twins(harness)
    harness.edit(twins[0], price="3.00")
    harness.edit(twins[1], image_urls=Jsonb(urls("A", 2)))
    harness.reconcile()
    return twins


def one_changes_and_one_is_new(harness: Harness) -> Twins:
    old = harness.add("A", urls("A", 1), price="1.00")
    harness.sync()
    harness.edit(old, price="3.00")
    harness.reconcile()
    new = harness.add("A", urls("A", 1), price="4.00")
    harness.begin("sync")
    return old, new


def one_changes_and_one_is_another_product_now(harness: Harness) -> Twins:
    twins = stored_twins(harness)
    harness.edit(twins[0], price="3.00")
    harness.edit(twins[1], external_id="B")
    harness.reconcile()
    return twins


def one_is_new_and_one_drops_the_photo(harness: Harness) -> Twins:
    old = harness.add("A", urls("A", 1), price="1.00")
    harness.sync()
    harness.edit(old, image_urls=Jsonb(urls("A", 2)))
    harness.reconcile()
    new = harness.add("A", urls("A", 1), price="4.00")
    harness.begin("sync")
    return new, old


def one_is_new_and_one_is_leaving(harness: Harness) -> Twins:
    old = harness.add("A", urls("A", 1), price="1.00")
    harness.sync()
    harness.owner.execute("DELETE FROM raw_products")
    harness.reconcile()
    harness.time_passes()
    harness.reconcile()
    new = harness.add("A", urls("A", 1), price="4.00")
    harness.begin("sync")
    return new, old


def stored_twins(harness: Harness) -> Twins:
    """Two rows that are synced and alike."""
    twins = harness.add("A", urls("A", 1), price="1.00"), harness.add("A", urls("A", 1), price="1.00")
    harness.sync()
    return twins


@pytest.fixture
def profile() -> str:
    """The one whose records have no ids of ours."""
    return "recognition"


@pytest.mark.parametrize(
    "begin",
    [
        both_change,
        one_changes_and_one_drops_the_photo,
        one_changes_and_one_is_new,
        one_changes_and_one_is_another_product_now,
        one_is_new_and_one_drops_the_photo,
        one_is_new_and_one_is_leaving,
    ],
)
@pytest.mark.timeout(300)
def test_two_jobs_of_one_photo_leave_nothing_lost_and_nothing_stale(
    harness: Harness, other: Harness, begin: Callable[[Harness], Twins]
) -> None:
    """When one of the two is gone, the photo says what the other one does: also if that one's job was done long ago."""
    for seed in SEEDS:
        harness.reset()
        twins = begin(harness)
        other.ximilar = harness.ximilar
        harness.ximilar.script = what_happens(seed)
        do_together((harness, other), (job_of(harness, twins[0]), job_of(harness, twins[1])), seed)
        harness.ximilar.script = []
        settle(harness)
        assert set(harness.ximilar.photos()) == set(harness.wanted()), seed
        assert harness.rows("SELECT FROM photos WHERE content_hash = %s", [UNSURE]) == []

        harness.owner.execute("DELETE FROM raw_products WHERE id = %s", [twins[seed % 2]])
        two_passes(harness)
        settle(harness)

        assert harness.ximilar.photos() == harness.wanted(), seed


def test_a_photo_that_left_before_its_answer_came_is_not_taken_for_stored(
    harness: Harness, other: Harness
) -> None:
    """The other row has taken it out since, and could not store its own."""
    first, second = both_change(harness)

    def meanwhile() -> None:
        harness.ximilar.script = ["ok", "ok", "400"]
        other.do(job_of(harness, second))

    after_first_call(harness, lambda: after_first_call(harness, meanwhile))
    harness.do(job_of(harness, first))
    assert (harness.state(second), harness.ximilar.photos()) == ("error", {})

    harness.owner.execute("DELETE FROM raw_products WHERE id = %s", [second])
    two_passes(harness)
    settle(harness)

    assert harness.ximilar.photos() == harness.wanted()


def settle(harness: Harness) -> None:
    """Leave it to the schedule, until a comparison finds nothing to be done."""
    for _ in range(6):
        harness.time_passes()
        harness.sync()
        ended = harness.reconcile()
        harness.work()
        if (ended["changed"], ended["absent"]) == (0, 0):
            return
    pytest.fail("repairs without end")


def what_happens(seed: int) -> list[str]:
    """To the calls of the two: nothing unusual, or one answer is lost."""
    return [] if seed % 3 else ["ok"] * (seed // 3 % 4) + ["drop"]


def job_of(harness: Harness, product: int) -> int:
    found: int = harness.value(
        "SELECT id FROM procrastinate_jobs WHERE lock = 'product:' || %s::bigint AND status = 'todo'",
        [product],
    )
    return found


def test_what_is_shared_is_not_what_was_let_go_meanwhile(harness: Harness) -> None:
    """While one row lets go of the photo the other one finds it stored already: it must not wait to be told of it."""
    old, new = stored_twins(harness)
    harness.owner.execute("UPDATE photos SET content_hash = %s WHERE product_id = %s", [UNSURE, new])
    ledger = SharedLedger(harness.database, make_profile(harness.settings))
    record = Record(urls("A", 1)[0], {"sku_id": "A"})

    async def share() -> bool:
        return await ledger.share(new, record, uuid.uuid4())

    with ThreadPoolExecutor() as pool:
        with harness.owner.transaction():
            harness.owner.execute("SELECT pg_advisory_xact_lock(hashtext('ximilar.sharing'))")
            harness.owner.execute("DELETE FROM photos WHERE product_id = %s", [old])
            harness.owner.execute("UPDATE photos SET request_id = 'r' WHERE product_id = %s", [new])
            shared = pool.submit(harness.run, share())
            wait_until(lambda: harness.value(WAITING), 20)
        assert shared.result() is False
    assert harness.rows("SELECT product_id, content_hash FROM photos") == [(new, UNSURE)]


@pytest.mark.parametrize("gone", [False, True])
def test_what_two_rows_know_differently_neither_knows(harness: Harness, gone: bool) -> None:
    """As after a removal whose answer was lost, and which took effect after the other row had stored it again."""
    first, second = stored_twins(harness)
    harness.owner.execute("UPDATE photos SET content_hash = md5(product_id::text)::uuid")
    ledger = SharedLedger(harness.database, make_profile(harness.settings))

    harness.run(ledger.hand_over(first) if gone else ledger.forget_shared(first, urls("A", 1)[0]))

    assert harness.rows("SELECT product_id, content_hash FROM photos") == [(second, UNSURE)]


def test_a_photo_that_is_taken_out_stays_known_to_the_other_row_as_doubtful(harness: Harness) -> None:
    """Its job may have found the photo stored, and call the row `synced` later: without a ledger it is left alone."""
    first, second = stored_twins(harness)
    harness.edit(second, ximilar_status="pending")
    ledger = SharedLedger(harness.database, make_profile(harness.settings))

    harness.run(ledger.forget(first, Record(urls("A", 1)[0], {"sku_id": "A"})))

    assert harness.state(first) == "pending"
    assert harness.rows("SELECT product_id, content_hash FROM photos") == [(second, UNSURE)]
