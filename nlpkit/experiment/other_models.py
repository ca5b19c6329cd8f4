"""What other models say of the rows of a run before it is trained, computed once and kept in the cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlpkit import reporting
from nlpkit.data import cache
from nlpkit.hardware import devices
from nlpkit.inference.predictor import Predictor, open_trained
from nlpkit.models import opening
from nlpkit.options import DeviceOptions, ModelOptions
from nlpkit.tasks import features
from nlpkit.tasks.roles import Judged

OUTPUTS = "outputs.npy"
SAID = "cut.txt"  # which texts were not read to their end
ROWS = 64  # of a forward pass, which keeps no gradients


@dataclass(frozen=True)
class Asking:
    """Asks models on the device of a run, see `Ask`.

    Args:
        trained: which model the run begins with.
        device_options: where it runs.
    """

    trained: ModelOptions
    device_options: DeviceOptions

    def __call__(self, model: str | None, task: str, examples: Mapping[str, Sequence[Any]], flag: str) -> np.ndarray:
        trained = self.trained
        device = devices.choose(self.device_options)
        name, revision = (trained.model, trained.model_revision) if model is None else (model, None)
        other = open_trained(
            name, trained, Judged, "finetune", revision=revision, flag=flag, exported=False, task_name=task
        )
        predictor = Predictor(other.task, other.model, other.tokenizer, device, ROWS, lent=False)

        def computed() -> tuple[np.ndarray, str]:
            rows = len(next(iter(examples.values())))
            with reporting.current().progress(name, rows, "rows") as bar:
                outputs = np.asarray(predictor.outputs(examples, bar), dtype=np.float32)
            cut = predictor.cut.finding(other.task, f"what {name} was asked", settable=False)
            return outputs, cut.message if cut else ""

        entry = cache.kept("answers", _key(predictor, examples), lambda place: _save(place, *computed()))
        outputs, said = computed() if entry is None else _saved(entry.path)
        if said:
            reporting.current().note(said)
        return outputs

    def labels(self, model: str, flag: str) -> list[str]:
        config = opening.load_config(opening.resolve(model, flag), trust_remote_code=self.trained.trust_remote_code)
        return opening.label_names(config)


def _save(place: Path, outputs: np.ndarray, said: str) -> None:
    with (place / OUTPUTS).open("wb") as file:
        np.save(file, outputs)
    (place / SAID).write_text(said, encoding="utf-8")


def _saved(place: Path) -> tuple[np.ndarray, str]:
    return np.load(place / OUTPUTS), (place / SAID).read_text(encoding="utf-8")


def _key(predictor: Predictor[Judged], examples: Mapping[str, Sequence[Any]]) -> str:
    """Of all that the outputs depend on."""
    from nlpkit.inference import weights

    digest = hashlib.blake2b(digest_size=16)
    weights.update_digest(digest, predictor.model, predictor.device)
    task = predictor.task
    digest.update(
        json.dumps([task.record(), task.max_length, {name: list(values) for name, values in examples.items()}]).encode()
    )
    digest.update(features.made_of(predictor.tokenizer).encode())
    return digest.hexdigest()
