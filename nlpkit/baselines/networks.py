"""Small networks over the words of a text: a convolution in one dimension, and an LSTM that reads both ways.

What they give for a text hangs on the text alone: what its batch pads it with takes no part.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

WIDTH = 300  # of a word's vector (Kim 2014)
RANGE = 0.25  # of the first numbers of a vector (Kim 2014)
DROPOUT = 0.5  # before the last layer (Kim 2014)


class WordNetwork(ABC, nn.Module):
    """Token ids to logits.

    Args:
        vocabulary: how many words there are.
        labels: how many logits a text has.
        padding: the id of no word, whose vector is zero and stays so.
        width: of a word's vector.
    """

    name: ClassVar[str]  # in tables

    def __init__(self, vocabulary: int, labels: int, padding: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, width, padding_idx=padding)
        nn.init.uniform_(self.table.weight, -RANGE, RANGE)
        with torch.no_grad():
            self.table.weight[padding] = 0.0
        self.dropout = nn.Dropout(DROPOUT)

    @property
    @abstractmethod
    def described(self) -> str:
        """Layers and sizes, for people."""

    @abstractmethod
    def read(self, vectors: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """What the last layer is given of texts, shape (rows, features).

        Args:
            vectors: of their words, shape (rows, words, width); zero behind the end of a text.
            lengths: words of each text, 1 or more, shape (rows,).
        """

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any) -> dict[str, torch.Tensor]:
        """Logits of texts, shape (rows, labels), under the name that models of transformers have for them.

        Args:
            input_ids: padded on the right, shape (rows, words).
            attention_mask: 0 where they are padded, of the same shape.
        """
        read = self.read(self.table(input_ids), attention_mask.sum(dim=1))
        return {"logits": self.last(self.dropout(read))}

    last: nn.Linear


class Convolution(WordNetwork):
    """Filters over 3, 4 and 5 words, of each the largest value in the text (Kim 2014,
    https://arxiv.org/abs/1408.5882)."""

    name = "CNN"

    FILTERS: ClassVar[int] = 100
    SIZES: ClassVar[tuple[int, ...]] = (3, 4, 5)

    def __init__(self, vocabulary: int, labels: int, padding: int, width: int) -> None:
        super().__init__(vocabulary, labels, padding, width)
        self.layers = nn.ModuleList(nn.Conv1d(width, self.FILTERS, size, padding=size - 1) for size in self.SIZES)
        self.last = nn.Linear(self.FILTERS * len(self.SIZES), labels)

    @property
    def described(self) -> str:
        sizes = ", ".join(map(str, self.SIZES))
        return f"{self.FILTERS} filters over each of {sizes} words, vectors of {self.table.embedding_dim}"

    def read(self, vectors: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        found = []
        for layer, size in zip(self.layers, self.SIZES, strict=True):
            values = F.relu(layer(vectors.transpose(1, 2)))
            # windows that hold a word of the text: the first ends in its first word, the last begins in its last
            windows = torch.arange(values.shape[2], device=values.device)
            outside = windows >= (lengths + size - 1).unsqueeze(1)
            found.append(values.masked_fill(outside.unsqueeze(1), 0.0).amax(dim=2))
        return torch.cat(found, dim=1)


class Recurrent(WordNetwork):
    """An LSTM that reads a text from both ends (Graves and Schmidhuber 2005); its last states go on."""

    name = "LSTM"

    HIDDEN: ClassVar[int] = 128  # in each direction

    def __init__(self, vocabulary: int, labels: int, padding: int, width: int) -> None:
        super().__init__(vocabulary, labels, padding, width)
        self.layers = nn.LSTM(width, self.HIDDEN, batch_first=True, bidirectional=True)
        self.last = nn.Linear(2 * self.HIDDEN, labels)

    @property
    def described(self) -> str:
        return f"a layer of {self.HIDDEN} in each direction, vectors of {self.table.embedding_dim}"

    def read(self, vectors: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = pack_padded_sequence(self.dropout(vectors), lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, (states, _) = self.layers(packed)
        return torch.cat([states[0], states[1]], dim=1)


NETWORKS: Mapping[str, type[WordNetwork]] = {"lstm": Recurrent, "cnn": Convolution}
