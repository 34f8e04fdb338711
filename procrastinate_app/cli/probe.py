"""The command that asks Ximilar, with the real token, what its documents leave open."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import secrets
import sys
from typing import Any

from ..database import open_database
from ..environment import SettingsError
from ..probe.findings import Findings
from ..probe.run import Outcome, Prober
from ..probe.steps import Step, all_steps, credits_expected
from ..settings import DATABASE, WORKER, Settings
from ..ximilar.questions import Questions
from ..ximilar.requests_transport import RequestsTransport
from ..ximilar.urls import UrlRefused, photo_url
from .output import Output

NEEDED = WORKER - DATABASE
WRONG_TOKEN = "no-such-token"  # noqa: S105
EXAMPLE_PHOTO = "https://example.com/photo.jpg"


def probe(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Ask, or with --dry-run list the questions; exit code 1 if no profile works."""
    if arguments.dry_run:
        _show_plan(all_steps(_asking(settings), arguments.photo or EXAMPLE_PHOTO, "RUN"), output)
        return 0
    if missing := settings.missing(NEEDED):
        raise SettingsError(f"{' and '.join(missing)} must be set; --dry-run needs nothing")
    photo = _photo(arguments.photo or asyncio.run(_photo_of_staging(settings)), settings)
    return _ask(settings, photo, output)


def _asking(settings: Settings) -> Questions:
    return Questions(settings.collection_id, settings.collection_path)


async def _photo_of_staging(settings: Settings) -> str | None:
    """A photo of the catalogue, if there is a database to ask."""
    if not settings.staging_db_url:
        return None
    async with open_database(settings.staging_db_url, max_size=1) as database:
        found: str | None = await database.value("any_photo")
        return found


def _photo(address: str | None, settings: Settings) -> str:
    """The photo to ask about. Raises SettingsError."""
    if address is None:
        raise SettingsError("--photo URL is needed: Staging is not set, or none of its photos is ready")
    try:
        return photo_url(address, allow_private=settings.allow_private_urls)
    except UrlRefused as error:
        raise SettingsError(f"the photo's address is refused: {error}") from None


def _ask(settings: Settings, photo: str, output: Output) -> int:
    asking = _asking(settings)

    def told(outcome: Outcome) -> None:
        if output.interactive:
            output.line(f"{outcome.step.name}: {outcome.said.text if outcome.said else outcome.failure}")

    with contextlib.ExitStack() as stack:
        transport, stranger = (
            stack.enter_context(RequestsTransport(settings.api_url, token, connections=1))
            for token in (settings.token, WRONG_TOKEN)
        )
        prober = Prober(transport, stranger, asking=asking, rate=settings.rate_limit)
        try:
            outcomes = prober.run(all_steps(asking, photo, secrets.token_hex(4)), told=told)
        finally:
            _tell_what_stays(prober)
    findings = Findings.of(outcomes)
    _show(findings, outcomes, prober, output)
    return 0 if findings.profile else 1


def _show_plan(steps: list[Step], output: Output) -> None:
    rows = [{"step": step.name, "call": _call(step), "credits": step.credits} for step in steps]
    total = credits_expected(steps)
    if output.as_json:
        output.document({"steps": rows, "credits": total})
        return
    output.table("Questions", rows)
    output.line(f"{len(steps)} calls and a free look at the account after some of them; {total} credits,")
    output.line(
        "more if refused duplicates cost some. One record is inserted for a few seconds, then deleted."
    )


def _show(findings: Findings, outcomes: list[Outcome], prober: Prober, output: Output) -> None:
    rows = [_row(outcome) for outcome in outcomes]
    lines = [f"{name}={value}" for name, value in findings.settings().items()]
    if output.as_json:
        facts = {"answers": findings.answers(), "settings": findings.settings(), "steps": rows}
        output.document({**facts, "credits_left": prober.credits_left, "left_behind": prober.left_behind})
        return
    output.table("Answers", rows)
    answers = [{"question": name, "answer": value} for name, value in findings.answers().items()]
    output.table("Found out", answers)
    output.line(f"credits left: {'unknown' if prober.credits_left is None else prober.credits_left}")
    output.line(findings.verdict())
    for line in lines:
        output.line(line)


def _tell_what_stays(prober: Prober) -> None:
    for record_id in prober.left_behind:
        print(f"WARNING: the record {record_id} may still be in the collection: delete it", file=sys.stderr)


def _row(outcome: Outcome) -> dict[str, Any]:
    said = outcome.said
    return {
        "step": outcome.step.name,
        "call": _call(outcome.step),
        "http": said.http if said else None,
        "code": said.code if said else None,
        "text": said.text if said else outcome.failure,
        "credits": outcome.cost,
    }


def _call(step: Step) -> str:
    return f"{step.call.request.method} {step.call.request.path}"
