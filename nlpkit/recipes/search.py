"""Find what answers a question in an index that `nlpkit index` made.
Prints the best documents with the words that match; --queries answers a file.

Without a question, on a terminal, questions are asked for one by one. --filter narrows the search to columns of the
documents; --rerank puts the best into a new order. Where nothing in the index is likely to answer, that is said
(--max-false-answers). --judgements measures the search on judged questions.

Examples: nlpkit search faq.index "how do I get my money back?"
nlpkit search faq.index --queries questions.csv --output answers.csv
"""

from __future__ import annotations

from nlpkit.reporting import Report
from nlpkit.searching.options import SearchOptions

COMMAND = "search"
ESSENTIAL: tuple[str, ...] = (
    "index",
    "questions",
    "queries",
    "output",
    "top_k",
    "filter",
    "mode",
    "rerank",
    "max_false_answers",
    "show",
    "explain",
    "judgements",
)


class Config(SearchOptions):
    """Options of `nlpkit search`."""


def writes_to_stdout(config: Config) -> bool:
    """Whether standard output carries the answers to a file, and nothing else may go there."""
    return config.queries is not None and config.output is None


def run(config: Config) -> Report:
    """Search; returns what was found for each question."""
    config.refuse_unread()
    from nlpkit.searching.asking import search

    return search(config)
