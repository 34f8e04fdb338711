"""The console over a test's database, spoken to without a socket, as an operator, a viewer, or nobody."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import falcon
import falcon.testing
import pytest

from tests import canaries
from tests.fix_catalogue import Catalogue
from tests.fix_postgres import Database
from web.console.app import create_app
from web.console.settings import ConsoleSettings
from web.console.users import hash_password

PASSWORD = canaries.PLANTED["console-password"]
ORIGIN = {"Sec-Fetch-Site": "same-origin"}
_HASH = hash_password(PASSWORD)


class Visitor:
    """A browser, more or less: keeps its cookie and says that its forms are the console's own."""

    def __init__(self, app: Any, name: str = "") -> None:
        self.client = falcon.testing.TestClient(app)
        self.cookies: dict[str, str] = {}
        if name:
            answer = self.post("/login", name=name, password=PASSWORD)
            assert answer.status_code == 303, answer.text

    def get(self, path: str, **headers: str) -> falcon.testing.Result:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.client.simulate_get(
            path.partition("?")[0],
            query_string=path.partition("?")[2],
            headers=given,
            cookies=self.cookies,
        )
        return answer

    def post(
        self, path: str, headers: dict[str, str] | None = None, /, **fields: str
    ) -> falcon.testing.Result:
        answer = self.client.simulate_post(
            path,
            body=urlencode(fields),
            headers={**(ORIGIN if headers is None else headers), "Content-Type": falcon.MEDIA_URLENCODED},
            cookies=self.cookies,
        )
        for cookie in answer.cookies.values():
            self.cookies = {cookie.name: cookie.value} if cookie.value else {}
        return answer

    def page(self, path: str) -> str:
        """The text of a page that has to be there, without tags."""
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status, plain(answer.text))
        return plain(answer.text)

    def act(self, path: str, **fields: str) -> str:
        """Send a form, follow it, and return what the console says came of it."""
        answer = self.post(path, **fields)
        assert answer.status_code == 303, (path, answer.status, plain(answer.text))
        found = re.search(
            r'<p class="notice[^>]*>(.*?)</p>', self.get(answer.headers["location"]).text, re.DOTALL
        )
        assert found, "no notice"
        return plain(found.group(1))


def plain(markup: str) -> str:
    """The words of a page, in one line."""
    body = re.sub(r"<script.*?</script>|<title>.*?</title>", " ", markup, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body))).strip()


@pytest.fixture
def users_file(tmp_path: Path) -> Path:
    """A file with an operator, olga, and a viewer, victor."""
    path = tmp_path / "users"
    path.write_text(f"olga:operator:{_HASH}\nvictor:viewer:{_HASH}\n")
    return path


@pytest.fixture
def make_app(database: Database, users_file: Path) -> Iterator[Callable[..., Any]]:
    """Makes consoles over this test's database: make_app(CONSOLE_POOL="2")."""
    apps: list[Any] = []

    def make(**variables: str) -> Any:
        environ = {"STAGING_DB_URL": database.url, "CONSOLE_USERS_FILE": str(users_file), **variables}
        apps.append(create_app(ConsoleSettings.from_env(environ)))
        return apps[-1]

    yield make
    for app in apps:
        app.close()


@pytest.fixture
def app(make_app: Callable[..., Any]) -> Any:
    return make_app()


@pytest.fixture
def olga(app: Any) -> Visitor:
    """An operator, signed in."""
    return Visitor(app, "olga")


@pytest.fixture
def victor(app: Any) -> Visitor:
    """A viewer, signed in."""
    return Visitor(app, "victor")


@pytest.fixture
def stranger(app: Any) -> Visitor:
    """Nobody in particular."""
    return Visitor(app)


def enqueue(catalogue: Catalogue, *products: int, run: int | None = None) -> list[int]:
    """Queue products and return the ids of their jobs."""
    catalogue.value("SELECT enqueue_v1(%s::bigint[], %s)", [list(products), run])
    rows = catalogue.all("SELECT id FROM procrastinate_jobs ORDER BY id DESC LIMIT %s", [len(products)])
    return sorted(row["id"] for row in rows)


def attempt(catalogue: Catalogue, product: int, outcome: str = "error", **facts: Any) -> None:
    """Write an attempt as a worker would."""
    row = {"cause": "refused", "code": 400, "message": "cannot be downloaded", "request_id": "req-1", **facts}
    catalogue.owner.execute(
        "INSERT INTO attempts (product_id, sku, outcome, cause, code, message, request_id, run_id, job_id)"
        " VALUES (%(product)s, 'SKU', %(outcome)s, %(cause)s, %(code)s, %(message)s, %(request_id)s, %(run_id)s,"
        " %(job_id)s)",
        {"run_id": None, "job_id": None, **row, "product": product, "outcome": outcome},
    )


def add_worker(catalogue: Catalogue, host: str = "sync-01", silent: int = 0) -> None:
    """Register a worker that beat so many seconds ago."""
    catalogue.owner.execute(
        "INSERT INTO workers (id, host, pid, process, version, concurrency, listening, beat_at)"
        " VALUES (gen_random_uuid(), %s, 7, 'x', '1', 8, true, now() - make_interval(secs => %s))",
        [host, silent],
    )
