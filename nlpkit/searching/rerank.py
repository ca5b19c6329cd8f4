"""The best documents in the order of a cross-encoder, which reads question and document together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlpkit.data.affirmative import affirmative
from nlpkit.errors import UserError
from nlpkit.inference.predictor import Predictor, TrainedModelOptions, open_predictor
from nlpkit.models import opening

TOGETHER = 8  # pairs that are read together: the budget is looked at after each


@dataclass
class Reranker:
    """See the module's docstring.

    Attributes:
        predictor: of a model that reads two texts.
        milliseconds: per question.
        yes: of two outputs, the one that says that a text answers a question.
    """

    predictor: Predictor[Any]
    milliseconds: int
    yes: int = 1

    @classmethod
    def open(cls, options: TrainedModelOptions, milliseconds: int) -> Reranker:
        """Open the model.

        Raises:
            UserError: it does not give one number for two texts, or it is not clear which of its labels says yes.
        """
        found = cls(open_predictor(options, command="search"), milliseconds)
        task = found.predictor.task
        if found.predictor.record is not None and len(task.reader().input_columns) != 2:
            raise UserError(f"--rerank {options.model}: it was not trained on pairs of texts ({task.describe()})", HINT)
        numbers = found.scores("a question", ["a text"]).shape
        if numbers != (1,):
            raise UserError(f"--rerank {options.model}: it gives no number for a pair of texts", HINT)
        names = opening.label_names(found.predictor.model.config)
        if len(names) == 2:
            yes = affirmative(names)
            if yes is None:
                raise UserError(
                    f"--rerank {options.model}: its labels are '{names[0]}' and '{names[1]}', and neither says that a "
                    "text answers a question",
                    HINT,
                )
            found.yes = yes
        return found

    def scores(self, question: str, texts: Sequence[str]) -> np.ndarray:
        """How relevant each text is to a question, shape (texts,).

        Raises:
            UserError: the model has other outputs than one number, or two for no and yes.
        """
        examples = {"text": [question] * len(texts), "text_pair": list(texts)}
        ((_, computed),) = self.predictor.computed([(None, examples)])
        outputs = np.asarray(computed.outputs)
        if outputs.ndim != 2 or outputs.shape[1] not in (1, 2):
            raise UserError("--rerank: the model is no cross-encoder: it has other outputs than one number", HINT)
        found: np.ndarray = outputs[:, 0] if outputs.shape[1] == 1 else outputs[:, self.yes] - outputs[:, 1 - self.yes]
        return found

    def order(self, question: str, texts: Sequence[str]) -> tuple[list[int], np.ndarray]:
        """The new order of the best texts, as many as fit into the time, at least one batch of them.

        Returns:
            Their places, the best first, and their scores in that order.
        """
        start = time.perf_counter()
        found: list[np.ndarray] = []
        done = 0
        while done < len(texts):
            part = texts[done : done + TOGETHER]
            begun = time.perf_counter()
            found.append(self.scores(question, part))
            done += len(part)
            now = time.perf_counter()
            if (now - start + now - begun) * 1_000 > self.milliseconds:
                break
        scores = np.concatenate(found) if found else np.empty(0, np.float32)
        order = np.argsort(-scores, kind="stable")
        return order.tolist(), scores[order]


HINT = "Train one: nlpkit finetune-cls --problem relevance --text-column query --text-pair-column passage."
