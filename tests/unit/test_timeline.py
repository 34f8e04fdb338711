"""What is remembered of timelines, and whom that keeps away."""

from __future__ import annotations

import psycopg
import pytest

from procrastinate_app.timeline import Place, Timelines, several_hosts

ADDRESS = "10.0.0.1:5432"


def seen(*places: Place | None) -> Timelines:
    timelines = Timelines()
    for place in places:
        timelines.note(place)
    return timelines


@pytest.mark.parametrize("places", [[Place(7, 1), Place(7, 2)], [Place(7, 2), Place(7, 1)]])
def test_a_lower_timeline_is_refused_in_whatever_order_they_were_seen(places: list[Place]) -> None:
    with pytest.raises(
        psycopg.OperationalError, match=r"10\.0\.0\.1:5432 .* timeline 1, and timeline 2 was seen"
    ):
        seen(*places).demand_newest(Place(7, 1), ADDRESS)


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(Place(7, 2), id="the newest"),
        pytest.param(Place(7, 3), id="one promoted since"),
        pytest.param(Place(8, 1), id="another system: restored from a dump, or upgraded"),
        pytest.param(None, id="a standby, or one that does not say"),
    ],
)
def test_others_are_used(place: Place | None) -> None:
    seen(Place(7, 2), None).demand_newest(place, ADDRESS)


def test_the_log_tells_of_an_old_primary_once(capsys: pytest.CaptureFixture[str]) -> None:
    timelines = seen(Place(7, 2))
    for address in (ADDRESS, ADDRESS, "10.0.0.2:5432"):
        with pytest.raises(psycopg.OperationalError):
            timelines.demand_newest(Place(7, 1), address)
    told = [line for line in capsys.readouterr().out.splitlines() if "old_primary_refused" in line]
    assert len(told) == 2
    assert ADDRESS in told[0]


@pytest.mark.parametrize(
    ("url", "several"),
    [
        ("postgresql://u@a:1,b:2/d?target_session_attrs=read-write", True),
        ("postgresql://u@/d?host=a,b", True),
        ("hostaddr=127.0.0.1,127.0.0.2 dbname=d", True),
        ("postgresql://u@a:6432/d", False),
        ("postgresql://u,v@a:6432/d,e", False),
        ("dbname=d", False),
        ("", False),
    ],
)
def test_a_url_of_several_hosts_is_told_from_others(url: str, *, several: bool) -> None:
    assert several_hosts(url) is several
