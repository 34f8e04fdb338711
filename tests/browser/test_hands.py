"""An operator at work: each action by mouse or keyboard, and its effect in the database."""

from __future__ import annotations

from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser.conftest import PASSWORD, Browser
from tests.fix_catalogue import Catalogue


def test_signing_in_and_out(browser: Browser) -> None:
    browser.go("/errors")
    browser.find("[name=name]").send_keys("olga")
    browser.find("[name=password]").send_keys("wrong" + Keys.ENTER)
    browser.wait_for("The name or the password is wrong.")
    browser.find("[name=password]").send_keys(PASSWORD + Keys.ENTER)
    browser.wait_for("No product is in error.")
    assert browser.driver.current_url.endswith("/errors")
    assert browser.scripts("return document.cookie") == ""
    browser.click("Sign out")
    browser.wait_for("Sign in")
    browser.go("/")
    browser.wait_for("Sign in")


def test_a_viewer_has_nothing_to_press(browser: Browser, outage: dict[str, int]) -> None:
    browser.sign_in("victor")
    browser.wait_for("Overview")
    for path in (
        "/errors",
        f"/products/{outage['wrong']}",
        f"/jobs/{outage['failed']}",
        "/schedule",
        "/rate",
    ):
        browser.go(path)
        buttons = [
            button.text
            for button in browser.driver.find_elements(By.CSS_SELECTOR, "main button, main .button")
        ]
        assert buttons == []


def test_products_are_filtered_without_a_reload(operator: Browser, outage: dict[str, int]) -> None:
    operator.go("/products")
    operator.scripts("window.notReloaded = true")
    operator.find("[name=q]").send_keys("wrong" + Keys.ENTER)
    operator.wait(lambda: "SYNCED-1" not in operator.text() and "WRONG-2" in operator.text())
    assert operator.driver.current_url.endswith("/products?q=wrong")
    operator.find("select[name=state]").send_keys("pending")
    operator.wait_for("No product")
    assert operator.driver.current_url.endswith("/products?state=pending&q=wrong")
    assert operator.scripts("return window.notReloaded") is True
    operator.driver.refresh()
    assert operator.find("[name=q]").get_attribute("value") == "wrong"
    operator.wait_for("No product")


def test_retry_of_a_group(operator: Browser, outage: dict[str, int], catalogue: Catalogue) -> None:
    operator.go("/errors")
    operator.click("Retry 3")
    operator.wait_for("Queue 3 products?")
    operator.click("Leave it")
    operator.wait_for("in error: photo too large (413)")
    assert catalogue.statuses(outage["wrong"]) == []
    operator.click("Retry what matches")
    operator.wait_for("Queue 3 products?")
    operator.click("Queue 3 products")
    operator.wait_for("queued 3 products.")
    assert catalogue.statuses(outage["wrong"]) == ["todo"]


def test_one_product(operator: Browser, outage: dict[str, int], catalogue: Catalogue) -> None:
    operator.go(f"/products/{outage['waits']}")
    operator.wait_for("The account is paused: over the rate limit (429), “slow down”")
    operator.wait(lambda: operator.scripts("return document.querySelector('.photos img').naturalWidth") > 0)
    operator.wait(lambda: len(operator.driver.find_elements(By.CSS_SELECTOR, ".photos .broken")) == 1)
    operator.errors()
    operator.go(f"/products/{outage['wrong']}")
    operator.click("Queue it now")
    operator.wait_for("queued 1 product.")
    assert catalogue.statuses(outage["wrong"]) == ["todo"]


def test_jobs_are_cancelled_after_a_question_and_retried(
    operator: Browser, outage: dict[str, int], catalogue: Catalogue
) -> None:
    operator.go("/jobs?state=todo")
    operator.click(str(outage["job"]))
    operator.wait_for("Why is it waiting?")
    operator.click("Cancel")
    assert operator.answer(accept=False).startswith(f"Cancel job {outage['job']}?")
    assert catalogue.statuses(outage["waits"]) == ["todo"]
    operator.click("Cancel")
    operator.answer(accept=True)
    operator.wait_for(f"job {outage['job']} is cancelled.")
    assert catalogue.statuses(outage["waits"]) == ["cancelled"]
    operator.go(f"/jobs/{outage['failed']}")
    operator.click("Retry")
    operator.wait_for(f"job {outage['failed']} is waiting again.")


