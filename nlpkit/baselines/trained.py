"""A network over words, trained by the Trainer of all tasks: its best weights by validation, and stopped early."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from nlpkit import reporting
from nlpkit.baselines import networks, tokens
from nlpkit.baselines.lesson import Lesson
from nlpkit.experiment import supervised
from nlpkit.options import RunOptions
from nlpkit.runs.folder import RunFolder
from nlpkit.tasks import features
from nlpkit.tasks.classical import Classical, Words

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.tasks.outputs import Outputs
    from nlpkit.tasks.roles import Trainable
    from nlpkit.word_vectors.table import WordVectors

LONGEST = 1_000  # words of a text that are read: several times as many as an LSTM remembers
BATCH = 50  # rows of a step (Kim 2014)
RATE, DECAY = 1e-3, 1e-2  # of AdamW
EPOCHS, PATIENCE = 20, 4  # at most so many; an end after so many evaluations that were no better
# Few rows make short epochs: between two evaluations there are so many steps at least, and in all
STEPS_APART, LEAST_STEPS = 25, 500


class TrainedNetwork(Classical):
    """A network over words with the tokenizer that it reads with, and the Trainer that asks it.

    Args:
        network: trained.
        task: that reads rows over words.
        tokenizer: of the words.
        trainer: of the network.
        said: how it was trained, for people.
    """

    def __init__(self, network: networks.WordNetwork, task: Trainable, tokenizer: Any, trainer: Any, said: str) -> None:
        self.network, self.task, self.tokenizer, self.trainer = network, task, tokenizer, trainer
        self.name = network.name
        self.described = f"{network.described} for {len(tokenizer):,} words; {said}"
        spelt = sum(len(word.encode("utf-8", "surrogatepass")) for word in tokenizer.get_vocab())
        self.bytes = spelt + sum(weight.numel() * weight.element_size() for weight in network.parameters())

    def outputs(self, examples: Dataset) -> Outputs:
        from nlpkit.training.trainer import Split

        with reporting.silent():
            made = features.featurize(self.task, self.tokenizer, examples, self.name)
            return self.trainer.outputs(Split(examples, made), anew=True)

    def words(self, examples: Dataset) -> Words:
        from nlpkit.training.trainer import Split

        with reporting.silent():
            ids = Split(examples, features.featurize(self.task, self.tokenizer, examples, self.name)).token_ids()
        end = self.tokenizer.convert_tokens_to_ids(tokens.END)
        return Words(int((ids == self.tokenizer.unk_token_id).sum()), int((ids != end).sum()))


def train(kind: type[networks.WordNetwork], lesson: Lesson) -> TrainedNetwork:
    """Train a network from random weights."""
    from transformers import set_seed

    from nlpkit.training.callbacks import ProgressCallback

    task, config = lesson.task.over_words(LONGEST), lesson.config
    examples = {"train": lesson.train, "validation": lesson.validation}
    tokenizer = tokens.learned(task.texts_read(lesson.train))
    with reporting.silent():
        ready = supervised.tokenized(task, tokenizer, examples)
    supervised.cut_findings(task, ready, settable=False)
    set_seed(config.seed)
    labels = task.model_arguments()["num_labels"]
    width = networks.WIDTH if lesson.vectors is None else lesson.vectors.width
    network = kind(len(tokenizer), labels, tokenizer.pad_token_id, width)
    begun = ""
    if lesson.vectors is not None:
        begun = f"; {_begin_with(lesson.vectors, network, tokenizer):,} words begin with --word-vectors"
    folder = RunFolder(lesson.folder)
    folder.path.mkdir(parents=True, exist_ok=True)
    trainer, steps = supervised.make_trainer(
        _options(config, len(lesson.train)), task, ready, network, tokenizer, lesson.device, folder, []
    )
    try:
        with reporting.current().progress("train", steps, "steps") as bar:
            figures = {"loss": "loss", f"eval_{task.main_metric}": task.main_metric}
            trainer.add_callback(ProgressCallback(trainer, bar, figures))
            trainer.train()
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)
    return TrainedNetwork(network, task, tokenizer, trainer, _said(trainer, len(lesson.train)) + begun)


def _begin_with(vectors: WordVectors, network: networks.WordNetwork, tokenizer: Any) -> int:
    """Give words the vectors that they have; of the others numbers are drawn that spread as widely (Kim 2014).

    Returns:
        How many words have one.
    """
    table, known = network.table.weight, 0
    with torch.no_grad():
        table.mul_(math.sqrt(3) * float(vectors.matrix.std()) / networks.RANGE)
        for word, place in tokenizer.get_vocab().items():
            if word not in tokens.SPECIAL and (vector := vectors.vector(word)) is not None:
                table[place] = torch.from_numpy(vector)
                known += 1
    return known


def _options(config: RunOptions, rows: int) -> RunOptions:
    """How a network is trained on so many rows: its own settings, with the seed and the metric of the run."""
    epoch = math.ceil(rows / BATCH)
    given: Mapping[str, Any] = {
        "max_steps": max(EPOCHS * epoch, LEAST_STEPS),
        "eval_steps": max(epoch, STEPS_APART),
        "early_stopping": PATIENCE,
        "batch_size": BATCH,
        "eval_batch_size": config.eval_batch_size,
        "learning_rate": RATE,
        "schedule": "constant",
        "warmup": 0.0,
        "weight_decay": DECAY,
        "seed": config.seed,
        "full_determinism": config.full_determinism,
        "best_metric": config.best_metric,
    }
    return RunOptions(**given)


def _said(trainer: Any, rows: int) -> str:
    """How long it was trained, and when it was best."""
    state = trainer.state
    best, done = (step * BATCH / rows for step in (state.best_global_step, state.global_step))
    return f"best after {best:.1f} of {done:.1f} epochs"
