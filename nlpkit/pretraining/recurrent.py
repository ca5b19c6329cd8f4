"""An LSTM of as many parameters as a baseline: what a model that writes is to do better than on the same batches.

Two layers between a table of token vectors and the vocabulary (Zaremba et al. 2014, https://arxiv.org/abs/1409.2329),
the table shared with the head where the model that it stands beside shares it (Press and Wolf 2017). It reads a window
from its beginning, also across the end of a document, so it has no less before each token than that model.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from nlpkit import reporting
from nlpkit.data.ignored import IGNORED
from nlpkit.generation.language_head import loss_of_states
from nlpkit.hardware import products
from nlpkit.training.schedules import factor

LAYERS = 2
RANGE = 0.1  # of the first weights of the table (Zaremba et al. 2014)
RATE, WARMUP, CLIP = 6e-3, 0.06, 1.0


class RecurrentLM(nn.Module):
    """Token ids to hidden states, which a head turns into logits.

    Args:
        vocabulary: how many tokens there are.
        width: of the token vectors, and of the states that the head reads.
        hidden: of the LSTM.
        tied: whether the head is the table of token vectors.
    """

    def __init__(self, vocabulary: int, width: int, hidden: int, *, tied: bool) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, width)
        self.layers = nn.LSTM(width, hidden, LAYERS, batch_first=True)
        self.down = nn.Linear(hidden, width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        if tied:
            self.head.weight = self.table.weight
        for weight in (self.table.weight, self.head.weight):
            nn.init.uniform_(weight, -RANGE, RANGE)

    @classmethod
    def as_large_as(cls, model: Any) -> RecurrentLM:
        """The largest that has no more parameters than a model of transformers, with its vocabulary and width."""
        table, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
        vocabulary, width = table.shape
        tied = head is table
        left = sum(weight.numel() for weight in model.parameters()) - vocabulary * width * (1 if tied else 2) - width
        hidden = next(size for size in itertools.count(1) if _inner(width, size + 1) > left)
        return cls(vocabulary, width, hidden, tied=tied)

    @property
    def parameters_in_all(self) -> int:
        """How many there are, a shared table once."""
        return sum(weight.numel() for weight in self.parameters())

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Hidden states, shape (batch, length, width), of token ids, shape (batch, length)."""
        states, _ = self.layers(self.table(ids))
        made: torch.Tensor = self.down(states)
        return made

    def loss(self, batch: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """As `LanguageHead.loss`, and the labels.

        Args:
            batch: of `CausalCollator`.
        """
        device = self.table.weight.device
        labels = batch["labels"].to(device)
        total, each, right = loss_of_states(self(batch["input_ids"].to(device)), self.head, labels)
        return total, each, right, labels


def _inner(width: int, hidden: int) -> int:
    """Parameters of the LSTM's layers, and of the matrix behind them, but for its bias."""
    gates = 4 * hidden * (width + hidden + 2) + (LAYERS - 1) * 4 * hidden * (2 * hidden + 2)
    return gates + hidden * width


def steps_of(trainer: Any) -> Iterator[list[dict[str, Any]]]:
    """The batches that a `PretrainingTrainer` has trained on, in its order: a list for each optimizer step, without
    end."""
    parts = trainer.args.gradient_accumulation_steps
    for epoch in itertools.count():
        trainer.set_epoch(epoch)
        batches = iter(trainer.get_train_dataloader())
        while step := list(itertools.islice(batches, parts)):
            yield step


def train(model: RecurrentLM, coming: Iterator[list[dict[str, Any]]], steps: int) -> None:
    """Train for some optimizer steps, by AdamW, with a linear schedule.

    Args:
        coming: the batches of each step, of `CausalCollator`.
    """
    products.use_faster(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor("linear", step / steps, WARMUP))
    with reporting.current().progress("LSTM", steps, "steps") as bar:
        for step in itertools.islice(coming, steps):
            items = sum(int((batch["labels"] != IGNORED).sum()) for batch in step)
            loss = 0.0
            for batch in step:
                total, *_ = model.loss(batch)
                (total / items).backward()
                loss += float(total.detach()) / items
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            bar.advance(loss=f"{loss:.3f}")


def sums_of_batches(model: RecurrentLM, batches: Iterable[dict[str, Any]], bytes_of: torch.Tensor) -> np.ndarray:
    """What `CausalLM` sums up of each row; shape (rows, 4).

    Args:
        batches: of `CausalCollator`.
        bytes_of: see `CausalLM`.
    """
    made = []
    with torch.no_grad():
        for batch in batches:
            _, each, right, labels = model.loss(batch)
            used = labels != IGNORED
            said = torch.where(used, bytes_of[labels.clamp(min=0)], 0.0)
            made.append(torch.stack([column.double().sum(1) for column in (each, right, used, said)], dim=1))
    return torch.cat(made).cpu().numpy()