def test_the_schedule(operator: Browser, catalogue: Catalogue) -> None:
    operator.go("/schedule")
    assert "At 10:00, only on Sunday" in operator.text()
    operator.click("Run now")
    assert operator.answer(accept=True) == "Run ximilar_sync now?"
    operator.wait_for("queued ximilar_sync as job")
    operator.click("Pause")
    operator.answer(accept=True)
    operator.wait_for("ximilar_sync is paused: its ticks pass")
    assert catalogue.value("SELECT paused_by FROM schedule_pauses WHERE task = 'ximilar_sync'") == "olga"
    operator.click("Resume")
    operator.wait_for("ximilar_sync works at its next tick")
    assert catalogue.value("SELECT count(*) FROM schedule_pauses") == 0


def test_held_removals_are_applied(operator: Browser, outage: dict[str, int], catalogue: Catalogue) -> None:
    operator.go("/")
    operator.click("30 removals are held")
    operator.click("Apply 30")
    operator.wait_for("Remove the photos of 30 products?")
    operator.click("Leave it")
    operator.click("Apply 30")
    operator.click("Remove 30 products")
    operator.wait_for("it looks again, and removes at most 30 products.")
    operator.wait_for("waits for a worker")
    assert catalogue.value("SELECT args FROM procrastinate_jobs WHERE task_name = 'reconcile'") == {
        "apply": 30
    }


def test_the_rate_and_the_account(operator: Browser, catalogue: Catalogue) -> None:
    operator.go("/rate")
    field = operator.find("[name=rate]")
    field.clear()
    field.send_keys("4.5" + Keys.ENTER)
    operator.wait_for("the rate is 4.5 requests a second.")
    assert catalogue.value("SELECT rate FROM throttle") == 4.5
    operator.find("[name=reason]").send_keys("invoice unpaid")
    operator.click("Pause")
    operator.answer(accept=True)
    operator.wait_for("until an operator resumes it")
    assert catalogue.value("SELECT paused_until = 'infinity' FROM throttle") is True
    operator.click("Resume")
    operator.wait_for("the account goes on.")
    operator.click("As configured")
    operator.wait_for("the rate is as configured.")
    operator.go("/audit")
    for said in ("invoice unpaid", "resume account", "set rate"):
        assert said in operator.text()


def test_the_overview_is_live_until_it_is_paused(operator: Browser, catalogue: Catalogue) -> None:
    refresh = "const part = document.querySelector('[data-live]'); htmx.ajax('GET', '/', {source: part, target: part})"
    watch = "window.held = []; document.addEventListener('htmx:beforeRequest', e => held.push(e.defaultPrevented))"
    operator.scripts("document.activeElement.blur(); window.notReloaded = true")
    catalogue.owner.execute("SELECT pause_v1('token_refused', 401, NULL, 300)")
    operator.wait_for("The account has been paused")
    operator.click("Live")
    operator.scripts(watch)
    operator.scripts(refresh)
    operator.wait(lambda: operator.scripts("return held.length") > 0)
    assert set(operator.scripts("return held")) == {True}
    operator.click("Paused")
    catalogue.owner.execute("UPDATE throttle SET pause_cause = NULL")
    operator.scripts(refresh)
    operator.wait(lambda: "The account has been paused" not in operator.text())
    assert operator.scripts("return window.notReloaded") is True


def test_by_keyboard_alone(operator: Browser, outage: dict[str, int]) -> None:
    operator.go("/products")
    press = ActionChains(operator.driver)
    press.send_keys(Keys.TAB).perform()
    assert operator.driver.switch_to.active_element.text == "Skip to the content"
    ActionChains(operator.driver).send_keys(Keys.ENTER).perform()
    assert operator.driver.switch_to.active_element.get_attribute("id") == "main"
    ActionChains(operator.driver).send_keys("/").perform()
    assert operator.driver.switch_to.active_element.get_attribute("name") == "q"
    ActionChains(operator.driver).send_keys("waits-1", Keys.ENTER).perform()
    operator.wait(lambda: "SYNCED-1" not in operator.text())
    operator.press("#found td a", Keys.ENTER)
    operator.wait_for("Why is it waiting?")


def test_without_a_script_every_form_works(operator: Browser, outage: dict[str, int]) -> None:
    operator.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        operator.driver.get(f"{operator.url}/products")
        operator.driver.find_element(By.NAME, "q").send_keys("wrong-1" + Keys.ENTER)
        operator.wait(lambda: "q=wrong-1" in operator.driver.current_url)
        operator.wait(lambda: "WRONG-1" in operator.driver.page_source)
        assert "SYNCED-1" not in operator.driver.page_source
    finally:
        operator.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
