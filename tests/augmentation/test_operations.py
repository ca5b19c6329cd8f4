"""Every operation on a row that was worked out by hand; entities and their spans stay right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from nlpkit.augmentation import registry, synonyms
from nlpkit.augmentation.noise import CONFUSED, neighbours
from nlpkit.augmentation.operation import Material, Operation
from nlpkit.augmentation.options import AugmentationOptions
from nlpkit.data.wording import Word, text_of, words_of
from nlpkit.errors import UserError
from nlpkit.tasks.token_classification import tags as schemes
from nlpkit.tasks.token_classification.rewording import spans_of

TEXT = "The movie (a long one) wasn't bad, they started well!"


def tagged(written: str) -> list[Word]:
    """Words with tags, as in "Ann:B-PER sings:O"."""
    return [Word(word, tag=tag) for word, _, tag in (part.rpartition(":") for part in written.split())]


TRAIN = [tagged("Ann:B-PER Lee:I-PER saw:O old:O Rome:B-LOC today:O"), tagged("Bob:B-PER left:O New:B-LOC York:I-LOC")]


def operation(name: str, rate: float | None = None, wordings: Sequence[Sequence[Word]] = ()) -> Operation:
    options = AugmentationOptions(by=[name], rate=rate)
    (made,) = registry.make(options, Material(wordings, rate or 0.1, "bio" if wordings else None))
    return made


def changed(name: str, wording: Sequence[Word], rate: float = 0.3, seed: int = 0) -> list[Word]:
    (made,) = operation(name, rate, TRAIN if wording[0].tag else ()).changed([wording], [np.random.default_rng(seed)])
    assert made is not None
    return list(made)


def test_words_are_put_together_as_they_stood() -> None:
    assert [word.text for word in words_of(TEXT)][:8] == ["The", "movie", "(", "a", "long", "one", ")", "wasn't"]
    assert text_of(words_of(TEXT)) == TEXT


def test_synonyms_keep_form_and_capitals() -> None:
    made = {text_of(changed("synonyms", words_of("Movies started"), rate=1, seed=seed)) for seed in range(20)}
    assert made == {"Films commenced", "Pictures commenced"}  # "begin" has no -ed, and a beginning is no verb
    assert changed("synonyms", words_of("FILM"))[0].text in ("MOVIE", "PICTURE")


def test_insert_puts_a_synonym_of_a_word_in() -> None:
    for seed in range(10):
        made = changed("insert", words_of("no rapid one"), seed=seed)
        extra = [word.text for word in made if word.text not in ("no", "one")]
        assert len(made) == 4
        assert {"rapid"} < set(extra) <= {"rapid", "fast", "quick", "swift"}


def test_swap_leaves_words_and_punctuation_where_it_stood() -> None:
    for seed in range(10):
        made = text_of(changed("swap", words_of("one, two (three)"), seed=seed))
        assert made in ("two, one (three)", "three, two (one)", "one, three (two)")


def test_delete_leaves_no_blank_behind() -> None:
    made = {text_of(changed("delete", words_of("good film, (very) bad"), rate=0.01, seed=seed)) for seed in range(30)}
    assert made == {"film, (very) bad", "good, (very) bad", "good film, () bad", "good film, (very)"}


def test_slips_are_those_of_keys_and_shapes() -> None:
    assert set(neighbours("qwerty")["a"]) == set("qwsz")
    assert set(neighbours("qwertz")["t"]) == set("rzfg")
    for seed in range(10):
        (typed,) = changed("keyboard", words_of("a"), seed=seed)
        (scanned,) = changed("ocr", words_of("me"), seed=seed)
        assert typed.text in set("qwsz")
        assert scanned.text in {f"{m}e" for m in CONFUSED["m"]} | {f"m{e}" for e in CONFUSED["e"]}
    assert changed("case", words_of("film"))[0].text in ("FILM", "Film")


def test_marks_are_put_between_words() -> None:
    made = changed("punctuation", words_of("one two three"))
    assert [word.text for word in made if word.is_word] == ["one", "two", "three"]
    assert len(made) == 4


def test_mentions_have_the_type_and_the_tags_of_those_in_their_place() -> None:
    made = changed("mentions", TRAIN[0], rate=1)
    assert made == tagged("Bob:B-PER saw:O old:O New:B-LOC York:I-LOC today:O")
    assert spans_of(made) == [
        {"start": 0, "end": 3, "label": "PER"},
        {"start": 12, "end": 20, "label": "LOC"},
    ]


def test_segments_are_shuffled_within_themselves() -> None:
    seen = {tuple(word.text for word in changed("segments", TRAIN[0], rate=1, seed=seed)) for seed in range(20)}
    first, between = [("Ann", "Lee"), ("Lee", "Ann")], [("saw", "old"), ("old", "saw")]
    assert seen == {(*one, *other, "Rome", "today") for one in first for other in between}


def test_labelwise_words_have_the_same_tag() -> None:
    known = {(word.text, word.tag) for wording in TRAIN for word in wording}
    for seed in range(10):
        made = changed("labelwise", TRAIN[0], rate=0.5, seed=seed)
        assert [word.tag for word in made] == [word.tag for word in TRAIN[0]]
        assert {(word.text, word.tag) for word in made} <= known


@pytest.mark.parametrize("name", ["insert", "swap", "delete", "punctuation", "synonyms"])
def test_entities_stay_whole(name: str) -> None:
    wording = tagged("the:O old:O Ann:B-PER Lee:I-PER saw:O the:O film:O in:O New:B-LOC York:I-LOC today:O")
    for seed in range(10):
        made = changed(name, wording, rate=0.4, seed=seed)
        tags = [str(word.tag) for word in made]
        entities = {" ".join(word.text for word in made[span.start : span.end]) for span in schemes.spans(tags)}
        assert entities <= {"Ann Lee", "New York", "Recent York", "Fresh York"}
        assert len(entities) == 2
        assert not schemes.problems(tags, "bio")


def test_a_synonym_of_several_words_goes_on_with_its_entity() -> None:
    assert Word("York", tag="B-LOC").replaced("Big Apple") == tagged("Big:B-LOC Apple:I-LOC")


def test_what_needs_entities_is_refused_without() -> None:
    with pytest.raises(UserError, match="--by mentions works on words with tags"):
        registry.make(AugmentationOptions(by=["swap", "mentions"]), Material([], 0.1, None))


def test_tables_of_synonyms_in_three_forms(tmp_path: Path) -> None:
    path = tmp_path / "synonyms.txt"
    path.write_text("film\tmovie, motion picture\n")
    assert synonyms.read(path) == {"film": ["movie", "motion picture"]}
    path.write_text("lemma\tpos\tsynonyms\nbank\tn\t;savings bank|coin bank;cant\nbank\tv\t;;bet|rely\n")
    assert synonyms.read(path) == {"bank": ["savings bank", "coin bank", "bet", "rely"]}
    path.write_text("good great fine\n")
    assert synonyms.read(path) == {"good": ["great", "fine"]}
