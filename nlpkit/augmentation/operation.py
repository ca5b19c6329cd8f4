"""What an operation of `augment` is: it changes the words of a row, and not what is right of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from nlpkit.data.wording import Word, Wording

if TYPE_CHECKING:
    import numpy as np

    from nlpkit.augmentation.options import AugmentationOptions


class Operation(Protocol):
    """Changes wordings, many at a time, so that a model may answer for a batch of them.

    Attributes:
        name: what --by and the column `augmented_by` call it.
    """

    name: str

    def changed(
        self, wordings: Sequence[Wording], generators: Sequence[np.random.Generator]
    ) -> Sequence[Wording | None]:
        """Each wording changed; None where it cannot be.

        Args:
            wordings: each with a word in it that is no punctuation.
            generators: one for each, from which all that is drawn for it comes, so that what becomes of a row hangs
                neither on the other rows nor on their order.
        """


class WordOperation(ABC):
    """An operation that changes each wording by itself."""

    name: str

    def changed(
        self, wordings: Sequence[Wording], generators: Sequence[np.random.Generator]
    ) -> Sequence[Wording | None]:
        """See `Operation`."""
        return [self.change(wording, generator) for wording, generator in zip(wordings, generators, strict=True)]

    @abstractmethod
    def change(self, wording: Wording, generator: np.random.Generator) -> Sequence[Word] | None:
        """A wording changed; None where it cannot be."""


@dataclass(frozen=True)
class Material:
    """What operations are made of.

    Attributes:
        wordings: of the rows of train, of which entities and words are taken.
        rate: share of the words that an operation changes.
        tags: what the tags of the words are, see `Rewordable.tags`.
    """

    wordings: Sequence[Wording]
    rate: float
    tags: Literal["bio", "plain"] | None


Make = Callable[["AugmentationOptions", Material], Operation]
"""Makes an operation of the options of the command, and of the rows."""
