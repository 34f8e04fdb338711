"""What tasks need, opened together and handed to them through the job's context."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

from .database import Database
from .keyed_upload import KeyedUploader
from .plan import Policy
from .reconcile import Collection, Guard
from .sending import Sender
from .settings import Settings
from .throttle import Throttle
from .upload import Uploader
from .ximilar import profiles
from .ximilar.asyncio_transport import AsyncioTransport
from .ximilar.profile import Profile

CONTEXT_KEY = "services"


@dataclass(frozen=True, slots=True)
class Services:
    """The settings, the database, the way to Ximilar, and which worker this is."""

    settings: Settings
    database: Database
    uploader: Uploader | KeyedUploader
    worker_id: uuid.UUID

    @property
    def policy(self) -> Policy:
        """What may be done beside adding photos."""
        return make_policy(self.settings)

    @property
    def collection(self) -> Collection:
        """What is compared with the catalogue."""
        return make_collection(self.settings)


def make_profile(settings: Settings) -> Profile:
    """Return the way of speaking to Ximilar that the settings name."""
    return profiles.make(settings)


def make_uploader(profile: Profile, sender: Sender, database: Database) -> Uploader | KeyedUploader:
    """Return the one that fits what the profile can do."""
    if profile.keyed is None:
        return Uploader(profile, sender, database)
    return KeyedUploader(profile, profile.keyed, sender, database)


def make_policy(settings: Settings) -> Policy:
    """Return what the settings allow. Where records cannot be updated, carrying over needs the remove call."""
    profile = make_profile(settings)
    remove = profiles.may_remove(profile.name, settings.remove)
    carry = profile.remove_is_proven if settings.carry_metadata is None else settings.carry_metadata
    return Policy(remove, carry and (remove or profile.keyed is not None))


def make_collection(settings: Settings) -> Collection:
    """Return the collection of the settings with what may be done about it."""
    guard = Guard(
        settings.removal_debounce_seconds,
        settings.removal_max_products,
        settings.removal_max_percent,
        settings.removal_free_products,
    )
    return Collection.of(make_profile(settings), make_policy(settings), guard)


@contextlib.asynccontextmanager
async def open_services(
    settings: Settings, database: Database, worker_id: uuid.UUID, *, concurrency: int
) -> AsyncIterator[Services]:
    """Open the pool of connections to Ximilar; close it when its last call has been written down."""
    with contextlib.closing(
        AsyncioTransport(settings.api_url, settings.token, connections=concurrency)
    ) as transport:
        throttle = Throttle(database, settings.rate_limit, repair_share=settings.repair_share)
        sender = Sender(transport, throttle, concurrency=concurrency)
        uploader = make_uploader(make_profile(settings), sender, database)
        try:
            yield Services(settings, database, uploader, worker_id)
        finally:
            await uploader.finish()
