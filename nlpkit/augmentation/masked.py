"""Words that a masked language model puts in the place of others (Kobayashi 2018; Kumar et al. 2020).

Each word that is to change is hidden in its text, alone, with all others as they are; one of the likeliest whole words
that differ from it is drawn, as often as the model finds it likely. What fits a place need not mean the same: "a good
film" becomes "a bad film". `nlpkit.augmentation.doubts` has a model look at the labels for that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nlpkit import reporting
from nlpkit.augmentation.operation import Material
from nlpkit.augmentation.options import AugmentationOptions
from nlpkit.data.wording import Word, Wording, is_outside, text_of
from nlpkit.errors import UserError
from nlpkit.explaining.attention.masked import fills_masks
from nlpkit.inference.predictor import Predictor, TrainedModelOptions, open_predictor
from nlpkit.options import DeviceOptions
from nlpkit.tasks.masked_lm.options import MaskedLMAnswerOptions

CANDIDATES = 10  # words of which one is drawn
TEXTS_AT_ONCE = 4_096  # with a mask each, that the model is asked about before the next are made

_LETTERS = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")

Choice = tuple[list[str], np.ndarray]  # words, and how likely each of them is to be drawn


@dataclass
class MaskedWords:
    """Puts other words into texts; entities stay, as their label is that of their own words.

    Args:
        filler: a model that fills masks.
        rate: share of the words of a text that change, one at least.
        name: see `Operation`.
    """

    filler: Predictor[Any]
    rate: float
    name: str = "masked-lm"
    _known: dict[tuple[str, str], Choice] = field(init=False, default_factory=dict)  # by text with a mask, and word
    _mark: str = field(init=False)

    def __post_init__(self) -> None:
        self._mark = blank_mark(self.filler.tokenizer)

    def changed(self, wordings: Sequence[Wording], generators: Sequence[np.random.Generator]) -> list[Wording | None]:
        """A changed copy of each text; None where it has no word that another one can stand for.

        Args:
            generators: of what is drawn for each.
        """
        rows = list(zip(wordings, generators, strict=True))
        places = [_drawn(wording, self.rate, generator) for wording, generator in rows]
        hidden = [[self._hidden(wording, i) for i in of_row] for wording, of_row in zip(wordings, places, strict=True)]
        self._ask({one for of_row in hidden for one in of_row})
        made: list[Wording | None] = []
        for (wording, generator), of_row, asked in zip(rows, places, hidden, strict=True):
            copy = list(wording)
            for place, one in zip(of_row, asked, strict=True):
                words, shares = self._known[one]
                if words:
                    instead = cased(str(generator.choice(words, p=shares)), like=copy[place].text)
                    copy[place] = replace(copy[place], text=instead)
            made.append(None if copy == list(wording) else copy)
        return made

    def _hidden(self, wording: Wording, place: int) -> tuple[str, str]:
        """The text with a mask in the place of a word, and this word in lower case."""
        masked = replace(wording[place], text=str(self.filler.tokenizer.mask_token))
        return text_of([*wording[:place], masked, *wording[place + 1 :]]), wording[place].text.lower()

    def _ask(self, wanted: set[tuple[str, str]]) -> None:
        """Ask the model about what it has not been asked about yet."""
        new = sorted(wanted - self._known.keys())
        column = self.filler.task.reader().input_columns[0]
        with reporting.current().progress("masked-lm", len(new), "words") as bar:
            for first in range(0, len(new), TEXTS_AT_ONCE):
                some = new[first : first + TEXTS_AT_ONCE]
                answers = self.filler.answers([{column: text} for text, _ in some])
                for (text, word), answer in zip(some, answers, strict=True):
                    filled = answer.get("candidates") or []
                    # of a text that has a mask of its own it is not known which is meant
                    self._known[text, word] = self._choice(filled[0] if len(filled) == 1 else [], text, word)
                bar.advance(len(some))

    def _choice(self, found: Sequence[dict[str, Any]], text: str, word: str) -> Choice:
        """Of what the model would write the whole words that are not the one that is hidden."""
        before, _, _ = text.partition(str(self.filler.tokenizer.mask_token))
        mark = self._mark if before[-1:].isspace() else ""
        shares: dict[str, float] = {}
        for one in found:
            other = one["token"].strip()
            token = self.filler.tokenizer.convert_ids_to_tokens(one["token_id"])
            if token.startswith(mark) and _LETTERS.fullmatch(other) and other.lower() != word:
                shares.setdefault(other, one["score"])
        kept = list(shares)[:CANDIDATES]
        likely = np.array([shares[other] for other in kept], dtype=np.float64)
        return kept, likely / likely.sum() if kept else likely


def blank_mark(tokenizer: Any) -> str:
    """What a tokenizer writes before a token that stands behind a blank: Ġ (byte-level BPE), ▁ (SentencePiece), or
    nothing, where tokens that go on with a word are marked instead (WordPiece, ##)."""
    *_, second = tokenizer.tokenize("a a")
    return str(second[0]) if second[0] in "Ġ▁" else ""


def cased(word: str, *, like: str) -> str:
    """A word with a capital where the one that it stands for has one."""
    return word[:1].upper() + word[1:] if like[:1].isupper() else word


def _drawn(wording: Wording, rate: float, generator: np.random.Generator) -> list[int]:
    """The places of the words that change, in the order of the text."""
    places = [i for i, word in enumerate(wording) if _replaceable(word)]
    count = min(max(1, round(rate * len(places))), len(places))
    return sorted(int(i) for i in generator.choice(places, count, replace=False)) if places else []


def _replaceable(word: Word) -> bool:
    """Whether a word is of letters, and of no entity."""
    return bool(_LETTERS.fullmatch(word.text)) and is_outside(word)


def masked_words(options: AugmentationOptions, material: Material) -> MaskedWords:
    """See `operation.Make`.

    Raises:
        UserError: no model is named, or it fills no masks; or each word has a tag, which another one would not have.
    """
    if options.filler is None:
        raise UserError("--by masked-lm: no model that fills masks is named", "Add --filler MODEL.")
    if material.tags == "plain" and options.checked_by is None:
        raise UserError(
            "--by masked-lm: each word has a tag, and the word in its place may have another one",
            "Add --checked-by RUN, or take --by labelwise.",
        )
    return MaskedWords(open_filler(options.filler, options), material.rate)


def open_filler(name: str, options: DeviceOptions) -> Predictor[Any]:
    """The model of --filler.

    Raises:
        UserError: it is no model that fills masks.
    """
    device = {field: getattr(options, field) for field in DeviceOptions.model_fields}
    filler: Predictor[Any] = open_predictor(
        TrainedModelOptions(model=name, **device), command="augment --filler", exported=False
    )
    if not fills_masks(filler.model):
        raise UserError(
            f"--filler {name} is a model for {filler.task.name}", "Name one that fills masks: pretrain-mlm makes them."
        )
    # some of what a model says is no whole word, or the one that is hidden
    return filler.configured(MaskedLMAnswerOptions(top_k=3 * CANDIDATES))
