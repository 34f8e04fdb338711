"""The account's throttle: spacing, pauses, and the one probe that ends them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from procrastinate_app.database import Database as Sessions
from procrastinate_app.database import Row, Session, open_database
from procrastinate_app.queries import sql
from procrastinate_app.throttle import ROUND_TRIPS, NoSlot, Slot, Throttle
from procrastinate_app.ximilar.errors import RateLimited, ServerFault, TokenRefused
from tests.fix_catalogue import Catalogue
from tests.fix_worker import connect

Take = Callable[..., tuple[float | None, bool, str | None]]


@pytest.fixture
def take(staging_url: str) -> Any:
    """Ask for a slot as a worker does: (seconds to wait, probe, why there is none)."""
    with connect(staging_url) as connection:

        def slot(*, gap: float = 0.1, headroom: float = 0.0, max_wait: float = 100.0) -> Any:
            parameters = {"gap": gap, "headroom": headroom, "max_wait": max_wait}
            row = connection.execute(sql("take_slot").encode(), parameters).fetchone()
            assert row is not None
            return row[:3]

        yield slot


@pytest.fixture
def tell(staging_url: str) -> Any:
    """Run one of the throttle's named statements; its first value."""
    with connect(staging_url) as connection:

        def run(name: str, **parameters: Any) -> Any:
            cursor = connection.execute(sql(name).encode(), parameters)
            return (cursor.fetchone() or [None])[0]

        yield run


def pause(tell: Any, seconds: float | None, cause: str = "rate_limited", *, probe: bool = False) -> None:
    tell("pause", probe=probe, cause=cause, code=429, text="slow down", seconds=seconds)


def fault(tell: Any, *, probe: bool = False) -> bool:
    return bool(tell("note_fault", probe=probe, cause="server_fault", code=500, text="oops"))


def test_slots_are_a_gap_apart(take: Take) -> None:
    waits = [take(gap=10.0)[0] for _ in range(4)]
    assert waits == pytest.approx([0, 10, 20, 30], abs=0.5)


def test_an_unused_slot_is_not_saved_up(take: Take, catalogue: Catalogue) -> None:
    catalogue.owner.execute("UPDATE throttle SET next_at = now() - interval '1 hour'")
    assert [take(gap=10.0)[0] for _ in range(2)] == pytest.approx([0, 10], abs=0.5)


def test_an_operators_rate_counts_in_place_of_the_configured_one(take: Take, catalogue: Catalogue) -> None:
    catalogue.owner.execute("UPDATE throttle SET rate = 0.1")
    assert [take(gap=0.001, headroom=0.5)[0] for _ in range(3)] == pytest.approx([0, 15, 30], abs=0.5)


def test_a_slot_that_is_too_far_away_is_not_taken(take: Take) -> None:
    take(gap=60.0)
    assert take(gap=60.0, max_wait=20.0) == (None, False, "busy")
    assert take(gap=60.0, max_wait=100.0)[0] == pytest.approx(60, abs=0.5)


