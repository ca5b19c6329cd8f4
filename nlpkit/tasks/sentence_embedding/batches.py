"""Features to batches: texts are padded to the longest, those of rows column by column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.data.collating import Collator, id_columns
from nlpkit.tasks.sentence_embedding import prompts
from nlpkit.tasks.sentence_embedding.features import IDS, PROMPT_TOKENS
from nlpkit.tasks.sentence_embedding.vectors import Vectors

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class PromptCollator(Collator):
    """Pads features, and keeps how many tokens of each text are those of a prompt, where a feature is a text.

    Args:
        padding: of the task's other features, and of those of examples.
    """

    padding: Collator

    def arrays(self, features: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        batch = self.padding.arrays(features)
        if PROMPT_TOKENS in features[0]:
            batch[PROMPT_TOKENS] = np.array([feature[PROMPT_TOKENS] for feature in features], np.int64)
        return batch


@dataclass(frozen=True)
class ColumnCollator(Collator):
    """Pads features of texts; those of examples column by column, each to the longest of its own.

    Args:
        padding: of the features of texts.
        prompt_tokens: how many tokens of the first text of each example, and of each of its others, are those of a
            prompt that is not pooled.
    """

    padding: Collator
    prompt_tokens: tuple[int, int] = (0, 0)

    def arrays(self, features: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        if IDS in features[0]:
            return self.padding.arrays(features)
        batch: dict[str, np.ndarray] = {}
        for column in id_columns(features[0]):
            place = column.removeprefix(IDS)
            padded = self.padding.arrays([{IDS: feature[column]} for feature in features])
            if any(self.prompt_tokens):
                own = self.prompt_tokens[place != "_0"]
                padded[PROMPT_TOKENS] = np.full(len(features), own, np.int64)
            batch |= {f"{name}{place}": array for name, array in padded.items()}
        if "labels" in features[0]:
            batch["labels"] = np.asarray([feature["labels"] for feature in features])
        return batch


@dataclass(frozen=True)
class GuidedCollator(Collator):
    """Pads features; of examples also what a guide reads of each.

    Args:
        padding: of the features of the model that is trained.
        guiding: of those of the guide, which that leaves alone.
    """

    padding: Collator
    guiding: Callable[[Sequence[Mapping[str, Any]]], dict[str, np.ndarray]]

    def arrays(self, features: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        own = self.padding.arrays(features)
        return own if IDS in features[0] else {**own, **self.guiding(features)}


def collator(padding: Collator, vectors: Vectors, tokenizer: Any) -> Collator:
    """What makes a batch of features, with the number of a prompt's tokens where pooling leaves them out.

    Args:
        padding: of the features of texts.
    """
    if not vectors.needs_prompt_tokens:
        return ColumnCollator(padding)
    query, document = (prompts.length(tokenizer, prompts.of_side(vectors, part)) for part in ("query", "document"))
    return PromptCollator(ColumnCollator(padding, (query, document)))


def columns_of(batch: Mapping[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
    """The texts of a batch of rows, column by column, each as a model takes it."""
    count = sum(name.startswith(f"{IDS}_") for name in batch)
    return [
        {name.removesuffix(f"_{k}"): tensor for name, tensor in batch.items() if name.endswith(f"_{k}")}
        for k in range(count)
    ]
