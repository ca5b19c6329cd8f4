"""What judged questions settle: how an index is searched, when it has no answer, and how good it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RunOf, write_csv, write_jsonl

from nlpkit import reporting
from nlpkit.data.inputs import Reading
from nlpkit.errors import UserError
from nlpkit.recipes import index, search
from nlpkit.searching import calibration, chances, judged
from nlpkit.searching.opened import Index
from nlpkit.searching.record import Chance

CPU: dict[str, Any] = {"device": "cpu", "threads": 1}
WORDS = ["a", "good", "great", "film", "the", "very", "bad", "day", "and", "clerk", "soup", "was", "cold"]


def documents(count: int) -> list[dict[str, str]]:
    """Documents whose words tell them apart, and whose meaning, to a model that knows none of them, does not."""
    return [{"id": f"d{i}", "text": f"zq{i} good film number{i} day{i % 3}"} for i in range(count)]


@pytest.fixture
def model(run_of: RunOf, tmp_path: Path) -> str:
    folder = tmp_path / "encoder"
    shutil.copytree(run_of("embedding"), folder, ignore=shutil.ignore_patterns("nlpkit.json", "data"))
    return str(folder)


@pytest.fixture
def place(model: str, tmp_path: Path) -> Path:
    data = write_jsonl(tmp_path / "docs.jsonl", documents(30))
    index.run(index.Config(data=str(data), model=model, output=tmp_path / "i", **CPU))
    return tmp_path / "i"


def pairs(path: Path, count: int = 30) -> Path:
    return write_csv(path, [{"question": f"good film number{i}?", "id": f"d{i}"} for i in range(count)])


def test_the_way_is_settled_on_judged_questions(place: Path, tmp_path: Path) -> None:
    calibrated = index.run(index.Config(output=place, calibrate=str(pairs(tmp_path / "pairs.csv")), **CPU))
    assert calibrated.record["mode"] == "bm25"  # words alone find all of these
    figures = calibrated.record["ways"]["figures"]
    assert figures["bm25"]["metrics"]["recall@1"] == 1 > figures["dense"]["metrics"]["recall@1"]
    assert any("hybrid is off" in line for line in calibrated.lines)
    (answer,) = search.run(search.Config(index=place, questions=["number7, good film"], **CPU)).record["answers"]
    assert answer["found"][0]["id"] == "d7" and answer["found"][0]["false_answer"] < 0.05
    (answer,) = search.run(search.Config(index=place, questions=["good film"], **CPU)).record["answers"]
    assert answer["found"] == [] and answer["best"]["score"] <= answer["threshold"]
    report = search.run(search.Config(index=place, questions=["good film"], **CPU))
    assert "nothing found" in report.lines[0] and "--max-false-answers 1 shows it" in report.lines[0]
    report = search.run(search.Config(index=place, questions=["good film"], max_false_answers=1, **CPU))
    (answer,) = json.loads(json.dumps(report.record, allow_nan=False))["answers"]
    assert answer["found"] and answer["threshold"] is None


def test_a_list_of_questions_with_answers_is_indexed_by_questions_and_judges_nothing(
    model: str, tmp_path: Path
) -> None:
    rows = [{"question": f"good film number{i}?", "answer": f"on day {i}", "topic": "films"} for i in range(24)]
    faq = write_csv(tmp_path / "faq.csv", rows)
    with reporting.listening() as said:
        report = index.run(index.Config(data=str(faq), model=model, output=tmp_path / "i", **CPU))
    assert any(
        "kept for --show and --filter: answer, topic; to search questions and answers: --title-column question "
        "--text-column answer" in line
        for line in said.notes
    )
    assert report.next_command is not None and report.next_command.endswith("--show answer")
    named = write_csv(tmp_path / "named.csv", [{"id": f"faq.csv:{i + 2}", **row} for i, row in enumerate(rows)])
    for judging in (faq, named):
        with pytest.raises(UserError, match="judges nothing: its column 'question' is the text of the documents"):
            index.run(index.Config(output=tmp_path / "i", calibrate=str(judging), **CPU))
    pairs = write_csv(
        tmp_path / "asked.csv", [{"question": f"number{i}", "document": row["question"]} for i, row in enumerate(rows)]
    )
    assert index.run(index.Config(output=tmp_path / "i", calibrate=str(pairs), **CPU)).record["mode"]


def test_a_threshold_that_refuses_most_questions_with_an_answer_is_not_taken(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"output": place, "calibrate": str(pairs(tmp_path / "pairs.csv")), **CPU}
    monkeypatch.setattr(calibration.Settled, "answered", lambda *_: 0.4)
    sources = {name: chance["source"] for name, chance in index.run(index.Config(**given)).record["no_answer"].items()}
    assert list(sources) == ["dense"], "of words nothing else is known"
    assert "everyday questions" in sources["dense"] and "only 40.0% of the judged questions" in sources["dense"]
    uncalibrated = index.run(index.Config(**{**given, "calibrate": None}))
    assert uncalibrated.record["no_answer"]["dense"]["estimate"] is True
    assert "can be promised only with judged ones" in " ".join(uncalibrated.lines)
    monkeypatch.setattr(calibration.Settled, "answered", lambda *_: 0.6)
    calibrated = index.run(index.Config(**given))
    assert "of new questions without an answer, like those that were judged" in " ".join(calibrated.lines)
    kept = calibrated.record["no_answer"]
    assert all("without the documents that answer each" in chance["source"] for chance in kept.values())


def test_hybrid_is_on_where_it_wins_and_its_figure_is_of_questions_that_it_was_not_fitted_on(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Index.open(place)
    questions = judged.read(str(pairs(tmp_path / "pairs.csv")), Reading(), opened.passages, judged.FITTING)
    random = np.random.default_rng(0)
    stored = opened.stored.floats(slice(None))
    vectors = stored + 0.0
    swapped = questions.questions[:]
    texts = [f"number{(i + 1) % 30}" if i % 2 else text for i, text in enumerate(swapped)]  # words lead half astray
    vectors[::2] = stored[random.permutation(30)][::2]  # and vectors the other half
    mixed = judged.Judged(texts, questions.relevant, "made up")
    settled = calibration.settle(opened, mixed, vectors)
    rows = settled.ways.figures
    best = max(rows[mode]["metrics"]["ndcg@10"] for mode in ("dense", "bm25"))
    assert settled.difference is not None
    assert settled.difference.value == pytest.approx(rows["hybrid"]["metrics"]["ndcg@10"] - best)
    assert (settled.ways.mode == "hybrid") == (settled.difference.value > 0 and settled.difference.told_apart)


def test_the_weight_is_chosen_on_the_other_folds() -> None:
    scores = np.zeros((2, 40))
    scores[0, :] = 0.5
    scores[1, 3] = 30.0  # one question that the second way answers best
    chosen = calibration._held_out(scores, 0)
    assert chosen[3] == 0  # not known to the fold that it is in
    assert sum(chosen) > 20


def test_a_question_without_its_answer_has_the_best_of_the_others(place: Path, tmp_path: Path) -> None:
    opened = Index.open(place)
    questions = judged.read(str(pairs(tmp_path / "p.csv", 25)), Reading(), opened.passages, judged.FITTING)
    settled = calibration.settle(opened, questions, opened.stored.floats(slice(0, 25)))
    whole = opened.stored.scores(opened.stored.floats(slice(0, 25)))
    whole[np.arange(25), np.arange(25)] = -np.inf
    np.testing.assert_allclose(settled.chance["dense"].best, np.sort(whole.max(axis=1)), atol=1e-5)


def test_questions_that_are_said_to_have_no_answer_settle_when_nothing_is_found(place: Path, tmp_path: Path) -> None:
    rows = [{"question": f"good film number{i}?", "id": f"d{i}"} for i in range(10)]
    rows += [{"question": f"very bad soup {i}", "id": ""} for i in range(22)]
    with reporting.listening() as said:
        report = index.run(index.Config(output=place, calibrate=str(write_csv(tmp_path / "j.csv", rows)), **CPU))
    assert any("22 questions are said to have no answer" in line for line in said.notes)
    chance = Index.open(place).entry.chance["dense"]
    assert len(chance.best) == 22 and "22 questions that are said to have no answer" in chance.source
    assert any("of the judged questions, which have an answer" in line for line in report.lines)
    opened = Index.open(place)
    questions = judged.read(str(tmp_path / "j.csv"), Reading(), opened.passages, judged.FITTING)
    assert len(questions.questions) == 10 and len(questions.unanswered) == 22


def test_no_more_than_the_promised_share_exceeds_a_threshold() -> None:
    chance = Chance(best=[round(0.01 * i, 2) for i in range(1, 100)], source="")
    assert chances.threshold(chance, 0.05) == 0.95
    assert chances.threshold(chance, 0.5) == 0.5
    assert chances.threshold(chance, 1) is None
    assert chances.threshold(Chance(best=[0.1, 0.4], source=""), 0.05) == 0.4  # of two 5 % cannot be told
    assert chances.probability(chance, 0.955) == 0.05
    assert chances.probability(chance, 2) == 0.01


def test_without_judgements_questions_of_everyday_life_tell(place: Path) -> None:
    report = search.run(search.Config(index=place, questions=["zq1 good film number1 day1"], **CPU))
    entry = Index.open(place).entry
    assert list(entry.chance) == ["dense"] and "everyday questions" in entry.chance["dense"].source
    (answer,) = report.record["answers"]
    assert answer["threshold"] == chances.threshold(entry.chance["dense"], 0.05)


def test_judgements_are_read_by_ids_by_texts_and_of_collections(place: Path, tmp_path: Path) -> None:
    passages = Index.open(place).passages
    texts = [row["text"] for row in documents(30)]
    by_text = write_csv(
        tmp_path / "t.csv",
        [{"question_1": texts[i], "question_2": f"q{i}", "similar": str(int(i < 2))} for i in range(4)],
    )
    with reporting.listening() as said:
        found = judged.read(str(by_text), Reading(), passages, judged.FITTING)
    assert (found.questions, found.relevant) == (["q0", "q1"], [{0: 1.0}, {1: 1.0}])
    assert any("question 'question_2', document 'question_1', grade 'similar'" in line for line in said.notes)
    squad = {"data": [{"paragraphs": [{"context": texts[5], "qas": [{"id": "1", "question": "where?"}]}]}]}
    (tmp_path / "s.json").write_text(json.dumps(squad))
    found = judged.read(str(tmp_path / "s.json"), Reading(), passages, judged.FITTING)
    assert (found.questions, found.relevant) == (["where?"], [{5: 1.0}])
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    write_jsonl(folder / "corpus.jsonl", [{"_id": row["id"], "text": row["text"]} for row in [*documents(31)]])
    write_jsonl(folder / "queries.jsonl", [{"_id": "1", "text": "one"}, {"_id": "2", "text": "two"}])
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\td3\t2\n1\td30\t1\n2\td4\t0\n")
    with reporting.listening() as said:
        found = judged.read(str(folder), Reading(), passages, judged.MEASURING)
    assert (found.questions, found.relevant) == (["one"], [{3: 2.0}])
    assert any("those of documents that are not in the index: 1" in line for line in said.warnings)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"question": "x", "id": "nobody"}], "which columns are the question and the document"),
        ([{"question": "x", "id": "d1", "score": "good"}], "is no number"),
        ([{"question": "x", "id": "d1", "score": "0"}], "no question has an answer"),
    ],
)
def test_judgements_that_do_not_fit_are_refused(
    rows: list[dict[str, str]], said: str, place: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=said):
        index.run(index.Config(output=place, calibrate=str(write_csv(tmp_path / "j.csv", rows)), **CPU))


def test_a_search_is_measured_by_each_way(place: Path, tmp_path: Path) -> None:
    questions = str(pairs(tmp_path / "pairs.csv"))
    report = search.run(search.Config(index=place, judgements=questions, **CPU))
    assert list(report.record["figures"]) == ["dense", "bm25", "hybrid, 0.5 dense"]
    row = report.record["figures"]["bm25"]
    assert row["metrics"]["recall@1"] == 1 and row["questions"] == 30
    low, high = report.record["figures"]["dense"]["metric_intervals"]["ndcg@10"]
    assert low < report.record["figures"]["dense"]["metrics"]["ndcg@10"] < high
    with pytest.raises(UserError, match="among all documents"):
        search.run(search.Config(index=place, judgements=questions, filter=["id=d1"], **CPU))
