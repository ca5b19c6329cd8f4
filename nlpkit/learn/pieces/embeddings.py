"""What a stack of layers begins and ends with: token ids to vectors, and states to scores of the vocabulary."""

from __future__ import annotations

from torch import Tensor, nn

from nlpkit.learn.pieces.positions import LearnedPositions, sinusoidal


class Embeddings(nn.Module):
    """E[token] · scale + P[position] (Vaswani et al. 2017, section 3.4, where the scale is √width; in BERT it is 1).

    Args:
        vocabulary: tokens there are.
        width: of their vectors.
        positions: `sinusoidal`, a `LearnedPositions`, or None where attention tells them (rotary, relative).
        scale: of the token vectors.
    """

    def __init__(
        self, vocabulary: int, width: int, positions: LearnedPositions | str | None = None, scale: float = 1.0
    ) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, width)
        self.positions = positions
        self.scale = scale

    def forward(self, ids: Tensor) -> Tensor:
        """Ids of shape (texts, length) to vectors of shape (texts, length, width)."""
        vectors = self.table(ids) * self.scale
        length, width = vectors.shape[-2:]
        if isinstance(self.positions, LearnedPositions):
            return vectors + self.positions(length)
        return vectors + sinusoidal(length, width).to(vectors) if self.positions == "sinusoidal" else vectors


class TiedOutput(nn.Module):
    """h Eᵀ + b: a token's score is how like its vector the state is (Press and Wolf 2017,
    https://arxiv.org/abs/1608.05859). Input and output share E, often the most of a small model's parameters.

    Args:
        table: E, the table of the embeddings; it stays theirs.
        bias: whether there is b, a number for each token, as in BERT and not in GPT-2.
    """

    def __init__(self, table: nn.Embedding, *, bias: bool = False) -> None:
        super().__init__()
        self.scores = nn.Linear(table.embedding_dim, table.num_embeddings, bias=bias)
        self.scores.weight = table.weight

    def forward(self, states: Tensor) -> Tensor:
        """Shape (..., width) to (..., vocabulary)."""
        return self.scores(states)
