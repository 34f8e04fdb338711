"""A real Chromium before a console over a test's database, with photos from a server of this machine."""

from __future__ import annotations

import shutil
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests import canaries
from tests.fix_catalogue import Catalogue
from tests.fix_postgres import Database
from tests.fix_system import wait_until
from web.console.app import create_app
from web.console.settings import ConsoleSettings
from web.console.users import hash_password

PASSWORD = canaries.PLANTED["console-password"]
WAIT_SECONDS = 10.0
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
)
_HASH = hash_password(PASSWORD)
_AXE = (Path(__file__).parent / "vendor/axe.min.js").read_text()
_RUN_AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ["violations"]}).then(found => done(found.violations.map(
    each => [each.impact, each.id, each.nodes.map(node => node.html.slice(0, 200) + node.failureSummary)])));
"""


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser at one console. `errors` of a page are what it complains of in its own log."""

    driver: Chrome
    url: str

    def go(self, path: str) -> None:
        """Open a page and wait until its script has run."""
        self.driver.get(self.url + path)
        self.wait(lambda: self.driver.execute_script("return document.readyState") == "complete")

    def sign_in(self, name: str = "olga", password: str = PASSWORD) -> None:
        self.go("/login")
        self.find("[name=name]").send_keys(name)
        self.find("[name=password]").send_keys(password)
        self.click("Sign in")

    def find(self, selector: str) -> WebElement:
        found: WebElement = WebDriverWait(self.driver, WAIT_SECONDS).until(
            lambda driver: driver.find_element(By.CSS_SELECTOR, selector)
        )
        return found

    def press(self, selector: str, key: str) -> None:
        """Press a key in an element; where the page puts another in its place meanwhile, in that one."""

        def pressed(driver: WebDriver) -> bool:
            driver.find_element(By.CSS_SELECTOR, selector).send_keys(key)
            return True

        WebDriverWait(self.driver, WAIT_SECONDS, ignored_exceptions=[StaleElementReferenceException]).until(
            pressed
        )

    def click(self, words: str) -> None:
        """Click the button or link whose words begin so."""
        for element in self.driver.find_elements(By.CSS_SELECTOR, "button, a"):
            if element.is_displayed() and element.text.startswith(words):
                element.click()
                return
        pytest.fail(f"no button or link {words!r} on {self.driver.current_url}\n{self.text()}")

    def answer(self, *, accept: bool) -> str:
        """Answer the question a page asks, and return it."""
        alert = WebDriverWait(self.driver, WAIT_SECONDS).until(lambda driver: driver.switch_to.alert)
        words = str(alert.text)
        (alert.accept if accept else alert.dismiss)()
        return words

    def text(self) -> str:
        return str(self.driver.execute_script("return document.body.innerText"))

    def wait_for(self, words: str) -> None:
        """Wait until the page says so."""
        self.wait(lambda: words in self.text(), lambda: f"{words!r} is not in\n{self.text()}")

    def wait(self, condition: Callable[[], bool], explain: Callable[[], str] = lambda: "") -> None:
        wait_until(condition, WAIT_SECONDS, explain)

    def scripts(self, script: str) -> Any:
        return self.driver.execute_script(script)

    def errors(self) -> list[str]:
        """What the browser's log holds since it was last asked: violated policies, failed scripts, missing files."""
        entries: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [str(entry["message"]) for entry in entries]

    def violations(self) -> list[Any]:
        """What axe finds serious or critical."""
        self.driver.execute_script(_AXE)
        found: list[Any] = self.driver.execute_async_script(_RUN_AXE)
        return [violation for violation in found if violation[0] in ("serious", "critical")]

    def colours(self, scheme: str) -> None:
        """Wish for `light` or `dark` as an operating system does."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def size(self, width: int, height: int, *, mobile: bool = False) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chrome]:
    """One headless Chromium for all tests."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("Chromium or its driver is not installed (apt-get install chromium chromium-driver)")
    with tempfile.TemporaryDirectory(
        prefix="ximilar-console-chromium-", ignore_cleanup_errors=True
    ) as profile:
        options = ChromeOptions()
        options.binary_location = browser
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        chrome = Chrome(options=options, service=Service(driver))
        yield chrome
        chrome.quit()


