"""One classical model, learnt from the train rows of a run, and what it costs."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nlpkit import process
from nlpkit.baselines.lesson import Lesson
from nlpkit.baselines.options import WordVectorsOptions
from nlpkit.errors import UserError
from nlpkit.options import Config
from nlpkit.reporting import part
from nlpkit.tasks.classical import Classical
from nlpkit.word_vectors import files, training
from nlpkit.word_vectors.table import WordVectors

if TYPE_CHECKING:
    from datasets import Dataset

NETWORKS, MEANS = ("lstm", "cnn"), "word2vec"
TIMED_ROWS = 1_000  # that answers are timed on, at most
LEAST_SECONDS = 0.2  # that they are timed for


@dataclass(frozen=True)
class Fitted:
    """A classical model that has learnt.

    Attributes:
        model: that has.
        seconds: that it took.
        rows_per_second: that it answers, from their texts on.
    """

    model: Classical
    seconds: float
    rows_per_second: float

    def record(self, examples: Mapping[str, Dataset]) -> dict[str, Any]:
        """What the record says of it besides its figures.

        Args:
            examples: of each split that is judged.
        """
        known = {split: self.model.words(rows) for split, rows in examples.items() if split != "train"}
        return {
            "described": self.model.described,
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(self.rows_per_second, 1),
            "bytes": self.model.bytes,
            "words": {split: vars(words) for split, words in known.items() if words is not None},
        }


def require(names: Sequence[str], config: Config) -> WordVectors | None:
    """See that these can be trained, and open the vectors of words that they begin with; None without any.

    Args:
        names: as `Judged.require_baseline` gives them.
        config: of the run.

    Raises:
        UserError: one of these is a network, and there are several processes; vectors are to be learnt, and gensim is
            not there; or those that are named cannot be opened.
    """
    network = next((name for name in names if name in NETWORKS), None)
    if network and process.world_size() > 1:
        raise UserError(
            f"--baseline {network} with several processes: the network is trained in one",
            "Leave it out, or use one process.",
        )
    if isinstance(config, WordVectorsOptions) and config.word_vectors:
        return opened(config.word_vectors)
    if MEANS in names:
        training.require_gensim()
    return None


@functools.lru_cache(maxsize=1)
def opened(path: str) -> WordVectors:
    """Vectors of words, kept for the folds of a run."""
    return files.opened(path)


def fitted(name: str, lesson: Lesson) -> Fitted:
    """The classical model of that name, as `Judged.require_baseline` gives it."""
    started = time.monotonic()
    if name in NETWORKS:
        from nlpkit.baselines import networks, trained

        with part(networks.NETWORKS[name].name):
            model: Classical | None = trained.train(networks.NETWORKS[name], lesson)
    else:
        model = lesson.task.baseline(lesson.train, lesson.config.seed, name, lesson.vectors)
    assert model is not None, "require_baseline was asked before training"
    seconds = time.monotonic() - started
    rows = lesson.validation.select(range(min(len(lesson.validation), TIMED_ROWS)))
    return Fitted(model, seconds, rate(lambda: model.outputs(rows), len(rows)))


def rate(answer: Callable[[], object], rows: int) -> float:
    """Rows a second of what answers so many, called until that took `LEAST_SECONDS` and once at least."""
    started, calls = time.perf_counter(), 0
    while not calls or time.perf_counter() - started < LEAST_SECONDS:
        answer()
        calls += 1
    return rows * calls / (time.perf_counter() - started)
