"""Jinja as the console uses it: everything escaped, an unknown name is an error, times know the present."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
from markupsafe import Markup

from . import phrases

FOLDER = Path(__file__).parent
STATIC_FOLDER = FOLDER / "static"


class Templates:
    """Renders the files of templates/."""

    def __init__(self) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals |= {"link": link, "static": static_links()}
        self._environment.filters |= {
            "number": phrases.number,
            "capped": phrases.capped,
            "percent": phrases.percent,
            "duration": phrases.duration,
            "cause": phrases.cause,
            "absence": phrases.absence,
            "sentence": lambda text: text[:1].upper() + text[1:],
            "moment": phrases.moment,
            "pretty": pretty,
            "word": lambda text: str(text).replace("_", " "),
        }

    def render(self, name: str, now: datetime.datetime, /, **facts: Any) -> str:
        """Return a page. `now` is the present of every `ago` on it."""
        template = self._environment.get_template(name)
        return template.render(now=now, when=lambda at: when(at, now), **facts)


def when(at: datetime.datetime | None, now: datetime.datetime) -> Markup:
    """A moment as `3 min ago`, with the exact one at hand."""
    if at is None:
        return Markup('<span class="none">{}</span>').format(phrases.NOTHING)
    iso = at.astimezone(phrases.UTC).isoformat(timespec="seconds")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        iso, phrases.moment(at), phrases.ago(at, now)
    )


def link(path: str, **parameters: Any) -> str:
    """A URL of this site, without the parameters that are None."""
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    return f"{path}?{query}" if query else path


def pretty(document: Any) -> str:
    """JSON for reading; what is no JSON as it is."""
    try:
        parsed = json.loads(document) if isinstance(document, str) else document
        return json.dumps(parsed, ensure_ascii=False, indent=2, default=str)
    except (ValueError, RecursionError):
        return str(document)


def static_links() -> Mapping[str, str]:
    """{file: URL}; a new content has a new URL, so browsers may keep the old one for ever."""
    return {
        path.name: f"/static/{path.name}?v={hashlib.sha256(path.read_bytes()).hexdigest()[:10]}"
        for path in STATIC_FOLDER.iterdir()
        if path.is_file()
    }
