"""Whatever happens, the collection ends as the catalogue: a state machine over the real SQL.

Scrapers edit, the process dies at any call or statement, answers are lost, jobs run twice, somebody compares. At the
end everything is healed and left to the schedule: what is stored must be what the catalogue says, photo by photo
with its metadata.

What of the system's promises is held to here, and where the others are:

    one claim a product, late ends do not count     duplicates here; test_rescue, test_job_manager
    the ledger knows only what was acknowledged     invariant here
    no limbo: each row is in one of the states      invariant here, and none is left on its way at the end
    it converges: nothing lost, orphaned or stale   the end here
    without faults each photo is sent once          the end here (a further pass sends nothing); test_changes
    nothing is stored twice, or under another SKU   the end here: one record for each (SKU, address)
    no older content over newer                     prices change while a job is cut off; the end here
    a product of several photos never without one   test_changes, by a look after each call
    an outage puts nothing into `error`             invariant here
    the rate, and no call during a pause            test_throttle, tests/acceptance
    poison stops nobody else                        POISON here; test_poison
    doing it again changes nothing                  the end here: pass and ticks are repeated
    removals are looked at twice, and capped        invariant here; test_removals

In `recognition`, which cannot list its collection, one thing is out of reach: a photo whose answer was lost, and whose
row dropped it before the job came back. The machine leaves the photos of a cut-off job listed.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from psycopg.types.json import Jsonb

from procrastinate_app.database import Database, Session
from procrastinate_app.plan import UNSURE
from tests.fix_postgres import Database as Staging
from tests.fix_system import BOTH_PROFILES
from tests.integration.reconcile.harness import Crash, Harness, urls

SKUS = ("A", "B", "C")
POISON: tuple[Any, ...] = (
    [],
    None,
    "text",
    {"0": "https://photos.example.com/A/1.jpg"},
    [1, None],
    ["http://localhost/1.jpg"],
)
HAPPENS = ("ok", "ok", "503", "lost", "drop", "crash_before", "crash_after")

skus = st.sampled_from(SKUS)
photo_sets = st.lists(st.integers(1, 4), min_size=1, max_size=4)
prices = st.sampled_from(["1.00", "2.00", "3.00", None, "NaN"])
edits = st.one_of(
    st.fixed_dictionaries({"price": prices}),
    st.fixed_dictionaries({"image_urls": st.sampled_from(POISON).map(Jsonb)}),
    st.fixed_dictionaries({"image_status": st.sampled_from(["uploaded", "collage_ready", "pending", None])}),
    st.just({"ximilar_status": "pending"}),
)


class CrashingDatabase(Database):
    """Dies before or after its n-th statement or transaction."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.pool)
        self.countdown = -1
        self.before = True

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        async with super().session() as session, self._step():
            yield session

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        dies_after = self.countdown == 0 and not self.before
        async with super().transaction() as session, self._step(inside=True):
            yield session
        if dies_after:
            raise Crash

    @contextlib.asynccontextmanager
    async def _step(self, *, inside: bool = False) -> AsyncIterator[None]:
        now = self.countdown == 0
        self.countdown -= 1
        if now and self.before:
            raise Crash
        yield
        if now and not inside:
            raise Crash


