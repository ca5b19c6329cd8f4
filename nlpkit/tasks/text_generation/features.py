"""Prompts and judged texts as a model that writes reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlpkit.data import pieces
from nlpkit.data.collating import Collator
from nlpkit.data.ignored import IGNORED
from nlpkit.errors import UserError

CONTINUED = "continued"  # in features: tokens that stand behind a prompt, which are foretold


def first_token(tokenizer: Any) -> int:
    """What stands before a text: the token for its beginning, else that which ends the text before it."""
    begin = tokenizer.bos_token_id
    return int(begin if begin is not None else tokenizer.eos_token_id)


def room_for_prompts(most: int, wanted: int) -> int:
    """Tokens of a prompt at most: what the text that is wanted leaves, but half of what the model takes at least."""
    return max(most - wanted, most // 2, 1)


def prompts(
    tokenizer: Any, texts: Sequence[str], most: int | None, wanted: int, *, templated: bool = False
) -> dict[str, list[Any]]:
    """The prompts that a model goes on from, with the special tokens that its tokenizer puts before a text.

    A prompt that leaves less room than is wanted loses its beginning, see `room_for_prompts`.

    Args:
        most: tokens of prompt and text that the model takes; None for any number.
        wanted: tokens that are to be written.
        templated: the texts hold their special tokens.

    Returns:
        Features; `lost` is how many tokens of each were left out.
    """
    end, first = tokenizer.eos_token_id, first_token(tokenizer)
    out: dict[str, list[Any]] = {"input_ids": [], "example": [], "lost": [], "length": []}
    for example, text in enumerate(texts):
        ids = tokenizer(text, add_special_tokens=not templated, verbose=False)["input_ids"]
        if not templated and len(ids) > 1 and ids[-1] == end:  # which would tell the model that the text is over
            ids = ids[:-1]
        lost = 0 if most is None else max(len(ids) - room_for_prompts(most, wanted), 0)
        if lost and not templated and ids[0] == tokenizer.bos_token_id:  # models go astray without it
            ids = [ids[0], *ids[lost + 1 :]]
        else:
            ids = ids[lost:] or [first]
        out["input_ids"].append(ids)
        out["example"].append(example)
        out["lost"].append(lost)
        out["length"].append(len(ids))
    return out


def said_by_user(tokenizer: Any, text: str) -> str:
    """A prompt as the one message of a user, up to where the model is to answer, by the template of its tokenizer.

    Raises:
        UserError: the template cannot word it.
    """
    from jinja2 import TemplateError

    try:
        made: str = tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
        )
    except TemplateError as error:
        raise UserError(
            f"--chat: the chat template of the tokenizer takes no message of a user alone: {error}",
            "Word the conversation yourself, and leave --chat out.",
        ) from error
    return made


def judged(
    tokenizer: Any, texts: Sequence[str], max_length: int | None, stride: int | None, *, end: bool = True
) -> dict[str, list[Any]]:
    """Texts in windows, in which each token of a text and the one that ends it is predicted once.

    Args:
        max_length: tokens of a window; None for no limit.
        stride: tokens from one window to the next; None: `max_length`.
        end: whether the token that ends a text is predicted too, where there is one.

    Returns:
        Features; `labels` hold at each place the token that comes next, -100 at what is only read.
    """
    first, last = first_token(tokenizer), tokenizer.eos_token_id
    ending = [last] if end and last is not None else []
    out: dict[str, list[Any]] = {"input_ids": [], "labels": [], "example": [], "length": []}
    for example, tokens in enumerate(pieces.tokenized(tokenizer, list(texts), offsets=False)):
        ids = [first, *tokens.ids.tolist(), *ending]
        size = max_length or len(ids)
        step = min(stride or size, size)
        read = len(ids) - 1
        known = start = 0
        while known < read:
            stop = min(start + size, read)
            context = known - start
            out["input_ids"].append(ids[start:stop])
            out["labels"].append([*[IGNORED] * context, *ids[known + 1 : stop + 1]])
            out["example"].append(example)
            out["length"].append(stop - start)
            known, start = stop, start + step
        if not read:  # a text of no tokens before a model without an end: every example has a feature
            out["input_ids"].append(ids)
            out["labels"].append([IGNORED])
            out["example"].append(example)
            out["length"].append(1)
    return out


@dataclass(frozen=True)
class PromptCollator(Collator):
    """Pads prompts on the left, as what is written stands behind them; texts that are judged as `judged` does.

    Prompts with `continued`, the tokens behind each, become texts that are judged at these alone, padded on the right.

    Args:
        judged: pads those, which have labels.
        pad_id: of the token that pads.
    """

    judged: Collator
    pad_id: int

    def arrays(self, features: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        if "labels" in features[0]:
            return self.judged.arrays(features)
        if CONTINUED in features[0]:
            return self._continued(features)
        width = max(len(row["input_ids"]) for row in features)
        ids = np.full((len(features), width), self.pad_id, dtype=np.int64)
        mask = np.zeros((len(features), width), dtype=np.int64)
        for i, row in enumerate(features):
            ids[i, width - len(row["input_ids"]) :] = row["input_ids"]
            mask[i, width - len(row["input_ids"]) :] = 1
        return {"input_ids": ids, "attention_mask": mask}

    def _continued(self, features: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        texts = [[*row["input_ids"], *row[CONTINUED][:-1]] for row in features]
        shape = (len(features), max(map(len, texts)))
        ids, mask = np.full(shape, self.pad_id, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        labels = np.full(shape, IGNORED, dtype=np.int64)
        for i, (text, row) in enumerate(zip(texts, features, strict=True)):
            ids[i, : len(text)], mask[i, : len(text)] = text, 1
            labels[i, len(text) - len(row[CONTINUED]) : len(text)] = row[CONTINUED]
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}
