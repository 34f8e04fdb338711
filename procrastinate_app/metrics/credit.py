"""The credits that are left: asked of Ximilar, not of the database, and seldom."""

from __future__ import annotations

import functools

from .. import credit
from ..settings import Settings
from . import families as f
from .samples import Sample
from .watch import Watch

NAME = "credits"
EVERY_SECONDS = 300.0
ANSWER_SECONDS = 10.0


def watch(settings: Settings) -> Watch | None:
    """A watch over the credits, if they can be asked for."""
    if not credit.can_ask(settings):
        return None
    return Watch(NAME, functools.partial(ask, settings), EVERY_SECONDS)


def ask(settings: Settings) -> list[Sample]:
    """Ask once. Raises XimilarError."""
    found = credit.ask(settings, seconds=ANSWER_SECONDS)
    shown = [Sample(f.CREDITS, found.left)] if found else []
    return [*shown, Sample(f.CREDITS_WARN, settings.credits_warn)] if settings.credits_warn else shown
