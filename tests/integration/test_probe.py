"""The probe against an account that behaves in each of the ways the documents allow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from procrastinate_app.probe.steps import all_steps, credits_expected
from procrastinate_app.ximilar.questions import Questions
from tests.fix_system import COLLECTION, ROOT, TOKEN, Emulator, System

SIMILARITY = "/similarity/fashion-new/v2/"
GONE = {"kind": "status", "status": 404, "body": {"detail": "Not found."}}
EXPECTED = credits_expected(all_steps(Questions("c"), "https://example.com/1.jpg", "run"))

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def emulator(start_emulator: Callable[..., Emulator]) -> Emulator:
    """Quick: the probe has a pace of its own."""
    return start_emulator(rate=0, delay=0.0)


@pytest.fixture
def run(emulator: Emulator, photo_server: str) -> Run:
    """Run the probe as an operator does, without a database; no output may hold the token."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environ = {
            **os.environ,
            "XIMILAR_API_URL": emulator.url,
            "XIMILAR_API_TOKEN": TOKEN,
            "XIMILAR_COLLECTION_ID": COLLECTION,
            "XIMILAR_ALLOW_PRIVATE_URLS": "on",
            "XIMILAR_RATE_LIMIT": "1000",
            **variables,
        }
        done = subprocess.run(
            [sys.executable, "-m", "procrastinate_app", "probe", *arguments],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert TOKEN not in done.stdout + done.stderr
        return done

    return lambda *arguments, **variables: run(
        "--photo", f"{photo_server}/001-1.jpg", *arguments, **variables
    )


def facts(done: subprocess.CompletedProcess[str], *, code: int = 0) -> dict[str, Any]:
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("mirrored", [False, True])
def test_what_is_found_out_in_both_readings(emulator: Emulator, run: Run, mirrored: bool) -> None:
    emulator.settings(mirror_status=mirrored, credits=1000)
    found = facts(run("--json"))
    assert found["settings"] == {"XIMILAR_API_PROFILE": "fashion", "XIMILAR_SEARCH_METHOD": "visualKNN"}
    answers = found["answers"]
    expected = "the HTTP status is the code" if mirrored else "HTTP is 200 whatever the code"
    assert answers["HTTP status and status.code"] == expected
    assert answers["a wrong token"].startswith("HTTP 401, no status.code")
    assert answers["search calls"] == "visualKNN, visual_search, visualTagsKNN"
    assert "status.code 411" in answers["a duplicate insert"]
    assert answers["a duplicate insert"].endswith("credits: 0")
    assert answers["reasons of skipped records"].startswith("duplicate 211, unreadable photo 400")
    assert answers["update of fields"].startswith("merges")
    assert answers["update with null"].startswith("the field is null; HTTP 200")
    assert answers["page 1 of up to 500 records"].startswith("1 records, none follows; HTTP 200")
    assert answers["page 2 of up to 500 records"].startswith("0 records, none follows; HTTP 200")
    assert answers["a query by id returns itself"] == "first"
    assert answers["distances"].startswith("0 to 0 over 1 neighbours")
    assert answers["11 records"].count("HTTP 400") == 2
    assert "rgb_hex_colors" in answers["keys of dominant colours"]
    assert answers["credits"].startswith(f"{EXPECTED} in all: insert 10,")
    assert found["credits_left"] == 1000 - EXPECTED == 1000 - emulator.state()["credits"]["total"]
    assert (emulator.photos(), found["left_behind"]) == ([], [])


def test_the_other_ways_an_account_may_behave(emulator: Emulator, run: Run) -> None:
    emulator.settings(bill_duplicates=True, update_replaces=True, token_status=403)
    for method in ("visualKNN", "visual_search"):
        emulator.play(GONE, path=f"{SIMILARITY}{method}")
    found = facts(run("--json"))
    assert found["settings"]["XIMILAR_SEARCH_METHOD"] == "visualTagsKNN"
    answers = found["answers"]
    assert answers["search calls"].startswith("visualTagsKNN, not visualKNN (HTTP 404, no status.code")
    assert answers["a duplicate insert"].endswith("credits: 10")
    assert answers["update of fields"].startswith("replaces")
    assert answers["a wrong token"].startswith("HTTP 403")


def test_a_search_that_does_not_see_the_new_record_yet_is_a_search(emulator: Emulator, run: Run) -> None:
    emulator.play(GONE, path=f"{SIMILARITY}visualKNN")
    unseen = {"kind": "body", "body": {"answer_records": [], "status": {"code": 404, "text": "not found"}}}
    for method in ("visual_search", "visualTagsKNN"):
        emulator.play(unseen, path=f"{SIMILARITY}{method}")
    found = facts(run("--json"))
    assert found["settings"] == {"XIMILAR_API_PROFILE": "fashion", "XIMILAR_SEARCH_METHOD": "visual_search"}


def test_recognition_is_named_where_only_its_paths_are_there(emulator: Emulator, run: Run) -> None:
    emulator.play(GONE, path=f"{SIMILARITY}insert")
    found = facts(run("--json"))
    assert found["settings"] == {"XIMILAR_API_PROFILE": "recognition"}


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(404, "no profile works"), (401, "nothing could be found out"), (503, "nothing could be found out")],
)
def test_nothing_works(emulator: Emulator, run: Run, status: int, verdict: str) -> None:
    emulator.play({"kind": "status", "status": status, "body": {"detail": "Refused."}})
    done = run()
    assert done.returncode == 1
    assert verdict in done.stdout
    assert "XIMILAR_API_PROFILE" not in done.stdout


