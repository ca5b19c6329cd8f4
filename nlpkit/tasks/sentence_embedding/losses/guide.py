"""The embedder that tells which texts of a batch are no negatives (GISTEmbed).

It reads the texts as `predict` would have it read them: by its own tokenizer, to its own limit, behind its own prompts.
Features and batches hold its tokens beside those of the model that is trained.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nlpkit import reporting
from nlpkit.tasks.features import made_of, token_lengths
from nlpkit.tasks.sentence_embedding.losses import columns as batches
from nlpkit.tasks.sentence_embedding.losses.columns import Columns
from nlpkit.tasks.sentence_embedding.prompts import SEARCHED

if TYPE_CHECKING:
    from datasets import Dataset

OF_GUIDE = "guide_"  # begins the names of what it reads, in features and batches
TEXTS = ("text", "text_pair", "negatives")  # columns of examples

Embed = Callable[[Columns], list[torch.Tensor]]
"""Its vectors of the texts of each column, shape (rows, width), without gradients."""


@dataclass(frozen=True, eq=False)
class Guide:
    """A model whose vectors are looked at, and not trained; its weights are not open yet.

    Attributes:
        task: a `SentenceEmbedding` whose features hold all texts of an example.
        tokenizer: its own.
        place: folder or hub name.
        searches: whether the first text of an example is a query, and the others what it looks for.
    """

    task: Any
    tokenizer: Any
    place: str
    searches: bool

    def features(self, examples: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Its token ids of each text of each example, by names that begin with `OF_GUIDE`."""
        made = self.task.features(self.tokenizer, self._given(examples))
        return {f"{OF_GUIDE}{name}": ids for name, ids in made.items() if name.startswith("input_ids")}

    def _given(self, examples: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
        """The texts of examples, with which of them search, where its prompts tell these apart."""
        given = {name: examples[name] for name in TEXTS if name in examples}
        return {**given, SEARCHED: [True] * len(given["text"])} if self.searches and self.task.has_sides else given

    def batch(self, features: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        """The same of a batch, padded."""
        padded = self.task.collate(self.tokenizer).arrays([own(feature) for feature in features])
        return {f"{OF_GUIDE}{name}": array for name, array in padded.items()}

    def cuts(self, train: Dataset) -> str:
        """How many examples have a text that it does not read to its end, as the end of a line; empty: none."""
        limit = self.task.max_length
        if limit is None:
            return ""
        lengths = token_lengths(self.task, self.tokenizer, self._given(train[:]))
        longer = sum(length > limit for length in lengths)
        return f"; it reads {limit} tokens of a text, and {longer:,} of {len(train):,} rows have more" if longer else ""

    @property
    def settings(self) -> str:
        """All that its features hang on."""
        made = [self.task.record(), self.searches, made_of(self.tokenizer)]
        return hashlib.sha256(json.dumps(made).encode()).hexdigest()

    def opened(self, device: torch.device | str) -> Embed:
        """Open its weights on the device of the model that is trained.

        Raises:
            UserError: they cannot be opened.
        """
        from nlpkit.models import fitting, opening

        model, _ = opening.load_model(self.place, self.task.auto_class, **self.task.model_arguments())
        fitting.fit(model, self.tokenizer)
        model.requires_grad_(False).eval().to(device)

        def embed(columns: Columns) -> list[torch.Tensor]:
            with torch.no_grad():
                given = [own(column) for column in columns]
                return batches.vectors(lambda batch: self.task.run(model, batch).logits, given, self.tokenizer)

        return embed


def own(entries: Mapping[str, Any]) -> dict[str, Any]:
    """What the guide reads, by the names that its task has for it."""
    return {name.removeprefix(OF_GUIDE): entry for name, entry in entries.items() if name.startswith(OF_GUIDE)}


def without(entries: Mapping[str, Any]) -> dict[str, Any]:
    """What the model that is trained reads."""
    return {name: entry for name, entry in entries.items() if not name.startswith(OF_GUIDE)}


def open_guide(name: str, train: Dataset, *, searches: bool) -> Guide:
    """What an embedder reads of the texts of train, which is told.

    Args:
        name: folder or hub name.
        train: examples.
        searches: see `Guide`.

    Raises:
        UserError: it cannot be opened, or is no model for sentence embedding.
    """
    from nlpkit.models import opening
    from nlpkit.runs.folder import read_record
    from nlpkit.tasks import registry

    place = opening.resolve(name, "--guide")
    config = opening.load_config(place)
    record = (read_record(place) or {}).get("task")
    task: Any = registry.task_of_model(config, record, place, named="sentence-embedding")
    tokenizer = opening.load_tokenizer(place, flag="--guide")
    limit = opening.max_positions(config, tokenizer) if task.max_length is None else task.max_length
    guide = Guide(task.with_(max_length=limit, together=True), tokenizer, place, searches)
    reporting.current().note(f"guide: {task.vectors.described()}{guide.cuts(train)}")
    return guide
