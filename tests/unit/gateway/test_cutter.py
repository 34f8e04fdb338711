"""The cutter's bounds: what waits, what is fetched, what is kept, and what is counted."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from procrastinate_app.ximilar.answers import Item
from web.gateway import cutter as module
from web.gateway import cutting
from web.gateway.crop_urls import Crop
from web.gateway.crops import Crops
from web.gateway.cutter import Cutter, Fetcher
from web.gateway.exchange import Exchange
from web.gateway.metrics import Metrics
from web.gateway.photo_faults import PhotoUnusable
from web.gateway.problems import Problem, TooBusy

PATIENCE = 20.0
CROP = Crop("http://cdn.example.com/a.jpg", (0, 0, 9, 9))


class Host:
    """Gives every photo once `open` is set, and notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open = asyncio.Event()

    async def __aenter__(self) -> Host:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        await self.open.wait()
        if "gone" in url:
            raise PhotoUnusable("not_there")
        return url.encode() * 100


class Knife:
    """Stands for the cutting: each cut waits for `let_go`."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.begun: list[bytes] = []

    def cut(self, photo: bytes, crops: Sequence[Crop], *, max_pixels: int) -> list[bytes | None]:
        assert max_pixels
        self.begun.append(photo)
        assert self.let_go.wait(PATIENCE)
        return [b"jpeg" for _ in crops]


@pytest.fixture
def knife(monkeypatch: pytest.MonkeyPatch) -> Iterator[Knife]:
    made = Knife()
    monkeypatch.setattr(cutting, "cut", made.cut)
    monkeypatch.setattr(cutting, "prepare", lambda _pixels: None)  # it is the whole process that it prepares
    yield made
    made.let_go.set()


def with_cutter(drive: Callable[[Cutter, Host, Metrics], Awaitable[None]]) -> None:
    async def run() -> None:
        host, metrics = Host(), Metrics()
        cutter = Cutter(lambda: cast(Fetcher, host), metrics, max_pixels=1000, seconds=60)
        try:
            await drive(cutter, host, metrics)
        finally:
            await cutter.aclose()

    asyncio.run(run())


def crop(number: int, name: str = "a") -> Crop:
    return Crop(f"http://cdn.example.com/{name}{number}.jpg", (0, 0, 9, 9))


def soon() -> float:
    return time.monotonic() + PATIENCE


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0)


def test_a_cut_that_nobody_waits_for_any_more_is_dropped(knife: Knife) -> None:
    async def drive(cutter: Cutter, host: Host, _metrics: Metrics) -> None:
        host.open.set()
        first = asyncio.create_task(cutter.cut([crop(0)], soon()))
        await until(lambda: len(knife.begun) == 1)
        late = await asyncio.gather(
            *(cutter.cut([crop(n)], time.monotonic() + 0.05) for n in range(1, 9)), return_exceptions=True
        )
        assert {getattr(error, "cause", None) for error in late} == {"timed_out"}
        knife.let_go.set()
        assert await first == [b"jpeg"]
        assert await cutter.cut([crop(9)], soon()) == [b"jpeg"]
        assert knife.begun == [crop(n).url.encode() * 100 for n in (0, 9)]

    with_cutter(drive)


def test_a_cut_under_way_holds_its_place_when_its_waiter_has_left(
    knife: Knife, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_QUEUED", 1)

    async def drive(cutter: Cutter, host: Host, _metrics: Metrics) -> None:
        host.open.set()
        with pytest.raises(PhotoUnusable):
            await cutter.cut([crop(0)], time.monotonic() + 0.3)
        assert len(knife.begun) == 1
        with pytest.raises(TooBusy):
            await cutter.cut([crop(1)], soon())
        knife.let_go.set()
        await until(lambda: not cutter._queued)
        assert await cutter.cut([crop(1)], soon()) == [b"jpeg"]

    with_cutter(drive)


def test_the_photos_that_wait_are_bounded_by_their_bytes(
    knife: Knife, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(crop(0).url) * 100
    monkeypatch.setattr(module, "MAX_QUEUED_BYTES", 2 * size)

    async def drive(cutter: Cutter, host: Host, _metrics: Metrics) -> None:
        host.open.set()
        taken = [crop(0), crop(1), Crop(crop(1).url, (1, 1, 5, 5))]  # the photo of the last two counts once
        tasks = [asyncio.create_task(cutter.cut([one], soon())) for one in taken]
        await until(lambda: len(cutter._queued) == len(taken))
        with pytest.raises(TooBusy):
            await cutter.cut([crop(2)], soon())
        knife.let_go.set()
        assert await asyncio.gather(*tasks) == [[b"jpeg"]] * len(taken)

    with_cutter(drive)


def test_a_piece_is_given_again_without_its_photo(knife: Knife, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 0)
    knife.let_go.set()

    async def drive(cutter: Cutter, host: Host, _metrics: Metrics) -> None:
        host.open.set()
        assert await cutter.cut([CROP], soon()) == [b"jpeg"]
        assert await cutter.cut([CROP, CROP], soon()) == [b"jpeg", b"jpeg"]
        assert (len(host.asked), len(knife.begun)) == (1, 1)
        other = Crop(CROP.url, (1, 1, 5, 5))
        assert await cutter.cut([CROP, other], soon()) == [b"jpeg", b"jpeg"]
        assert (len(host.asked), len(knife.begun)) == (2, 2)

    with_cutter(drive)


def test_fetches_are_bounded_and_those_made_early_leave_room(knife: Knife) -> None:
    knife.let_go.set()

    async def drive(cutter: Cutter, host: Host, _metrics: Metrics) -> None:
        for number in range(2 * module.MAX_FETCHES):
            cutter.expect(crop(number).url)
        await until(lambda: len(host.asked) == module.MAX_EXPECTED)
        numbers = range(1000, 1000 + module.MAX_FETCHES - module.MAX_EXPECTED)
        tasks = [asyncio.create_task(cutter.cut([crop(number)], soon())) for number in numbers]
        await until(lambda: len(host.asked) == module.MAX_FETCHES)
        with pytest.raises(TooBusy):
            await cutter.cut([crop(2000)], soon())
        joined = asyncio.create_task(cutter.cut([crop(0)], soon()))
        host.open.set()
        assert await asyncio.gather(joined, *tasks) == [[b"jpeg"]] * (len(tasks) + 1)

    with_cutter(drive)


def test_a_fetch_is_counted_as_what_it_was(knife: Knife) -> None:
    knife.let_go.set()

    async def drive(cutter: Cutter, host: Host, metrics: Metrics) -> None:
        def counted(outcome: str) -> float:
            return float(metrics.photo_fetches.labels(outcome)._value.get())

        cutter.expect(crop(0, "given_up").url)
        await until(lambda: len(host.asked) == 1)
        (task,) = cutter._fetches.values()
        task.cancel()
        await until(task.done)
        assert counted("ok") == 0
        host.open.set()
        await cutter.cut([CROP], soon())
        with pytest.raises(PhotoUnusable):
            await cutter.cut([crop(0, "gone")], soon())
        assert (counted("ok"), counted("not_there")) == (1, 1)

    with_cutter(drive)


def test_a_busy_cutter_is_told_inside_the_items() -> None:
    class Busy:
        async def cut(self, _crops: Sequence[Crop], _ends: float) -> list[bytes | None]:
            raise TooBusy

    crops = Crops(cast(Cutter, Busy()), None, allow_private=True)
    given = Item("http://cdn.example.com/given.jpg", [0, 0, 9, 9], "dress", 0.9)
    cut = Item(None, [0, 0, 9, 9], "dress", 0.9)
    exchange = cast(Exchange, SimpleNamespace(ends=soon()))
    first, second = asyncio.run(crops.photos(CROP.url, [given, cut], exchange))
    assert not isinstance(first, Problem)
    assert isinstance(second, Problem)
    assert (second.status, second.code) == (503, "too_busy")
