"""Waiting for work that belongs to nobody: until a moment, and without an end to the work."""

from __future__ import annotations

import asyncio
import time
from typing import TypeVar

from procrastinate_app.ximilar import errors

T = TypeVar("T")


async def before(ends: float, work: asyncio.Future[T]) -> T:
    """Wait for work until `ends`, of the monotonic clock, without cancelling it. Raises TimedOut."""
    landed, _ = await asyncio.wait((work,), timeout=max(ends - time.monotonic(), 0))
    if not landed:
        raise errors.TimedOut("no answer before the request's deadline")
    return work.result()
