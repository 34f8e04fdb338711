"""Ximilar's own client against the emulator: somebody else's reading of the same interface."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.conftest import COLLECTION, TOKEN, Process
from tests.emulator.vendor import environment

IMAGES = Path(__file__).parents[2] / "ops/local/catalogue/images"
CONVERSATION = Path(__file__).parent / "vendor" / "conversation.py"
ANSWER_SECONDS = 60

Answers = dict[str, Any]


@pytest.fixture(scope="module")
def interpreter() -> Path:
    """A Python that has ximilar-client."""
    try:
        return environment.python()
    except environment.NotInstalled as error:
        if "CI" in os.environ:
            pytest.fail(f"ximilar-client cannot be installed: {error}")
        pytest.skip(f"ximilar-client cannot be installed: {error}")


@pytest.fixture(params=["always 200", "mirrored"])
def answers(
    request: pytest.FixtureRequest, interpreter: Path, start: Callable[..., Process], photo_server: str
) -> Answers:
    """What the client returned, step by step, in both readings of the HTTP status."""
    emulator = start(*(["--mirror-status"] if request.param == "mirrored" else []))
    photo, file = f"{photo_server}/001-1.jpg", str(IMAGES / "002-1.jpg")
    done = subprocess.run(
        # -I: nothing of this project nor of its environment can be imported.
        [str(interpreter), "-I", str(CONVERSATION), emulator.url, TOKEN, COLLECTION, photo, file],
        capture_output=True,
        text=True,
        timeout=ANSWER_SECONDS,
        check=False,
        env={"NO_PROXY": "*"},
    )
    assert done.returncode == 0, done.stderr
    found: Answers = json.loads(done.stdout)
    found["log"] = emulator.api.control("GET", "requests")["requests"]
    found["collection"] = emulator.api.control("GET", "collection")["photos"]
    return found


def ids(answer: Answers) -> list[Any]:
    return [record["_id"] for record in answer["answer_records"]]


def test_the_client_finds_what_it_expects(answers: Answers) -> None:
    _check_collection(answers)
    _check_search(answers)
    _check_tagging(answers)
    _check_account(answers)
    assert {entry["status"] for entry in answers["log"]} & {405, 500} == set()


def _check_collection(answers: Answers) -> None:
    steps = ("ping", "inserted", "inserted_file", "inserted_again", "got", "got_in_part", "updated")
    codes = {step: answers[step]["status"]["code"] for step in (*steps, "removed", "removed_again")}
    expected = (200, 210, 210, 411, 205, 206, 200, 220, 404)
    assert tuple(codes.values()) == expected
    assert ids(answers["inserted"]) == ["S--1", "S--2"]
    # The client tells duplicates from errors by the code in `_reason`.
    assert answers["counted"] == {"answer_records": 0, "records": 0, "error": 0, "skipped_records": 2}
    skipped = answers["inserted_in_part"]["skipped_records"]
    assert [(one["_id"], one["_reason"]["status"]["code"]) for one in skipped] == [
        ("S--1", 211),
        ("S--2", 211),
        ("bad", 400),
    ]
    (got,) = answers["got"]["answer_records"]
    assert (got["product_id"], got["price"], got["_url"][-9:]) == ("S", 1, "001-1.jpg")
    (updated,) = answers["updated"]["answer_records"]
    assert (updated["product_id"], updated["price"]) == ("S", 9)
    assert answers["all_ids"]["answer_records"] == [{"_id": "S--1", "price": 9}, {"_id": "S--2", "price": 2}]
    assert answers["iterated"] == ["S--1", "S--2", "F"]
    assert sorted(ids(answers["random"])) == ["S--1", "S--2"]
    # What the client leaves on a record that was a file.
    (left,) = answers["collection"]
    assert (left["id"], left["url"], left["metadata"]) == ("F", None, {"noresize": True})


def _check_search(answers: Answers) -> None:
    found = answers["searched"]
    assert found["answer_records"] == [{"_id": "S--1", "product_id": "S"}, {"_id": "S--2", "product_id": "S"}]
    assert found["answer_distances"] == [pytest.approx(0), pytest.approx(0)]
    by_id = answers["searched_by_id"]
    assert sorted(ids(by_id)) == ["F", "S--1", "S--2"]
    assert ids(by_id)[2] == "F"
    assert by_id["answer_distances"] == sorted(by_id["answer_distances"])
    assert "/similarity/fashion-new/v2/visualTagsKNN" in {entry["path"] for entry in answers["log"]}


def _check_tagging(answers: Answers) -> None:
    for step in ("detect", "tags", "detect_tags", "detect_tags_all", "meta"):
        assert [record["_status"]["code"] for record in answers[step]["records"]] == [200, 200], step
    assert all(len(found["bound_box"]) == 4 for found in answers["detect"]["records"][0]["_objects"])
    assert answers["tags"]["records"][0]["_tags_map"]["Subcategory"]
    assert answers["parallel"] == 4
    assert "Clothing" in [label["name"] for label in answers["top_categories"]]
    assert "Clothing/Dresses" in [label["name"] for label in answers["categories"]]
    (record,) = answers["colours"]["records"]
    assert record["_dominant_colors"]["rgb_hex_colors"][0].startswith("#")


def _check_account(answers: Answers) -> None:
    assert list(answers["eleven"]) == ["detail"]
    assert 0 < answers["details"]["credits_counter"] < answers["details"]["credits_limit"]
    assert answers["refused"].startswith("Invalid token. fashion-tagging")
    assert "/authorization/v2/authorize" in {entry["path"] for entry in answers["log"]}
