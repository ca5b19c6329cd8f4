"""A list of questions with answers: what is asked in other words is found, and what is not there is not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import write_csv

from nlpkit.recipes import index, search

pytestmark = pytest.mark.real_weights
CPU: dict[str, Any] = {"device": "cpu", "threads": 1}
FAQ = {
    "How do I get my money back?": "I want a refund",
    "Which payment methods do you take?": "can I pay by card",
    "Where is my parcel?": "my package has not arrived",
    "How long does delivery take?": "when will my order come",
    "Can I change my address after ordering?": "I moved, please send it to another place",
    "Do you ship abroad?": "do you deliver to Germany",
    "I forgot my password": "reset my password",
    "How do I delete my account?": "close my account",
    "Is there a guarantee?": "how long is the warranty",
    "My device does not switch on": "it won't turn on",
    "How do I clean the filter?": "cleaning instructions for the filter",
    "Do you repair broken devices?": "can you fix my machine",
    "Can I cancel my order?": "how to cancel a purchase",
    "Do you have a shop in town?": "is there a store I can visit",
    "How can I reach you by phone?": "phone number of customer service",
    "Are the batteries included?": "does it come with batteries",
    "Do you give discounts to students?": "student discount",
    "How do I subscribe to the newsletter?": "sign up for news by mail",
}
OFF = [
    "what is the airspeed of a swallow",
    "who discovered penicillin",
    "how do volcanoes form",
    "best recipe for lasagne",
    "translate hello into Japanese",
    "what is the population of Canada",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faq")
    data = write_csv(folder / "faq.csv", [{"question": question, "answer": f"{i}"} for i, question in enumerate(FAQ)])
    index.run(index.Config(data=str(data), text_column="question", output=folder / "i", **CPU))
    return folder / "i"


def found(place: Path, questions: list[str], **options: Any) -> list[list[str]]:
    report = search.run(search.Config(index=place, questions=questions, **CPU, **options))
    return [[hit["text"] for hit in answer["found"]] for answer in report.record["answers"]]


def test_what_is_asked_in_other_words_is_found(place: Path) -> None:
    answers = found(place, list(FAQ.values()))
    assert all(answers)
    right = sum(hits[0] == question for hits, question in zip(answers, FAQ, strict=True))
    assert right >= 16  # 17 of 18 are first


def test_what_is_not_there_is_not_found(place: Path) -> None:
    assert found(place, OFF) == [[]] * len(OFF)
    assert all(found(place, OFF, max_false_answers=1))


def test_judged_questions_settle_the_threshold(place: Path, tmp_path: Path) -> None:
    calibrated = Path(shutil.copytree(place, tmp_path / "i"))
    judged = write_csv(tmp_path / "judged.csv", [{"question": asked, "document": text} for text, asked in FAQ.items()])
    report = index.run(index.Config(output=calibrated, calibrate=str(judged), **CPU))
    assert report.record["no_answer"]["dense"]["questions"] == 18
    assert any("cannot be told from 18 questions" in line for line in report.lines)
    assert found(calibrated, OFF) == [[]] * len(OFF)