def test_a_record_whose_answer_was_lost_is_deleted_as_well(emulator: Emulator, run: Run) -> None:
    emulator.play({"kind": "drop", "apply": True}, times=1, path=f"{SIMILARITY}insert")
    emulator.play(GONE, times=1, path=f"{SIMILARITY}delete")
    found = facts(run("--json"))
    assert found["settings"]["XIMILAR_API_PROFILE"] == "fashion"
    assert next(step for step in found["steps"] if step["step"] == "insert")["http"] is None
    assert (emulator.photos(), found["left_behind"]) == ([], [])


def test_what_stays_behind_is_named(emulator: Emulator, run: Run) -> None:
    emulator.play({"kind": "status", "status": 503}, path=f"{SIMILARITY}delete")
    done = run()
    assert len(emulator.photos()) == 1
    assert "WARNING: the record ximilar-sync-probe-" in done.stderr


def test_the_pace_and_the_table(emulator: Emulator, run: Run) -> None:
    done = run(XIMILAR_RATE_LIMIT="15")
    assert done.returncode == 0
    assert emulator.state()["most_in_a_second"] <= 16
    assert done.stdout.splitlines()[-1].split("=") == ["XIMILAR_SEARCH_METHOD", "visualKNN"]
    for part in ("Found out", f"POST {SIMILARITY}insert", "credits left: "):
        assert part in done.stdout


def test_a_dry_run_touches_no_network(emulator: Emulator, run: Run) -> None:
    nothing = {"XIMILAR_API_TOKEN": "", "XIMILAR_COLLECTION_ID": "", "XIMILAR_API_URL": "http://127.0.0.1:9"}
    found = facts(run("--dry-run", "--json", **nothing))
    assert found["credits"] == EXPECTED == sum(step["credits"] for step in found["steps"])
    assert f"{EXPECTED} credits" in run("--dry-run", **nothing).stdout
    assert emulator.calls() == []


def test_another_path_of_the_collection(run: Run) -> None:
    elsewhere = "/similarity/custom/v2"
    done = run("--dry-run", "--json", XIMILAR_COLLECTION_PATH=elsewhere)
    assert SIMILARITY not in done.stdout
    assert f"POST {elsewhere}/insert" in [step["call"] for step in facts(done)["steps"]]


def test_nothing_goes_to_the_usual_path_then(emulator: Emulator, run: Run) -> None:
    """The emulator does not serve the other one."""
    found = facts(run("--json", XIMILAR_COLLECTION_PATH="/similarity/custom/v2"))
    assert found["settings"] == {"XIMILAR_API_PROFILE": "recognition"}
    assert [call["path"] for call in emulator.calls() if call["path"].startswith(SIMILARITY)] == []


@pytest.mark.parametrize("missing", ["XIMILAR_API_TOKEN", "XIMILAR_COLLECTION_ID"])
def test_what_it_needs_is_said(run: Run, missing: str) -> None:
    done = run(**{missing: "xxx"})
    assert (done.returncode, done.stdout) == (78, "")
    assert missing in done.stderr


def test_a_private_photo_is_refused(run: Run) -> None:
    done = run(XIMILAR_ALLOW_PRIVATE_URLS="off")
    assert done.returncode == 78
    assert "IP address" in done.stderr


def test_without_a_photo_one_of_staging_is_taken(system: System) -> None:
    done = system.run("procrastinate_app", "probe", "--json")
    assert done.returncode == 78
    assert "--photo" in done.stderr
    system.add_products(1, photos=1)
    found = facts(system.run("procrastinate_app", "probe", "--json", XIMILAR_RATE_LIMIT="1000"))
    assert found["settings"]["XIMILAR_API_PROFILE"] == "fashion"
    ((_, photo),) = system.listed_photos()
    assert photo in {url for call in system.emulator.calls() for url in call["urls"]}
