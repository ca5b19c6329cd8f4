"""Answers that are not given, as the model is not sure enough of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from nlpkit.errors import UserError
from nlpkit.tasks.options import AbstainOptions, MarginOptions, MinScoreOptions

ABSTAINED = "abstained"
"""The entry of an answer that tells how many parts of it were left out, where some were; 1 of one without parts."""


@dataclass(frozen=True)
class Abstaining:
    """Which answers are given.

    Attributes:
        least: the lowest score of one.
        instead: stands in the place of one that is not given.
        margin: how far its score is at least from that of the label next to it; None: answers have no margin.
    """

    least: float
    instead: str | None = None
    margin: float | None = None

    @classmethod
    def asked(cls, options: MinScoreOptions, labels: Collection[str] = ()) -> Abstaining | None:
        """What --min-score, --min-margin and --abstain-label ask for; None where every answer is given.

        Args:
            labels: of the model.

        Raises:
            UserError: the label that is to stand for no answer is one of the model's.
        """
        instead = options.abstain_label if isinstance(options, AbstainOptions) else None
        if instead is not None and instead in labels:
            raise UserError(
                f"--abstain-label {instead}: it is a label of the model, and nobody could tell them apart",
                "Name another, or leave it out: the prediction is empty then.",
            )
        margin = options.min_margin if isinstance(options, MarginOptions) else None
        if options.min_score is None and margin is None:
            return None
        return cls(options.min_score or 0.0, instead, margin)

    def applied(self, answer: dict[str, Any], **others: Any) -> dict[str, Any]:
        """An answer as it is given: it keeps its score, and its `margin` where it has one.

        Args:
            others: further entries of one that is not given.
        """
        near = self.margin is not None and answer["margin"] < self.margin
        if answer["score"] >= self.least and not near:
            return answer
        return {**answer, "prediction": self.instead, **others, ABSTAINED: 1}
