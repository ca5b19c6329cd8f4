"""Texts with some of their words left out, masked or replaced, as a person would type them."""

from __future__ import annotations

import csv
import gzip
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nlpkit.errors import UserError
from nlpkit.options import DeviceOptions
from nlpkit.runs.files import small_text
from nlpkit.tasks.explained import Word

if TYPE_CHECKING:
    from nlpkit.inference.predictor import Predictor

CANDIDATES = 5  # words that are tried in the place of one


@dataclass(frozen=True)
class Edit:
    """What becomes of one word.

    Attributes:
        word: that is there.
        instead: what stands there then; "" where it is left out.
    """

    word: Word
    instead: str


def edited(texts: Mapping[str, str], edits: Sequence[Edit]) -> dict[str, str]:
    """The texts of a row with some words changed; one that is left out takes a blank beside it along."""
    made = dict(texts)
    for edit in sorted(edits, key=lambda one: -one.word.start):
        text, start, end = made[edit.word.column], edit.word.start, edit.word.end
        if not edit.instead:
            if text[end : end + 1].isspace():
                end += 1
            elif start and text[start - 1].isspace():
                start -= 1
        made[edit.word.column] = text[:start] + edit.instead + text[end:]
    return made


class Proposes(Protocol):
    """What can stand in the place of words."""

    def __call__(self, texts: Mapping[str, str], words: Sequence[Word]) -> list[list[str]]:
        """For each word what may stand in its place; "" to leave it out, nothing where there is no candidate."""


def left_out(texts: Mapping[str, str], words: Sequence[Word]) -> list[list[str]]:
    """Nothing."""
    return [[""] for _ in words]


@dataclass(frozen=True)
class Masked:
    """The mask token of the model that is explained.

    Raises:
        UserError: it has none.
    """

    tokenizer: Any

    def __post_init__(self) -> None:
        if self.tokenizer.mask_token is None:
            raise UserError(
                "--counterfactual mask: the tokenizer of the model has no mask token", "Use --counterfactual remove."
            )

    def __call__(self, texts: Mapping[str, str], words: Sequence[Word]) -> list[list[str]]:
        return [[str(self.tokenizer.mask_token)] for _ in words]


@dataclass(frozen=True)
class Filled:
    """The likeliest other words in the place of a word, by a model that fills masks.

    Args:
        filler: of that model.
    """

    filler: Predictor[Any]

    def __call__(self, texts: Mapping[str, str], words: Sequence[Word]) -> list[list[str]]:
        mask = str(self.filler.tokenizer.mask_token)
        column = self.filler.task.reader().input_columns[0]
        rows = [{column: edited(texts, [Edit(word, mask)])[word.column]} for word in words]
        found = []
        for word, answer in zip(words, self.filler.answers(rows), strict=True):
            filled = [one["token"].strip() for one in (answer.get("candidates") or [[]])[0]]
            others = [text for text in filled if _is_word(text) and text.lower() != word.text.lower()]
            found.append([_cased(text, word.text) for text in others[:CANDIDATES]])
        return found


def filled(name: str, options: DeviceOptions) -> Filled:
    """What the model of --filler proposes.

    Raises:
        UserError: it is no model that fills masks.
    """
    from nlpkit.explaining.attention.masked import fills_masks
    from nlpkit.inference.predictor import TrainedModelOptions, open_predictor

    device = {field: getattr(options, field) for field in DeviceOptions.model_fields}
    filler: Predictor[Any] = open_predictor(
        TrainedModelOptions(model=name, **device), command="explain --filler", exported=False
    )
    if not fills_masks(filler.model):
        raise UserError(
            f"--filler {name} is a model for {filler.task.name}", "Name one that fills masks: pretrain-mlm makes them."
        )
    return Filled(filler)


@dataclass(frozen=True)
class Synonyms:
    """Words of the same sense, from a file.

    Args:
        by_word: lower-case word -> its synonyms.
    """

    by_word: Mapping[str, Sequence[str]]

    def __call__(self, texts: Mapping[str, str], words: Sequence[Word]) -> list[list[str]]:
        return [[_cased(text, word.text) for text in self.by_word.get(word.text.lower(), ())] for word in words]

    @classmethod
    def read(cls, path: Path) -> Synonyms:
        """A table with the columns `lemma` and `synonyms`, tabs between them: senses parted by ;, words by |.

        Words of the first senses come first; expressions of several words are left out.

        Raises:
            UserError: it is no such table, or holds no synonym.
        """
        try:
            content = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else small_text(path)
        except (OSError, ValueError, EOFError) as error:
            raise UserError(f"--synonyms {path}: cannot be read ({error})") from None
        rows = csv.DictReader(content.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
        names = list(rows.fieldnames or ())
        column = next((name for name in names if name.startswith("synonyms")), None)
        if "lemma" not in names or column is None:
            raise UserError(
                f"--synonyms {path}: there are no columns lemma and synonyms in its first line",
                "Give a table with tabs: lemma, synonyms (senses parted by ;, words by |).",
            )
        made: dict[str, dict[str, None]] = {}
        for row in rows:
            lemma = (row["lemma"] or "").lower()
            for word in re.split(r"[|;]", row[column] or ""):
                if _is_word(word) and word.lower() != lemma:
                    made.setdefault(lemma, {})[word] = None
        if not made:
            raise UserError(f"--synonyms {path}: it holds no synonym of one word")
        return cls({word: list(itertools.islice(others, CANDIDATES)) for word, others in made.items()})


def _is_word(text: str) -> bool:
    return bool(text) and all(character.isalpha() or character in "-'" for character in text)


def _cased(text: str, like: str) -> str:
    """A word with a capital where the one that it stands for has one."""
    return text[:1].upper() + text[1:] if like[:1].isupper() else text
