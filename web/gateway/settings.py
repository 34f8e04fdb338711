"""The gateway's settings: every variable it knows, with meaning and unit, and the value built of them."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from procrastinate_app import environment
from procrastinate_app.environment import Variable
from procrastinate_app.variables import LOG_VARIABLES, XIMILAR_VARIABLES

MIN_KEY_LENGTH = 32


def _redis_url(text: str) -> str:
    if not text:
        return text
    if not text.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must start with redis://, rediss:// or unix://")
    if importlib.util.find_spec("redis") is None:
        raise ValueError("needs the package redis, an extra of this distribution")
    _demand_parseable(text)
    return text


def _demand_parseable(url: str) -> None:
    from redis.connection import parse_url

    try:
        parse_url(url)  # type: ignore[no-untyped-call]
    except ValueError:  # its text quotes what stands before a # that should have been %23: the password
        raise ValueError("is no URL that redis-py can read; escape what is special in the password") from None


def _public_url(text: str) -> str:
    return environment.http_url(text) if text else text


def _crop_key(text: str) -> str:
    if text and len(text) < MIN_KEY_LENGTH:
        raise ValueError(f"must be at least {MIN_KEY_LENGTH} characters (openssl rand -hex 32)")
    return text


VARIABLES = (
    Variable("HOST", "host", "address to listen on", "0.0.0.0"),  # noqa: S104 - the contract's default
    Variable("PORT", "port", "port to listen on; 0: any free one", "8001", environment.whole(0, 65535)),
    Variable("WORKERS", "workers", "processes", "4", environment.whole(1, 64)),
    *XIMILAR_VARIABLES,
    Variable(
        "GATEWAY_TOKENS_FILE",
        "tokens_file",
        "file of the callers' bearer tokens, `name:sha256` a line; empty: nobody is asked for one",
    ),
    Variable(
        "GATEWAY_DEADLINE_SECONDS",
        "deadline",
        "the most seconds a request may take; X-Request-Timeout may lower it",
        "30",
        environment.number(0.1, 300),
    ),
    Variable(
        "GATEWAY_READ_SECONDS",
        "read_seconds",
        "the most seconds a client may take to send its request, or to take some of the answer",
        "10",
        environment.number(0.1, 300),
    ),
    Variable(
        "GATEWAY_CONNECTIONS",
        "connections",
        "open client connections a process; one more is answered 503",
        "2048",
        environment.whole(1, 100_000),
    ),
    Variable("GATEWAY_POOL", "pool", "connections to Ximilar a process", "256", environment.whole(1, 10_000)),
    Variable(
        "GATEWAY_MAX_IN_FLIGHT",
        "max_in_flight",
        "calls to Ximilar a process makes or lets wait at a time; one more is answered 503",
        "512",
        environment.whole(1, 100_000),
    ),
    Variable(
        "GATEWAY_CACHE_SECONDS",
        "cache_seconds",
        "how long an answer is given again for the same question; 0: never",
        "600",
        environment.number(0, 30 * 86400),
    ),
    Variable(
        "GATEWAY_CACHE_ENTRIES",
        "cache_entries",
        "answers kept in memory a process, of at most 64 KiB each",
        "2000",
        environment.whole(1, 1_000_000),
    ),
    Variable(
        "REDIS_URL",
        "redis_url",
        "a cache shared by processes and hosts; empty: memory only",
        parse=_redis_url,
        secret=True,
    ),
    Variable(
        "GATEWAY_PUBLIC_URL",
        "public_url",
        "the base URL by which clients reach the gateway, for the addresses of crops that it cuts itself",
        parse=_public_url,
    ),
    Variable(
        "GATEWAY_CROP_KEY",
        "crop_key",
        "signs these addresses, 32 characters or more, the same on all hosts; without it there are none",
        parse=_crop_key,
        secret=True,
    ),
    Variable(
        "GATEWAY_CROP_SECONDS",
        "crop_seconds",
        "how long such an address is good",
        "3600",
        environment.number(60, 7 * 86400),
    ),
    Variable(
        "GATEWAY_PHOTO_MAX_BYTES",
        "photo_max_bytes",
        "the largest photo that is downloaded to cut a crop out of it",
        "20000000",
        environment.whole(1000, 200_000_000),
    ),
    Variable(
        "GATEWAY_PHOTO_MAX_PIXELS",
        "photo_max_pixels",
        "the most pixels of such a photo, four times as many of a JPEG that is not progressive; a process cuts one"
        " at a time, in up to 17 bytes a pixel",
        "16000000",
        environment.whole(10_000, 1_000_000_000),
    ),
    Variable(
        "GATEWAY_BREAKER_SECONDS",
        "breaker_seconds",
        "how long Ximilar is left alone when half of its answers fail",
        "30",
        environment.number(0.1, 3600),
    ),
    Variable(
        "GATEWAY_PROBE_SECONDS",
        "probe_seconds",
        "the least seconds between two probes of Ximilar, all processes together",
        "30",
        environment.number(0.2, 3600),
    ),
    Variable(
        "GATEWAY_MAX_REQUESTS",
        "max_requests",
        "a process is replaced after about so many requests; 0: never",
        "0",
        environment.whole(0, 1_000_000_000),
    ),
    Variable("GATEWAY_ACCESS_LOG", "access_log", "one line a request on stdout", "on", environment.switch),
    *LOG_VARIABLES,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """All settings of the gateway; the meaning of each is in VARIABLES."""

    host: str
    port: int
    workers: int
    token: str = field(repr=False)
    collection_id: str
    api_url: str
    profile: str
    collection_path: str
    search_method: str
    task_id: str
    allow_private_urls: bool
    tokens_file: str
    deadline: float
    read_seconds: float
    connections: int
    pool: int
    max_in_flight: int
    cache_seconds: float
    cache_entries: int
    redis_url: str = field(repr=False)
    public_url: str
    crop_key: str = field(repr=False)
    crop_seconds: float
    photo_max_bytes: int
    photo_max_pixels: int
    breaker_seconds: float
    probe_seconds: float
    max_requests: int
    access_log: bool
    log_level: str
    log_format: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> GatewaySettings:
        """Build the settings. Raises SettingsError with a line for each variable that is wrong."""
        return cls(**environment.read(environ, VARIABLES))

    @property
    def bind(self) -> str:
        """The address in gunicorn's spelling."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def missing(self) -> tuple[str, ...]:
        """The variables without which some or all calls cannot be made."""
        needed = {"XIMILAR_API_TOKEN": self.token, "XIMILAR_COLLECTION_ID": self.collection_id}
        return tuple(name for name, value in needed.items() if not value)

    @property
    def signs_crops(self) -> bool:
        """Whether crops that the gateway cuts have addresses."""
        return bool(self.public_url and self.crop_key)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that must never be printed."""
        return tuple(text for text in (self.token, self.redis_url, self.crop_key) if text)


assert {f.name for f in fields(GatewaySettings)} == {v.field for v in VARIABLES}
