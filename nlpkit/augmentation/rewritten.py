"""Texts that models write anew: through another language and back (Sennrich et al. 2016; Xie et al. 2020), or as a
paraphrase.

On the way out tokens are drawn, so that several copies differ; the way back is the likeliest text. A text that a model
did not bring to an end is none, and one that comes back as it went out is no copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlpkit import reporting
from nlpkit.augmentation.operation import Material
from nlpkit.augmentation.options import AugmentationOptions
from nlpkit.data.wording import Wording, text_of, words_of
from nlpkit.errors import UserError
from nlpkit.inference.predictor import Predictor, TrainedModelOptions, open_predictor
from nlpkit.options import DeviceOptions, flag_of
from nlpkit.tasks.roles import Judged
from nlpkit.tasks.text2text_generation.options import Text2TextAnswerOptions

TEXTS_AT_ONCE = 256


@dataclass(frozen=True)
class Rewritten:
    """Texts that go through models, one after the other.

    What is drawn for a text hangs on the texts that are asked about together with it: the same rows in the same order
    give the same copies, others need not.

    Args:
        name: see `Operation`.
        writers: a paraphraser, or two translators, and how each is asked.
        temperature: of the first one; 0: the likeliest text, of which there is one.
    """

    name: str
    writers: Sequence[tuple[Predictor[Any], Text2TextAnswerOptions]]
    temperature: float

    def changed(self, wordings: Sequence[Wording], generators: Sequence[np.random.Generator]) -> list[Wording | None]:
        """See `Operation`; None of a text that comes back as it was, or that a model did not bring to an end."""
        texts = [text_of(wording) for wording in wordings]
        seed = int(generators[0].integers(2**31)) if generators else 0
        written: list[str | None] = list(texts)
        with reporting.current().progress(self.name, len(texts) * len(self.writers), "texts") as bar:
            for place, (writer, options) in enumerate(self.writers):
                drawn = {"temperature": self.temperature, "seed": seed} if place == 0 and self.temperature else {}
                asked = writer.configured(options.changed(**drawn))
                for first in range(0, len(texts), TEXTS_AT_ONCE):
                    some = slice(first, first + TEXTS_AT_ONCE)
                    written[some] = _answers(asked, written[some])
                    bar.advance(len(texts[some]))
        return [
            None if copy is None or _same(copy, text) else words_of(copy)
            for copy, text in zip(written, texts, strict=True)
        ]


def _answers(writer: Predictor[Any], texts: Sequence[str | None]) -> list[str | None]:
    """What is written for each text that there is."""
    column = writer.task.reader().input_columns[0]
    there = [text for text in texts if text]
    answers = iter(writer.answers([{column: text} for text in there]) if there else [])
    made: list[str | None] = []
    for text in texts:
        answer = next(answers) if text else {}
        ended = not any(writer.task.unfinished(answer)) if answer.get("prediction") else False
        made.append(str(answer["prediction"]) if ended else None)
    return made


def _same(copy: str, text: str) -> bool:
    """Whether a copy differs from its text in capitals and blanks at most."""
    return copy.lower().split() == text.lower().split()


def back_translated(options: AugmentationOptions, material: Material) -> Rewritten:
    """See `operation.Make`.

    Raises:
        UserError: no two models are named that translate.
    """
    if len(options.translators) != 2:
        raise UserError(
            "--by back-translation: it takes two models, into another language and back",
            "Name them: --translators Helsinki-NLP/opus-mt-en-de,Helsinki-NLP/opus-mt-de-en.",
        )
    writers = open_writers(options.translators, "translators", options)
    asked = [Text2TextAnswerOptions()] * 2
    if options.languages:
        if len(options.languages) != 2:
            raise UserError("--languages takes two codes", "The texts' own first: --languages en_XX,de_DE.")
        own, other = options.languages
        asked = [
            Text2TextAnswerOptions(source_language=own, target_language=other),
            Text2TextAnswerOptions(source_language=other, target_language=own),
        ]
    return Rewritten("back-translation", list(zip(writers, asked, strict=True)), options.temperature)


def paraphrased(options: AugmentationOptions, material: Material) -> Rewritten:
    """See `operation.Make`.

    Raises:
        UserError: no model is named that writes.
    """
    if options.paraphraser is None:
        raise UserError("--by paraphrase: no model that writes is named", "Add --paraphraser MODEL.")
    (writer,) = open_writers([options.paraphraser], "paraphraser", options)
    return Rewritten("paraphrase", [(writer, Text2TextAnswerOptions())], options.temperature)


def open_writers(names: Sequence[str], option: str, options: DeviceOptions) -> list[Predictor[Any]]:
    """The models that a text goes through.

    Args:
        names: run folders or names on the hub; one that comes again is opened once.
        option: that names them, for messages.

    Raises:
        UserError: one turns no text into another.
    """
    device = {field: getattr(options, field) for field in DeviceOptions.model_fields}
    opened: dict[str, Predictor[Any]] = {}
    for name in dict.fromkeys(names):
        writer: Predictor[Any] = open_predictor(
            TrainedModelOptions(model=name, **device), command=f"augment {flag_of(option)}"
        )
        if not isinstance(writer.task, Judged) or not writer.task.judged_by_writing:
            raise UserError(
                f"{flag_of(option)} {name} is a model for {writer.task.name}, and turns no text into another",
                "Name one that does: finetune-seq2seq makes them, and opus-mt-en-de of Helsinki-NLP is one on the hub.",
            )
        opened[name] = writer
    return [opened[name] for name in names]
