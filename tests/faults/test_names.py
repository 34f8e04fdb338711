"""The name of Ximilar is not found, found late, or found wrongly: the worker waits, and goes on by itself."""

from __future__ import annotations

import pytest

from procrastinate_app import deadlines
from tests.faults.test_network import WORKER
from tests.fix_drill import Drill
from tests.fix_hosts import Network
from tests.fix_names import FAULTS, NameServer
from tests.fix_system import wait_until

NAME = "api.ximilar.test"
IN_FLIGHT = 8
# The account is paused for 30 s after five faults, for 60 s if the probe fails too; then a resolver may take its time.
RECOVERY_SECONDS = 75
LIMIT = 10
# One photo each: they take longer than addresses are remembered, which is ten seconds.
PRODUCTS, SENT = 240, 120
PAUSED = "SELECT pause_cause FROM ximilar.throttle"
NOT_SENT = "SELECT count(*), coalesce(max(seconds), 0) FROM ximilar.attempts WHERE cause = 'not_sent'"


@pytest.mark.drill
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("fault", "servers"), [*((fault, 1) for fault in FAULTS), ("silent", 3)])
def test_no_name(drill: Drill, network: Network, names: NameServer, fault: str, servers: int) -> None:
    """Connections end while names are in disorder; a resolver asks each server it knows twice and waits for seconds."""
    system, host = drill.system, network.host()
    host.ask_names_of(*[names.address] * servers)
    ximilar = network.proxy(system.emulator.url)
    worker = system.worker(
        *host.command(*WORKER),
        STAGING_DB_URL=network.reach(system.database.url),
        XIMILAR_API_URL=ximilar.address(system.emulator.url).replace(ximilar.host, NAME),
    )
    drill.begin(PRODUCTS, sent=SENT)
    names.manner, asked, stored = FAULTS[fault], names.asked, len(system.emulator.photos())
    ximilar.cut()
    # A slow one is borne: photos go on being stored, more than were in flight.
    wait_until(
        lambda: system.query(PAUSED) == [("not_sent",)] or len(system.emulator.photos()) > stored + IN_FLIGHT,
        150,
        system.tails,
    )
    assert names.asked > asked, "the fault has no effect"
    names.heal()
    drill.healed()
    drill.wait_for_recovery(RECOVERY_SECONDS)
    count, longest = put_off(drill)
    drill.figures.update({"put off": count, "longest attempt seconds": round(longest, 1)})
    # Those that waited for a slow name leave late, among those whose turn it is.
    late = IN_FLIGHT if fault == "slow" else 0
    drill.judge(again=IN_FLIGHT, seconds=150, rate=LIMIT + late)
    assert longest <= deadlines.JOB
    assert worker.end() == 0


def put_off(drill: Drill) -> tuple[int, float]:
    """How many attempts found no connection, and the seconds that the longest of them took."""
    ((count, longest),) = drill.system.query(NOT_SENT)
    return count, longest
