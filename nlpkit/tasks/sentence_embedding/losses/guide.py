"""The embedder that tells which texts of a batch are no negatives (GISTEmbed)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from nlpkit.errors import UserError
from nlpkit.tasks.contract import BOOKKEEPING
from nlpkit.tasks.sentence_embedding.losses import columns as batches
from nlpkit.tasks.sentence_embedding.losses.columns import Columns
from nlpkit.tasks.sentence_embedding.vectors import Vectors


@dataclass(frozen=True)
class Guide:
    """A model whose vectors are looked at, and not trained.

    Attributes:
        embed: one forward pass, from its own input to vectors.
        tokenizer: its own.
        encode: texts to its own input, on its device.
        max_length: tokens of a text that it reads; None: as many as it is given.
    """

    embed: Callable[[Mapping[str, torch.Tensor]], torch.Tensor]
    tokenizer: Any
    encode: Callable[[list[str]], dict[str, torch.Tensor]]
    max_length: int | None = None

    def vectors(self, columns: Columns, tokenizer: Any) -> list[torch.Tensor]:
        """Its vectors of the texts of each column, shape (rows, width), without gradients.

        Args:
            columns: the input of the model that is trained.
            tokenizer: of that model; where the guide has another, the ids are turned back into text.
        """
        if self._reads(columns, tokenizer):
            given = [dict(column) for column in columns]
        else:
            given = [self._encoded(column, tokenizer) for column in columns]
        with torch.no_grad():
            return batches.vectors(self.embed, given, self.tokenizer)

    def _reads(self, columns: Columns, tokenizer: Any) -> bool:
        longest = max(column["input_ids"].shape[1] for column in columns)
        fits = self.max_length is None or longest <= self.max_length
        return fits and (tokenizer is self.tokenizer or tokenizer.get_vocab() == self.tokenizer.get_vocab())

    def _encoded(self, column: Mapping[str, torch.Tensor], tokenizer: Any) -> dict[str, torch.Tensor]:
        return self.encode(tokenizer.batch_decode(column["input_ids"], skip_special_tokens=True))


def open_guide(name: str, device: torch.device | str, trained: Vectors) -> Guide:
    """Open an embedder as a guide.

    Args:
        name: folder or hub name.
        device: of the model that is trained.
        trained: how the vectors of that model are made.

    Raises:
        UserError: it cannot be opened, is no model for sentence embedding, or one of the two reads a prompt.
    """
    from nlpkit.models import fitting, opening
    from nlpkit.runs.folder import read_record
    from nlpkit.tasks import registry

    place = opening.resolve(name, "--guide")
    config = opening.load_config(place)
    record = (read_record(place) or {}).get("task")
    task: Any = registry.task_of_model(config, record, place, named="sentence-embedding")
    for whose, prompts in (("the model that is trained", trained), ("the guide", task.vectors)):
        if prompts.prompt or prompts.asymmetric:
            # the texts reach the guide behind the prompt of the model, and without its own
            raise UserError(
                f"--guide {name}: {whose} reads a prompt before each text, and a guide is given the texts of the model",
                "Choose a guide without prompts, and train with --prompt ''.",
            )
    tokenizer = opening.load_tokenizer(place, flag="--guide")
    limit = opening.max_positions(config, tokenizer) if task.max_length is None else task.max_length
    task = task.with_(max_length=limit)
    model, _ = opening.load_model(place, task.auto_class, **task.model_arguments())
    fitting.fit(model, tokenizer)
    model.requires_grad_(False).eval().to(device)
    collate = task.collate(tokenizer)

    def encode(texts: list[str]) -> dict[str, torch.Tensor]:
        made = task.features(tokenizer, {"text": texts})
        entries = [name for name in made if name not in BOOKKEEPING]
        batch = collate([{name: made[name][row] for name in entries} for row in range(len(texts))])
        return {name: tensor.to(device) for name, tensor in batch.items()}

    return Guide(lambda batch: task.run(model, batch).logits, tokenizer, encode, limit)
