"""The labels that are nearest to a text by an embedder: a model for inference is asked about these alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from nlpkit.errors import UserError
from nlpkit.options import OpeningOptions
from nlpkit.tasks.contract import BOOKKEEPING
from nlpkit.tasks.zero_shot.base import ZeroShot
from nlpkit.tasks.zero_shot.by_embedding import ZeroShotByEmbedding

BATCH = 32  # texts of one length in a forward pass


class _Opened(NamedTuple):
    task: ZeroShotByEmbedding
    model: Any
    tokenizer: Any


@dataclass(eq=False)
class Shortlist:
    """Chooses labels for texts; the embedder is opened when the first are asked for, and runs on the CPU.

    Args:
        embedder: folder or hub name.
        count: labels that are chosen for each text.
        options: how a model may be opened.
    """

    embedder: str
    count: int
    options: OpeningOptions
    _opened: _Opened | None = field(default=None, init=False, repr=False)

    def labels(self, texts: Sequence[str], asked: ZeroShot) -> np.ndarray:
        """The places of the labels for each text, in ascending order, shape (texts, `count`).

        Args:
            asked: with the labels and the template.

        Raises:
            UserError: there are no more labels than are chosen, or the embedder cannot be opened.
        """
        import torch

        if self.count >= (size := asked.classifier.labels.size):
            raise UserError(
                f"--shortlist {self.count}: there are {size} labels, of which it would leave none out",
                "Choose fewer, or leave it out.",
            )
        if self._opened is None:
            self._opened = self._open()
        own, model, tokenizer = self._opened
        task = own.with_(classifier=asked.classifier, meanings=asked.meanings, template=asked.template)
        made = task.features(tokenizer, {"text": list(texts)})
        entries = [name for name in made if name not in BOOKKEEPING]
        collate, lengths = task.collate(tokenizer), np.asarray(made["length"])
        chosen = np.zeros((len(texts), self.count), int)
        for length in np.unique(lengths):
            rows = np.flatnonzero(lengths == length)
            for start in range(0, len(rows), BATCH):
                some = rows[start : start + BATCH]
                batch = collate([{name: made[name][i] for name in entries} for i in some])
                with torch.inference_mode():
                    logits = task.run(model, batch).logits
                chosen[some] = logits.topk(self.count, dim=1).indices.sort(dim=1).values.numpy()
        return chosen

    def _open(self) -> _Opened:
        from nlpkit.models import fitting, opening
        from nlpkit.runs.folder import read_record
        from nlpkit.tasks import registry

        place = opening.resolve(self.embedder, "--embedder")
        trust = self.options.trust_remote_code
        config = opening.load_config(place, trust_remote_code=trust)
        record = (read_record(place) or {}).get("task")
        found = registry.task_of_model(config, record, place, named=ZeroShotByEmbedding.name)
        assert isinstance(found, ZeroShotByEmbedding)
        tokenizer = opening.load_tokenizer(place, trust_remote_code=trust, flag="--embedder")
        model, _ = opening.load_model(
            place, found.auto_class, trust_remote_code=trust, allow_pickle=self.options.allow_pickle, exported=True
        )
        fitting.fit(model, tokenizer)
        limit = opening.max_positions(model.config, tokenizer, model) if found.max_length is None else found.max_length
        return _Opened(found.attached(tokenizer).with_(max_length=limit), model.eval(), tokenizer)
