"""The gateway's drills use what its integration tests use: a real gunicorn and a scripted Ximilar."""

from __future__ import annotations

from tests.integration.gateway.conftest import (  # noqa: F401 - fixtures
    StartGateway,
    gateway,
    redis,
    start_gateway,
    two_workers,
    upstream,
)
