from __future__ import annotations

import numpy as np
import pytest

from nlpkit.probing import material
from nlpkit.probing.heads import coreference
from nlpkit.probing.heads.observed import Head
from nlpkit.probing.heads.relations import Found, best

TEXT = "Ada met Bob before she left."
ROW = {
    "ID": "1", "Text": TEXT, "Pronoun": "she", "Pronoun-offset": 19, "URL": "",
    "A": "Ada", "A-offset": 0, "A-coref": "TRUE", "B": "Bob", "B-offset": 8, "B-coref": "FALSE",
}  # fmt: skip


def one() -> coreference.Pronoun:
    return coreference.pronoun(ROW, material.spans(ROW))


def test_the_name_that_is_meant_is_found_by_the_head_that_looks_at_it() -> None:
    attention = np.zeros((2, 3, 3))
    attention[0, 2] = [0.6, 0.1, 0.0]  # the pronoun looks at Ada
    attention[1, :, 2] = [0.2, 0.5, 0.0]  # Bob looks at the pronoun
    found = Found(coreference.PRONOUNS)
    for place in range(20):
        found.add(place, one(), attention, np.ones(3, bool))
    (of_she, of_all) = best(found, [Head(1, 1), Head(1, 2)], np.arange(20) < 10, fewest=10)
    assert (of_she.relation, of_all.relation) == ("she", "all pronouns")
    assert (of_she.head, of_she.direction, of_she.found.value) == (Head(1, 1), "from the word", 1.0)
    assert of_she.shares.tolist() == [1.0, 0.0]
    assert (of_she.rule, of_she.baseline.value) == ("the first name", 1.0)  # the nearer one is Bob


@pytest.mark.parametrize(("meant", "why"), [("TRUE", "both names are meant"), ("FALSE", "neither name is meant")])
def test_without_one_name_to_find_a_row_is_left_out(meant: str, why: str) -> None:
    row = {**ROW, "A-coref": meant, "B-coref": meant}
    with pytest.raises(ValueError, match=why):
        coreference.pronoun(row, material.spans(row))
