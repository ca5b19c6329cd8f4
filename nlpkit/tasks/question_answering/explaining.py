"""Why an answer is where it is, or why there is none: which words of question and passage that hangs on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.tasks.explained import Question, Reading, placed, unknown_target, words_in
from nlpkit.tasks.question_answering.windows import Frame

if TYPE_CHECKING:
    import torch

    from nlpkit.tasks.forward import Forward

NO_ANSWER = "no answer"
INPUTS = ("input_ids", "token_type_ids")


def span_asked(asked: str, context: str, candidates: np.ndarray) -> tuple[int, int] | None:
    """The characters of an answer that a user names; None of no answer.

    Args:
        asked: a piece of the context, or `NO_ANSWER`; of several places of it that of the best answer.
        candidates: of the question, as `spans.merged` gives them.

    Raises:
        UserError: it is no piece of the context.
    """
    if asked == NO_ANSWER:
        return None
    places = [(int(span["start"]), int(span["end"])) for span in candidates[1:]]
    for start, end in places:
        if context[start:end] == asked:
            return start, end
    start = context.find(asked)
    if start < 0 or not asked:
        known = [*(context[start:end] for start, end in places), NO_ANSWER]
        raise unknown_target(asked, "piece of the context", known)
    return start, start + len(asked)


def questions(
    tokenizer: Any, question: str, context: str, made: Mapping[str, Sequence[Any]], span: tuple[int, int] | None
) -> list[Question]:
    """How sure the model is of an answer, in each window that holds it; of no answer in all.

    Args:
        made: features of the example, see `windows.build`.
        span: characters of the answer in the context; None: there is none.
    """
    texts = {"question": question, "context": context}
    frame, asked = Frame.of(tokenizer), placed(tokenizer, question).spans
    readings = []
    for i, ids in enumerate(made["input_ids"]):
        first, end = map(int, made["passage"][i])
        tokens = [(int(start), int(behind)) for start, behind in np.reshape(made["offsets"][i], (-1, 2))]
        labels = [int(made["cls"][i])] * 2 if span is None else _tokens_of(span, tokens, first)
        if labels is None:
            continue
        places: list[tuple[str, int, int] | None] = [None] * len(ids)
        places[first:end] = [("context", *token) for token in tokens]
        begin = len(frame.parts[0]) if frame.question_first else end + len(frame.parts[1])
        places[begin : begin + len(asked)] = [("question", *token) for token in asked]
        feature = {name: np.asarray(made[name][i]).tolist() for name in INPUTS if name in made}
        feature |= {"passage": [first, end], "cls": int(made["cls"][i]), "labels": labels}
        readings.append(Reading(feature, words_in(texts, places)))
    said = f"answer: {context[slice(*span)]}" if span is not None else NO_ANSWER
    return [Question(said, readings, {}, texts)]


def _tokens_of(span: tuple[int, int], tokens: Sequence[tuple[int, int]], first: int) -> list[int] | None:
    """The positions of the first and the last token of an answer; None where a window does not hold it whole.

    Args:
        tokens: characters of those of the passage, the first of which stands at
        first: in the input.
    """
    start, end = span
    begins = [i for i, (low, high) in enumerate(tokens) if low <= start < high]
    stops = [i for i, (low, high) in enumerate(tokens) if low < end <= high]
    return [first + begins[0], first + stops[-1]] if begins and stops else None


def explained(forward: Forward, target: Mapping[str, Any]) -> torch.Tensor:
    """The probability of the first token of the answer as its start, times that of the last as its end, shape (rows,).
    Of no answer both are the token that stands for it."""
    chances = forward.logits.float().log_softmax(1)
    labels = forward.batch["labels"]
    logs = chances[..., 0].gather(1, labels[:, :1]) + chances[..., 1].gather(1, labels[:, 1:])
    return logs[:, 0].exp()
