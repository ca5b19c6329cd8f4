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

    Outputs that are those of another name in most rows are left out: of single sentences there is `source` alone.

    Args:
        sources: texts, or lists of their sentences.
    """
    parted = [sentences.split(source) if isinstance(source, str) else source for source in sources]
    found = {"source": [source if isinstance(source, str) else " ".join(source) for source in sources]}
    for count in LEADS:
        leads = [" ".join(parts[:count]) for parts in parted]
        if all(_differ(leads, others) for others in found.values()):
            found[f"lead-{count}"] = leads
    return found


def _differ(texts: Sequence[str], others: Sequence[str]) -> bool:
    """Whether most of them do, blanks aside."""
    return 2 * sum(text.split() != other.split() for text, other in zip(texts, others, strict=True)) > len(texts)
