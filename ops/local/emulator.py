"""Asks the emulator what it received, and calls it as the programs do, in the profile they speak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import requests

from procrastinate_app.ximilar.answers import Photo, Record
from procrastinate_app.ximilar.calls import Call
from procrastinate_app.ximilar.profile import Profile
from procrastinate_app.ximilar.requests_transport import RequestsTransport

T = TypeVar("T")

COLLECTION = "demo-collection"
TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Traffic:
    """What arrived at the emulator. `per_second` is the mean from the first call to the last."""

    calls: int
    per_second: float
    most_in_a_second: int
    rate_limited: int
    sent_again: int


class Emulator:
    """The emulator at `url`, called in the words of `profile`."""

    def __init__(self, url: str, token: str, profile: Profile) -> None:
        self.url = url
        self._token = token
        self._profile = profile
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy stands between two programs of one machine

    def traffic(self) -> Traffic:
        """Return the counts since its start."""
        state = self._get("state")
        log = self._get("requests")["requests"]
        arrivals = sorted(entry["arrived_monotonic"] for entry in log if entry["api"])
        span = arrivals[-1] - arrivals[0] if len(arrivals) > 1 else 0.0
        return Traffic(
            calls=state["api_calls"],
            per_second=(len(arrivals) - 1) / span if span else 0.0,
            most_in_a_second=state["most_in_a_second"],
            rate_limited=state["rate_limited"],
            sent_again=state["photos_sent_again"],
        )

    def photos(self) -> set[tuple[str, str]]:
        """Return (SKU, file name) of every photo in the collection."""
        photos = self._get("collection")["photos"]
        return {(photo["sku_id"], photo["url"].rpartition("/")[2]) for photo in photos}

    def search(self, photo_url: str) -> list[str]:
        """Return the SKUs of the most similar photos, best first."""
        return [candidate.sku_id for candidate in self._send(self._profile.search(Photo(photo_url), 5))]

    def collect(self, records: Sequence[Record]) -> None:
        """Store photos."""
        size = self._profile.batch
        for start in range(0, len(records), size):
            self._send(self._profile.store(records[start : start + size]))

    def set_limits(self, rate: int, delay: float) -> None:
        """Change the rate limit (0: none) and the latency in seconds."""
        url, limits = f"{self.url}/_emulator/settings", {"rate": rate, "delay": delay}
        self._session.put(url, json=limits, timeout=TIMEOUT_SECONDS).raise_for_status()

    def _get(self, what: str) -> dict[str, Any]:
        response = self._session.get(f"{self.url}/_emulator/{what}", timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        document: dict[str, Any] = response.json()
        return document

    def _send(self, call: Call[T]) -> T:
        with RequestsTransport(self.url, self._token, connections=1) as transport:
            return transport.send(call)
