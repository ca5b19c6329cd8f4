"""Why two texts are alike: which words of the one bring its vector near to that of the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.tasks.explained import Question, Reading, words_in
from nlpkit.tasks.sentence_embedding import prompts
from nlpkit.tasks.sentence_embedding.features import IDS, PROMPT_TOKENS
from nlpkit.tasks.sentence_embedding.vectors import Vectors

if TYPE_CHECKING:
    import torch

    from nlpkit.tasks.forward import Forward

SHOWN = 40  # characters of the other text, as a question names it


def reading(
    tokenizer: Any, column: str, text: str, prompt: str, made: Mapping[str, Sequence[Any]], row: int, vectors: Vectors
) -> Reading:
    """A text as the embedder reads it; the words of its prompt are not hidden.

    Args:
        column: of the example.
        text: in lower case, where the embedder reads it so.
        prompt: that stands before it.
        made: features, of which this is the
        row: number of the text's own.
    """
    encoded = tokenizer(
        prompts.put_before(vectors, [text], [prompt])[0], return_offsets_mapping=True, verbose=False
    ).encodings[0]
    before = len(prompt)
    places = [
        (column, max(start - before, 0), end - before) if side == 0 and end > before else None
        for side, (start, end) in zip(encoded.sequence_ids, encoded.offsets, strict=True)
    ]
    ids = list(made[IDS][row])
    if len(places) > len(ids):  # the end of a text that is longer than what is read; special tokens stand behind it
        behind = len(places) - 1 - max(i for i, side in enumerate(encoded.sequence_ids) if side == 0)
        places = [*places[: len(ids) - behind], *[None] * behind]
    feature: dict[str, Any] = {IDS: ids}
    if PROMPT_TOKENS in made:
        feature[PROMPT_TOKENS] = made[PROMPT_TOKENS][row]
    return Reading(feature, words_in({column: text}, places))


def questions(
    tokenizer: Any,
    texts: Mapping[str, str],
    before: Sequence[str],
    made: Mapping[str, Sequence[Any]],
    vectors: Vectors,
    found: np.ndarray,
) -> list[Question]:
    """How near the vector of each text is to that of the other.

    Args:
        texts: by column, in the order of their features.
        before: the prompt of each.
        made: features of both.
        found: the vectors of both, shape (2, width).
    """
    read = {column: text.lower() if vectors.lower_case else text for column, text in texts.items()}
    out = []
    for row, (column, text) in enumerate(read.items()):
        other = next(said for name, said in texts.items() if name != column)
        shown = other if len(other) <= SHOWN else f"{other[:SHOWN]}..."
        target = {"vector": found[1 - row], "similarity": vectors.similarity}
        one = reading(tokenizer, column, text, before[row], made, row, vectors)
        out.append(Question(f"{column}, like {shown!r}", [one], target, {column: text}))
    return out


def explained(forward: Forward, target: Mapping[str, Any]) -> torch.Tensor:
    """How near the vector of each row is to another, by the similarity of the model, shape (rows,): a cosine, a
    product, or the negative of a distance."""
    import torch

    vectors = forward.logits.float()
    other = torch.as_tensor(target["vector"], dtype=vectors.dtype, device=vectors.device)
    how = target["similarity"]
    if how == "cosine":
        return torch.nn.functional.cosine_similarity(vectors, other[None], dim=-1)
    if how == "dot":
        return vectors @ other
    return -torch.linalg.vector_norm(vectors - other, ord=1 if how == "manhattan" else 2, dim=-1)
