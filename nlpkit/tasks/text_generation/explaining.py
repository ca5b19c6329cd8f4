"""Why a model goes on as it does: which words of a prompt the next token, or a text behind it, hangs on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nlpkit.errors import UserError
from nlpkit.tasks.explained import Question, Reading, words_in
from nlpkit.tasks.text_generation.features import CONTINUED


def reading(tokenizer: Any, whole: str, prompt: str, made: Mapping[str, Sequence[Any]], *, templated: bool) -> Reading:
    """A prompt as the model reads it: words of a prefix and of a chat template are not hidden.

    Args:
        whole: with what stands around the prompt.
        made: its feature, see `features.prompts`: of a long one the end.
        templated: whether the text holds its special tokens.
    """
    ids = list(made["input_ids"][0])
    begin = max(whole.rfind(prompt), 0)
    (encoding,) = tokenizer(whole, add_special_tokens=not templated, verbose=False).encodings
    placed: list[tuple[str, int, int] | None] = []
    for side, (start, end) in zip(encoding.sequence_ids, encoding.offsets, strict=True):
        inside = side == 0 and end > begin and start < begin + len(prompt)
        placed.append(("prompt", max(start - begin, 0), min(end - begin, len(prompt))) if inside else None)
    lost = made["lost"][0]
    placed = placed[: len(ids) + lost]  # without a token that would end the text
    if lost and not templated and encoding.ids[0] == tokenizer.bos_token_id:
        placed = [placed[0], *placed[lost + 1 :]]
    else:
        placed = placed[lost:]
    return Reading({"input_ids": ids}, words_in({"prompt": prompt}, placed))


def continued(tokenizer: Any, whole: str, asked: str, *, templated: bool) -> tuple[list[int], str]:
    """The tokens of a text behind a prompt, and the text, with a blank before it where one is missing.

    Raises:
        UserError: it has no tokens.
    """
    if asked[:1].isalnum() and whole and not whole[-1].isspace() and not templated:
        asked = f" {asked}"
    before = tokenizer(whole, add_special_tokens=False, verbose=False)["input_ids"]
    ids = tokenizer(whole + asked, add_special_tokens=False, verbose=False)["input_ids"]
    if ids[: len(before)] == before:
        ids = ids[len(before) :]
    else:  # a token reaches over the border
        ids = tokenizer(asked, add_special_tokens=False, verbose=False)["input_ids"]
    if not ids:
        raise UserError("--target holds no text", "Name what the model might write.")
    return ids, repr(asked)


def question(reading: Reading, prompt: str, written: Sequence[int], name: str) -> Question:
    """How probable tokens are behind a prompt: their geometric mean."""
    asked = Reading({**reading.feature, CONTINUED: list(written)}, reading.words)
    return Question(f"next: {name}", [asked], {}, {"prompt": prompt})
