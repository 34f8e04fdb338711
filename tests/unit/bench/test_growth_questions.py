"""The questions of the growth bench fit the statements they name."""

from __future__ import annotations

import re

import pytest

from ops.bench.growth_questions import Question, questions
from procrastinate_app.queries import sql

ASKED = [question for area in questions(100_000).values() for question in area]


@pytest.mark.parametrize("question", ASKED, ids=lambda question: question.title)
def test_each_question_has_what_its_statement_takes(question: Question) -> None:
    assert set(re.findall(r"%\((\w+)\)s", sql(question.name))) <= set(question.parameters)


def test_titles_tell_questions_apart() -> None:
    titles = [(area, question.title) for area, asked in questions(100_000).items() for question in asked]
    assert len(titles) == len(set(titles))
