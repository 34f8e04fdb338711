"""Asks the emulator what it received, and searches in it as the gateway does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

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
    """The emulator at `url`."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy stands between two programs of one machine
        self._headers = {"Authorization": f"Token {token}"}

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
        body = {"records": [{"_url": photo_url}], "collection_id": COLLECTION, "k": 5}
        answer = self._post("/recognition/v2/visualSearch", body)
        return [str(record["sku_id"]) for record in answer["answer_records"]]

    def collect(self, photo_url: str, metadata: dict[str, Any]) -> None:
        """Store one photo."""
        body = {"collection_id": COLLECTION, "image": photo_url, "metadata": metadata}
        self._post("/recognition/v2/collectImage", body)

    def set_limits(self, rate: int, delay: float) -> None:
        """Change the rate limit (0: none) and the latency in seconds."""
        url, limits = f"{self.url}/_emulator/settings", {"rate": rate, "delay": delay}
        self._session.put(url, json=limits, timeout=TIMEOUT_SECONDS).raise_for_status()

    def _get(self, what: str) -> dict[str, Any]:
        response = self._session.get(f"{self.url}/_emulator/{what}", timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        document: dict[str, Any] = response.json()
        return document

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        response = self._session.post(
            f"{self.url}{path}", json=body, headers=self._headers, timeout=TIMEOUT_SECONDS
        )
        response.raise_for_status()
        document: dict[str, Any] = response.json()
        return document
