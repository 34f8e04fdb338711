"""The worker's settings: their defaults, their faults, and that secrets stay within."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import pytest

from procrastinate_app.environment import SettingsError
from procrastinate_app.settings import DATABASE, VARIABLES, WORKER, Settings, masked

ROOT = Path(__file__).parents[2]
PASSWORD = "pass-w0rd"  # pragma: allowlist secret
TOKEN = "t0ken-t0ken"
ENVIRON = {
    "STAGING_DB_URL": f"postgresql://ximilar:{PASSWORD}@db:6432/unde_staging",
    "XIMILAR_API_TOKEN": TOKEN,
    "XIMILAR_COLLECTION_ID": "c1",
}


def test_defaults() -> None:
    settings = Settings.from_env(ENVIRON)
    assert settings.api_url == "https://api.ximilar.com"
    assert (settings.rate_limit, settings.batch_size, settings.concurrency) == (10, 1000, 8)
    assert (settings.run_max_seconds, settings.keep_jobs_days, settings.keep_history_days) == (21600, 7, 400)
    assert (settings.profile, settings.task_id, settings.allow_private_urls) == ("recognition", "", False)


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings.from_env(ENVIRON).batch_size = 1  # type: ignore[misc]


def test_each_command_says_what_it_needs() -> None:
    assert Settings.from_env({"STAGING_DB_URL": ENVIRON["STAGING_DB_URL"]}, DATABASE).missing(WORKER) == [
        "XIMILAR_API_TOKEN",
        "XIMILAR_COLLECTION_ID",
    ]
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"XIMILAR_API_TOKEN": "xxx", "BATCH_SIZE": "0", "LOG_LEVEL": "loud"})
    assert str(caught.value).splitlines() == [
        "STAGING_DB_URL is not set",
        "XIMILAR_API_TOKEN is still 'xxx', the template's placeholder",
        "XIMILAR_COLLECTION_ID is not set",
        "BATCH_SIZE must be 1 to 10000000",
        "LOG_LEVEL must be one of debug, info, warning, error",
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("XIMILAR_RATE_LIMIT", text) for text in ("0", "-1", "nan", "inf", "1001", "ten")),
        *(("BATCH_SIZE", text) for text in ("0", "1.5", "many")),
        *(("WORKER_CONCURRENCY", text) for text in ("0", "65")),
        *(("RUN_MAX_SECONDS", text) for text in ("0", "604801")),
        *(("XIMILAR_API_PROFILE", text) for text in ("other",)),
        *(("XIMILAR_API_URL", text) for text in ("api.ximilar.com", "ftp://x", "https://a b")),
        *(("STAGING_DB_URL", text) for text in ("mysql://x", "host=x")),
        *(("XIMILAR_API_TOKEN", text) for text in ("two words", "line\nbreak", "naïve")),
        ("XIMILAR_ALLOW_PRIVATE_URLS", "maybe"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_value_that_makes_no_sense(name: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({**ENVIRON, name: text})
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{name} must be") or line.startswith(f"{name} must start")


def secrets_in(text: str) -> list[str]:
    return [secret for secret in (PASSWORD, TOKEN) if secret in text]


def test_secrets_do_not_show() -> None:
    settings = Settings.from_env({**ENVIRON, "STAGING_DB_LISTEN_URL": ENVIRON["STAGING_DB_URL"]})
    assert secrets_in(f"{settings!r} {settings} {masked(settings)}") == []
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301  our own bytes


def test_what_is_shown() -> None:
    shown = masked(Settings.from_env({**ENVIRON, "XIMILAR_ALLOW_PRIVATE_URLS": "on"}))
    assert shown["STAGING_DB_URL"] == "postgresql://ximilar:***@db:6432/unde_staging"
    assert shown["XIMILAR_API_TOKEN"] == "***"
    assert shown["STAGING_DB_LISTEN_URL"] == ""
    assert shown["XIMILAR_ALLOW_PRIVATE_URLS"] == "on"
    assert list(shown) == [variable.name for variable in VARIABLES]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ximilar@db/x?password={}",
        "postgresql://ximilar@db/x?sslmode=require&password={}&connect_timeout=1",
        "postgresql://ximilar:{}@db/x",
        "postgresql://ximilar:a:{}@db/x",
        "postgresql://:{}@db/x",
        "postgres://ximilar:{}@one:1,two:2/x",
        "postgresql://ximilar:ab@{}@db/x",
        "postgresql://ximilar:ab/{}@db/x",
    ],
)
def test_a_password_is_masked_wherever_a_url_has_it(url: str) -> None:
    settings = Settings.from_env({**ENVIRON, "STAGING_DB_URL": url.format(PASSWORD)})
    assert secrets_in(masked(settings)["STAGING_DB_URL"]) == []
    assert any(PASSWORD in secret for secret in settings.secrets)
    assert PASSWORD in " ".join(settings.secrets).replace(settings.staging_db_url, "")


def test_masking_takes_the_password_and_nothing_else() -> None:
    settings = Settings.from_env(
        {
            **ENVIRON,
            "STAGING_DB_URL": "postgresql://ximilar:ximilar@ximilar/ximilar",  # pragma: allowlist secret
        }
    )
    assert masked(settings)["STAGING_DB_URL"] == "postgresql://ximilar:***@ximilar/ximilar"


def test_the_secrets_of_the_logs() -> None:
    settings = Settings.from_env(ENVIRON)
    assert set(settings.secrets) == {TOKEN, PASSWORD, ENVIRON["STAGING_DB_URL"]}


def test_every_variable_is_in_the_template() -> None:
    template = ROOT / ".env.example"
    named = {line.lstrip("# ").partition("=")[0] for line in template.read_text().splitlines() if "=" in line}
    assert {variable.name for variable in VARIABLES} - named == set()


def test_every_variable_has_a_meaning_and_a_name_of_its_own() -> None:
    assert all(variable.meaning for variable in VARIABLES)
    assert len({variable.name for variable in VARIABLES}) == len(VARIABLES)
