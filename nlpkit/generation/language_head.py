"""The vocabulary head of a model that writes, and its loss, for some tokens at a time.

A head is a product with one row per token of the vocabulary. Its logits for a whole batch, their softmax and their
gradient are three tensors of tokens x vocabulary; here a part of the tokens goes through product, loss and gradient
before the next one does, and only the gradients of hidden states and of the head are kept (as in the fused losses of
Liger Kernel, Hsu et al. 2024).
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F

from nlpkit.data.ignored import IGNORED
from nlpkit.hardware import products

# logits that are in memory: on a CPU those that its caches hold, but enough tokens at a time that adding the gradients of
# a large head, one part after the other, costs less than the products
AT_ONCE = {"cpu": 2**22, "cuda": 2**27}
TRIED = 6  # tokens on which a head is tried
SAME = 1e-3  # by how much its logits may differ, relative to the largest


class LanguageHead:
    """Hidden states of a model with a language-modelling head to its loss.

    Args:
        model: a PreTrainedModel.

    Attributes:
        whole: the logits are computed by the model itself, all at once, as they are more than a product with a bias and
            a soft cap (Gemma 2, nanochat).
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.cap: float | None = getattr(model.config, "final_logit_softcapping", None)
        self._hidden: torch.Tensor | None = None
        model.base_model.register_forward_hook(self._keep)
        self.whole = not self._is_plain()

    def loss(
        self, model: Any, batch: dict[str, Any], labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The summed cross-entropy of labelled tokens, shape (); and of each token its own and whether it was the most
        likely one, both (batch, length), detached.

        Args:
            model: that of this head, possibly wrapped by a Trainer.
            batch: its inputs.
            labels: shape (batch, length), IGNORED where nothing is judged.
        """
        if self.whole:
            return _of_logits(model(**batch, use_cache=False).logits, labels)
        model(**batch, use_cache=False, logits_to_keep=1)
        hidden, self._hidden = self._hidden, None
        assert hidden is not None
        head = self.model.get_output_embeddings()
        total, each, right = _Loss.apply(
            hidden.flatten(0, 1), head.weight, head.bias, labels.flatten(), self.cap, torch.is_grad_enabled()
        )
        return total, each.view_as(labels), right.view_as(labels)

    def _keep(self, module: Any, inputs: Any, output: Any) -> None:
        self._hidden = output[0]

    def _is_plain(self) -> bool:
        """Whether the model's logits are those that are computed here."""
        model = self.model
        head = model.get_output_embeddings()
        if head is None or not isinstance(head, torch.nn.Linear):
            return False
        training = model.training
        ids = torch.arange(TRIED, device=head.weight.device)[None] % model.config.vocab_size
        model.eval()
        try:
            with torch.no_grad():
                wanted = model(ids, use_cache=False, logits_to_keep=1).logits[0, -1].float()
                assert self._hidden is not None
                made = _logits(self._hidden[0, -1:], head.weight, head.bias, self.cap)[0]
        except Exception:  # each architecture fails in its own way
            return False
        finally:
            self._hidden = None
            model.train(training)
        return made.shape == wanted.shape and bool((made - wanted).abs().max() <= SAME * wanted.abs().max())


def _of_logits(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    each = F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none")
    return each.sum(), each.detach().view_as(labels), logits.argmax(-1) == labels


_HEADS: WeakKeyDictionary[Any, LanguageHead] = WeakKeyDictionary()


def loss_of(
    model: Any, inputs: dict[str, Any], labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """As `LanguageHead.loss`, by the head of a model itself, or by a graph, which gives all logits."""
    if isinstance(model, torch.nn.Module):
        return of(model).loss(model, inputs, labels)
    return _of_logits(model(**inputs)["logits"], labels)


def of(model: Any) -> LanguageHead:
    """The `LanguageHead` of a model, made when it is first asked for: each that is made adds a hook."""
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
        learns: bool,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        tokens, vocabulary = len(hidden), len(weight)
        wanted = [learns and needed for needed in ctx.needs_input_grad[:3]]
        of_hidden = torch.empty_like(hidden) if wanted[0] else None
        of_weight = torch.zeros_like(weight, dtype=torch.float32) if wanted[1] else None
        of_bias = torch.zeros_like(bias, dtype=torch.float32) if wanted[2] and bias is not None else None
        each = torch.empty(tokens, dtype=torch.float32, device=hidden.device)
        right = torch.empty(tokens, dtype=torch.bool, device=hidden.device)
        size = max(AT_ONCE.get(hidden.device.type, AT_ONCE["cuda"]) // vocabulary, 1)
        for start in range(0, tokens, size):
            part = slice(start, start + size)
            states, target = hidden[part], labels[part]
            used = target != IGNORED
            place = target.clamp(min=0)[:, None]
            logits = _logits(states, weight, bias, cap)
            gold = logits.gather(1, place)[:, 0]
            top, best = logits.max(1)
            slope = None if cap is None or not any(wanted) else 1 - (logits / cap).square()
            shares = logits.sub_(top[:, None]).exp_()
            sums = shares.sum(1)
            each[part] = (top + sums.log() - gold) * used
            right[part] = (best == target) & used
            if not any(wanted):
                continue
            shares /= sums[:, None]
            shares.scatter_add_(1, place, torch.full_like(gold, -1.0)[:, None])
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
        return each.sum(), each, right

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[Any, ...]:
        scale = gradients[0]
        made = [
            None if part is None else part.mul_(scale).to(kind) for part, kind in zip(ctx.made, ctx.kinds, strict=True)
        ]
        ctx.made = None
        return (*made, None, None, None)
