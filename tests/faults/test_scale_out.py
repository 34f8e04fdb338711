"""Four workers on four hosts share one limit, one schedule and one queue; one of them is cut off and comes back."""

from __future__ import annotations

import time

import pytest

from tests.faults.test_network import wait_for_notice, worker_on
from tests.fix_drill import Drill
from tests.fix_hosts import Network

HOSTS = 4
IN_FLIGHT = 8
# A host that is cut off is silent for 30 s before it is judged, by a sweep that comes each minute.
CUT_OFF_SECONDS = 100


@pytest.mark.drill
@pytest.mark.timeout(600)
def test_four_hosts_and_a_partition(drill: Drill, network: Network) -> None:
    system = drill.system
    hosts = [network.host() for _ in range(HOSTS)]
    workers = [worker_on(drill, network, host) for host in hosts]
    drill.begin(150, sent=20)
    hosts[0].cut_off()
    begun = wait_for_notice(drill, workers[0], 60)
    # The others do all of it, what the lost one held included.
    system.wait_for_states(CUT_OFF_SECONDS + 100, synced=150)
    drill.figures["done without it after seconds"] = round(time.monotonic() - begun, 1)
    hosts[0].heal()
    begun = len(workers[0].events("product_synced"))
    system.add_products(60, photos=1, prefix="LATER")
    system.defer("ximilar_sync")
    drill.judge(again=IN_FLIGHT, seconds=150)
    drill.say({"synced by the one that came back": len(workers[0].events("product_synced")) - begun})
    assert shares(drill) == HOSTS
    twice = """
        SELECT task_name, args ->> 'timestamp' FROM ximilar.procrastinate_jobs
         WHERE args ? 'timestamp' GROUP BY 1, 2 HAVING count(*) > 1
    """
    assert system.query(twice) == []
    assert [worker.end() for worker in workers] == [0] * HOSTS


def shares(drill: Drill) -> int:
    """How many workers have synced anything."""
    return sum(bool(worker.events("product_synced")) for worker in drill.system.workers)
