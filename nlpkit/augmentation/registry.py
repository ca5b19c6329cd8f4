"""The operations that there are. To add one, write its module, and add its name to `options.Way` and a line here."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Literal, NamedTuple

from nlpkit.augmentation.operation import Make, Material, Operation
from nlpkit.augmentation.options import AugmentationOptions
from nlpkit.errors import UserError


class Entry(NamedTuple):
    """Where an operation is made, and what it is for.

    Attributes:
        make: module below `nlpkit.augmentation` and function, see `operation.Make`.
        does: what becomes of a row, in a few words.
        needs: which words it works on: any, those with tags, those with entities, or texts alone.
    """

    make: str
    does: str
    needs: Literal["", "tags", "entities", "texts"] = ""


OPERATIONS: dict[str, Entry] = {
    "synonyms": Entry("eda:synonyms", "synonyms in the place of some words"),
    "insert": Entry("eda:insert", "synonyms of some words put in"),
    "swap": Entry("eda:swap", "some words exchanged"),
    "delete": Entry("eda:delete", "some words left out"),
    "keyboard": Entry("noise:keyboard", "keys beside the right ones"),
    "ocr": Entry("noise:ocr", "characters that look alike"),
    "case": Entry("noise:case", "capitals and small letters"),
    "punctuation": Entry("noise:punctuation", "marks put in (AEDA)"),
    "mentions": Entry("tagged:mentions", "other entities of the same type", "entities"),
    "segments": Entry("tagged:shuffled", "words in another order within entities and between them", "entities"),
    "labelwise": Entry("tagged:labelwise", "other words with the same tag", "tags"),
    "masked-lm": Entry("masked:masked_words", "what a masked language model writes in the place of some words"),
    "back-translation": Entry("rewritten:back_translated", "through another language and back", "texts"),
    "paraphrase": Entry("rewritten:paraphrased", "in other words", "texts"),
}
_LACKING = {
    "tags": "words with tags (--task token-classification)",
    "entities": "words with tags that mark entities (--task token-classification)",
    "texts": "texts, whose words have no tags",
}


def make(options: AugmentationOptions, material: Material) -> list[Operation]:
    """The operations of --by, in their order, each once.

    Raises:
        UserError: one works on other rows than these, or cannot be made.
    """
    names = list(dict.fromkeys(options.by))
    for name in names:
        needs = OPERATIONS[name].needs
        fits = {
            "": True,
            "tags": material.tags is not None,
            "entities": material.tags == "bio",
            "texts": material.tags is None,
        }
        if not fits[needs]:
            raise UserError(f"--by {name} works on {_LACKING[needs]}", _others(names, fits))
    return [_maker(OPERATIONS[name].make)(options, material) for name in names]


def _others(names: Sequence[str], fits: dict[str, bool]) -> str:
    fitting = [name for name in names if fits[OPERATIONS[name].needs]]
    return f"Leave it out: --by {','.join(fitting) or ','.join(n for n, one in OPERATIONS.items() if fits[one.needs])}"


def _maker(place: str) -> Make:
    module, _, name = place.partition(":")
    maker: Make = getattr(importlib.import_module(f"nlpkit.augmentation.{module}"), name)
    return maker
