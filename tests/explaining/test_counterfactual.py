"""The fewest words that change an answer: what is found can be typed, and no word of it is needless."""

from __future__ import annotations

import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import BAD, GOOD, RunOf, write_jsonl

from nlpkit.errors import UserError
from nlpkit.explaining.edits import Edit, Synonyms, edited
from nlpkit.recipes import explain, predict
from nlpkit.tasks.explained import Word

DEVICE = {"device": "cpu", "threads": 1}
TEXT = f"a {GOOD[0]} story, a {GOOD[1]} film and a {BAD[0]} end"


def answer(run: Path, text: str) -> str:
    return str(predict.run(predict.Config(model=str(run), texts=[text], **DEVICE)).record["answers"][0]["prediction"])


def sought(run: Path, **options: Any) -> Any:
    report = explain.run(explain.Config(model=str(run), texts=[TEXT], **options, **DEVICE))
    return report, report.record["answers"][0]["prediction_counterfactual"]


def without(words: list[dict[str, Any]]) -> str:
    edits = [
        Edit(Word(word["column"], word["start"], word["end"], word["text"], ()), word["instead"]) for word in words
    ]
    return edited({"text": TEXT}, edits)["text"]


@pytest.mark.parametrize("how", ["remove", "mask"])
def test_what_is_found_changes_the_answer_and_needs_all_of_its_words(how: str, trained: Path) -> None:
    report, found = sought(trained, counterfactual=how)
    before = report.record["answers"][0]["prediction"]
    changed = found["changed"]
    assert changed["prediction"] != before
    assert answer(trained, changed["texts"]["text"]) == changed["prediction"]
    assert without(changed["words"]) == changed["texts"]["text"]
    for some in itertools.combinations(changed["words"], len(changed["words"]) - 1):
        assert answer(trained, without(list(some))) == before
    assert found["variants"] >= len(changed["words"]) and found["of_words"] == 11
    assert "fewest words found" in report.tables[-1].title


def test_synonyms_stand_in_the_place_of_their_words(trained: Path, tmp_path: Path) -> None:
    table = "lemma\tpos\tsynonyms\n" + "".join(f"{word}\ta\tso so|{BAD[1]};{word}\n" for word in GOOD)
    path = tmp_path / "synonyms.tsv.gz"
    path.write_bytes(gzip.compress(table.encode()))
    assert Synonyms.read(path).by_word[GOOD[0]] == [BAD[1]]  # no word itself, no expression of several
    _, found = sought(trained, counterfactual="synonyms", synonyms=path)
    changed = found["changed"]
    assert {word["instead"] for word in changed["words"]} == {BAD[1]}
    assert {word["text"] for word in changed["words"]} <= set(GOOD)
    assert answer(trained, changed["texts"]["text"]) == changed["prediction"]


def test_a_model_that_fills_masks_proposes_words(trained: Path, run_of: RunOf) -> None:
    _, found = sought(trained, counterfactual="replace", filler=str(run_of("masked-lm")))
    assert found["variants"] > found["of_words"]  # several words were tried in the place of one
    for word in (found["changed"] or {"words": []})["words"]:
        assert word["instead"].isalpha() and word["instead"].lower() != word["text"].lower()
    with pytest.raises(UserError, match="is a model for text-classification"):
        sought(trained, counterfactual="replace", filler=str(trained))


def test_rows_are_counted_that_change_and_that_do_not(trained: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [{"text": TEXT}, {"text": ""}])
    config = explain.Config(
        model=str(trained),
        input=str(tmp_path / "rows.jsonl"),
        output=tmp_path / "why.jsonl",
        counterfactual="remove",
        max_errors=1,
        **DEVICE,
    )
    report = explain.run(config)
    assert (report.record["rows_sought"], report.record["rows_flipped"]) == (1, 1)
    assert "1 of 1 answers change" in "\n".join(report.lines)
    first = json.loads((tmp_path / "why.jsonl").read_text().splitlines()[0])
    assert first["prediction_counterfactual"]["changed"]["words"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"counterfactual": "replace"}, "no model that proposes words"),
        ({"counterfactual": "synonyms"}, "no table of synonyms"),
        ({"counterfactual": "remove", "target": "negative"}, "--target explains another"),
        ({"counterfactual": "remove", "by": "tokens"}, "words, not tokens"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], says: str, trained: Path) -> None:
    with pytest.raises(UserError, match=says):
        sought(trained, **options)


def test_a_number_has_no_other_answer(run_of: RunOf) -> None:
    with pytest.raises(UserError, match="changes with every word"):
        sought(run_of("regression"), counterfactual="remove")


def test_blanks_go_with_the_words_that_are_left_out() -> None:
    texts = {"a": "one two three", "b": "x"}
    words = [Word("a", 0, 3, "one", ()), Word("a", 8, 13, "three", ()), Word("b", 0, 1, "x", ())]
    assert edited(texts, [Edit(word, "") for word in words]) == {"a": "two", "b": ""}
    assert edited(texts, [Edit(words[1], "3")])["a"] == "one two 3"
