"""Profile `fashion`: ids that are neither in the ledger nor gone, and whose they are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from procrastinate_app import reconcile
from procrastinate_app.keyed_ledger import KeyedLedger
from tests.integration.reconcile.harness import Harness, urls
from tests.integration.reconcile.test_changes import repair, synced
from tests.integration.reconcile.test_keyed_changes import ids, in_step, said
from tests.integration.reconcile.test_removals import two_passes

STRAY = "INSERT INTO strays VALUES ('fashion', 'collection-of-the-tests', %s, %s, true)"


@pytest.fixture
def profile() -> str:
    """The one whose records have ids."""
    return "fashion"


@pytest.mark.parametrize("noted", [False, True])
def test_what_an_heir_takes_over_while_it_is_deleted_is_stored_again(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, noted: bool
) -> None:
    """Also where the id has been `noted` as a stray meanwhile."""
    product = synced(harness, 1, 2)
    (record_id, _), withdraw = ids(harness).values(), KeyedLedger.withdraw
    heirs: list[int] = []

    async def too_late(
        ledger: KeyedLedger, product_id: int, withdrawn: Sequence[str], *, stored: bool = True
    ) -> None:
        if not heirs:
            heirs.append(harness.add("A", urls("A", 1, 2), ximilar_status="synced"))
            # As if this removal were no job at work, but one that is believed dead.
            assert await ledger.inherit(heirs[0], "A", urls("A", 1, 2), giver=product) == 2
            if noted:
                harness.owner.execute(STRAY, [record_id, product])
        await withdraw(ledger, product_id, withdrawn, stored=stored)

    monkeypatch.setattr(KeyedLedger, "withdraw", too_late)
    harness.owner.execute("DELETE FROM raw_products")
    harness.reconcile()
    harness.time_passes()
    repair(harness)
    assert (len(heirs), ids(harness)) == (1, {})
    assert harness.rows("SELECT product_id, stored FROM strays") == [(heirs[0], False)] * 2

    ended = repair(harness)

    assert (ended["changed"], ended["photos_missing"]) == (1, 2)
    assert harness.ximilar.photos() == harness.wanted()
    assert in_step(harness)


def test_a_stray_goes_out_also_where_nothing_else_may(harness: Harness) -> None:
    harness.variables["XIMILAR_REMOVE"] = "off"
    product = synced(harness, 1)
    harness.ximilar.put("stray", "https://photos.example.com/stray.jpg", {"sku_id": "A"})
    harness.owner.execute(STRAY, ["stray", product])

    ended = repair(harness)

    assert (ended["changed"], ended["queued"], ended["photos_gone"], ended["would_remove"]) == (1, 1, 1, 0)
    assert said(harness) == [("remove", "https://photos.example.com/stray.jpg")]
    assert in_step(harness)
    assert repair(harness)["changed"] == 0


@pytest.mark.parametrize(
    "absent", ["DELETE FROM raw_products", "UPDATE raw_products SET image_status = 'pending'"]
)
def test_strays_of_a_product_without_a_place_are_counted_where_nothing_may_be_removed(
    harness: Harness, absent: str
) -> None:
    harness.variables["XIMILAR_REMOVE"] = "off"
    harness.add("A", urls("A", 1))
    harness.begin("sync")
    harness.ximilar.script = ["crash_after"]
    harness.do(harness.next_job() or 0)
    harness.owner.execute(absent.encode())
    harness.work()
    (stored,) = ids(harness).values()
    assert harness.rows("SELECT remote_id FROM strays") == [(stored,)]
    assert harness.rows("SELECT FROM photos") == []

    ended = two_passes(harness)

    assert (ended["absent"], ended["would_remove"], ended["removing"]) == (1, 1, 0)
    ((chunk, *_), _) = harness.run(reconcile.look(harness.database, harness.services.collection))
    assert [(row["product_id"], row["stored"], row["strays"]) for row in chunk.absent] == [(1, 1, 1)]
    assert stored in {photo.id for photo in harness.ximilar.collection.photos()}
    harness.variables["XIMILAR_REMOVE"] = "on"
    two_passes(harness)
    assert harness.ximilar.photos() == {}
    assert in_step(harness)
