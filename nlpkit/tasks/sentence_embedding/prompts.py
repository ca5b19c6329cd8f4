"""Which prompt stands before which text, and what it leaves of the text.

Where queries search documents, or rows were trained so, each side has a prompt of its own; else all texts have the one
that was chosen, if there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nlpkit.data import pieces
from nlpkit.errors import UserError
from nlpkit.tasks.sentence_embedding.vectors import Vectors

SEARCHED = "searched"  # among the columns of examples: the first text is a query, and the others what it looks for
BEGINNING = 40  # letters of a prompt that is refused, as its message shows them


def of_texts(vectors: Vectors, rows: Sequence[Sequence[str]], examples: Mapping[str, Sequence[Any]]) -> list[str]:
    """The prompt of each text of each row, in order.

    Args:
        rows: the texts of each example.
        examples: their columns, which tell whether the texts of a row have sides.
    """
    if "documents" in examples or SEARCHED in examples:
        query, document = (vectors.prompt_of(part) for part in ("query", "document"))
    elif "text_pair" in examples or "negatives" in examples:
        query, document = (of_side(vectors, part) for part in ("query", "document"))
    else:
        query = document = vectors.prompt
    # a text without another one is of no side; a query that the documents were dealt out over may have none
    alone = query if "documents" in examples else vectors.prompt
    return [prompt for row in rows for prompt in ([query, *[document] * (len(row) - 1)] if len(row) > 1 else [alone])]


def of_side(vectors: Vectors, part: str) -> str:
    """The prompt of the first text of a row ("query"), or of the others ("document")."""
    return vectors.prompt_of(part) if vectors.asymmetric else vectors.prompt


def put_before(vectors: Vectors, texts: Sequence[str], prompts: Sequence[str]) -> list[str]:
    """Texts as the tokenizer is given them."""
    texts = [prompt + text for prompt, text in zip(prompts, texts, strict=True)]
    return [text.lower() for text in texts] if vectors.lower_case else texts


def length(tokenizer: Any, prompt: str) -> int:
    """How many tokens at the beginning of a text its prompt takes, with special ones before it, counted as
    sentence-transformers does."""
    ids = tokenizer(prompt)["input_ids"] if prompt else []
    return len(ids) - (bool(ids) and ids[-1] in tokenizer.all_special_ids)


def require_room(tokenizer: Any, prompts: Sequence[str], max_length: int | None) -> None:
    """Refuse a prompt behind which no token of a text is read: all texts would have one vector.

    Raises:
        UserError: its tokens and the special ones are as many as are read.
    """
    for prompt in set(filter(None, prompts)):
        shown = pieces.readable(tokenizer, prompt, max_length)
        count = pieces.counts(tokenizer, [shown])[0] + tokenizer.num_special_tokens_to_add()
        if max_length is not None and count >= max_length:
            raise UserError(
                f"the prompt {prompt[:BEGINNING]!r} of {len(prompt):,} letters fills the {max_length} tokens that "
                "are read of a text: nothing of the text itself would be",
                "Give a shorter one with --prompt, none with --prompt '', or a larger --max-length.",
            )
