"""A model's config as far as tasks ask for it, without transformers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BareConfig:
    """A model's config as far as tasks ask for it: attributes as transformers names them.

    Attributes:
        name_or_path: the model's folder.
    """

    name_or_path: str
    architectures: list[str]
    id2label: dict[int, str]
    problem_type: str | None
    model_type: str
    hidden_size: int | None
    vocab_size: int | None
    type_vocab_size: int | None
    max_position_embeddings: int | None
    max_seq_len: int | None
    max_encoder_position_embeddings: int | None
    nlpkit_first_position: int

    @property
    def num_labels(self) -> int:
        """Labels of the model."""
        return len(self.id2label)
