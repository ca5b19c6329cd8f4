"""Make documents searchable by meaning and by words. Writes a folder for
`nlpkit search`, or brings it up to date: only new texts are embedded.

--data has all that is to be found: csv, jsonl, parquet or text files, folders of .txt and .md files, the corpus of a
BEIR folder, the paragraphs of SQuAD. Documents that are longer than the model reads are cut into passages. What was
interrupted goes on. --calibrate settles on judged questions whether words, meaning or both are searched, and when the
index has no answer.

Examples: nlpkit index --data faq.csv --output faq.index
nlpkit index --data notes/ --model minilm --output notes.index
"""

from __future__ import annotations

from nlpkit.errors import UserError
from nlpkit.reporting import Report
from nlpkit.searching.options import IndexOptions
from nlpkit.tasks.contract import Task

COMMAND = "index"
NEEDS = Task  # of the task of the model
ESSENTIAL: tuple[str, ...] = (
    "data",
    "text_column",
    "id_column",
    "model",
    "output",
    "overwrite",
    "passage_tokens",
    "calibrate",
    "max_false_answers",
)


class Config(IndexOptions):
    """Options of `nlpkit index`."""


def run(config: Config) -> Report:
    """Index; returns counts, what the codes lose, and how the index is searched."""
    config.refuse_unread()
    if config.output is None:
        raise UserError("where is the index to go?", "Name a folder: --output INDEX.")
    from nlpkit.searching.build import build

    return build(config)
