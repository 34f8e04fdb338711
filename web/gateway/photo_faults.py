"""Why a photo that this gateway fetches itself cannot be used, and what a client is told."""

from __future__ import annotations

from collections.abc import Mapping

from .problems import Problem

DETAILS: Mapping[str, str] = {
    "address_refused": "The photo's host is not a public one.",
    "unreachable": "The photo's host cannot be reached.",
    "not_there": "The photo's host does not give it.",
    "too_large": "The photo has too many bytes.",
    "too_many_pixels": "The photo has too many pixels.",
    "too_many_scans": "The photo is coded in too many passes.",
    "not_a_picture": "The photo cannot be read.",
    "outside": "The garment's box lies outside the photo.",
    "timed_out": "The photo did not arrive in time.",
}


class PhotoUnusable(Exception):
    """`cause` is a word of DETAILS, safe as a metric label."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause

    def problem(self, status: int, field: str | None = None) -> Problem:
        """Return the answer to give: 504 where the photo was not there in time, else `status`."""
        late = self.cause == "timed_out"
        code = f"photo_{self.cause}"
        return Problem(504 if late else status, code, DETAILS[self.cause], field=None if late else field)
