"""The application gunicorn serves; its name is fixed, though it is ASGI. Reads the environment."""

from __future__ import annotations

from procrastinate_app import environment

from .app import create_app
from .settings import GatewaySettings

application = create_app(GatewaySettings.from_env(environment.load()))
