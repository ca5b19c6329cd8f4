"""A loss of sentence-transformers over vectors that nlpkit computes.

Those losses ask a model for the vectors of each text column. Here all columns go through the model together
(`columns.vectors`), and the loss is handed what they gave; only losses with a gradient cache, which decide themselves
what is computed when, get a model that computes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import nn

from nlpkit.errors import UserError
from nlpkit.tasks.sentence_embedding.losses import columns as batches
from nlpkit.tasks.sentence_embedding.losses import denoising, making, table
from nlpkit.tasks.sentence_embedding.losses import guide as guides
from nlpkit.tasks.sentence_embedding.losses.columns import Columns
from nlpkit.tasks.sentence_embedding.losses.making import LossSettings

Embed = Callable[[Any, Mapping[str, torch.Tensor]], torch.Tensor]
"""One forward pass of a model: from its input to finished vectors, shape (rows, width)."""

GIVEN = "nlpkit_vectors"
GUIDING = "nlpkit_guiding"


class Objective(nn.Module):
    """The loss of a batch.

    Args:
        loss: of sentence-transformers, made for `source`.
        source: what it takes for the model.
        embed: one forward pass.
        tokenizer: of the model.
        guide: of guided losses.
        name: of the loss.
        own: weights that are trained besides those of the model, and thrown away afterwards.
        gather: whether the rows of all processes are compared, and brought together here for that.
    """

    def __init__(
        self,
        loss: nn.Module,
        source: Source,
        embed: Embed,
        tokenizer: Any,
        guide: guides.Embed | None,
        *,
        name: str,
        own: Sequence[nn.Parameter] = (),
        gather: bool = False,
    ) -> None:
        super().__init__()
        self.loss = loss
        self.source = source
        self.embed, self.tokenizer, self.guide, self.name, self.own = embed, tokenizer, guide, name, own
        self.gather = gather
        self.cached = bool(getattr(loss, "uses_gradient_cache", False))

    def forward(self, model: Any, columns: Columns, labels: torch.Tensor | None = None) -> torch.Tensor:
        """The loss as sentence-transformers has it, mostly a mean over the rows; shape ().

        Args:
            model: what is trained, or what wraps it for that.
            columns: for each text of an example the model's input for all rows.
            labels: of the rows: scores, classes, or a teacher's vectors.
        """
        if self.name == "simcse":
            columns = [*columns, *columns]
        if self.name == "tsdae":
            columns = [denoising.noisy(columns[0], self.tokenizer), columns[0]]
            self.loss.to(columns[0]["input_ids"].device)  # what of the decoder is no weight
        computing = self.cached or self.name == "tsdae"
        self.source.embed = lambda features: self.embed(model, features)
        try:
            given = [dict(column) for column in columns] if computing else self._given(columns)
            if self.gather:
                given, labels = self._of_all(given, labels)
            return cast(torch.Tensor, self.loss(given, labels))
        finally:
            # A loss with a gradient cache embeds once more while gradients are computed.
            if not self.cached:
                self.source.embed = None

    def entries(self, ids: torch.Tensor) -> torch.Tensor:
        """Over how many entries the loss of a batch is a mean, shape (): its rows, or the tokens that are written.

        Args:
            ids: of the first texts, shape (rows, tokens).
        """
        if self.name == "tsdae":
            return denoising.written(ids, self.tokenizer)
        return torch.full((), len(ids), device=ids.device)  # made on the device: a copy would be waited for

    def _given(self, columns: Columns) -> list[dict[str, torch.Tensor]]:
        assert self.source.embed is not None
        own = [guides.without(column) for column in columns]
        found = [{GIVEN: vectors} for vectors in batches.vectors(self.source.embed, own, self.tokenizer)]
        if self.guide is None:
            return found
        return [{**column, GUIDING: vectors} for column, vectors in zip(found, self.guide(columns), strict=True)]

    def _of_all(
        self, given: list[dict[str, torch.Tensor]], labels: torch.Tensor | None
    ) -> tuple[list[dict[str, torch.Tensor]], torch.Tensor | None]:
        """The vectors and labels of the rows of all processes, each of which has as many.

        Each process computes the loss of all rows then; the gradients that reach its own vectors are the sum of those
        of all processes, as the mean over the processes asks for.
        """
        from sentence_transformers.util import all_gather, all_gather_with_grad

        vectors = [
            {
                name: all_gather_with_grad(entry) if entry.requires_grad else all_gather(entry)
                for name, entry in column.items()
            }
            for column in given
        ]
        return vectors, None if labels is None else all_gather(labels.contiguous())


class Source(nn.Module):
    """What a loss of sentence-transformers takes for its model.

    Args:
        tokenizer: of the model.
        width: of its vectors.
    """

    def __init__(self, tokenizer: Any, width: int, device: Any) -> None:
        super().__init__()
        self.tokenizer, self.width, self.device = tokenizer, width, device
        self.max_seq_length = 0  # as that of the guide, which reads what it needs by itself
        self.embed: batches.Embed | None = None

    def __getitem__(self, index: int) -> nn.Module:
        """The first part of a model, which losses ask for its class."""
        return self

    def get_embedding_dimension(self) -> int:
        return self.width

    def forward(self, features: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if GIVEN in features:
            return {"sentence_embedding": features[GIVEN]}
        assert self.embed is not None
        return {"sentence_embedding": self.embed(guides.without(features))}


class Guiding(Source):
    """What a guided loss takes for its guide.

    Args:
        guide: gives the vectors, of what of a batch is its own.
    """

    def __init__(self, guide: guides.Embed, tokenizer: Any) -> None:
        # With the tokenizer of the model, so that the loss leaves the token ids to the guide.
        super().__init__(tokenizer, 0, None)
        self.guide = guide

    def forward(self, features: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if GUIDING in features:
            return {"sentence_embedding": features[GUIDING]}
        return {"sentence_embedding": self.guide([features])[0]}


def build(
    settings: LossSettings,
    embed: Embed,
    tokenizer: Any,
    width: int,
    guide: guides.Embed | None = None,
    device: Any = "cpu",
    model: Any = None,
) -> Objective:
    """The loss that the settings describe.

    Args:
        embed: one forward pass of the model that is trained.
        tokenizer: of that model.
        width: of its vectors.
        guide: of guided losses.
        device: of the model.
        model: as it was opened, for losses with weights of their own, which are trained together with its weights.

    Raises:
        UserError: sentence-transformers is missing; a guided loss has no guide; more dimensions than there are; the
            model has no decoder, or no dropout, where the loss needs one.
    """
    losses = making.library(settings.name)
    source = Source(tokenizer, width, device)
    kind = table.BY_NAME[settings.name]
    if guide is None and "guide" in kind.reads:
        raise UserError(
            f"--loss {kind.name} needs a --guide", "Name an embedder: --guide all-MiniLM-L6-v2, or the folder of one."
        )
    if settings.name == "simcse" and model is not None:
        _require_dropout(model)
    if settings.name == "tsdae":
        if settings.dims:
            raise UserError("--matryoshka: tsdae decodes whole vectors", "Leave it out, or use --loss simcse.")
        loss = denoising.made(losses, source, model, tokenizer)
        own = denoising.own_weights(loss, model)
        return Objective(loss, source, embed, tokenizer, None, name=settings.name, own=own)
    guiding = None if guide is None else Guiding(guide, tokenizer)
    loss = making.made(losses, settings, source, guiding)
    if settings.dims:
        dims = with_width(settings.dims, width)
        loss = losses.MatryoshkaLoss(source, loss, list(dims), list(dims.values()))
    return Objective(
        loss, source, embed, tokenizer, guide, name=settings.name, gather=settings.gather and not kind.cached
    )


def _require_dropout(model: nn.Module) -> None:
    """Raises UserError: both vectors of a text would be the same."""
    if not any(isinstance(part, nn.Dropout) and part.p > 0 for part in model.modules()):
        raise UserError(
            "--loss simcse reads each text twice with other units dropped out, and none of this model's drop out",
            "Set one: --dropout 0.1.",
        )


def with_width(dims: Mapping[int, float], width: int) -> dict[int, float]:
    """The dimensions of --matryoshka with the whole width among them, which is always trained.

    Raises:
        UserError: one is more than the width.
    """
    if wide := [dim for dim in dims if dim > width]:
        raise UserError(f"--matryoshka {wide[0]}: the model's vectors have {width} dimensions", "Name fewer.")
    return dict(sorted({width: 1.0, **dims}.items(), reverse=True))
