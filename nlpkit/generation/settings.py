"""How a text is written: what of a model's distribution is followed, and where it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nlpkit.errors import UserError

if TYPE_CHECKING:
    from transformers import LogitsProcessorList

USUAL_TOKENS = 128  # that are written at most, where neither the user nor the model says


@dataclass(frozen=True)
class Settings:
    """See the module's docstring.

    Attributes:
        max_new_tokens: that are written at most.
        beams: continuations that are followed at the same time; 1: one.
        temperature: by which logits are divided before a token is drawn; 0: the most likely one is taken.
        top_k: tokens of which one is drawn; 0: all.
        top_p: the most likely tokens that have this probability together (Holtzman et al. 2020).
        min_p: tokens of at least this share of the most likely one's probability (Nguyen et al. 2024).
        typical_p: tokens of typical surprise that have this probability together (Meister et al. 2023).
        repetition_penalty: by which tokens that stand there already are made less likely (Keskar et al. 2019); 1: none.
        no_repeat_ngram: tokens in a row that do not come twice; 0: any may.
        length_penalty: exponent of the length by which the score of a beam is divided.
        sequences: texts for each prompt.
        stop: texts that end the writing, and are left out.
        seed: of what is drawn.
        start: id of the token that a decoder begins with, which is not written; None: the model's.
        begin: id of the token that each text begins with, of a model with an encoder; None: the model's.
    """

    max_new_tokens: int = USUAL_TOKENS
    beams: int = 1
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0
    length_penalty: float = 1.0
    sequences: int = 1
    stop: Sequence[str] = ()
    seed: int = 42
    start: int | None = None
    begin: int | None = None

    @property
    def draws(self) -> bool:
        """Whether tokens are drawn."""
        return self.temperature > 0

    def require_sense(self) -> None:
        """Stop at settings that would do nothing, or contradict each other.

        Raises:
            UserError: saying which.
        """
        if "" in self.stop:
            raise UserError("--stop is empty: every text would end before it begins", "Name a text, or leave it out.")
        if not self.draws:
            usual = Settings()
            for name, flag in (("top_k", "--top-k"), ("top_p", "--top-p"), ("min_p", "--min-p")):
                if getattr(self, name) != getattr(usual, name):
                    raise UserError(f"{flag} is of tokens that are drawn", "Give --temperature too, such as 1.")
            if self.typical_p != 1:
                raise UserError("--typical-p is of tokens that are drawn", "Give --temperature too, such as 1.")
            if self.sequences > self.beams:
                raise UserError(
                    f"--sequences {self.sequences}: without --temperature each would be the same",
                    f"Give --temperature 1 to draw them, or --beams {self.sequences}.",
                )
        elif self.beams > 1:
            raise UserError("--beams looks for the most likely text, --temperature draws one", "Give one of them.")
        if self.length_penalty != 1 and self.beams == 1:
            raise UserError("--length-penalty is of beams", "Give --beams too, such as 5.")

    def of_history(self) -> LogitsProcessorList:
        """What changes logits by the tokens that stand there already."""
        from transformers import LogitsProcessorList
        from transformers.generation import logits_process as of

        made: list[Any] = []
        if self.repetition_penalty != 1:
            made.append(of.RepetitionPenaltyLogitsProcessor(self.repetition_penalty))
        if self.no_repeat_ngram:
            made.append(of.NoRepeatNGramLogitsProcessor(self.no_repeat_ngram))
        return LogitsProcessorList(made)

    def of_drawing(self) -> LogitsProcessorList:
        """What changes logits before a token is drawn, in the order of transformers' `generate`."""
        from transformers import LogitsProcessorList
        from transformers.generation import logits_process as of

        made: list[Any] = []
        if self.draws:
            if self.temperature != 1:
                made.append(of.TemperatureLogitsWarper(self.temperature))
            if self.top_k:
                made.append(of.TopKLogitsWarper(self.top_k))
            if self.top_p < 1:
                made.append(of.TopPLogitsWarper(self.top_p))
            if self.min_p > 0:
                made.append(of.MinPLogitsWarper(self.min_p))
            if self.typical_p < 1:
                made.append(of.TypicalLogitsWarper(self.typical_p))
        return LogitsProcessorList(made)
