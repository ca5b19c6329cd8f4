"""Why a mask is filled as it is: which words around it that hangs on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nlpkit.data import words
from nlpkit.errors import UserError
from nlpkit.tasks.explained import Question, Reading, placed, words_in
from nlpkit.tasks.masked_lm import features

if TYPE_CHECKING:
    import torch

    from nlpkit.tasks.forward import Forward

INPUTS = ("input_ids", "token_type_ids")


def token_of(tokenizer: Any, word: str) -> int:
    """The token that fills a mask with a word, as it stands behind a blank where there are two.

    Raises:
        UserError: the word is several tokens of the model, or one that it does not know.
    """
    pieces: list[str] = []
    for written in (f" {word}", word):
        ids = tokenizer(written, add_special_tokens=False, verbose=False)["input_ids"]
        if len(ids) == 1 and ids[0] != tokenizer.unk_token_id:
            return int(ids[0])
        pieces = tokenizer.convert_ids_to_tokens(ids)
    raise UserError(
        f"--target {word}: a mask stands for one token of the model, and this is {' '.join(pieces)}",
        "Name a word that is one token, as predict lists them.",
    )


def questions(
    tokenizer: Any,
    text: str,
    hint: str | None,
    made: Mapping[str, Sequence[Any]],
    tokens: Sequence[int],
) -> list[Question]:
    """How probable a token is in the place of each mask.

    Args:
        hint: that is read before the text; None: there is none.
        made: features of the example, see `features.asked_windows`.
        tokens: that are explained, of each mask.
    """
    read = placed(tokenizer, text)
    texts = {"text": text} if hint is None else {"hint": hint, "text": text}
    if hint is None:
        front, behind = map(len, words.frame(tokenizer, tokenizer.mask_token))
        before: list[tuple[str, int, int] | None] = [None] * front
    else:
        front, behind = map(len, features.hint_frame(tokenizer, hint)[:2])
        pair = tokenizer(hint, tokenizer.mask_token, return_offsets_mapping=True)
        sides = zip(pair.sequence_ids(0)[:front], pair["offset_mapping"], strict=False)
        before = [("hint", *offsets) if side == 0 else None for side, offsets in sides]
    masks = [i for i, token in enumerate(read.ids) if token == tokenizer.mask_token_id]
    out: list[Question] = []
    for i, ids in enumerate(made["input_ids"]):
        for position in made["positions"][i]:
            number = len(out)
            start = masks[number] - (position - front)  # of the window, in tokens of the text
            inside = zip(ids[front : len(ids) - behind], read.spans[start:], strict=False)
            within = [None if token == tokenizer.mask_token_id else ("text", *span) for token, span in inside]
            places = [*before, *within, *[None] * behind]
            feature = {name: list(made[name][i]) for name in INPUTS if name in made} | {"positions": [position]}
            said = tokenizer.decode([tokens[number]]).strip()
            asked = f"mask {number + 1}: {said}" if len(masks) > 1 else said
            target = {"token": int(tokens[number])}
            out.append(Question(asked, [Reading(feature, words_in(texts, places))], target, texts))
    return out


def explained(forward: Forward, target: Mapping[str, Any]) -> torch.Tensor:
    """The probability of a token in the place of the mask, shape (rows,)."""
    return forward.logits[:, 0].float().softmax(-1)[:, target["token"]]
