"""What is watched while a fault is played: that a gateway's own pages stay fast, and how soon callers are served."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import requests

from tests.integration.gateway.load import Load
from tests.integration.gateway.servers import Gateway, wait_for


@contextlib.contextmanager
def watched(gateway: Gateway) -> Iterator[list[float]]:
    """Ask for /livez all the time; yields the seconds of each answer."""
    seconds: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            seconds.append(requests.get(gateway.url + "/livez", timeout=10).elapsed.total_seconds())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seconds
    finally:
        over.set()
        thread.join()


def seconds_until_served(load: Load) -> float:
    """Wait for the next good answer and return how long that took."""
    served, begun = load.done, time.monotonic()
    wait_for(lambda: load.done > served, 30)
    return time.monotonic() - begun
