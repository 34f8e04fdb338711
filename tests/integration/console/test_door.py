"""Who gets in, who may do what, and what every answer carries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fix_catalogue import Catalogue
from tests.integration.console.conftest import ORIGIN, PASSWORD, Visitor, plain
from web.console.users import hash_password

PAGES = (
    "/",
    "/runs",
    "/products",
    "/errors",
    "/jobs",
    "/schedule",
    "/rate",
    "/audit",
    "/products/retry?state=error",
    "/removals",
    "/removals/apply",
)
ACTIONS = (
    "/products/retry",
    "/products/1/retry",
    "/jobs/1/retry",
    "/jobs/1/cancel",
    "/removals/apply",
    "/schedule/prune/run",
    "/schedule/prune/pause",
    "/schedule/prune/resume",
    "/rate",
    "/rate/pause",
    "/rate/resume",
)


def test_closed_until_there_is_a_users_file(make_app: Callable[..., Any]) -> None:
    stranger = Visitor(make_app(CONSOLE_USERS_FILE=""))
    for path in (*PAGES, "/login"):
        answer = stranger.get(path)
        assert answer.status_code == 503
        assert "The console is closed" in answer.text
    assert stranger.post("/login", name="olga", password=PASSWORD).status_code == 503
    assert stranger.get("/livez").text == "ok\n"


def test_closed_while_the_users_file_is_broken(olga: Visitor, users_file: Path) -> None:
    good = users_file.read_text()
    users_file.write_text(good + "broken line\n")
    answer = olga.get("/")
    assert answer.status_code == 503
    assert "line 3 is not name:role:hash" in answer.text
    users_file.write_text(good)
    assert olga.get("/").status_code == 200


def test_a_stranger_is_sent_to_sign_in(stranger: Visitor) -> None:
    for path in PAGES:
        answer = stranger.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login")


def test_a_stranger_and_a_viewer_may_do_nothing(
    stranger: Visitor, victor: Visitor, catalogue: Catalogue
) -> None:
    for path in ACTIONS:
        assert stranger.post(path).status_code == 401
        assert victor.post(path).status_code == 403
    assert catalogue.value("SELECT count(*) FROM audit WHERE action <> 'sign in'") == 0


def test_a_viewer_sees_every_page_and_no_button(victor: Visitor) -> None:
    for path in PAGES:
        answer = victor.get(path)
        assert answer.status_code == 200
        assert answer.text.count('method="post"') == 1, "signing out"


def test_headers_of_every_answer(olga: Visitor) -> None:
    for path in ("/", "/login", "/nowhere", "/runs/1"):
        headers = olga.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "img-src 'self' https:;" in policy
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


def test_photos_over_http_are_for_development(make_app: Callable[..., Any]) -> None:
    answer = Visitor(make_app(XIMILAR_ALLOW_PRIVATE_URLS="on")).get("/login")
    assert "img-src 'self' https: http:;" in answer.headers["content-security-policy"]


def test_only_the_consoles_own_forms_are_heard(olga: Visitor, catalogue: Catalogue) -> None:
    ours = "http://falconframework.org"  # what the test client calls the console
    cases: list[tuple[dict[str, str], int]] = [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": ours}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": ours}, 303),
    ]
    for place, (headers, status) in enumerate(cases, start=1):
        assert olga.post("/rate", headers, rate=str(place)).status_code == status
        assert catalogue.value("SELECT rate FROM throttle") == (place if status == 303 else None)


def test_an_action_by_get_does_nothing(olga: Visitor) -> None:
    for path in ("/rate/pause", "/schedule/prune/pause", "/jobs/1/cancel"):
        assert olga.get(path).status_code == 405


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(stranger: Visitor) -> None:
    answer = stranger.post("/login", name="olga", password=PASSWORD)
    cookie = answer.cookies["ximilar_console"]
    assert cookie.http_only
    assert cookie.same_site == "Strict"
    assert not cookie.secure, "over plain HTTP it would never come back"


def test_over_https_the_cookie_is_secure(stranger: Visitor) -> None:
    answer = stranger.client.simulate_post(
        "/login",
        protocol="https",
        body=f"name=olga&password={PASSWORD}",
        headers={**ORIGIN, "Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.cookies["ximilar_console"].secure
    assert "max-age" in answer.headers["strict-transport-security"]


def test_after_signing_in_one_stays_on_this_site(stranger: Visitor) -> None:
    evil = ("//evil.example", "https://evil.example", "/\\evil.example", "")
    for given, goes in (("/errors?x=1", "/errors?x=1"), *((each, "/") for each in evil)):
        answer = stranger.post("/login", name="olga", password=PASSWORD, next=given)
        assert answer.headers["location"] == goes
        stranger.cookies = {}


def test_failures_are_slowed_down_and_say_nothing_about_names(stranger: Visitor) -> None:
    wrong = [stranger.post("/login", name="olga", **{"password": "no"}) for _ in range(5)]
    unknown = stranger.post("/login", name="nobody", **{"password": "no"})
    assert {answer.status_code for answer in (*wrong, unknown)} == {401}
    assert "The name or the password is wrong." in plain(unknown.text)
    stopped = stranger.post("/login", name="olga", password=PASSWORD)
    assert stopped.status_code == 429
    assert 0 < int(stopped.headers["retry-after"]) <= 300
    assert stranger.post("/login", name="victor", password=PASSWORD).status_code == 303


def test_signing_out_ends_the_session(olga: Visitor) -> None:
    cookies = dict(olga.cookies)
    assert olga.post("/logout").status_code == 303
    olga.cookies = cookies
    assert olga.get("/").status_code == 303


def test_a_viewer_may_sign_out(victor: Visitor) -> None:
    assert victor.post("/logout").status_code == 303


def test_a_new_password_ends_the_session(olga: Visitor, users_file: Path) -> None:
    users_file.write_text(f"olga:operator:{hash_password('another one')}\n")
    assert olga.get("/").status_code == 303


def test_a_live_page_whose_session_ended_reloads(stranger: Visitor) -> None:
    answer = stranger.get("/", HX_Request="true")
    assert answer.status_code == 401
    assert answer.headers["hx-refresh"] == "true"


def test_a_form_that_is_too_long_or_no_form_is_refused(olga: Visitor) -> None:
    assert olga.post("/rate", rate="5" * 70_000).status_code == 413
    answer = olga.client.simulate_post(
        "/rate", body="[]", headers={**ORIGIN, "Content-Type": "application/json"}, cookies=olga.cookies
    )
    assert answer.status_code == 400


def test_what_there_is_not_is_said_as_a_page(olga: Visitor) -> None:
    for path in (
        "/runs/1",
        "/products/1",
        "/jobs/1",
        "/nowhere",
        "/runs/x",
        f"/jobs/{10**30}",
        "/static/none",
    ):
        answer = olga.get(path)
        assert answer.status_code == 404
    assert "There is no run 1" in plain(olga.get("/runs/1").text)


def test_static_files_are_there_without_signing_in(stranger: Visitor) -> None:
    for name in ("console.css", "console.js", "htmx.min.js", "theme.js", "inter.woff2", "icon.svg"):
        assert stranger.get(f"/static/{name}").status_code == 200
    assert stranger.get("/static/../users.py").status_code == 404
