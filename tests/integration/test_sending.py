"""When a request leaves: in its slot, however long its connection took."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import aiohappyeyeballs
import pytest

from tests.fix_catalogue import Catalogue
from tests.fix_upstream import Upstream
from tests.fix_worker import Worker

# Of the first three connections, in the order of their slots, 0.11 s apart: they are there at the same moment.
CONNECTS = (0.60, 0.49, 0.38)

Act = Callable[[int], Awaitable[object]]


@pytest.fixture
def connecting(monkeypatch: pytest.MonkeyPatch) -> Callable[[Act], list[int]]:
    """Do something before each connection, which is told how many there were; their numbers are returned."""

    def before(act: Act) -> list[int]:
        connect = aiohappyeyeballs.start_connection
        made: list[int] = []

        async def slowly(*arguments: Any, **options: Any) -> socket.socket:
            made.append(len(made))
            await act(made[-1])
            return await connect(*arguments, **options)

        monkeypatch.setattr(aiohappyeyeballs, "start_connection", slowly)
        return made

    return before


@pytest.mark.timing
def test_requests_whose_connections_took_long_do_not_leave_together(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, connecting: Any
) -> None:
    made = connecting(lambda number: asyncio.sleep(CONNECTS[number]))
    worker.variables["XIMILAR_RATE_LIMIT"] = "10"
    assert worker.sync_product(catalogue.add(len(CONNECTS)).id) == "synced"
    gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(upstream.requests)]
    assert min(gaps) > 0.05
    assert len(made) == len(CONNECTS)  # each was used, and so the next request will not be late again


def test_a_pause_that_began_while_the_connection_was_made_is_kept(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, connecting: Any
) -> None:
    async def pause(_number: int) -> None:
        catalogue.owner.execute("UPDATE throttle SET pause_cause = 'operator', paused_until = 'infinity'")
        await asyncio.sleep(0.1)

    connecting(pause)
    product = catalogue.add(1)
    assert worker.sync_product(product.id) == "put back: operator"
    assert upstream.requests == []
    assert catalogue.value("SELECT faults FROM throttle") == 0
    assert catalogue.row(product.id)["ximilar_status"] == "pending"
