"""The probe's patience, pace and tidiness, over a transport that says what the test says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from procrastinate_app.probe.findings import Findings
from procrastinate_app.probe.run import Outcome, Prober
from procrastinate_app.probe.steps import Step, all_steps
from procrastinate_app.ximilar.calls import Call, Response
from procrastinate_app.ximilar.errors import TimedOut, XimilarError
from procrastinate_app.ximilar.fashion_collection import FashionRecords
from procrastinate_app.ximilar.questions import Questions, Said, details

STEP = Step("insert", Questions("c").insert({"a": "https://example.com/1.jpg"}), inserts=frozenset({"a"}))

Answer = Response | XimilarError


class Transport:
    """Answers by the last part of the path; `sent` are those parts, `paths` the whole."""

    def __init__(self, **answers: list[Answer]) -> None:
        self.paths: list[str] = []
        self.sent: list[str] = []
        self._answers = answers

    def send(self, call: Call[Any]) -> Any:
        name = call.request.path.strip("/").rpartition("/")[2]
        self.paths.append(call.request.path)
        self.sent.append(name)
        queue = self._answers.get(name) or [answer(200)]
        found = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(found, XimilarError):
            raise found
        return call.read(found)


def answer(status: int, **headers: str) -> Response:
    return Response(status, headers, json.dumps({"status": {"code": status, "text": "said"}}).encode())


def prober(transport: Transport, *, rate: float = 1000) -> tuple[Prober, list[float]]:
    """A prober and how long it slept each time."""
    slept: list[float] = []
    made = Prober(transport, transport, asking=Questions("c"), rate=rate, sleep=slept.append)
    return made, slept


def ignore(_: object) -> None:
    """Nobody listens."""


def test_a_question_that_came_too_fast_is_repeated_after_the_pause_asked_for() -> None:
    transport = Transport(details=[answer(429, **{"retry-after": "7"}), answer(429), answer(200)])
    asked, slept = prober(transport)
    (outcome,) = asked.run([Step("details", details())], told=ignore)
    assert outcome.said is not None
    assert (outcome.said.http, transport.sent) == (200, ["details"] * 3)
    assert [pause for pause in slept if pause >= 1] == [7, 2]


def test_patience_ends() -> None:
    transport = Transport(details=[answer(429)])
    asked, _ = prober(transport)
    (outcome,) = asked.run([Step("details", details())], told=ignore)
    assert outcome.said is not None
    assert (outcome.said.http, len(transport.sent)) == (429, 3)


def test_calls_are_spread() -> None:
    asked, slept = prober(Transport(), rate=4)
    asked.run([Step(str(number), details()) for number in range(5)], told=ignore)
    assert [round(pause, 1) for pause in slept[1:]] == [0.2] * 4 or sum(slept) == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_end_in_the_middle_leaves_nothing_behind(error: type[BaseException]) -> None:
    transport = Transport()
    asked, _ = prober(transport)

    def interrupt(_outcome: Outcome) -> None:
        raise error

    with pytest.raises(error):
        asked.run([STEP], told=interrupt)
    assert transport.sent == ["insert", "delete"]
    assert asked.left_behind == []


def test_silence_is_an_answer_too_and_the_record_is_deleted() -> None:
    transport = Transport(insert=[TimedOut("silence")])
    asked, _ = prober(transport)
    (outcome,) = asked.run([STEP], told=ignore)
    assert (outcome.said, outcome.failure) == (None, "silence")
    assert transport.sent == ["insert", "delete"]


def test_it_is_deleted_where_it_was_inserted() -> None:
    transport = Transport()
    asking = Questions("c", "/elsewhere")
    step = Step("insert", asking.insert({"a": "https://example.com/1.jpg"}), inserts=frozenset({"a"}))
    Prober(transport, transport, asking=asking, rate=1000, sleep=ignore).run([step], told=ignore)
    assert transport.paths == ["/elsewhere/insert", "/elsewhere/delete"]


def test_a_record_that_cannot_be_deleted_is_named() -> None:
    asked, _ = prober(Transport(delete=[TimedOut("silence")]))
    asked.run([STEP], told=ignore)
    assert asked.left_behind == ["a"]


def test_an_account_that_does_not_tell_its_credits() -> None:
    asked, _ = prober(Transport())
    (outcome,) = asked.run([Step("insert", STEP.call, weighed=True)], told=ignore)
    assert (outcome.cost, asked.credits_left) == (None, None)


def every_said(make: Callable[[Step], Said | None]) -> Findings:
    steps = all_steps(Questions("c"), "https://example.com/1.jpg", "run")
    return Findings.of([Outcome(step, make(step), failure="" if make(step) else "no line") for step in steps])


@pytest.mark.parametrize(
    "said",
    [None, Said(500), Said(200), Said(404, detail=True), Said(200, 411, "duplicate"), Said(401, detail=True)],
)
def test_findings_make_a_sentence_of_anything(said: Said | None) -> None:
    answers = every_said(lambda _step: said).answers()
    assert all(answers.values())


def test_the_settings_to_use_are_those_of_the_profile_that_works() -> None:
    all_well, none_well = every_said(lambda _step: Said(200, 200)), every_said(lambda _step: None)
    assert all_well.settings() == {"XIMILAR_API_PROFILE": "fashion", "XIMILAR_SEARCH_METHOD": "visualKNN"}
    only_former = every_said(
        lambda step: Said(400, 400) if step.name.startswith("recognition") else Said(404, detail=True)
    )
    assert only_former.settings() == {"XIMILAR_API_PROFILE": "recognition"}
    assert none_well.settings() == {}


@pytest.mark.parametrize("status", [401, 402, 403, 429, 500, 503])
@pytest.mark.parametrize("in_the_body", [False, True])
def test_a_refusal_of_the_account_is_no_sign_of_a_path(status: int, in_the_body: bool) -> None:
    findings = every_said(lambda _step: Said(200, status) if in_the_body else Said(status))
    assert (findings.profile, findings.nothing) == (None, True)


def test_statuses_that_mirror_now_and_then_are_called_so() -> None:
    findings = every_said(lambda step: Said(210, 210) if step.name == "insert" else Said(200, 404))
    assert findings.answers()["HTTP status and status.code"] == "now the one, now the other"


def test_what_is_asked_is_what_the_code_sends() -> None:
    steps = {step.name: step for step in all_steps(Questions("c"), "https://example.com/1.jpg", "run")}
    nulled = steps["update with null"].call.request.body["records"]
    ours = FashionRecords("/similarity/fashion-new/v2", "c")
    assert nulled[0]["name"] is None
    for number in (1, 2):
        assert steps[f"page {number}"].call.request == ours.page(number).request
    assert not any(steps[name].credits for name in ("update with null", "page 1", "page 2"))


@pytest.mark.parametrize(
    ("kept", "answer"),
    [
        ({"sku_id": "A"}, "the field is gone"),
        ({"sku_id": "A", "name": None}, "the field is null"),
        ({"sku_id": "A", "name": "changed"}, "the field is 'changed'"),
    ],
)
def test_what_becomes_of_a_field_that_is_null(kept: dict[str, str | None], answer: str) -> None:
    gets: dict[str, dict[str, str | None]] = {"get": {"name": "changed"}, "get after null": kept}
    findings = every_said(lambda step: Said(200, 200, ids=("a",), kept=gets.get(step.name, {})))
    assert findings.answers()["update with null"] == f"{answer}; HTTP 200, status.code 200"


@pytest.mark.parametrize("ids", [("a", "b"), ("c",)])
def test_a_page_that_comes_again_is_told(ids: tuple[str, ...]) -> None:
    pages = {"page 1": Said(200, 200, ids=("a", "b"), more=True), "page 2": Said(200, 200, ids=ids)}
    answers = every_said(lambda step: pages.get(step.name)).answers()
    again = ", the page before again" if ids == ("a", "b") else ""
    first, second = (answers[f"page {number} of up to 500 records"] for number in (1, 2))
    assert first.startswith("2 records, another follows")
    assert second.startswith(f"{len(ids)} records{again}, none follows")


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"[]",
            b"null",
            b"\xff",
            b'{"status": 3}',
            b'{"status": {"code": "x"}}',
            b'{"records": [1, {}]}',
        ),
        b'{"answer_records": [3, {"_id": 1}], "answer_distances": ["a", null, 1], "skipped_records": [{}]}',
        b'{"skipped_records": [{"_id": "a", "_reason": "because"}], "records": [{"_dominant_colors": 1}]}',
    ],
)
def test_any_answer_can_be_read(body: bytes) -> None:
    said = details().read(Response(200, {}, body))
    assert said.http == 200
