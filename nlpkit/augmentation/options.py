"""Options of what is changed in copies, and how much."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import field_validator

from nlpkit.options import (
    AtCommas,
    Config,
    DeviceOptions,
    FolderOptions,
    Names,
    NotWith,
    OnlyWith,
    OutputOptions,
    SourceOptions,
    option,
    option_like,
)

Way = Literal[
    "synonyms",
    "insert",
    "swap",
    "delete",
    "keyboard",
    "ocr",
    "case",
    "punctuation",
    "mentions",
    "segments",
    "labelwise",
    "masked-lm",
    "back-translation",
    "paraphrase",
]
TEMPERATURE = 0.8  # Xie et al. 2020, section 5: between 0.7 and 0.9
LEAST = 0.5  # probability of a label: that of all others together is less
EDA: list[Way] = ["synonyms", "insert", "swap", "delete"]
WITH_SYNONYMS = ("synonyms", "insert")


class AugmentationOptions(DeviceOptions):
    """What is changed in copies, and how much."""

    by: Annotated[list[Way], AtCommas] = option(
        EDA,
        "Operations, by turns; also keyboard, ocr, case, punctuation, masked-lm, back-translation, paraphrase; of "
        "words with tags mentions, segments, labelwise.",
        panel="Augmentation",
        metavar="NAME,...",
        shown_default="the four of EDA",
    )
    copies: int | None = option(
        None,
        "Copies of each row.",
        panel="Augmentation",
        ge=1,
        le=1_000,
        shown_default="EDA: 16, 8 or 4",
    )
    balance: bool = option(
        False,
        "Make copies until every class has as many rows as the most frequent one.",
        panel="Augmentation",
        only_with=NotWith(
            ("copies",), why=" makes as many copies as it takes", hint="Leave out one of both: --copies."
        ),
    )
    rate: float | None = option(
        None,
        "Share of the words that are changed, at least one.",
        panel="Augmentation",
        gt=0,
        le=1,
        shown_default="EDA: 0.05 or 0.1",
    )
    synonyms: Path | None = option(
        None,
        "Table of synonyms: `word TAB synonym,...`, or by sense as Open English WordNet's; .gz too.",
        panel="Augmentation",
        metavar="FILE",
        shown_default="a small one of English",
        only_with=OnlyWith(("by",), WITH_SYNONYMS, why=" is read with --by synonyms or insert only"),
    )
    keyboard: Literal["qwerty", "qwertz", "azerty"] = option(
        "qwerty",
        "Keys that lie beside one another.",
        panel="Augmentation",
        only_with=OnlyWith(("by",), ("keyboard",), why=" is read with --by keyboard only"),
    )
    filler: str | None = option(
        None,
        "Model that fills masks.",
        panel="Models",
        metavar="PATH|NAME",
        only_with={"by": ("masked-lm",)},
    )
    translators: Names = option(
        [],
        "Models that translate into another language, and back (opus-mt-en-de and opus-mt-de-en of Helsinki-NLP).",
        panel="Models",
        metavar="TO,BACK",
        only_with={"by": ("back-translation",)},
    )
    languages: Names = option(
        [],
        "Translators of several languages: codes of the texts' own and of the other one (en_XX,de_DE).",
        panel="Models",
        metavar="OWN,OTHER",
        shown_default="those of each translator",
        only_with="translators",
    )
    paraphraser: str | None = option(
        None,
        "Model that writes a text in other words.",
        panel="Models",
        metavar="PATH|NAME",
        only_with={"by": ("paraphrase",)},
    )
    temperature: float = option(
        TEMPERATURE,
        "Of what translators (on the way out) and paraphrasers write; 0: the likeliest text.",
        panel="Models",
        ge=0,
        only_with={"by": ("back-translation", "paraphrase")},
    )
    checked_by: str | None = option(
        None,
        "Trained run of the task: copies whose label it doubts are dropped, rows whose label it doubts are listed.",
        panel="Models",
        metavar="RUN",
    )
    least: float = option(
        LEAST,
        "Probability that it must give a label.",
        panel="Models",
        gt=0,
        le=1,
        only_with="checked_by",
    )


class WrittenOptions(Config):
    """What is written."""

    output: Path | None = option(
        None,
        "File to write; with --measure a run folder.",
        panel="Output",
        metavar="FILE",
    )
    overwrite: bool = option_like(FolderOptions, "overwrite", help="Replace --output if it exists.")
    dry_run: bool = option_like(OutputOptions, "dry_run", help="Show the plan and three copies of each, stop.")


class MeasuringOptions(Config):
    """What is trained to tell what copies are worth."""

    measure: bool = option(
        False,
        "Train with copies and without: what do they gain?",
        panel="Measuring",
    )
    rows: Annotated[list[int | Literal["all"]], AtCommas] = option(
        ["all"],
        "Rows of train that are learnt from and copied, balanced by label, drawn anew for each seed.",
        panel="Measuring",
        metavar="N,N,all",
        shown_default="all",
        only_with="measure",
    )
    seeds: Annotated[list[int], AtCommas] = option(
        [1, 2, 3],
        "Seeds of rows, copies and training.",
        panel="Measuring",
        metavar="N,N,...",
        shown_default="1,2,3",
        only_with="measure",
    )
    training: Path | None = option(
        None,
        "Options of the command that trains (YAML): model, epochs, learning_rate, ...",
        panel="Measuring",
        metavar="FILE",
        shown_default="its defaults",
        only_with="measure",
    )
    resume: bool = option_like(OutputOptions, "resume", panel="Measuring", only_with="measure")

    @field_validator("rows")
    @classmethod
    def _some(cls, value: list[int | str]) -> list[int | str]:
        if not value or any(isinstance(size, int) and size < 1 for size in value):
            raise ValueError("give numbers of rows from 1 up, or all")
        return list(dict.fromkeys(value))

    @field_validator("seeds")
    @classmethod
    def _different(cls, value: list[int]) -> list[int]:
        if not value or any(seed < 0 for seed in value):
            raise ValueError("give seeds from 0 up")
        return list(dict.fromkeys(value))


class CommandOptions(MeasuringOptions, AugmentationOptions, WrittenOptions, SourceOptions):
    """What is read in several places of the command."""
