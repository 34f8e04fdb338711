"""The gateway's variables: defaults of the contract, faults told together, secrets kept."""

from __future__ import annotations

import pytest

from procrastinate_app.environment import SettingsError
from web.gateway.settings import VARIABLES, GatewaySettings


def test_defaults_are_the_contracts() -> None:
    settings = GatewaySettings.from_env({})
    assert (settings.host, settings.port, settings.workers) == ("0.0.0.0", 8001, 4)  # noqa: S104
    assert (settings.deadline, settings.cache_seconds, settings.redis_url) == (30, 600, "")
    assert settings.missing == ("XIMILAR_API_TOKEN", "XIMILAR_COLLECTION_ID")


def test_faults_are_told_together() -> None:
    with pytest.raises(SettingsError) as caught:
        GatewaySettings.from_env({"PORT": "x", "WORKERS": "0", "GATEWAY_CACHE_SECONDS": "nan"})
    assert len(str(caught.value).splitlines()) == 3


def test_placeholder_is_missing() -> None:
    settings = GatewaySettings.from_env({"XIMILAR_API_TOKEN": "xxx", "XIMILAR_COLLECTION_ID": "c"})
    assert settings.missing == ("XIMILAR_API_TOKEN",)


@pytest.mark.parametrize("url", ["http://h", "h:6379", "redis"])
def test_redis_url(url: str) -> None:
    with pytest.raises(SettingsError, match="REDIS_URL must start with"):
        GatewaySettings.from_env({"REDIS_URL": url})


@pytest.mark.parametrize("url", ["redis://:s3cr#t@h:6379/0", "redis://h?socket_timeout=long"])
def test_unreadable_redis_url_is_told_without_it(url: str) -> None:
    with pytest.raises(SettingsError, match="REDIS_URL is no URL") as caught:
        GatewaySettings.from_env({"REDIS_URL": url})
    assert "s3cr" not in str(caught.value)


def test_secrets_are_not_shown() -> None:
    settings = GatewaySettings.from_env({"XIMILAR_API_TOKEN": "s3cret", "REDIS_URL": "redis://:pass@h"})
    assert "s3cret" not in repr(settings)
    assert "pass" not in repr(settings)
    assert settings.secrets == ("s3cret", "redis://:pass@h")


def test_crops_are_signed_with_both_an_address_and_a_key() -> None:
    both = {"GATEWAY_PUBLIC_URL": "https://g.example.com/", "GATEWAY_CROP_KEY": "s3cret" * 6}
    settings = GatewaySettings.from_env(both)
    assert settings.signs_crops
    assert settings.public_url == "https://g.example.com"
    assert "s3cret" not in repr(settings)
    assert settings.secrets == ("s3cret" * 6,)
    for name in both:
        assert not GatewaySettings.from_env({**both, name: ""}).signs_crops


@pytest.mark.parametrize(
    ("name", "value"), [("GATEWAY_CROP_KEY", "s3cret"), ("GATEWAY_PUBLIC_URL", "gateway:8001")]
)
def test_crops_need_a_long_key_and_a_whole_address(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} must be") as caught:
        GatewaySettings.from_env({name: value})
    assert value not in str(caught.value)


@pytest.mark.parametrize(("host", "bind"), [("10.1.0.12", "10.1.0.12:8001"), ("::1", "[::1]:8001")])
def test_bind(host: str, bind: str) -> None:
    assert GatewaySettings.from_env({"HOST": host}).bind == bind


def test_every_variable_has_a_meaning() -> None:
    assert all(variable.meaning for variable in VARIABLES)
