"""Loops, copies, and outputs without a model."""

from __future__ import annotations

import pytest

from nlpkit.metrics import degenerate, untrained


@pytest.mark.parametrize(
    ("text", "looping"),
    [
        ("the film the film the film", True),
        ("He said: The film, the film, the FILM.", True),
        ("one two three, one two three, one two three", True),
        ("no no no no no no", True),
        ("so he went on and on and on and on again", True),
        ("the film the film was good the film the film", False),
        ("no no no no no", False),
        ("the film and the film and the", False),
        ("他说他说他说", True),
        (", , , , , ,", True),
        ("Wait ......", False),
        ("a", False),
        ("", False),
    ],
)
def test_a_loop_is_a_phrase_three_times_in_a_row(text: str, looping: bool) -> None:
    assert degenerate.loops(text) is looping


@pytest.mark.parametrize(
    ("text", "source", "copied"),
    [
        ("Ein guter Film.", "ein guter  Film", True),
        ("guter Film", "Ein guter Film, sagt sie.", True),
        ("ein Film", "Ein guter Film", False),
        ("gut", "Ein guter Film", False),
        ("", "Ein guter Film", False),
    ],
)
def test_a_copy_stands_in_its_source_word_for_word(text: str, source: str, copied: bool) -> None:
    assert degenerate.copies(text, source) is copied


def test_outputs_that_need_no_model() -> None:
    parted = ["It rains.", "We stay.", "He reads.", "She sleeps."]
    for source in (parted, " ".join(parted)):
        assert untrained.outputs([source, source, "One sentence."]) == {
            "source": [" ".join(parted), " ".join(parted), "One sentence."],
            "lead-1": ["It rains.", "It rains.", "One sentence."],
            "lead-3": ["It rains. We stay. He reads."] * 2 + ["One sentence."],
        }
    assert list(untrained.outputs(["Two are. There."])) == ["source", "lead-1"]


def test_leads_of_single_sentences_are_not_shown_beside_them() -> None:
    captions = ["A man sleeps.", "A dog  runs", "Two men. One sits."]
    assert untrained.outputs(captions) == {"source": captions}