class Catalogue(RuleBasedStateMachine):
    """The catalogue, edited; the worker, cut off; the collection, watched."""

    harness: Harness

    @initialize()
    def begin(self) -> None:
        self.harness.reset()
        self.database = CrashingDatabase(self.harness.database)
        self.database.countdown = -1
        self.harness.database = self.database
        self.harness.add("A", urls("A", 1))
        self.harness.add("B", urls("B", 1, 2))
        self.harness.sync()

    def teardown(self) -> None:
        try:
            if hasattr(self, "database"):
                self._converge()
        finally:
            if hasattr(self, "database"):
                self.harness.database = Database(self.database.pool)

    @rule(sku=skus, columns=edits)
    def scraper_writes(self, sku: str, columns: dict[str, Any]) -> None:
        product = self._id(sku)
        if product is None:
            self.harness.add(sku, urls(sku, 1, 2), **columns)
        else:
            self.harness.edit(product, **columns)

    @rule(sku=skus, photos=photo_sets)
    def scraper_changes_photos(self, sku: str, photos: list[int]) -> None:
        self.scraper_writes(sku=sku, columns={"image_urls": Jsonb(urls(sku, *photos))})

    @rule(sku=skus)
    def scraper_deletes(self, sku: str) -> None:
        self.harness.owner.execute("DELETE FROM raw_products WHERE external_id = %s", [sku])

    @rule()
    def scraper_rewrites_everything(self) -> None:
        self.harness.owner.execute("UPDATE raw_products SET name = name, price = price, updated_at = now()")

    @rule(new_ids=st.booleans(), states=st.booleans(), price=st.none() | prices)
    def scraper_loads_anew(self, new_ids: bool, states: bool, price: str | None) -> None:
        """With all columns, or as rows that are new but for what they are `states` of; `price`: another one for all."""
        columns = "external_id, brand, name, category, price, image_urls, image_status"
        if states or not new_ids:
            columns += ", ximilar_status, ximilar_synced_at, error_message, updated_at"
        if not new_ids:
            columns += ", id"
        owner = self.harness.owner
        with owner.transaction():
            owner.execute("CREATE TEMP TABLE dump ON COMMIT DROP AS SELECT * FROM raw_products ORDER BY id")
            if price is not None:
                owner.execute("UPDATE dump SET price = %s", [price])
            owner.execute("TRUNCATE raw_products")
            owner.execute(f"INSERT INTO raw_products ({columns}) SELECT {columns} FROM dump".encode())  # noqa: S608

    @rule(url=st.sampled_from([url for sku in SKUS for url in urls(sku, 1, 2)]), refused=st.booleans())
    def photo_becomes_unreadable_or_readable(self, url: str, refused: bool) -> None:
        (self.harness.ximilar.refused.add if refused else self.harness.ximilar.refused.discard)(url)

    @rule(sku=skus)
    def operator_has_photos_sent_anew(self, sku: str) -> None:
        self.harness.resend(sku)

    @rule(kind=st.sampled_from(["sync", "retry"]))
    def tick(self, kind: Any) -> None:
        self.harness.begin(kind)

    @rule(
        happens=st.lists(st.sampled_from(HAPPENS), max_size=4),
        duplicate=st.booleans(),
        edited=st.none() | prices,
    )
    def worker_does_a_job(self, happens: list[str], duplicate: bool, edited: str | None) -> None:
        """Also a job that is cut off, and by the time it comes back the row is another one."""
        self.harness.ximilar.script = happens
        job = self.harness.next_job()
        if job is None:
            self.harness.begin("sync")
            return
        if self.harness.do(job) not in ("Crash", "PutBack") and duplicate:
            # Its end was lost and a rescue brings it back.
            self.harness.owner.execute(
                "UPDATE procrastinate_jobs SET status = 'todo', attempts = attempts + 1 WHERE id = %s", [job]
            )
            self.harness.do(job)
        if edited is not None:
            self.harness.owner.execute(
                "UPDATE raw_products p SET price = %s FROM procrastinate_jobs j"
                " WHERE j.id = %s AND j.lock = 'product:' || p.id",
                [edited, job],
            )
        self.harness.ximilar.script = []
        self.harness.calm()

    @rule(statement=st.integers(0, 12), before=st.booleans())
    def worker_dies_at_a_statement(self, statement: int, before: bool) -> None:
        job = self.harness.next_job()
        if job is None:
            return
        self.database.countdown, self.database.before = statement, before
        try:
            self.harness.do(job)
        finally:
            self.database.countdown = -1
        self.harness.calm()

    @rule()
    def worker_works(self) -> None:
        self.harness.begin("sync")
        self.harness.work()

    @rule(works=st.booleans(), later=st.booleans())
    def somebody_compares(self, works: bool, later: bool) -> None:
        self.harness.reconcile()
        if later:
            self.harness.time_passes()
            self.harness.reconcile()
        if works:
            self.harness.work()

    @rule()
    def time_passes(self) -> None:
        self.harness.time_passes()

    @invariant()
    def the_ledger_knows_only_what_was_stored(self) -> None:
        """A photo that the ledger has and the collection has not would never be sent again."""
        if not hasattr(self, "database"):
            return
        if self.harness.keyed:
            self._demand_every_id_is_known()
            return
        stored = set(self.harness.ximilar.photos())
        attempted = {(sku, url) for name, sku, url in self.harness.ximilar.calls if name == "remove"}
        known = "SELECT sku, url FROM photos WHERE content_hash IS DISTINCT FROM %s"
        for sku, url in self.harness.rows(known, [UNSURE]):
            # A removal whose answer was lost is written down by the next attempt, which is queued.
            assert (sku, url) in stored or (sku, url) in attempted

    @invariant()
    def every_row_is_in_one_of_the_owners_states(self) -> None:
        states = {state for (state,) in self.harness.rows("SELECT DISTINCT ximilar_status FROM raw_products")}
        assert states <= {"pending", "synced", "error"}

    @invariant()
    def only_a_verdict_makes_an_error(self) -> None:
        """A refusal, or nothing to send: what Ximilar's outages do to a product is no verdict on it."""
        for (reason,) in self.harness.rows(
            "SELECT error_message FROM raw_products WHERE ximilar_status = 'error'"
        ):
            assert reason.startswith(("no photos", "photo ", "https://", "met 3 times")), reason

    @invariant()
    def what_leaves_was_looked_at_twice(self) -> None:
        early = "SELECT count(*) FROM removals WHERE approved_at < found_at + interval '10 min'"
        assert self.harness.value(early) == 0

    def _demand_every_id_is_known(self) -> None:
        """What the ledger has is stored, and what is stored is in the ledger or a stray: at any moment."""
        stored = {photo.id for photo in self.harness.ximilar.collection.photos()}
        ledger = {remote_id for (remote_id,) in self.harness.rows("SELECT remote_id FROM photos")}
        strays = {remote_id for (remote_id,) in self.harness.rows("SELECT remote_id FROM strays")}
        assert ledger <= stored <= ledger | strays
        assert not ledger & strays

    def _converge(self) -> None:
        """Heal everything and leave it to the schedule: then nothing is left to be done, and all is as it says."""
        harness = self.harness
        harness.ximilar.refused.clear()
        harness.ximilar.script.clear()
        harness.calm()
        for _ in range(3):
            for _ in range(40):
                harness.time_passes(30)
                if not harness.value(
                    "SELECT count(*) FROM raw_products WHERE updated_at > now() - interval '6 hours'"
                ):
                    break
            harness.begin("sync")
            harness.begin("retry")
            harness.work()
            harness.reconcile()
            harness.work()
        assert harness.ximilar.photos() == harness.wanted()
        assert not harness.rows("SELECT FROM strays")
        assert harness.next_job() is None
        calls = len(harness.ximilar.calls)
        harness.begin("sync")
        harness.begin("sync")
        ended = harness.reconcile()
        harness.work()
        assert (ended["changed"], ended["absent"], len(harness.ximilar.calls)) == (0, 0, calls)

    def _id(self, sku: str) -> int | None:
        found: int | None = self.harness.value("SELECT id FROM raw_products WHERE external_id = %s", [sku])
        return found


@pytest.fixture
def machine_harness(database: Staging, owner: psycopg.Connection, profile: str) -> Iterator[Harness]:
    owner.execute("SET synchronous_commit = off")
    harness = Harness(database.url, owner, LOG_LEVEL="error", XIMILAR_API_PROFILE=profile)
    yield harness
    harness.close()


@BOTH_PROFILES
@pytest.mark.timeout(300)
def test_the_collection_ends_as_the_catalogue(machine_harness: Harness) -> None:
    Machine = type("Machine", (Catalogue,), {"harness": machine_harness})  # noqa: N806  a class
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        ),
    )
