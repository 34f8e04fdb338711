"""Reads variables from the environment and `.env`, and reports every fault at once.

A fault names the variable and the reason, never the value: it may be a secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dotenv

EX_CONFIG = 78  # sysexits.h: something was found in an unconfigured or misconfigured state
NOT_FILLED_IN = "xxx"


class SettingsError(ValueError):
    """One or more variables are missing or wrong; the message has one line for each."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One setting: what it means, how its text becomes a value, and what it is when it is not set.

    `field` is the name of the settings' attribute. `parse` raises ValueError with a message that fits after
    the variable's name ("must be ...") and does not repeat the value.
    """

    name: str
    field: str
    meaning: str
    default: str = ""
    parse: Callable[[str], Any] = str
    secret: bool = False


def load(dotenv_path: str | None = None) -> dict[str, str]:
    """Return the environment over the variables of `.env`.

    The file is `dotenv_path`, else what XIMILAR_ENV_FILE names (empty: none), else `.env` in the current folder.
    """
    path = os.environ.get("XIMILAR_ENV_FILE", ".env") if dotenv_path is None else dotenv_path
    written = dotenv.dotenv_values(path) if path and Path(path).is_file() else {}
    return {**{name: value for name, value in written.items() if value is not None}, **os.environ}


def read(
    environ: Mapping[str, str], variables: tuple[Variable, ...], required: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return {field: value} for all variables. Raises SettingsError naming each one missing or wrong."""
    values: dict[str, Any] = {}
    faults: list[str] = []
    for variable in variables:
        text = environ.get(variable.name, "").strip()
        filled_in = "" if text == NOT_FILLED_IN else text
        if not filled_in and variable.name in required:
            faults.append(f"{variable.name} {_missing(text)}")
            continue
        try:
            values[variable.field] = variable.parse(filled_in or variable.default)
        except ValueError as error:
            faults.append(f"{variable.name} {error}")
    if faults:
        raise SettingsError("\n".join(faults))
    return values


def whole(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers within low..high."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError(f"must be a whole number, {low} to {high}") from None
        if not low <= number <= high:
            raise ValueError(f"must be {low} to {high}")
        return number

    return parse


def number(low: float, high: float) -> Callable[[str], float]:
    """A parser of numbers within low..high."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"must be a number, {low:g} to {high:g}") from None
        if not low <= value <= high:
            raise ValueError(f"must be {low:g} to {high:g}")
        return value

    return parse


def switch(text: str) -> bool:
    """A parser of on/off (1/0, true/false, yes/no)."""
    word = text.lower()
    if word in ("on", "1", "true", "yes"):
        return True
    if word in ("off", "0", "false", "no", ""):
        return False
    raise ValueError("must be on or off")


def switch_or_auto(text: str) -> bool | None:
    """A parser of on/off/auto; auto is None."""
    return None if text.lower() == "auto" else switch(text)


def cron(text: str) -> str:
    """A parser of cron expressions of five fields; empty stays empty."""
    from croniter import croniter  # here: the gateway has no schedule, and starts sooner

    if text and (len(text.split()) != 5 or not croniter.is_valid(text)):
        raise ValueError("must be a cron expression of five fields")
    return text


def one_of(*words: str) -> Callable[[str], str]:
    """A parser of one of a few words, in whatever case."""
    spelled = {word.lower(): word for word in words}

    def parse(text: str) -> str:
        if text.lower() not in spelled:
            raise ValueError(f"must be one of {', '.join(words)}")
        return spelled[text.lower()]

    return parse


def url_path(text: str) -> str:
    """Parse a path of a URL, without its closing slash."""
    if not re.fullmatch(r"/[\w./~-]*", text, re.ASCII):
        raise ValueError("must be the path of a URL, like /similarity/fashion-new/v2")
    return text.rstrip("/")


def http_url(text: str) -> str:
    """A parser of base URLs, returned without the slash at the end."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        usable = False
    if not usable or not (text.isascii() and text.isprintable()) or any(c in text for c in " ?#@"):
        raise ValueError("must be an http or https URL, without a user, a query or a fragment")
    return text.rstrip("/")


def postgres_url(text: str) -> str:
    """A parser of Postgres URLs; empty stays empty."""
    if text and not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("must start with postgresql://")
    return text


def printable(text: str) -> str:
    """A parser of text that travels in HTTP headers or identifiers."""
    if text and not (text.isascii() and text.isprintable() and " " not in text):
        raise ValueError("must be printable ASCII without spaces")
    return text


def _missing(text: str) -> str:
    return "is still 'xxx', the template's placeholder" if text == NOT_FILLED_IN else "is not set"
