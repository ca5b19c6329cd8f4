"""Which template suits a model and labels, found on texts without labels: the one with the clearest answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nlpkit.errors import UserError
from nlpkit.nearby import expanded
from nlpkit.runs.files import small_text
from nlpkit.tasks.text_classification.problems import margins

DEFAULT = "default"
TEMPLATES = (
    "This example is {}.",
    "{}",
    "This is {}.",
    "This is about {}.",
    "This text is about {}.",
    "The topic is {}.",
    "It is related to {}.",
    "The author feels {}.",
    "The sentiment is {}.",
    "The user asks about {}.",
)
"""For topics, feelings and requests; the first is that of the pipeline of Transformers."""


class Tried(NamedTuple):
    """What the answers with a template are like.

    Attributes:
        template: that was tried.
        margin: mean distance of the score of the answer from that of the label next to it.
        changed: share of texts that have another answer than with the first template.
    """

    template: str
    margin: float
    changed: float


def listed(choice: str) -> list[str]:
    """The templates to choose from: those above, or the lines of a file.

    Raises:
        UserError: the file cannot be read, holds fewer than two templates, or a line without a place for the label.
    """
    if choice == DEFAULT:
        return list(TEMPLATES)
    try:
        lines = small_text(expanded(choice)).split("\n")
    except OSError as error:
        raise UserError(
            f"--choose-template: cannot read {choice}: {error.strerror}",
            f"Name a file with a template per line, or say {DEFAULT}.",
        ) from None
    except UnicodeDecodeError:
        raise UserError(f"--choose-template: {choice} is not UTF-8", "Save it as UTF-8.") from None
    for number, line in enumerate(lines, start=1):
        if line.strip() and line.count("{}") != 1:
            raise UserError(
                f"--choose-template: {Path(choice)}, line {number}: {line.strip()[:60]!r}",
                "Write {} once in each, where the label is to stand.",
            )
    templates = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if len(templates) < 2:
        raise UserError(
            f"--choose-template: {choice} holds {len(templates)} of the two templates or more that can be chosen among",
            "Give one alone with --template.",
        )
    return templates


def compared(templates: Sequence[str], scores: Sequence[np.ndarray]) -> list[Tried]:
    """What the answers with each template are like, in their order.

    Args:
        templates: that were tried.
        scores: of each, the probability of every label, shape (texts, labels), of the same texts.
    """
    first = scores[0].argmax(1)
    found = []
    for template, given in zip(templates, scores, strict=True):
        margin = float(margins(given).mean())
        found.append(Tried(template, margin, float((given.argmax(1) != first).mean())))
    return found
