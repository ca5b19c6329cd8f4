"""The vocabulary head of a model that writes, and its loss, for some tokens at a time.

A head is a product with one row per token of the vocabulary. Its logits for a whole batch, their softmax and their
gradient are three tensors of tokens x vocabulary; here a part of the tokens goes through product, loss and gradient
before the next one does, and only the gradients of hidden states and of the head are kept (as in the fused losses of
Liger Kernel, Hsu et al. 2024).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F

from nlpkit.data.ignored import IGNORED
from nlpkit.hardware import products

# logits that are in memory: on a CPU those that its caches hold, but enough tokens at a time that adding the gradients
# of a large head, one part after the other, costs less than the products
AT_ONCE = {"cpu": 2**22, "cuda": 2**27}
TRIED = 6  # tokens on which a head is tried
SAME = 1e-3  # by how much its logits may differ, relative to the largest


class LanguageHead:
    """What a model gives its language-modelling head to a loss, instead of all logits.

    Args:
        model: a PreTrainedModel, which goes on with a text, or has an encoder and a decoder.

    Attributes:
        whole: the logits are computed by the model itself, all at once, as they are more than a product with a bias and
            a soft cap (Gemma 2, nanochat).
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.cap: float | None = getattr(model.config, "final_logit_softcapping", None)
        added = getattr(model, "final_logits_bias", None)  # of BART and its kin: no weight, and 0 but in old Marians
        self._adds = added is not None and bool(added.any())
        self.whole = not self._is_plain()

    def loss(
        self, model: Any, batch: dict[str, Any], labels: torch.Tensor, smoothing: float = 0.0
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The summed cross-entropy of labelled tokens, shape (); and of each token its own and whether it was the most
        likely one, both (batch, length), detached.

        Args:
            model: that of this head, possibly wrapped by a Trainer.
            batch: its inputs.
            labels: shape (batch, length), IGNORED where nothing is judged.
            smoothing: share of the probability that the sum spreads over all tokens (Szegedy et al. 2016); the loss of
                each token is without it.
        """
        if self.whole:
            return _of_logits(model(**batch, use_cache=False).logits, labels, smoothing)
        with self._listening() as heard:
            model(**batch, use_cache=False)
        (states,) = heard
        head, target = self.model.get_output_embeddings(), labels.flatten()
        there: Any = slice(None)
        states = states.flatten(0, 1)
        if states.device.type == "cpu":  # elsewhere a choice by value would wait for the device
            there = (target != IGNORED).nonzero()[:, 0]
            states, target = states[there], target[there]
        total, own, best = _Loss.apply(
            states, head.weight, self._bias(head), target, self.cap, smoothing, torch.is_grad_enabled()
        )
        each = torch.zeros(labels.numel(), dtype=own.dtype, device=labels.device)
        right = torch.zeros(labels.numel(), dtype=torch.bool, device=labels.device)
        each[there], right[there] = own, best
        return total, each.view_as(labels), right.view_as(labels)

    @contextmanager
    def _listening(self) -> Iterator[list[torch.Tensor]]:
        """What the head is given while the block runs, in place of which it gets the first state of each row."""
        heard: list[torch.Tensor] = []

        def keep(_: Any, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            heard.append(given[0])
            return (given[0][:, :1], *given[1:])

        hook = self.model.get_output_embeddings().register_forward_pre_hook(keep)
        try:
            yield heard
        finally:
            hook.remove()

    def _bias(self, head: Any) -> torch.Tensor | None:
        bias: torch.Tensor | None = head.bias
        if not self._adds:
            return bias
        added: torch.Tensor = self.model.final_logits_bias[0]
        return added if bias is None else bias + added

    def _is_plain(self) -> bool:
        """Whether the model's logits are those that are computed here."""
        model = self.model
        head = model.get_output_embeddings()
        if head is None or not isinstance(head, torch.nn.Linear):
            return False
        training = model.training
        # the first is no token for padding, whose state may be 0 and tell nothing
        ids = torch.arange(TRIED, device=head.weight.device).flip(0)[None] % len(head.weight)
        given = {"input_ids": ids, **({"decoder_input_ids": ids} if model.config.is_encoder_decoder else {})}
        model.eval()
        try:
            with torch.no_grad(), self._listening() as heard:
                wanted = model(**given, use_cache=False).logits[0, 0].float()
                made = _logits(heard[0][0, :1], head.weight, self._bias(head), self.cap)[0]
        except Exception:  # each architecture fails in its own way
            return False
        finally:
            model.train(training)
        largest = wanted.abs().max()
        return made.shape == wanted.shape and bool((made - wanted).abs().max() <= SAME * largest) and bool(largest > 0)


def _of_logits(
    logits: torch.Tensor, labels: torch.Tensor, smoothing: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    flat, target = logits.float().flatten(0, 1), labels.flatten()
    each = F.cross_entropy(flat, target, ignore_index=IGNORED, reduction="none")
    total = each.sum()
    if smoothing:
        total = F.cross_entropy(flat, target, ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing)
    return total, each.detach().view_as(labels), logits.argmax(-1) == labels


_HEADS: WeakKeyDictionary[Any, LanguageHead] = WeakKeyDictionary()


def loss_of(
    model: Any, inputs: dict[str, Any], labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """As `LanguageHead.loss`, by the head of a model itself, or by a graph, which gives all logits."""
    if isinstance(model, torch.nn.Module):
        return of(model).loss(model, inputs, labels)
    return _of_logits(model(**inputs, use_cache=False)["logits"], labels)


def loss_of_states(
    states: torch.Tensor, head: torch.nn.Linear, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """As `LanguageHead.loss`, of hidden states, shape (batch, length, width), and a head that is a product."""
    total, each, right = _Loss.apply(
        states.flatten(0, 1), head.weight, head.bias, labels.flatten(), None, 0.0, torch.is_grad_enabled()
    )
    return total, each.view_as(labels), right.view_as(labels)


def of(model: Any) -> LanguageHead:
    """The `LanguageHead` of a model, made when it is first asked for: it tries the model out."""
    if model not in _HEADS:
        _HEADS[model] = LanguageHead(model)
    return _HEADS[model]


def _logits(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, cap: float | None) -> torch.Tensor:
    """Shape (tokens, vocabulary), float32."""
    logits = products.fastest(hidden, weight, bias).float()
    return logits if cap is None else cap * torch.tanh(logits / cap)


class _Loss(torch.autograd.Function):
    """See the module's docstring; the gradient is made with the loss, as both need the softmax."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        labels: torch.Tensor,
        cap: float | None,
        smoothing: float,
        learns: bool,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        tokens, vocabulary = len(hidden), len(weight)
        wanted = [learns and needed for needed in ctx.needs_input_grad[:3]]
        of_hidden = torch.empty_like(hidden) if wanted[0] else None
        of_weight = torch.zeros_like(weight, dtype=torch.float32) if wanted[1] else None
        of_bias = torch.zeros_like(bias, dtype=torch.float32) if wanted[2] and bias is not None else None
        each = torch.empty(tokens, dtype=torch.float32, device=hidden.device)
        right = torch.empty(tokens, dtype=torch.bool, device=hidden.device)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        size = max(AT_ONCE.get(hidden.device.type, AT_ONCE["cuda"]) // vocabulary, 1)
        for start in range(0, tokens, size):
            part = slice(start, start + size)
            states, target = hidden[part], labels[part]
            used = target != IGNORED
            place = target.clamp(min=0)[:, None]
            logits = _logits(states, weight, bias, cap)
            gold = logits.gather(1, place)[:, 0]
            top, best = logits.max(1)
            spread = smoothing * (gold - logits.mean(1)) if smoothing else None
            slope = None if cap is None or not any(wanted) else 1 - (logits / cap).square()
            shares = logits.sub_(top[:, None]).exp_()
            sums = shares.sum(1)
            each[part] = (top + sums.log() - gold) * used
            right[part] = (best == target) & used
            total += each[part].sum() if spread is None else (each[part] + spread * used).sum()
            if not any(wanted):
                continue
            shares /= sums[:, None]
            shares.scatter_add_(1, place, torch.full_like(gold, smoothing - 1.0)[:, None])
            if smoothing:
                shares -= smoothing / vocabulary
            shares *= used[:, None]
            if slope is not None:
                shares *= slope
            given = shares.to(states.dtype)
            if of_hidden is not None:
                of_hidden[part] = products.fastest(given, weight.to(states.dtype).t())
            if of_weight is not None:
                of_weight += products.fastest(given.t(), states.t())
            if of_bias is not None:
                of_bias += shares.sum(0)
        ctx.made = of_hidden, of_weight, of_bias
        ctx.kinds = hidden.dtype, weight.dtype, None if bias is None else bias.dtype
        ctx.mark_non_differentiable(each, right)
        return total, each, right

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[Any, ...]:
        scale = gradients[0]
        made = [
            None if part is None else part.mul_(scale).to(kind) for part, kind in zip(ctx.made, ctx.kinds, strict=True)
        ]
        ctx.made = None
        return (*made, None, None, None, None)
