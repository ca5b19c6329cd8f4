"""Options of learning from a teacher's logits, for every command in which a model does."""

from __future__ import annotations

from nlpkit.options import Config, option


class LogitsOptions(Config):
    """How much the teacher's logits say. The defaults are those of DistilBERT's published SQuAD script."""

    alpha: float = option(
        0.5, "Share of the teacher's logits in the loss; the rest is that of the labels.", panel="Loss", ge=0, le=1
    )
    temperature: float = option(
        2.0, "Softens the teacher's and the student's logits (Hinton et al. 2015).", panel="Loss", gt=0
    )
