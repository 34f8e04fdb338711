"""What tasks need, opened together and handed to them through the job's context."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

from .database import Database
from .settings import Settings
from .throttle import Throttle
from .upload import Uploader
from .ximilar.profile import Profile
from .ximilar.recognition import Recognition
from .ximilar.requests_transport import RequestsTransport

CONTEXT_KEY = "services"


@dataclass(frozen=True, slots=True)
class Services:
    """The settings, the database, the way to Ximilar, and which worker this is."""

    settings: Settings
    database: Database
    uploader: Uploader
    worker_id: uuid.UUID


def make_profile(settings: Settings) -> Profile:
    """Return the way of speaking to Ximilar that the settings name."""
    return Recognition(settings.collection_id, settings.task_id)


@contextlib.asynccontextmanager
async def open_services(
    settings: Settings, database: Database, worker_id: uuid.UUID, *, concurrency: int
) -> AsyncIterator[Services]:
    """Open the pool of connections to Ximilar; close it when its last call has been written down."""
    with RequestsTransport(settings.api_url, settings.token, connections=concurrency) as transport:
        throttle = Throttle(database, settings.rate_limit)
        uploader = Uploader(make_profile(settings), transport, throttle, database, concurrency=concurrency)
        try:
            yield Services(settings, database, uploader, worker_id)
        finally:
            await uploader.finish()
