"""Figures of written texts against sacrebleu, rouge-score and counts by hand; of drawn rows, too."""

from __future__ import annotations

import random
import sys
from typing import Any

import numpy as np
import pytest

from nlpkit.errors import UserError
from nlpkit.metrics import bleu_tokenizers, corpus_scores, intervals, paired, rouge, written
from nlpkit.metrics.written import compared

WORDS = [
    "the", "a", "cat", "dog", "sat", "sits", "on", "mat,", "mats.", "under", "3.5", "it's", "old-fashioned", "Über",
    "naïve", "runs", "running", "quickly", "said:", "“yes”",
]  # fmt: skip


def texts(seed: int, rows: int = 24, references: int = 3) -> tuple[list[str], list[list[str]]]:
    """Outputs that say some of what their references say, one nothing, one a single word; 1 to 3 references each."""
    rng = random.Random(seed)
    wanted = [[" ".join(rng.choices(WORDS, k=rng.randint(3, 14)))] for _ in range(rows)]
    for row in wanted:
        row += [" ".join(rng.choices(WORDS, k=rng.randint(3, 14))) for _ in range(rng.randrange(references))]
    said = [
        " ".join(rng.choice(WORDS) if rng.random() < 0.4 else word for word in row[0].split()[: rng.randint(2, 14)])
        for row in wanted
    ]
    said[3], said[7], said[9] = "", "cat", wanted[9][-1]
    return said, wanted


def nested(references: list[list[str]]) -> list[list[str | None]]:
    """As sacrebleu takes them."""
    most = max(map(len, references))
    return [[row[i] if i < len(row) else None for row in references] for i in range(most)]


def sacrebleu_says(said: list[str], wanted: list[list[str]]) -> dict[str, float]:
    from sacrebleu.metrics import BLEU, CHRF, TER

    metrics: dict[str, Any] = {"bleu": BLEU(), "chrf": CHRF(), "ter": TER()}
    return {name: metric.corpus_score(said, nested(wanted)).score for name, metric in metrics.items()}


def test_figures_by_hand() -> None:
    found = compared(["the cat sat on the mat"], [["the cat is on the mat"]]).metrics()
    # n-grams that are right: 5 of 6, 3 of 5, 1 of 4, and 0 of 3, which smoothing makes half of one
    assert found["bleu"] == pytest.approx(100 * (5 / 6 * 3 / 5 * 1 / 4 * 0.5 / 3) ** 0.25)
    assert found["ter"] == pytest.approx(100 / 6)
    assert [found[name] for name in rouge.NAMES] == pytest.approx([100 * 5 / 6, 60, 100 * 5 / 6, 100 * 5 / 6])
    assert (found["length_ratio"], found["mean_length"], found["exact_match"]) == (1, 6, 0)
    short = compared(["the cat"], [["the cat is here"]]).of_rows()
    assert short["bleu"].tolist() == pytest.approx([100 * np.exp(1 - 4 / 2)])  # both n-grams that there are, too short


@pytest.mark.parametrize("seed", range(4))
def test_corpus_figures_are_those_of_sacrebleu(seed: int) -> None:
    said, wanted = texts(seed)
    found = compared(said, wanted).metrics()
    assert {name: found[name] for name in ("bleu", "chrf", "ter")} == pytest.approx(sacrebleu_says(said, wanted))


@pytest.mark.parametrize("tokenizer", ["char", "zh", "intl", "none"])
def test_bleu_by_another_tokenizer(tokenizer: str) -> None:
    from sacrebleu.metrics import BLEU

    said, wanted = ["猫坐在垫子上。", "Er sagt: «Über 3,5 %»."], [["猫在垫子上。"], ["Er sagte: «Über 3,5 %»."]]
    score = BLEU(tokenize=tokenizer).corpus_score(said, nested(wanted)).score
    judged = compared(said, wanted, bleu_tokenizer=tokenizer)
    assert judged.metrics()["bleu"] == pytest.approx(score)
    assert f"tok:{tokenizer}" in judged.signatures["bleu"]


def test_figures_of_drawn_rows_are_those_of_the_rows() -> None:
    """Intervals and paired tests are of the corpus metric itself, and not of a mean over rows."""
    said, wanted = texts(5)
    judged = compared(said, wanted)
    evidence = judged.evidence()
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, len(said), len(said)).tolist() for _ in range(8)] + [[3] * 4, [3, 7], [7, 7], [9]]
    weights = np.array([np.bincount(rows, minlength=len(said)) for rows in draws], dtype=float)
    found = evidence.figures(weights)
    for i, rows in enumerate(draws):
        drawn = ([said[row] for row in rows], [wanted[row] for row in rows])
        assert {name: found[name][i] for name in ("bleu", "chrf", "ter")} == pytest.approx(sacrebleu_says(*drawn))
        again = compared(*drawn).metrics()
        assert {name: values[i] for name, values in found.items()} == pytest.approx(again)
    assert set(intervals.of(evidence)) == set(judged.metrics())


