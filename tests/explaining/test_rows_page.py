"""The page of explained rows in a browser: what it shows is what files hold, and rows are chosen and put in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser as browsers
import pytest
from browser import Browser

from nlpkit.explaining.rows_page import page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browsers.found() is None, reason="no Chromium: apt-get install chromium"),
]

HOSTILE = "<b>bad</b>"


def entry(text: str, label: str, answer: str, score: float, strongest: int, *, apart: bool = False) -> dict[str, Any]:
    words = text.split()
    scores = [0.5 if i == strongest else -0.1 * i for i in range(len(words))]
    other = scores[::-1] if apart else [2 * value for value in scores]

    def method(values: list[float]) -> dict[str, Any]:
        return {"scores": values, "comprehensiveness": 0.3, "sufficiency": 0.1, "seconds": 0.1}

    part = {
        "asked": answer,
        "value": score,
        "masked_words": "left out",
        "words": [{"column": "text", "start": 0, "end": 1, "text": word} for word in words],
        "methods": {"erasure": method(scores), "occlusion": method(other)},
        "random": {"comprehensiveness": 0.01, "sufficiency": 0.2},
    }
    answered = {"prediction2": answer, "prediction2_score": score, "prediction2_error": None}
    return {"text": text, "label": label, "prediction": "was", **answered, "prediction2_explanations": [part]}


ENTRIES = [
    entry("a good film", "positive", "positive", 0.9, 1),
    *(entry(f"the dull {word}", "positive", "negative", 0.6 + i / 10, 1) for i, word in enumerate(("one", "two", "x"))),
    entry(f"so {HOSTILE} it is", "negative", "positive", 0.7, 1, apart=True),
    {
        "text": "",
        "label": "negative",
        "prediction2": None,
        "prediction2_error": "empty",
        "prediction2_explanations": [],
    },
]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("page")
    with page.format(folder / "why.html", model="runs/<i>") as write:
        write(ENTRIES[:2])
        write(ENTRIES[2:])
    with Browser(folder) as browser:
        browser.open((folder / "why.html").as_uri())
        yield browser


def titles(browser: Browser) -> list[str]:
    return list(browser.run("[...document.querySelectorAll('article h2')].map(h => h.textContent)"))


def choose(browser: Browser, name: str, value: str) -> None:
    browser.run(
        f"document.getElementById({name!r}).value = {value!r};"
        "document.getElementById('filter').dispatchEvent(new Event('input'))"
    )


def test_each_row_has_its_answer_and_its_words_as_they_are(shown: Browser) -> None:
    first, *_, hostile, empty = titles(shown)
    assert first == "1positive (0.900)"
    assert hostile == "5positive (0.700) wrong, it is negativemethods disagree (-0.60)"
    assert empty == "6" and shown.text("article:last-child .error") == "empty"
    assert shown.text("header h1") == "runs/<i>" and "6 rows, 4 answered otherwise" in shown.text("header")
    words = "[...document.querySelectorAll('article:nth-child(5) .method p')][0].querySelectorAll('span')"
    assert shown.run(f"[...{words}].map(one => one.textContent)") == ["so", HOSTILE, "it", "is"]
    assert shown.run(f"[...{words}].map(one => one.title)")[1] == f"{HOSTILE}: 0.500"
    assert shown.run("document.querySelectorAll('article b b').length") == 0


def test_words_that_mislead_are_counted_from_three_rows_on(shown: Browser) -> None:
    assert shown.run("[...document.querySelectorAll('table td')].map(cell => cell.textContent.trim())") == [
        "negative",
        "dull",
        "3",
    ]


def test_rows_are_chosen_and_put_in_order(shown: Browser) -> None:
    choose(shown, "answers", "wrong")
    assert [title[0] for title in titles(shown)] == ["2", "3", "4", "5"]
    choose(shown, "order", "unsure")
    assert [title[0] for title in titles(shown)] == ["2", "3", "5", "4"]
    choose(shown, "answer", "negative")
    choose(shown, "search", "TWO")
    assert [title[0] for title in titles(shown)] == ["3"] and shown.text("#said") == "1 of 6 rows"
    choose(shown, "search", "")
    choose(shown, "answer", "")
    choose(shown, "answers", "apart")
    assert [title[0] for title in titles(shown)] == ["5"]
    choose(shown, "answers", "")
    choose(shown, "order", "given")


def test_more_rows_than_a_page_has_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nlpkit import reporting

    monkeypatch.setattr(page, "MOST_ROWS", 2)
    with reporting.listening() as said, page.format(tmp_path / "why.html", model="m") as write:
        write(ENTRIES)
    assert "the first 2 rows; 4 more are not in it" in said.warnings[0]
    assert "4 more are left out" in (tmp_path / "why.html").read_text()
