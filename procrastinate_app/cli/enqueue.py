"""Commands that give the workers something to do: sync, retry, resend, adopt."""

from __future__ import annotations

import argparse
import contextlib

from .. import runs
from ..app import SyncApp
from ..database import Database, open_database
from ..services import make_profile
from ..settings import Settings
from ..throttle import HEADROOM
from .output import Output, duration
from .watch import LAST, Watched, watch

ADOPT_CHUNK = 2000


async def run_now(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Defer `ximilar_sync` or `ximilar_retry`, or only estimate it."""
    kind: runs.Kind = arguments.command
    if arguments.dry_run:
        async with open_database(settings.staging_db_url, max_size=1) as database:
            return await _estimate(database, kind, settings, output)
    app = SyncApp(settings)
    async with app.open_async():
        watched: Watched = "drain" if arguments.drain or settings.drain else "run"
        before = await app.database.value(LAST[watched], kind=kind)
        wanted = {"drain": True} if arguments.drain else {}
        job_id = await app.configure_task(f"ximilar_{kind}").defer_async(**wanted)
        if arguments.wait:
            return await watch(app.database, watched, kind, before, output)
    if output.as_json:
        output.document({"job_id": job_id})
    else:
        output.line(f"deferred ximilar_{kind} as job {job_id}")
    return 0


async def resend(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Queue products to be sent again in full."""
    async with open_database(settings.staging_db_url, max_size=1) as database, database.transaction() as tx:
        await tx.run("lock_enqueueing")
        await tx.take_long()
        products = await tx.value("enqueue_resend", sku=None if arguments.all else arguments.sku)
    if output.as_json:
        output.document({"products": products})
    else:
        output.line(f"queued {products} product(s) to be sent again")
    return 0 if products or arguments.all else 1


async def adopt(_arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Record the photos of synced products as stored with content unknown; nothing is sent."""
    profile, products, photos, after = make_profile(settings), 0, 0, 0
    async with open_database(settings.staging_db_url, max_size=1) as database:
        while chunk := await database.one(
            "adopt",
            profile=profile.name,
            collection_id=profile.collection_id,
            after=after,
            limit=ADOPT_CHUNK,
        ):
            after = chunk["last_id"]
            products += chunk["products"]
            photos += chunk["photos"]
    if output.as_json:
        output.document({"products": products, "photos": photos})
    else:
        output.line(f"recorded {photos} photo(s) of {products} synced product(s) as stored")
    return 0


class _NotForReal(Exception):
    """Rolls an estimate's transaction back."""


async def _estimate(database: Database, kind: runs.Kind, settings: Settings, output: Output) -> int:
    """Do it, look at it, and roll it back: the estimate and the run cannot disagree."""
    products, photos, requests = 0, 0, 0
    with contextlib.suppress(_NotForReal):
        async with database.transaction() as tx:
            run_id, products = await runs.enqueue(tx, kind, batch_size=settings.batch_size)
            found = await tx.one("run_photos", run_id=run_id, batch=make_profile(settings).batch)
            assert found is not None
            photos, requests = found["photos"], found["requests"]
            raise _NotForReal
    seconds = requests * (1 + HEADROOM) / settings.rate_limit
    if output.as_json:
        output.document({"products": products, "photos": photos, "requests": requests, "seconds": seconds})
    else:
        output.line(
            f"{products} products, {photos} photos, at most {requests} requests, "
            f"about {duration(seconds)} at {settings.rate_limit:g} requests a second"
        )
    return 0