def test_figures_of_single_rows_are_those_of_sacrebleu() -> None:
    from sacrebleu.metrics import BLEU, CHRF, TER

    said, wanted = texts(6)
    found = compared(said, wanted).of_rows()
    metrics: dict[str, Any] = {"bleu": BLEU(effective_order=True), "chrf": CHRF(), "ter": TER()}
    for name, metric in metrics.items():
        rows = [metric.sentence_score(text, row).score for text, row in zip(said, wanted, strict=True)]
        assert found[name].tolist() == pytest.approx(rows)


def test_rouge_is_that_of_rouge_score() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    said, wanted = texts(7)
    said[0], wanted[0] = "He runs.\nShe sat.", ["She sits.\nHe runs quickly.", "He ran"]
    scorer = RougeScorer(list(rouge.NAMES), use_stemmer=True)
    rows = [scorer.score_multi(row, text) for text, row in zip(said, wanted, strict=True)]
    expected = [[row[name].fmeasure for name in rouge.NAMES] for row in rows]
    assert rouge.of_rows(said, wanted) == pytest.approx(np.array(expected))


def test_rouge_lsum_compares_sentences() -> None:
    """The order of sentences costs rougeL, and not rougeLsum; they are found where a text has one line."""
    (row,) = rouge.of_rows(["It rains. The dog barks."], [["The dog barks. It rains."]])
    assert row[rouge.NAMES.index("rougeL")] == pytest.approx(3 / 5)
    assert row[rouge.NAMES.index("rougeLsum")] == 1


def test_rouge_of_other_scripts() -> None:
    """rouge-score itself sees nothing in Cyrillic, and two words in a German one with an umlaut."""
    said, wanted = ["Кошка спит", "Männer"], [["Кошка спит"], ["Manner"]]
    assert rouge.of_rows(said, wanted)[0].tolist() == [0, 0, 0, 0]
    found = rouge.of_rows(said, wanted, "any")
    assert found[0].tolist() == [1, 1, 1, 1]
    assert found[1].tolist() == [0, 0, 0, 0]
    assert rouge.of_rows(["我吃鱼"], [["我吃肉"]], "any")[0, 0] == pytest.approx(2 / 3)


