"""Classical models that stand beside one that is trained: what `--baseline` compares it with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.tasks.outputs import Outputs


@dataclass(frozen=True)
class Words:
    """How many words of some texts a model does not know.

    Attributes:
        unknown: of these words, each as often as it stands there.
        all: how many there are.
    """

    unknown: int
    all: int


class Classical(ABC):
    """A classical model that has learnt from train rows.

    Attributes:
        name: what tables call it.
        described: what it has learnt, for people.
        bytes: of its numbers and of its vocabulary; None where nobody counts them.
    """

    name: str
    described: str = ""
    bytes: int | None = None

    # Whether its outputs say how likely an answer is; else figures of that are left out.
    has_probabilities: bool = True

    @abstractmethod
    def outputs(self, examples: Dataset) -> Outputs:
        """Merged outputs, one for each example, as a model of the task has them."""

    def words(self, examples: Dataset) -> Words | None:
        """How many words of examples it does not know; None of one that reads no words."""
        return None
