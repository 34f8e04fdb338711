"""The variables that several programs read: how to speak to Ximilar, and how to log.

Each program has settings of its own, with these among them.
"""

from __future__ import annotations

from . import environment
from .environment import Variable
from .ximilar import fashion, profiles

XIMILAR_VARIABLES = (
    Variable("XIMILAR_API_TOKEN", "token", "Ximilar's API token", parse=environment.printable, secret=True),
    Variable(
        "XIMILAR_COLLECTION_ID",
        "collection_id",
        "the visual-search collection; needed for the sync and /search",
        parse=environment.printable,
    ),
    Variable(
        "XIMILAR_API_URL",
        "api_url",
        "base URL of Ximilar's API",
        "https://api.ximilar.com",
        environment.http_url,
    ),
    Variable(
        "XIMILAR_API_PROFILE",
        "profile",
        "how to speak to Ximilar: `recognition`, as the old servers did, or `fashion`, as Ximilar documents it",
        "recognition",
        environment.one_of(*profiles.NAMES),
    ),
    Variable(
        "XIMILAR_COLLECTION_PATH",
        "collection_path",
        "profile `fashion`: where the collection's calls are",
        fashion.COLLECTION_PATH,
        environment.url_path,
    ),
    Variable(
        "XIMILAR_SEARCH_METHOD",
        "search_method",
        "profile `fashion`: the collection's search call, `visualKNN`, `visual_search` or `visualTagsKNN`",
        fashion.SEARCH_METHOD,
        environment.one_of(*fashion.SEARCH_METHODS),
    ),
    Variable(
        "XIMILAR_TASK_ID",
        "task_id",
        "classification task; empty: Ximilar's default",
        parse=environment.printable,
    ),
    Variable(
        "XIMILAR_ALLOW_PRIVATE_URLS",
        "allow_private_urls",
        "development only: image URLs may name local addresses",
        "off",
        environment.switch,
    ),
)

LOG_VARIABLES = (
    Variable(
        "LOG_LEVEL",
        "log_level",
        "debug, info, warning or error",
        "info",
        environment.one_of("debug", "info", "warning", "error"),
    ),
    Variable(
        "LOG_FORMAT",
        "log_format",
        "json, text, or auto: text on a terminal, json elsewhere",
        "auto",
        environment.one_of("auto", "json", "text"),
    ),
)
