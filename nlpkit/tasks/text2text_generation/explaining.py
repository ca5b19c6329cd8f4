"""Why a text is written for another one: which words of the source it hangs on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nlpkit.errors import UserError
from nlpkit.tasks.explained import Question, Reading, placed, words_in
from nlpkit.tasks.text2text_generation.token_ids import ANSWERED

SHOWN = 60  # characters of what is written, as a question names it


def unended(tokenizer: Any, ids: Sequence[int]) -> list[int]:
    """Tokens without those that end a text."""
    special, kept = set(tokenizer.all_special_ids), list(ids)
    while kept and kept[-1] in special:
        kept.pop()
    return kept


def reading(
    tokenizer: Any, text: str, around: tuple[str, str], made: Mapping[str, Sequence[Any]], *, encoder: bool
) -> Reading:
    """A text as the model reads it; what stands before and behind it is not hidden.

    Args:
        around: what stands before it and behind it.
        made: its feature, in which a long text lacks its end.
        encoder: whether an encoder reads it; else what stands behind stays where the text is cut.

    Raises:
        UserError: where its tokens stand cannot be told.
    """
    ids, (before, behind) = list(made["input_ids"][0]), around
    cut = made["lost"][0] > 0 and not encoder
    whole = placed(tokenizer, text if cut else before + text + behind)
    places: list[tuple[str, int, int] | None] = []
    begin = 0 if cut else len(before)
    for start, end in whole.spans:
        inside = end > begin and start < begin + len(text)
        places.append(("text", max(start - begin, 0), min(end - begin, len(text))) if inside else None)
    front = tokenizer(before, add_special_tokens=False, verbose=False)["input_ids"] if cut else []
    special = set(tokenizer.all_special_ids)
    first = next((i for i, token in enumerate(ids) if token not in special), len(ids)) + len(front)
    count = 0
    while first + count < len(ids) and count < len(whole.ids) and ids[first + count] == whole.ids[count]:
        count += 1
    rest = ids[first + count :]
    if not cut and any(token not in special for token in rest):
        raise UserError(
            "where the tokens of the text stand cannot be told, as what stands around it changes them",
            "Give a shorter text.",
        )
    told = [*[None] * first, *places[:count], *[None] * len(rest)]
    starts = None
    if whole.words is not None:
        inside_words = [(start - begin, end - begin) for start, end in whole.words if start >= begin]
        starts = {"text": [(start, end) for start, end in inside_words if end <= len(text)]}
    return Reading({"input_ids": ids}, words_in({"text": text}, told, starts))


def question(reading: Reading, text: str, written: Sequence[int], said: str) -> Question:
    """How probable tokens are, behind the text that was read."""
    asked = Reading({**reading.feature, ANSWERED: list(written)}, reading.words)
    shown = said if len(said) <= SHOWN else f"{said[:SHOWN]}..."
    return Question(f"written: {shown}", [asked], {}, {"text": text})
