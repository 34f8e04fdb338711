"""`app` for procrastinate's own command line: `procrastinate --app=procrastinate_app.main.app ...`.

The only module that reads the environment when it is imported.
"""

from __future__ import annotations

import sys

from . import environment
from .app import SyncApp
from .settings import DATABASE, Settings


def _load() -> SyncApp:
    try:
        return SyncApp(Settings.from_env(environment.load(), DATABASE))
    except environment.SettingsError as error:
        # procrastinate would say "Could not load app" and no more.
        print(error, file=sys.stderr)
        raise SystemExit(environment.EX_CONFIG) from None


app = _load()
