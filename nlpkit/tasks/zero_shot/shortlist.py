"""The labels that are nearest to a text by an embedder: a model for inference is asked about these alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from nlpkit.errors import UserError
from nlpkit.options import DeviceOptions, OpeningOptions
from nlpkit.tasks.contract import BOOKKEEPING
from nlpkit.tasks.zero_shot.base import ZeroShot
from nlpkit.tasks.zero_shot.by_embedding import ZeroShotByEmbedding

BATCH = 32  # texts of one length in a forward pass


class _Opened(NamedTuple):
    task: ZeroShotByEmbedding
    model: Any
    tokenizer: Any
    device: str


@dataclass(eq=False)
class Shortlist:
    """Chooses labels for texts; the embedder is opened when the first are asked for, and runs in float32 on the device
    of the model that decides, so that the same labels are chosen everywhere.

    Args:
        embedder: folder or hub name.
        count: labels that are chosen for each text.
        options: how a model may be opened.
        placed: on which device.
        opened: the embedder, once it was; shared by those that `asking` makes.
    """

    embedder: str
    count: int
    options: OpeningOptions
    placed: DeviceOptions
    opened: list[_Opened] = field(default_factory=list, repr=False)

    def asking(self, count: int) -> Shortlist:
        """The same embedder, asked for another number of labels: it is opened once."""
        return replace(self, count=count)

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
        if not self.opened:
            self.opened.append(self._open())
        ((own, model, tokenizer, device),) = self.opened
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
                    logits = task.run(model, {name: tensor.to(device) for name, tensor in batch.items()}).logits
                chosen[some] = logits.topk(self.count, dim=1).indices.sort(dim=1).values.cpu().numpy()
        return chosen

    def _open(self) -> _Opened:
        from nlpkit.hardware import devices
        from nlpkit.models import fitting, onnx, opening
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
        device = onnx.placed(model, devices.choose(self.placed), self.placed).name
        return _Opened(found.attached(tokenizer).with_(max_length=limit), model.to(device).eval(), tokenizer, device)
