"""Columns are found by their names, as the files of public data sets have them."""

from __future__ import annotations

import pytest

from nlpkit.data import columns


@pytest.mark.parametrize(
    ("header", "text", "label"),
    [
        (["Class Index", "Title", "Description"], "Description", "Class Index"),  # AG News
        (["reviewerID", "reviewText", "overall"], "reviewText", "overall"),  # Amazon reviews
        (["ItemID", "Sentiment", "SentimentText"], "SentimentText", "Sentiment"),
        (["PhraseId", "SentenceId", "Phrase", "Sentiment"], "Phrase", "Sentiment"),
        (["tweet_id", "airline_sentiment", "airline_sentiment_confidence", "text"], "text", "airline_sentiment"),
        (["Review Text", "review_text"], "review_text", None),  # what is called so comes before what is read so
        (["id", "Wert"], None, None),
    ],
)
def test_names_are_found_however_their_words_are_joined(header: list[str], text: str | None, label: str | None) -> None:
    assert columns.guess(header, columns.TEXT_NAMES) == text
    assert columns.guess(header, columns.LABEL_NAMES) == label


@pytest.mark.parametrize(
    ("header", "pair", "label"),
    [
        (["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"], ("#1 String", "#2 String"), "Quality"),  # MRPC
        (["qid1", "qid2", "question1", "question2", "is_duplicate"], ("question1", "question2"), "is_duplicate"),
        (["gold_label", "sentence1", "sentence1_parse", "sentence2"], ("sentence1", "sentence2"), "gold_label"),  # SNLI
        (["pair_ID", "sentence_A", "sentence_B", "entailment_label"], ("sentence_A", "sentence_B"), "entailment_label"),
    ],
)
def test_pairs_are_found(header: list[str], pair: tuple[str, str], label: str) -> None:
    assert columns.guess_pair(header) == pair
    assert columns.guess(header, columns.LABEL_NAMES) == label
