"""Options of files, rows and columns."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import field_validator

from nlpkit.options.declaring import Config, option, option_like
from nlpkit.options.values import DELIMITERS, Apart, AtCommas, Names, Strings


class ReadingOptions(Config):
    """How files are read, the same in every command that reads rows or text from some; see `Reading`."""

    format: Literal["csv", "tsv", "json", "jsonl", "parquet", "xlsx", "txt", "conll", "squad"] | None = option(
        None, "Format of the files.", panel="Data", shown_default="from their names"
    )
    encoding: str = option("utf-8", "Text encoding of the files.", panel="Data", metavar="NAME")
    delimiter: str | None = option(
        None,
        "Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab, pipe, space.",
        panel="Data",
        metavar="CHAR",
        shown_default="from the header",
    )
    quoting: Literal["auto", "standard", "none"] = option(
        "auto", "Quotes in csv and tsv files: around fields (standard), or text as any other (none).", panel="Data"
    )
    columns: Annotated[list[str], AtCommas] = option(
        [], "Names of the columns of files without a header.", panel="Data", metavar="NAME,..."
    )

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value is None:
            return None
        value = DELIMITERS.get(value.lower(), value)
        if len(value) != 1 or value in '"\r\n':
            raise ValueError(f"use one character that is no quote, or {', '.join(DELIMITERS)}")
        return value

    @field_validator("columns")
    @classmethod
    def _names(cls, value: list[str]) -> list[str]:
        if "" in value or len(set(value)) < len(value):
            raise ValueError("give each column a name of its own")
        return value


class SourceOptions(ReadingOptions):
    """Where the rows come from."""

    data: str | None = option(
        None,
        "Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision).",
        panel="Data",
        metavar="PATH|NAME",
    )
    train_file: Strings = option([], "File of the train split (repeatable, glob).", panel="Data", metavar="FILE")
    validation_file: Strings = option([], "File of the validation split.", panel="Data", metavar="FILE")
    test_file: Strings = option([], "File of the test split.", panel="Data", metavar="FILE")
    data_config: str | None = option(None, "Configuration of a hub data set.", panel="Data", metavar="NAME")
    data_revision: str | None = option(None, "Revision of a hub data set.", panel="Data", metavar="REV")
    train_split: str | None = option(
        None, "Rows to train on, e.g. 'train[:2000]+train[-2000:]'.", panel="Data", metavar="SPLIT"
    )
    validation_split: str | None = option(None, "Rows to validate on.", panel="Data", metavar="SPLIT")
    test_split: str | None = option(None, "Rows to test on.", panel="Data", metavar="SPLIT")


class EvaluatedRowsOptions(Config):
    """How many rows are evaluated on."""

    max_eval_samples: int | None = option(None, "Evaluate on at most N rows per split.", panel="Data", ge=1)


class DataOptions(EvaluatedRowsOptions, SourceOptions):
    """Which rows are trained on, and which are held out."""

    validation_share: float = option(
        0.1, "Share of train held out when there is no validation split.", panel="Data", gt=0, lt=1
    )
    test_share: Apart = option(
        0.0,
        "Share of train held out as a test split where there is none, before anything else; half: half of validation.",
        panel="Data",
        metavar="X|half",
        shown_default="0",
    )
    hold_out: Literal["texts", "rows"] = option(
        "texts",
        "What is held out: equal texts together (QA: contexts), or rows one by one, as older runs did.",
        panel="Data",
    )
    group_column: str | None = option(
        None,
        "Column of what rows share (author, patient, document): those of one value are held out together.",
        panel="Data",
        metavar="NAME",
        only_with={"hold_out": ("texts",)},
    )
    max_train_samples: int | None = option(None, "Train on at most N rows, balanced by label.", panel="Data", ge=1)
    shuffle_seed: int | None = option(
        None, "Seed of the hold-out and of the sampling.", panel="Data", shown_default="--seed", ge=0, le=2**32 - 1
    )


class TextColumnOptions(Config):
    """Which columns of the rows are the input."""

    text_column: str | None = option(None, "Column of the text.", panel="Data", shown_default="guessed")
    text_pair_column: str | None = option(None, "Column of the second text of a pair.", panel="Data")


class ColumnOptions(TextColumnOptions):
    """Which columns of labelled rows are read."""

    label_column: str | None = option(None, "Column of the label.", panel="Data", shown_default="guessed")
    label_columns: Names = option([], "Columns of 0 and 1, one for each label.", panel="Data", metavar="NAME,NAME")


class CorpusOptions(ReadingOptions):
    """Running text without labels, from any number of places."""

    data: Strings = option(
        [],
        "Files, folders or globs, a hub data set, - for standard input (repeatable).",
        panel="Data",
        metavar="PATH|NAME",
    )
    text_column: str | None = option_like(TextColumnOptions, "text_column", help="Column of the text in tables.")
    data_config: str | None = option_like(SourceOptions, "data_config")
    data_split: str = option("train", "Split of a hub data set.", panel="Data", metavar="SPLIT")
    data_revision: str | None = option_like(SourceOptions, "data_revision")
