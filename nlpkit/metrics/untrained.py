"""Outputs that need no model, to see what a trained one is worth: the source as it is, and its first sentences.

News put what matters first, so that their first three sentences (lead-3) are a strong summary; a published mT5 is worse
than these in ROUGE-2.
"""

from __future__ import annotations

from collections.abc import Sequence

from nlpkit.data import sentences

LEADS = (1, 3)  # sentences


def outputs(sources: Sequence[str | Sequence[str]]) -> dict[str, list[str]]:
    """An output for each row, by the name of how it comes about: `source`, `lead-1`, `lead-3`.

    A name whose outputs are those of an earlier one in all rows is left out: of single sentences only `source` is.

    Args:
        sources: texts, or lists of their sentences.
    """
    parted = [sentences.split(source) if isinstance(source, str) else source for source in sources]
    found = {"source": [source if isinstance(source, str) else " ".join(source) for source in sources]}
    for count in LEADS:
        leads = [" ".join(parts[:count]) for parts in parted]
        if all(_words(leads) != _words(others) for others in found.values()):
            found[f"lead-{count}"] = leads
    return found


def _words(texts: Sequence[str]) -> list[list[str]]:
    return [text.split() for text in texts]
