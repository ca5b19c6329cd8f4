"""TSDAE (Wang et al. 2021, https://arxiv.org/abs/2104.06979): from the vector of a text that lost most of its tokens, a
decoder writes the whole text. The decoder shares the weights of the encoder and is thrown away afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from nlpkit.errors import UserError

DELETED = 0.6  # share of a text's tokens that the encoder does not see, as in the paper, which deletes words


def noisy(column: Mapping[str, torch.Tensor], tokenizer: Any) -> dict[str, torch.Tensor]:
    """A batch of texts without `DELETED` of their tokens, at least one of each kept; special tokens stay.

    What is drawn comes from torch's generator, which checkpoints keep.

    Args:
        column: the input of a model, of shape (rows, tokens).
        tokenizer: tells special tokens, and how it pads.
    """
    ids, mask = column["input_ids"], column["attention_mask"].bool()
    special = torch.isin(ids, torch.tensor(tokenizer.all_special_ids, device=ids.device))
    chance = torch.rand(ids.shape, device=ids.device).masked_fill(~mask | special, -1.0)
    best = chance.argmax(1, keepdim=True)  # stays also where all others go
    kept = mask & ((chance >= DELETED) | special).scatter(1, best, True)
    left = tokenizer.padding_side == "left"
    order = torch.argsort(kept.to(torch.int8), dim=1, stable=True, descending=not left)
    kept = kept.gather(1, order)
    width = int(kept.sum(1).max()) if ids.device.type == "cpu" else ids.shape[1]
    span = slice(ids.shape[1] - width, None) if left else slice(width)
    shown = {"input_ids": ids.gather(1, order).masked_fill(~kept, tokenizer.pad_token_id)[:, span]}
    shown["attention_mask"] = kept.to(column["attention_mask"].dtype)[:, span]
    return shown


def written(ids: torch.Tensor, tokenizer: Any) -> torch.Tensor:
    """How many tokens the decoder writes of a batch of texts, all but the first of each; shape ().

    Args:
        ids: of the texts, shape (rows, tokens).
        tokenizer: tells which of them are padding.
    """
    return (ids[:, 1:] != tokenizer.pad_token_id).sum()


def made(losses: Any, source: Any, model: Any, tokenizer: Any) -> nn.Module:
    """The loss of sentence-transformers with its decoder, which from then on has the weights of the model.

    Args:
        losses: of sentence-transformers.
        source: what it takes for the model.
        model: an encoder, not yet changed.
        tokenizer: of the model.

    Raises:
        UserError: Transformers has no decoder of this architecture.
    """
    source.transformers_model = model
    trained = {name: weight.requires_grad for name, weight in model.named_parameters()}
    try:
        loss = losses.DenoisingAutoEncoderLoss(source)
    except ValueError as error:
        raise UserError(
            f"--loss tsdae: {model.config.model_type} cannot decode: {error}",
            "Use --loss simcse, or a BERT, RoBERTa, XLM-RoBERTa or ELECTRA.",
        ) from None
    for name, weight in model.named_parameters():  # those of the decoder now
        weight.requires_grad_(trained[name])
    return loss


def own_weights(loss: Any, model: nn.Module) -> list[nn.Parameter]:
    """The weights of the decoder that the model does not have, in their order there."""
    shared = {id(weight) for weight in model.parameters()}
    return [weight for weight in loss.decoder.parameters() if id(weight) not in shared]