def test_signatures_say_how_figures_were_computed() -> None:
    said, wanted = texts(8)
    signatures = compared(said, wanted, rouge_words="any").signatures
    assert signatures["bleu"].startswith("nrefs:var|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert "nc:6|nw:0" in signatures["chrf"] and "tok:tercom" in signatures["ter"]
    assert signatures["rouge"].startswith("nrefs:var|best:each|words:any|stem:no|version:")
    one = compared(["a b"], [["a b"]], ter=False)
    assert one.signatures["bleu"].startswith("nrefs:1|") and "ter" not in one.signatures
    assert "ter" not in one.metrics() and "ter" not in one.of_rows()


def test_what_went_wrong_is_counted() -> None:
    said = ["", "a film a film a film", "ein guter Film", "A good film !"]
    sources = ["so", "ein Film", "ein guter Film, sagt sie", "ein Film"]
    wanted = [["so"], ["a film"], ["a good film"], ["a  good film !"]]
    judged = compared(said, wanted, sources=sources, ended=[True, False, True, True])
    shares = {"exact_match": 0, "empty": 25, "cut": 25, "repeating": 25, "copied": 25}
    assert {name: judged.metrics()[name] for name in shares} == shares
    assert compared(said, [*wanted[:3], ["A good  film !"]]).metrics()["exact_match"] == 25
    assert not {"cut", "copied"} & set(compared(said, wanted).metrics())
    assert intervals.of(judged.evidence())["cut"] == pytest.approx((4.56, 69.94), abs=0.01)  # Wilson's of 1 of 4


def test_every_figure_has_a_name_and_a_direction() -> None:
    said, wanted = texts(9)
    judged = compared(said, wanted, sources=said, ended=[True] * len(said))
    assert set(judged.metrics()) == set(written.NAMES) > written.LOWER_IS_BETTER


def test_two_models_are_told_apart_on_the_same_rows() -> None:
    """What `compare` asks: on two thirds of the rows the second model finds more, on the others they say the same."""
    said, wanted = texts(10, rows=90)
    better = [row[0] if i % 3 else text for i, (text, row) in enumerate(zip(said, wanted, strict=True))]
    first, second = (compared(outputs, wanted) for outputs in (said, better))
    found = paired.differences(first.evidence(), second.evidence())
    for name in ("bleu", "chrf", "ter", "rougeL"):
        assert found[name].value == pytest.approx(second.metrics()[name] - first.metrics()[name])
        assert found[name].told_apart and found[name].test == paired.BOOTSTRAP
    assert found["bleu"].value > 0 > found["ter"].value
    assert found["exact_match"].test == paired.MCNEMAR
    same = paired.differences(first.evidence(), compared(said, wanted).evidence())
    assert not any(difference.told_apart for difference in same.values())


@pytest.mark.parametrize(
    ("text", "tokenizer", "words"),
    [
        (
            "The cat sat in a naïve way on the mat in the old house, and the dogs ran to the sea and back again.",
            "13a",
            "english",
        ),
        ("Ein schöner Hund", "13a", "any"),
        ("猫坐在垫子上", "zh", "any"),
        ("猫がマットの上に座った", "char", "any"),
        ("แมวนั่งบนเสื่อ", "char", "any"),
    ],
)
def test_the_script_of_references_says_how_words_are_parted(
    text: str, tokenizer: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else BLEU of Chinese finds whole sentences or nothing, and ROUGE parts German words at their umlauts."""
    import sacrebleu.tokenizers.tokenizer_ja_mecab as japanese

    monkeypatch.setattr(japanese, "MeCab", None)
    judged = compared([text], [[text]])
    assert f"|tok:{tokenizer}|" in judged.signatures["bleu"] and f"|words:{words}|" in judged.signatures["rouge"]
    assert bool(judged.notes["bleu"]) == (tokenizer != "13a") and bool(judged.notes["rouge"]) == (words != "english")
    asked = compared([text], [[text]], bleu_tokenizer="13a", rouge_words="english")
    assert "|tok:13a|" in asked.signatures["bleu"] and "|words:english|" in asked.signatures["rouge"]
    assert not any(asked.notes.values())


def test_outputs_that_look_tokenized_are_told() -> None:
    (note,) = compared(["a cat .", "a dog .", "no"], [["a"]] * 3).notes["bleu"]
    assert note.startswith("2 of 3 outputs end in a blank and a period")
    assert not compared(["a cat .", "a dog", "no"], [["a"]] * 3).notes["bleu"]
    assert not compared(["a cat .", "a dog .", "no"], [["a"]] * 3, bleu_tokenizer="none").notes["bleu"]


@pytest.mark.parametrize(
    ("said", "wanted", "others", "message"),
    [
        ([], [], {}, "no row"),
        (["a", "b"], [["a"]], {}, "2 predictions do not go with 1 rows"),
        (["a"], [["a"]], {"sources": ["a", "b"]}, "1 predictions do not go with 2 rows"),
        (["a"], [["a"]], {"ended": []}, "1 predictions do not go with 0 rows"),
        (["a", "b"], [["a"], []], {}, r"references\[1\] has no text"),
        (["a"], [["a", " "]], {}, r"references\[0\] has no text"),
        (["a"], ["a"], {}, "not a list of texts"),
    ],
)
def test_rows_that_cannot_be_judged(said: list[str], wanted: Any, others: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compared(said, wanted, **others)


@pytest.mark.parametrize(("library", "need"), [("sacrebleu.metrics.bleu", "BLEU"), ("rouge_score", "ROUGE")])
def test_a_missing_library_is_named(library: str, need: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UserError, match=f"{need}.* need") as raised:
        compared(["a"], [["a"]])
    assert raised.value.hint == "pip install 'nlpkit[generate]'"


def test_tokenizers_that_would_need_something_are_refused(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import sacrebleu.tokenizers.tokenizer_ja_mecab as japanese

    monkeypatch.setattr("sacrebleu.utils.SACREBLEU_DIR", str(tmp_path))
    with pytest.raises(UserError, match="sacrebleu fetches, and nlpkit does not"):
        bleu_tokenizers.require("flores200")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(japanese, "MeCab", None)
    with pytest.raises(UserError, match="ja-mecab is not there") as raised:
        bleu_tokenizers.require("ja-mecab")
    assert raised.value.hint == "pip install 'sacrebleu[ja]'"
    with pytest.raises(UserError, match="no tokenizer spm"):
        bleu_tokenizers.require("spm")


def test_the_tokenizers_are_those_of_sacrebleu() -> None:
    from sacrebleu.metrics import BLEU

    assert set(bleu_tokenizers.TOKENIZERS) < set(BLEU.TOKENIZERS)
    assert BLEU.TOKENIZER_DEFAULT == bleu_tokenizers.DEFAULT
    assert BLEU().max_ngram_order == corpus_scores.ORDERS