@pytest.fixture
def console(chromium: Chrome, database: Database, tmp_path: Path) -> Iterator[str]:
    """The URL of a console with an operator, olga, and a viewer, victor; photos over plain HTTP are allowed."""
    users = tmp_path / "users"
    users.write_text(f"olga:operator:{_HASH}\nvictor:viewer:{_HASH}\n")
    environ = {
        "STAGING_DB_URL": database.url,
        "CONSOLE_USERS_FILE": str(users),
        "XIMILAR_ALLOW_PRIVATE_URLS": "on",
        "XIMILAR_REMOVE": "on",
    }
    app = create_app(ConsoleSettings.from_env(environ))
    with make_server("127.0.0.1", 0, app, _Server, _QuietHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        # The browser lets go first: an open page asks for more every few seconds.
        chromium.get("about:blank")
        server.shutdown()
        thread.join()
    app.close()


@pytest.fixture
def browser(chromium: Chrome, console: str) -> Iterator[Browser]:
    """The browser, as new, at the console's door."""
    browser = Browser(chromium, console)
    browser.errors()  # those of the test before
    browser.size(1280, 900)
    browser.colours("light")
    yield browser
    browser.scripts("localStorage.clear()")
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})


@pytest.fixture
def operator(browser: Browser) -> Browser:
    """The browser with olga signed in."""
    browser.sign_in()
    browser.wait_for("Overview")
    return browser


@pytest.fixture
def outage(catalogue: Catalogue, photo_server: str) -> dict[str, int]:
    """A system in trouble: a run that stands still, errors of two kinds, a pause. Returns the ids of examples."""
    photo = f"{photo_server}/001-1.jpg"
    synced = catalogue.add([photo], ximilar_status="synced", external_id="SYNCED-1")
    waits = catalogue.add([photo, f"{photo_server}/missing.jpg"], external_id="WAITS-1")
    wrong = [
        catalogue.add(
            [photo], ximilar_status="error", error_message="413 image too large", external_id=f"WRONG-{n}"
        )
        for n in range(3)
    ]
    run = catalogue.value("INSERT INTO runs (kind) VALUES ('sync') RETURNING id")
    catalogue.value("SELECT enqueue_v1(%s::bigint[], %s)", [[synced.id, waits.id], run])
    catalogue.owner.execute("UPDATE run_products SET outcome = 'synced' WHERE product_id = %s", [synced.id])
    for product in wrong:
        _write_attempt(catalogue, product.id, "error", "refused", 413)
    _write_attempt(catalogue, waits.id, "postponed", "rate_limited", 429, run)
    catalogue.owner.execute("SELECT pause_v1('rate_limited', 429, 'slow down', 300)")
    _hold_removals(catalogue, 30)
    failed = catalogue.value(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('control', 'prune', 'failed')"
        " RETURNING id"
    )
    job = catalogue.value("SELECT max(id) FROM procrastinate_jobs WHERE lock = %s", [f"product:{waits.id}"])
    return {
        "synced": synced.id,
        "waits": waits.id,
        "run": run,
        "job": job,
        "failed": failed,
        "wrong": wrong[0].id,
    }


def _hold_removals(catalogue: Catalogue, products: int) -> None:
    """Candidates of each state and reason, the confirmed ones held, with SKUs of some length."""
    catalogue.owner.execute(
        "INSERT INTO removals (product_id, profile, collection_id, reason, found_at, approved_at)"
        " SELECT 900 + n, 'recognition', 'c', (ARRAY['gone', 'not_ready', 'no_photos'])[1 + n %% 3],"
        " now() - interval '1 h', CASE WHEN n > %(products)s + 1 THEN now() END"
        " FROM generate_series(1, %(products)s + 2) AS n",
        {"products": products},
    )
    catalogue.owner.execute(
        "UPDATE removals SET found_at = now() WHERE product_id = 900 + %s", [products + 1]
    )
    catalogue.owner.execute(
        "INSERT INTO photos (product_id, profile, collection_id, sku, url)"
        " SELECT product_id, profile, collection_id, repeat('SKU', 60) || product_id, 'https://photos.example.com/x'"
        " FROM removals WHERE product_id % 7 = 0"
    )
    catalogue.owner.execute(
        "INSERT INTO passes (kind, profile, collection_id, completed_at, held)"
        " VALUES ('full', 'recognition', 'c', now(), %s)",
        [products],
    )


def _write_attempt(
    catalogue: Catalogue, product: int, outcome: str, cause: str, code: int, run: int | None = None
) -> None:
    catalogue.owner.execute(
        "INSERT INTO attempts (product_id, sku, outcome, cause, code, message, request_id, run_id)"
        " VALUES (%s, 'SKU', %s, %s, %s, 'said Ximilar', 'req-1', %s)",
        [product, outcome, cause, code, run],
    )


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """One thread a request, as the console has in production."""


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_args: Any) -> None:
        """Say nothing."""
