"""The workers: photos a second under the limit beside the old design, products a second without one, memory.

What counts is what the upstream sees, never what a worker says of itself.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import sys
from collections.abc import Callable, Sequence

from ops.bench import sync_lifted as lifted
from ops.bench import sync_paced as paced
from ops.bench.pairs import Spread, alternate, ratios, spread
from ops.bench.sync_paced import Paced
from ops.bench.sync_staging import Server, Staging, running
from ops.bench.table import figure, show
from ops.local.photo_server import PhotoServer
from ops.local.programs import ROOT
from procrastinate_app.environment import SettingsError
from procrastinate_app.settings import Settings

PROFILES = ("recognition", "fashion")
TARGETS = {"recognition": 3.0, "fashion": 8.0}
PHOTOS = paced.PHOTOS
QUEUES = (1_000, 10_000, 100_000)
IMAGES = ROOT / "ops/local/catalogue/images"
IMAGE = "001-1.jpg"


def main(argv: list[str] | None = None) -> int:
    """Run the parts that were asked for and print their tables; return 0, or 1 where one cannot be measured."""
    options = _options(argv)
    if "paced" in options.parts and shutil.which("redis-server") is None:
        print(
            "the old design needs redis-server: apt-get install redis-server, or --parts memory lifted",
            file=sys.stderr,
        )
        return 1
    profiles = [profile for profile in options.profiles if _known(profile)]
    with PhotoServer(IMAGES) as photos, running(durable=True) as server:
        photos_url = f"{photos.url}/{IMAGE}"
        if "paced" in options.parts:
            _paced(server, photos_url, profiles, options)
        if "memory" in options.parts:
            _memory(server, photos_url, options)
        if "lifted" in options.parts:
            _lifted(server, photos_url, profiles, options, "on")
    if "lifted" in options.parts:
        with running(durable=False) as server:
            _lifted(server, "http://127.0.0.1/photo.jpg", profiles, options, "off")
    print(f"\nload of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return 0


def _known(profile: str) -> bool:
    environ = {
        "STAGING_DB_URL": "postgresql://localhost/x",
        "XIMILAR_API_TOKEN": "x",
        "XIMILAR_COLLECTION_ID": "x",
    }
    try:
        Settings.from_env({**environ, "XIMILAR_API_PROFILE": profile}, frozenset())
    except SettingsError as error:
        print(f"profile {profile} is left out: {error}")
        return False
    return True


def _paced(server: Server, photos_url: str, profiles: Sequence[str], options: argparse.Namespace) -> None:
    queued, unqueued = _template(server, "paced", paced.PRODUCTS, photos_url), server.create("paced_old")
    server.fill(unqueued, paced.PRODUCTS, PHOTOS, photos_url, queued=False)
    rows = []
    for profile in profiles:
        sides: dict[str, Callable[[], Paced]] = {
            "old": functools.partial(paced.old, server, unqueued, profile, options.seconds * 2),
            "ours": functools.partial(paced.ours, server, queued, profile, options.seconds * 2),
        }
        found = alternate(sides, options.rounds)
        gain = ratios(*([one.photos_per_second for one in found[side]] for side in ("ours", "old")))
        rows += [_paced_row(profile, side, found[side], gain) for side in ("old", "ours")]
    show(
        f"Photos a second, {PHOTOS} photos a product, {paced.DELAY * 1000:g} ms upstream, "
        f"limit {paced.RATE} requests a second, {options.rounds} rounds",
        ("profile, side", "photos/s", "range", "times old", "range", "target", "most calls in 1 s", "429"),
        rows,
    )


def _paced_row(profile: str, side: str, found: Sequence[Paced], gain: Spread) -> list[str]:
    photos = spread([one.photos_per_second for one in found])
    times = [figure(gain.median), _range(gain), f"{TARGETS[profile]:g}"] if side == "ours" else ["1", "", ""]
    most, refused = max(one.most_in_a_second for one in found), sum(one.refused for one in found)
    return [f"{profile}, {side}", figure(photos.median), _range(photos), *times, str(most), str(refused)]


def _lifted(
    server: Server, photos_url: str, profiles: Sequence[str], options: argparse.Namespace, fsync: str
) -> None:
    templates = {count: _template(server, f"lifted_{count}", count, photos_url) for count in options.queues}
    sides = {"noop": functools.partial(lifted.noops_per_second, server, options.seconds)}
    for profile in profiles:
        for count, template in templates.items():
            sides[f"{profile}, {count:,} queued"] = functools.partial(
                lifted.products_per_second, server, template, profile, PHOTOS, options.seconds
            )
    found = alternate(sides, options.rounds)
    show(
        f"Products a second of {lifted.WORKERS} workers, {PHOTOS} photos a product, no limit, 0 ms upstream, "
        f"fsync {fsync}, {options.rounds} rounds",
        ("side", "products/s", "range", "of bare procrastinate", "of the shortest queue"),
        [_lifted_row(side, found) for side in found],
    )


def _lifted_row(side: str, found: dict[str, list[float]]) -> list[str]:
    mine = spread(found[side])
    if side == "noop":
        return ["bare procrastinate, a task that does nothing", figure(mine.median), _range(mine), "1", ""]
    shortest = next(other for other in found if other.startswith(side.partition(",")[0]))
    share, kept = ratios(found[side], found["noop"]), ratios(found[side], found[shortest])
    return [side, figure(mine.median), _range(mine), figure(share.median), figure(kept.median)]


def _memory(server: Server, photos_url: str, options: argparse.Namespace) -> None:
    template = _template(server, "memory", 20_000, photos_url)
    samples = lifted.memory(server, template, "recognition", options.soak, PHOTOS)
    show(
        "Memory of a worker (PSS, the larger of two), no limit",
        ("seconds", "products", "MB"),
        [(f"{one.seconds:.0f}", f"{one.products:,}", figure(one.megabytes)) for one in samples],
    )


def _template(server: Server, name: str, products: int, photos_url: str) -> Staging:
    made = server.create(name)
    server.fill(made, products, PHOTOS, photos_url, queued=True)
    return made


def _range(values: Spread) -> str:
    return f"{figure(values.least)} to {figure(values.most)}"


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ops.bench sync", description=__doc__)
    add = parser.add_argument
    add(
        "--quick",
        action="store_true",
        help="one round, short ones, up to 10,000 queued jobs: to see that all works",
    )
    add("--parts", nargs="+", choices=("paced", "memory", "lifted"), default=("paced", "memory", "lifted"))
    add("--profiles", nargs="+", choices=PROFILES, default=PROFILES)
    add("--rounds", type=int, default=3, help="paired rounds (%(default)s)")
    add(
        "--seconds",
        type=float,
        default=6.0,
        help="of each measurement; twice that under the limit (%(default)s)",
    )
    add("--soak", type=float, default=60.0, help="seconds in which memory is sampled (%(default)s)")
    add("--queues", nargs="+", type=int, default=QUEUES, help="jobs in the queue (%(default)s)")
    if parser.parse_args(argv).quick:
        parser.set_defaults(rounds=1, seconds=3.0, soak=10.0, queues=QUEUES[:2])
    return parser.parse_args(argv)
