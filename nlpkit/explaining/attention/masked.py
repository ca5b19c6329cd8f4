"""What a model that fills masks says where a token of a text is hidden from it, for each token in turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CANDIDATES = 5
TOKENS_AT_ONCE = 1_024  # of copies of a text; logits over a vocabulary of 30,000 take 125 MB


@dataclass(frozen=True)
class Masked:
    """What is said in the place of one token.

    Attributes:
        candidates: tokens and their probabilities, the likeliest first.
        share: the probability of the token that is hidden; None where the text has a mask there.
        rank: its place among all tokens of the vocabulary, from 1; None likewise.
    """

    candidates: tuple[tuple[str, float], ...]
    share: float | None
    rank: int | None


def fills_masks(model: Any) -> bool:
    """Whether a model says what stands under a mask, by the class that Transformers has it in."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    name = type(model).__name__
    return name in MODEL_FOR_MASKED_LM_MAPPING_NAMES.values() and not model.config.is_encoder_decoder


def predictions(model: Any, tokenizer: Any, inputs: Mapping[str, Any]) -> dict[int, Masked]:
    """What is said in the place of each token that is not special, and of each mask of the text.

    Args:
        model: that fills masks.
        tokenizer: of the model, with a mask token.
        inputs: one text.
    """
    import torch

    ids = inputs["input_ids"][0]
    special = set(tokenizer.all_special_ids) - {tokenizer.mask_token_id}
    places = [place for place, id_ in enumerate(ids.tolist()) if id_ not in special]
    found: dict[int, Masked] = {}
    at_once = max(TOKENS_AT_ONCE // len(ids), 1)
    for start in range(0, len(places), at_once):
        some = places[start : start + at_once]
        rows = torch.arange(len(some))
        copies = {name: tensor.expand(len(some), *tensor.shape[1:]).clone() for name, tensor in inputs.items()}
        copies["input_ids"][rows, some] = tokenizer.mask_token_id
        with torch.inference_mode():
            shares = model(**copies)["logits"][rows, some].float().softmax(-1)
        best, named = shares.topk(CANDIDATES, dim=-1)
        for row, place in enumerate(some):
            hidden = ids[place]
            own = None if hidden == tokenizer.mask_token_id else shares[row, hidden]
            names = [str(tokenizer.decode([id_])).strip() for id_ in named[row].tolist()]
            found[place] = Masked(
                tuple(zip(names, best[row].tolist(), strict=True)),
                None if own is None else own.item(),
                None if own is None else int((shares[row] > own).sum()) + 1,
            )
    return found
