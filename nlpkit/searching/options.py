"""Options of `index` and `search`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from nlpkit.embedding.options import VectorModelOptions
from nlpkit.options import (
    DeviceOptions,
    FolderOptions,
    ModelOptions,
    Names,
    OpeningOptions,
    ReadingOptions,
    Strings,
    TextColumnOptions,
    option,
    option_like,
)
from nlpkit.tasks.sentence_embedding.options import SidePromptOptions
from nlpkit.vectors.made import Dtype

Mode = Literal["dense", "bm25", "hybrid"]


class SideModelOptions(SidePromptOptions, VectorModelOptions):
    """A model that gives vectors of questions and of documents."""

    model: str = option_like(ModelOptions, "model")
    prompt_query: str | None = option_like(
        SidePromptOptions,
        "prompt_query",
        help="Text to put before each question.",
        shown_default="the model's prompt for queries, else none",
    )
    prompt_document: str | None = option_like(
        SidePromptOptions,
        "prompt_document",
        help="Text to put before each document.",
        shown_default="the model's prompt for documents, else none",
    )


class IndexOptions(ReadingOptions, SideModelOptions):
    """What is indexed, how, and where the index goes."""

    data: Strings = option(
        [],
        "Files, folders, globs, - for a pipe (repeatable).",
        panel="Data",
        metavar="PATH",
    )
    text_column: str | None = option_like(TextColumnOptions, "text_column")
    title_column: str | None = option(
        None,
        "Column that stands before the text; '' for none.",
        panel="Data",
        metavar="NAME",
        shown_default="title, where the text is guessed",
    )
    id_column: str | None = option(
        None,
        "Column of what a document is known by; '' for none.",
        panel="Data",
        metavar="NAME",
        shown_default="_id, id, docid, ...",
    )
    output: Path | None = option(
        None, "Folder of the index, made or brought up to date.", panel="Output", metavar="INDEX"
    )
    overwrite: bool = option_like(FolderOptions, "overwrite", help="Begin --output anew.")
    passage_tokens: int | None = option(
        None,
        "Cut documents into passages of at most N tokens; 0 leaves them whole.",
        panel="Index",
        ge=0,
        shown_default="what the model reads",
    )
    overlap: int = option(
        32, "Tokens that a passage has in common with the one before it.", panel="Index", ge=0, metavar="N"
    )
    dtype: Dtype = option("int8", "How a number of a vector is stored.", panel="Index")
    exact_up_to: int = option(
        300_000, "Passages up to which every vector is compared; a graph (HNSW) beyond.", panel="Index", ge=0
    )
    calibrate: str | None = option(
        None,
        "Settle on judged questions how to search: BEIR, pairs, SQuAD.",
        panel="Index",
        metavar="PATH",
    )
    max_false_answers: float = option(
        0.05,
        "Share of unanswerable questions that may get an answer; without --calibrate an estimate.",
        panel="Index",
        gt=0,
        le=1,
    )


class SearchOptions(ReadingOptions, DeviceOptions):
    """What is looked for, where, and how."""

    index: Path = option(..., "Folder of an index.", panel="Input", metavar="INDEX", positional=True)
    questions: Strings = option(
        [], "Questions; none, on a terminal: they are asked for.", panel="Input", metavar="QUESTION", positional=True
    )
    queries: str | None = option(None, "File with questions, or - for standard input.", panel="Input", metavar="FILE|-")
    judgements: str | None = option(
        None,
        "Measure on judged questions: BEIR, pairs, or SQuAD.",
        panel="Input",
        metavar="PATH",
    )
    text_column: str | None = option_like(TextColumnOptions, "text_column", help="Column of the question in --queries.")
    top_k: int = option(10, "Documents per question.", panel="Search", ge=1, le=1_000)
    filter: Strings = option(
        [],
        "Only where NAME=VALUE (or !=, <, <=, >, >=; A|B).",
        panel="Search",
        metavar="CONDITION",
    )
    mode: Mode | None = option(
        None,
        "By meaning (dense), by words (bm25), or both.",
        panel="Search",
        shown_default="as the index was calibrated, else dense",
    )
    fusion: Literal["average", "rrf"] | None = option(
        None,
        "How both lists are joined.",
        panel="Search",
        shown_default="as the index was calibrated, else average",
    )
    weight: float | None = option(
        None,
        "Of meaning in the average; words have the rest.",
        panel="Search",
        ge=0,
        le=1,
        shown_default="as the index was calibrated, else 0.5",
    )
    max_false_answers: float | None = option(
        None,
        "Share of unanswerable questions that may get an answer; 1: all.",
        panel="Search",
        gt=0,
        le=1,
        shown_default="the index's",
    )
    rerank: str | None = option(
        None, "Cross-encoder that puts the best into a new order.", panel="Search", metavar="MODEL"
    )
    rerank_ms: int = option(
        500,
        "Milliseconds per question that it may take: as many documents as fit.",
        panel="Search",
        ge=1,
        only_with="rerank",
    )
    show: Names = option([], "Columns of the documents to show beside the text.", panel="Output", metavar="NAME,NAME")
    explain: bool = option(False, "Show the rank and score of each way of searching.", panel="Output")
    output: Path | None = option(
        None,
        "File for the answers: csv, tsv, jsonl, parquet.",
        panel="Output",
        metavar="FILE",
        only_with="queries",
    )
    overwrite: bool = option_like(FolderOptions, "overwrite", help="Replace --output if it exists.", only_with="output")
    model: str | None = option(
        None,
        "Where the model of the index is now.",
        panel="Model",
        metavar="PATH|NAME",
        shown_default="where it was when the index was made",
    )
    allow_pickle: bool = option_like(OpeningOptions, "allow_pickle")
    trust_remote_code: bool = option_like(OpeningOptions, "trust_remote_code")
