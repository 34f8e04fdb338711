"""What the storm left behind, held against what it has to be: the emulator's own log and collection are the witness."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from ops.local.check import Check
from tests import canaries
from tests.fix_system import most_in_a_second

from .callers import CLIENTS, MARK, Answered, Callers
from .nemesis import Nemesis, Played
from .world import World

# A fault of Ximilar's may show so long after its end: a deadline and an open breaker.
AFTERMATH_SECONDS = 8.0
ALLOWED_CODES = frozenset(
    {
        *("rate_limited", "not_sent", "no_answer", "server_fault", "breaker_open", "too_busy"),
        *("timed_out", "nonsense"),
    }
)
WANTED = """
    SELECT external_id, jsonb_array_elements_text(image_urls), name, price::text FROM public.raw_products
     WHERE image_status IN ('uploaded', 'collage_ready')
"""
HELD_BY_NOBODY = """
    SELECT count(*) FROM ximilar.procrastinate_jobs j
      LEFT JOIN ximilar.workers w ON w.queue_worker = j.worker_id AND w.beat_at > now() - interval '30 s'
     WHERE j.status = 'doing' AND w.id IS NULL
"""
# The retry of a rescue is the next minute's.
FAILED = """
    SELECT count(*) FROM ximilar.procrastinate_jobs WHERE status = 'failed' AND task_name <> 'rescue_stalled'
"""

Content = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """Between catalogue and collection, as (SKU, address)."""

    lost: list[tuple[str, str]]
    orphans: list[tuple[str, str]]
    stale: list[tuple[str, str]]

    @property
    def none(self) -> bool:
        """Whether the collection is what the catalogue says."""
        return not (self.lost or self.orphans or self.stale)


def compare(world: World) -> Difference:
    """Hold the collection against the catalogue."""
    wanted: dict[tuple[str, str], Content] = {
        (sku, url): (name, price) for sku, url, name, price in world.query(WANTED)
    }
    stored: dict[tuple[str, str], Content] = {
        (photo["sku_id"], photo["url"]): (photo["metadata"].get("name"), photo["metadata"].get("price"))
        for photo in world.emulator.collection()
    }
    return Difference(
        lost=sorted(wanted.keys() - stored.keys()),
        orphans=sorted(stored.keys() - wanted.keys()),
        stale=sorted(key for key in wanted.keys() & stored.keys() if wanted[key] != stored[key]),
    )


def judge(world: World, callers: Callers, nemesis: Nemesis) -> list[Check]:
    """Return every check; the ones without a limit are there to be read."""
    return [
        *_collection(world),
        *_requests(world),
        *_jobs(world),
        *_gateway(callers.answers, nemesis.played),
        _secrets(world, callers),
        _ends(world),
    ]


def _collection(world: World) -> list[Check]:
    found, collection = compare(world), world.emulator.collection()
    twice = len(collection) - len({(photo["sku_id"], photo["url"]) for photo in collection})
    in_error = world.query("SELECT count(*) FROM public.raw_products WHERE ximilar_status = 'error'")[0][0]
    return [
        Check("photos wanted and stored", str(len(collection)), right=bool(collection)),
        Check("lost", _few(found.lost), right=not found.lost),
        Check("orphans", _few(found.orphans), right=not found.orphans),
        Check("stale", _few(found.stale), right=not found.stale),
        Check("stored twice", str(twice), right=not twice),
        Check("products in error", str(in_error), right=not in_error),
    ]


def _requests(world: World) -> list[Check]:
    calls = world.emulator.calls()
    sent = [call for call in calls if not _asked(call)]
    most = most_in_a_second(sorted(call["arrived_monotonic"] for call in sent))
    again = world.emulator.state()["photos_sent_again"]
    faults = Counter(call["fault"] for call in calls if call["fault"])
    return [
        Check(
            "requests of the workers", f"{len(sent)}, {again} of them for a photo that was there", right=True
        ),
        Check("most in any second", f"{most}, the limit is {world.size.rate}", right=most <= world.size.rate),
        Check("faults that Ximilar played", _counts(faults), right=True),
    ]


def _jobs(world: World) -> list[Check]:
    ownerless = world.query(HELD_BY_NOBODY)[0][0]
    rescued = world.query("SELECT count(*) FROM ximilar.attempts WHERE outcome = 'rescued'")[0][0]
    failed = world.query(FAILED)[0][0]
    return [
        Check("jobs in doing without an owner", str(ownerless), right=not ownerless),
        Check("jobs rescued", str(rescued), right=True),
        Check("jobs failed", str(failed), right=not failed),
    ]


def _gateway(answers: list[Answered], played: list[Played]) -> list[Check]:
    weather = [fault for fault in played if fault.name.startswith("ximilar")]
    errors = [answer for answer in answers if answer.status >= 500]
    causes = Counter(f"{answer.status} {answer.code}" for answer in errors)
    unexplained = [
        a for a in errors if a.code not in ALLOWED_CODES or not _within(a, weather, AFTERMATH_SECONDS)
    ]
    broken = [answer for answer in answers if answer.status == 0]
    killed = [fault for fault in played if fault.name == "gateway process killed"]
    excused = [answer for answer in broken if _within(answer, killed, 1.0)]
    others = Counter(answer.status for answer in answers if 0 < answer.status < 500 and answer.status != 200)
    return [
        Check(
            "gateway: answers", f"{len(answers)}, {len(answers) - len(errors) - len(broken)} good", right=True
        ),
        Check("gateway: 5xx by cause", _counts(causes), right=not causes.keys() & {"500 ", "500 internal"}),
        Check("gateway: 5xx without a cause", _few(unexplained), right=not unexplained),
        Check("gateway: broken off", f"{len(broken)}, {len(killed)} processes killed", right=True),
        Check(
            "gateway: broken off otherwise",
            _few([answer for answer in broken if answer not in excused]),
            right=len(broken) == len(excused) <= len(killed) * CLIENTS,
        ),
        Check("gateway: 4xx", _counts(others), right=not others),
    ]


def _secrets(world: World, callers: Callers) -> Check:
    planted = [*canaries.PLANTED.values(), world.bearer]
    shown = canaries.shown_below(world.folder, secret=planted)
    with world.owner() as owner:
        written = str(owner.execute(canaries.WRITTEN).fetchone())
    in_words = canaries.shown_in(written + "".join(callers.pages), secret=planted)
    shown += [f"database or metrics: {what}" for what in in_words]
    return Check("secrets found", _few(shown), right=not shown)


def _ends(world: World) -> Check:
    ends = world.supervisor.ends
    idle = [end for end in ends if not end.asked and end.code == 0]
    seen = _counts(Counter(f"{end.program} {end.code}{'' if end.asked else ' by itself'}" for end in ends))
    return Check("programs that ended", seen, right=not idle)


def _asked(call: dict[str, Any]) -> bool:
    return any(f"?{MARK}-" in url for url in call["urls"])


def _within(answer: Answered, faults: list[Played], after: float) -> bool:
    return any(fault.begun <= answer.ended and answer.begun <= fault.ended + after for fault in faults)


def _few(found: list[Any]) -> str:
    return f"{len(found)}: {found[:3]}" if found else "0"


def _counts(counts: Counter[Any]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.most_common()) or "none"
