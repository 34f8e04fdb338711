"""Single calls to Ximilar for commands: each takes its turn as repairs do, and pauses the account as they do."""

from __future__ import annotations

from functools import partial
from typing import TypeVar

from .throttle import Permit, Throttle
from .ximilar.asyncio_transport import AsyncioTransport
from .ximilar.calls import Call
from .ximilar.errors import ItemFault, SystemFault

T = TypeVar("T")

SLOT_SECONDS = 60.0


async def call_in_turn(throttle: Throttle, transport: AsyncioTransport, call: Call[T]) -> T:
    """Make a call once its turn has come. Raises NoSlot, or what the call raises."""
    turn = partial(throttle.slot, SLOT_SECONDS, repair=True)
    permit = Permit(await turn(), turn)
    try:
        answer = await transport.send(call, permit=permit)
    except SystemFault as fault:
        await throttle.failed(permit.slot, fault)
        raise
    except ItemFault:  # an answer all the same: the account is well
        await throttle.succeeded(permit.slot)
        raise
    await throttle.succeeded(permit.slot)
    return answer
