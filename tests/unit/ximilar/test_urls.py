"""The rule for addresses of photos, by a table of those that are let through and those that are not."""

from __future__ import annotations

import string
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procrastinate_app.ximilar.urls import MAX_LENGTH, UrlRefused, is_public_address, photo_url

ALLOWED = [
    "https://cdn.example.com/a.jpg",
    "http://cdn.example.com/a.jpg",
    "HTTPS://CDN.EXAMPLE.COM/a.jpg",
    "https://cdn.example.com:443/a.jpg",
    "http://cdn.example.com:80/a.jpg",
    "https://cdn.example.com",
    "https://cdn.example.com/a%20b.jpg?w=240&sig=a%2Fb",
    "https://bucket_name.s3.eu-west-1.amazonaws.com/a.jpg",
    "https://xn--bcher-kva.example/a.jpg",
    "https://example.com/@user/a.jpg",
    "https://a.co/",
    "https://example.com/http://127.0.0.1/",
    "https://10.example.com/a.jpg",
]

REFUSED = [
    "",
    "a.jpg",
    "//cdn.example.com/a.jpg",
    "ftp://cdn.example.com/a.jpg",
    "file:///etc/passwd",
    "gopher://cdn.example.com/",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "https://",
    "https:///a.jpg",
    "https://user@cdn.example.com/a.jpg",
    "https://user:pass@cdn.example.com/a.jpg",  # pragma: allowlist secret
    "https://cdn.example.com@127.0.0.1/",
    "http://127.0.0.1\\@example.com/",
    "https://localhost/a.jpg",
    "https://intranet/a.jpg",
    "https://printer.local/a.jpg",
    "https://db.internal/a.jpg",
    "https://app.localhost/",
    "https://nas.lan/",
    "https://router.home.arpa/",
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://10.0.0.5/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[fe80::1%25eth0]/",
    "http://[2002:7f00:1::]/",
    "http://8.8.8.8/",
    "https://cdn.example.com:8080/a.jpg",
    "https://cdn.example.com:22/",
    "https://cdn.example.com:0/",
    "https://cdn.example.com:99999/",
    "https://cdn.example.com:port/",
    "https://cdn.example.com./a.jpg",
    "https://cdn..example.com/a.jpg",
    "https://-cdn.example.com/a.jpg",
    "https://cdn%2eexample.com/a.jpg",
    "https://cdn.example.com/a b.jpg",
    "https://cdn.example.com/a\r\nHost: x",
    "https://cdn.example.com/\t",
    "https://cdn.example.com/\x00",
    "https://cdn.exämple.com/a.jpg",
    "https://cdn.example.com/ä.jpg",
    "https://127。0。0。1/",
    "https://cdn.example.com/" + "a" * MAX_LENGTH,
]


@pytest.mark.parametrize("url", ALLOWED)
def test_allowed_is_sent_as_it_is(url: str) -> None:
    assert photo_url(url) == url


@pytest.mark.parametrize("url", REFUSED, ids=lambda url: ascii(url[:40]))
def test_refused_without_repeating_the_address(url: str) -> None:
    with pytest.raises(UrlRefused) as caught:
        photo_url(url)
    assert not url or url not in str(caught.value)


def test_fragment_is_dropped() -> None:
    assert photo_url("https://cdn.example.com/a.jpg#token") == "https://cdn.example.com/a.jpg"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9000/a.jpg", "http://localhost:80/a.jpg", "http://[::1]:1/"]
)
def test_local_addresses_where_that_is_set(url: str) -> None:
    assert photo_url(url, allow_private=True) == url


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "http://user@127.0.0.1/", "http://127.0.0.1/a b", "http://"]
)
def test_the_rest_of_the_rule_holds_for_local_addresses_too(url: str) -> None:
    with pytest.raises(UrlRefused):
        photo_url(url, allow_private=True)


@given(st.text() | st.text(alphabet=string.printable).map(lambda text: "https://" + text))
def test_total_and_what_passes_is_plain(raw: str) -> None:
    try:
        url = photo_url(raw)
    except UrlRefused:
        return
    parts = urlsplit(url)
    assert parts.scheme.lower() in ("http", "https")
    assert parts.username is None
    assert "." in (parts.hostname or "")
    assert url.isascii()
    assert url.isprintable()
    assert " " not in url


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07::1", True),
        ("::ffff:93.184.215.14", True),
        ("64:ff9b::5db8:d70e", True),
        ("2002:5db8:d70e::1", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104
        ("10.1.0.12", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("::10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b:1::7f00:1", False),
        ("2002:7f00:1::", False),
        ("2002:a00:1::1", False),
        ("2001:0:4136:e378::1", False),
        ("2001:db8::1", False),
        ("cdn.example.com", False),
        ("", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public_address(address) is public
