"""The application gunicorn serves. Reads the environment."""

from __future__ import annotations

from procrastinate_app import environment

from .app import create_app
from .settings import ConsoleSettings

application = create_app(ConsoleSettings.from_env(environment.load()))