def test_no_two_callers_get_one_slot(staging_url: str, catalogue: Catalogue) -> None:
    slots: list[float] = []

    def caller() -> None:
        with connect(staging_url) as connection:
            for _ in range(25):
                row = connection.execute("SELECT wait FROM take_slot_v1(1000, 0, 1000000)").fetchone()
                assert row is not None
                slots.append(row[0])

    callers = [threading.Thread(target=caller) for _ in range(4)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    assert [round(slot / 1000) for slot in sorted(slots)] == list(range(100))


def test_nobody_gets_a_slot_during_a_pause(take: Take, tell: Any) -> None:
    pause(tell, 60.0)
    assert take() == (None, False, "rate_limited")


def test_a_pause_is_never_shortened(tell: Any, catalogue: Catalogue) -> None:
    pause(tell, 200.0, "token_refused")
    pause(tell, 1.0)
    assert catalogue.throttle()["paused"] > 190
    assert catalogue.throttle()["pause_cause"] == "token_refused"


def test_of_calls_in_flight_together_the_latest_end_counts(tell: Any, catalogue: Catalogue) -> None:
    for _ in range(5):
        fault(tell)
    pause(tell, 20.0)
    assert catalogue.throttle()["paused"] == pytest.approx(30, abs=1)
    pause(tell, 40.0)
    assert catalogue.throttle()["paused"] == pytest.approx(40, abs=1)
    pause(tell, 300.0, "token_refused")
    throttle = catalogue.throttle()
    assert (throttle["pause_cause"], throttle["pauses"]) == ("token_refused", 1)
    assert throttle["paused"] == pytest.approx(300, abs=1)


def test_faults_of_calls_in_flight_together_are_one_pause(staging_url: str, catalogue: Catalogue) -> None:
    async def work(throttle: Throttle, _database: Sessions) -> None:
        slot = Slot(probe=False, due=0.0)
        paused = await asyncio.gather(*(throttle.failed(slot, ServerFault(code=500)) for _ in range(16)))
        assert sorted(paused) == [False] * 4 + [True] * 12

    with_throttle(staging_url, work)
    throttle = catalogue.throttle()
    assert throttle["paused"] == pytest.approx(30, abs=1)
    assert (throttle["pauses"], throttle["faults"]) == (1, 0)


@pytest.mark.parametrize("release", ["this", "before"])
def test_refusals_of_calls_in_flight_together_are_one_pause(
    tell: Any, catalogue: Catalogue, release: str
) -> None:
    for _ in range(20):
        if release == "this":
            pause(tell, None)
        else:
            catalogue.owner.execute("SELECT pause_v1('rate_limited', 429, NULL, NULL)")
    assert 2 < catalogue.throttle()["paused"] <= 4
    assert catalogue.throttle()["pauses"] == 1


@pytest.mark.parametrize("probing", [False, True])
def test_a_call_that_left_before_a_pause_has_no_pause_of_its_own_after_it(
    take: Take, tell: Any, catalogue: Catalogue, probing: bool
) -> None:
    pause(tell, 2.0)
    catalogue.end_pause()
    if probing:
        assert take()[1]
    assert [fault(tell) for _ in range(6)] == [True] * 6
    assert not catalogue.throttle()["is_paused"]
    pause(tell, None)
    assert 2 < catalogue.throttle()["paused"] <= 4
    assert catalogue.throttle()["pauses"] == 1


def test_a_second_prober_has_no_pause_of_its_own(take: Take, tell: Any, catalogue: Catalogue) -> None:
    """The first was believed dead, and both met the fault."""
    pause(tell, 60.0)
    catalogue.end_pause()
    take()
    assert fault(tell, probe=True)
    assert fault(tell, probe=True)
    assert catalogue.throttle()["pauses"] == 2
    assert catalogue.throttle()["paused"] == pytest.approx(60, abs=1)


def test_a_pause_without_retry_after_has_jitter_and_grows_to_a_minute(
    tell: Any, catalogue: Catalogue
) -> None:
    lengths = []
    for _ in range(30):
        pause(tell, None, probe=True)
        lengths.append(catalogue.throttle()["paused"])
        catalogue.end_pause()
    assert min(lengths) >= 1.9
    assert max(lengths) <= 60
    assert max(lengths[8:]) > 30
    assert len({round(length, 1) for length in lengths}) > 5


def test_a_pause_for_faults_doubles_to_five_minutes(tell: Any, catalogue: Catalogue) -> None:
    lengths = []
    for _ in range(6):
        fault(tell, probe=True)
        lengths.append(catalogue.throttle()["paused"])
        catalogue.end_pause()
    assert lengths == pytest.approx([30, 60, 120, 240, 300, 300], abs=1)


def test_after_a_pause_exactly_one_caller_probes(take: Take, tell: Any, catalogue: Catalogue) -> None:
    pause(tell, 60.0)
    catalogue.end_pause()
    answers = [take() for _ in range(3)]
    assert answers[0][0] == pytest.approx(0, abs=0.5)
    assert answers[0][1:] == (True, "rate_limited")
    assert answers[1:] == [(None, False, "rate_limited")] * 2


def test_a_dead_prober_is_replaced_when_its_call_cannot_be_running_any_more(
    take: Take, tell: Any, catalogue: Catalogue
) -> None:
    pause(tell, 60.0)
    catalogue.end_pause()
    assert take()[1]
    assert 30 < catalogue.throttle()["probing"] <= 45
    catalogue.owner.execute("UPDATE throttle SET probing_until = clock_timestamp()")
    assert take()[1]


def test_success_of_the_probe_ends_the_pause(take: Take, tell: Any, catalogue: Catalogue) -> None:
    pause(tell, 60.0)
    catalogue.end_pause()
    take()
    tell("note_success", probe=True)
    assert catalogue.throttle()["pause_cause"] is None
    assert catalogue.throttle()["pauses"] == 0
    assert take()[1] is False


def test_success_of_another_call_does_not(take: Take, tell: Any, catalogue: Catalogue) -> None:
    pause(tell, 60.0)
    tell("note_success", probe=False)
    assert catalogue.throttle()["is_paused"]
    catalogue.end_pause()
    tell("note_success", probe=False)
    assert take()[1] is True


def test_a_probe_does_not_end_a_pause_that_began_after_it_left(
    take: Take, tell: Any, catalogue: Catalogue
) -> None:
    pause(tell, 60.0)
    catalogue.end_pause()
    take()
    pause(tell, 60.0, "token_refused")
    tell("note_success", probe=True)
    assert catalogue.throttle()["pause_cause"] == "token_refused"
    assert take()[0] is None


def test_the_fifth_fault_in_a_row_pauses(tell: Any, catalogue: Catalogue) -> None:
    assert [fault(tell) for _ in range(5)] == [False] * 4 + [True]
    assert catalogue.throttle()["pause_cause"] == "server_fault"


def test_a_success_between_begins_the_count_anew(tell: Any, catalogue: Catalogue) -> None:
    for _ in range(4):
        fault(tell)
    tell("note_success", probe=False)
    assert [fault(tell) for _ in range(5)] == [False] * 4 + [True]


def test_a_fault_of_the_probe_pauses_at_once(tell: Any, catalogue: Catalogue) -> None:
    assert fault(tell, probe=True)
    assert catalogue.throttle()["is_paused"]


def test_an_operators_pause_stays(take: Take, tell: Any, catalogue: Catalogue) -> None:
    catalogue.owner.execute("UPDATE throttle SET pause_cause = 'operator', paused_until = 'infinity'")
    tell("note_success", probe=True)
    pause(tell, 1.0)
    for _ in range(6):
        fault(tell)
    fault(tell, probe=True)
    assert take()[0] is None
    paused = "SELECT paused_until = 'infinity' AND pause_cause = 'operator' FROM throttle"
    assert catalogue.value(paused)


def test_while_all_is_well_success_is_written_once_a_second(tell: Any, catalogue: Catalogue) -> None:
    written = "SELECT xmin::text FROM throttle"
    tell("note_success", probe=False)
    before = catalogue.value(written)
    for _ in range(5):
        tell("note_success", probe=False)
    assert catalogue.value(written) == before


def with_throttle(url: str, work: Callable[[Throttle, Sessions], Any], rate: float = 1000) -> Any:
    async def run() -> Any:
        async with open_database(url, max_size=4) as database:
            return await work(Throttle(database, rate), database)

    return asyncio.run(run())


@pytest.mark.parametrize("over", [False, True])
def test_a_caller_that_waited_is_told_of_a_pause_meanwhile(
    staging_url: str, catalogue: Catalogue, tell: Any, over: bool
) -> None:
    """Also of one whose time is over: whether Ximilar answers again the probe has to find out."""

    async def work(throttle: Throttle, _database: Sessions) -> None:
        await throttle.slot(10.0)
        waiting = asyncio.create_task(throttle.slot(10.0))
        await asyncio.sleep(0)
        while catalogue.throttle()["next_in"] < 0.5:
            await asyncio.sleep(0.005)
        pause(tell, 60.0)
        if over:
            catalogue.end_pause()
        with pytest.raises(NoSlot, match="rate_limited"):
            await waiting

    with_throttle(staging_url, work, rate=3)


@pytest.mark.parametrize(("seconds", "missed"), [(0.0, False), (0.2, True)])
def test_a_slot_that_was_heard_of_late_is_missed(
    staging_url: str, monkeypatch: pytest.MonkeyPatch, seconds: float, missed: bool
) -> None:
    async def work(throttle: Throttle, _database: Sessions) -> None:
        await throttle.slot(10.0)
        _answer_late(monkeypatch, seconds)
        slot = await throttle.slot(10.0)
        assert slot.missed is missed

    with_throttle(staging_url, work)


def test_a_database_that_is_always_slow_stops_nobody(
    staging_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(throttle: Throttle, _database: Sessions) -> None:
        await throttle.slot(10.0)
        _answer_late(monkeypatch, 0.1)
        missed = [(await throttle.slot(10.0)).missed for _ in range(ROUND_TRIPS + 3)]
        assert missed[0]
        assert not all(missed[-3:])

    with_throttle(staging_url, work)


def test_a_slot_that_others_made_wait_for_is_not_missed(staging_url: str, catalogue: Catalogue) -> None:
    async def work(throttle: Throttle, _database: Sessions) -> None:
        await throttle.slot(10.0)
        with catalogue.owner.transaction():
            catalogue.owner.execute("SELECT FROM throttle FOR UPDATE")
            waiting = asyncio.create_task(throttle.slot(10.0))
            await asyncio.sleep(0.3)
        assert not (await waiting).missed

    with_throttle(staging_url, work)


def _answer_late(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    answered = Session.one

    async def late(session: Session, name: str, **parameters: Any) -> Row | None:
        row = await answered(session, name, **parameters)
        await asyncio.sleep(seconds)
        return row

    monkeypatch.setattr(Session, "one", late)


def test_a_caller_gives_up_at_once_when_the_next_slot_is_too_far_away(staging_url: str) -> None:
    async def work(throttle: Throttle, _database: Sessions) -> None:
        await throttle.slot(0.1)
        with pytest.raises(NoSlot, match="busy"):
            await asyncio.wait_for(throttle.slot(0.1), 5)

    with_throttle(staging_url, work, rate=0.01)


def test_what_a_fault_does_to_the_account(staging_url: str, catalogue: Catalogue) -> None:
    async def work(throttle: Throttle, _database: Sessions) -> None:
        slot = Slot(probe=False, due=0.0)
        assert not await throttle.failed(slot, ServerFault(code=500))
        assert await throttle.failed(slot, RateLimited(code=429, retry_after=33.0))
        assert 30 < catalogue.throttle()["paused"] <= 33
        assert await throttle.failed(slot, TokenRefused("no", code=401))
        assert 295 < catalogue.throttle()["paused"] <= 300

    with_throttle(staging_url, work)
    throttle = catalogue.throttle()
    assert (throttle["pause_cause"], throttle["pause_text"]) == ("token_refused", "no")


def test_the_row_cannot_be_doubled(conn: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        conn.execute("INSERT INTO throttle DEFAULT VALUES")
    with pytest.raises(psycopg.errors.CheckViolation):
        conn.execute("INSERT INTO throttle (id) VALUES (false)")
