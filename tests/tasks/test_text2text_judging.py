"""What a report says of figures of written texts besides the figures."""

from __future__ import annotations

from typing import Any

import pytest
from datasets import Dataset

from nlpkit.tasks.text2text_generation import judging


def details(measure: judging.Measure, said: list[str], wanted: list[str]) -> dict[str, Any]:
    examples = Dataset.from_dict({"text": ["so"] * len(said), "targets": [[text] for text in wanted]})
    return judging.details(measure, judging.compared(measure, said, examples, [True] * len(said)), len(said))


@pytest.mark.parametrize(
    ("measure", "note"),
    [("translation", "BLEU of Chinese by the tokenizer zh"), ("summary", "ROUGE of words of any script")],
)
def test_what_was_chosen_by_the_references_is_told(measure: judging.Measure, note: str) -> None:
    """Of the figures that are shown: a translation has no ROUGE in its table."""
    told = details(measure, ["猫坐在垫子上", ""], ["猫在垫子上", "猫"])
    assert "|tok:zh|" in told["signatures"]["bleu"]
    wrong, notes = judging.tables("test", told)
    assert wrong.rows == [["say nothing", "1 of 2", "50.0%"]]
    assert [row[0].split(",")[0] for row in notes.rows] == [note]


def test_nothing_is_said_of_usual_figures() -> None:
    assert judging.tables("test", details("translation", ["a cat"], ["a dog"])) == []
