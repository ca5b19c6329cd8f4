"""What the model has learned, to look at: a few masked words with the candidates it gives for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nlpkit.tasks.masked_lm.heads import MaskedPositions, vocabulary_logits

CANDIDATES = 3
CONTEXT = 10  # tokens shown to either side


@dataclass(frozen=True)
class Sample:
    """A text with one mask.

    Attributes:
        ids: with special tokens, shape (length,).
        position: of the mask.
        answer: the token that stood there; None in a sentence that a user asked for.
    """

    ids: torch.Tensor
    position: int
    answer: int | None = None


def from_rows(rows: Any, tokenizer: Any, count: int) -> list[Sample]:
    """Samples from evenly spaced validation rows: the middle token that is a word by itself."""
    special = set(tokenizer.all_special_ids)
    samples = []
    for i in range(min(count, len(rows))):
        ids = torch.as_tensor(rows[i * len(rows) // count].ids.astype("int64"))
        middle = sorted(range(len(ids)), key=lambda place: abs(place - len(ids) // 2))
        for place in middle:
            text = tokenizer.decode([int(ids[place])]).strip()
            if int(ids[place]) not in special and text.isalpha() and len(text) > 2:
                samples.append(_masked(ids, place, tokenizer))
                break
    return samples


def from_texts(texts: Sequence[str], tokenizer: Any, max_length: int) -> list[Sample]:
    """Samples from sentences with `<mask>`, or the model's own mask token, in them.

    Raises:
        ValueError: a sentence without a mask within `max_length` tokens.
    """
    samples = []
    for text in texts:
        text = text.replace("<mask>", tokenizer.mask_token).replace("[MASK]", tokenizer.mask_token)
        ids = torch.tensor(tokenizer(text, truncation=True, max_length=max_length)["input_ids"])
        places = (ids == tokenizer.mask_token_id).nonzero()
        if not len(places):
            raise ValueError(f"'{text}' has no <mask>")
        samples.append(Sample(ids, int(places[0])))
    return samples


def _masked(ids: torch.Tensor, place: int, tokenizer: Any) -> Sample:
    answer, ids = int(ids[place]), ids.clone()
    ids[place] = tokenizer.mask_token_id
    return Sample(ids, place, answer)


def fill(model: Any, head: MaskedPositions, tokenizer: Any, samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """The model's candidates for each sample: `text`, `candidates` (token, probability), `answer`."""
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    out = []
    for sample in samples:
        position = torch.tensor([[sample.position]], device=device)
        with torch.no_grad(), head.at(position):
            logits = vocabulary_logits(model(sample.ids[None].to(device)))
        probabilities, ids = logits[0, 0].float().softmax(-1).topk(CANDIDATES)
        out.append(
            {
                "text": _context(sample, tokenizer),
                "candidates": [
                    [tokenizer.decode([i]).strip(), round(p, 4)]
                    for i, p in zip(ids.tolist(), probabilities.tolist(), strict=True)
                ],
                "answer": None if sample.answer is None else tokenizer.decode([sample.answer]).strip(),
            }
        )
    model.train(training)
    return out


def _context(sample: Sample, tokenizer: Any) -> str:
    special = set(tokenizer.all_special_ids)
    low, high = max(sample.position - CONTEXT, 0), sample.position + CONTEXT + 1

    def text(ids: torch.Tensor) -> str:
        return tokenizer.decode([i for i in ids.tolist() if i not in special]).strip()

    before, after = text(sample.ids[low : sample.position]), text(sample.ids[sample.position + 1 : high])
    return f"{before} {tokenizer.mask_token} {after}".strip()


def described(filled: dict[str, Any]) -> str:
    """One line for people."""
    candidates = ", ".join(f"{token} {probability:.2f}" for token, probability in filled["candidates"])
    was = f"  (was: {filled['answer']})" if filled["answer"] else ""
    return f"{filled['text']}  ->  {candidates}{was}"
