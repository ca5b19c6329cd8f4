"""Options that come with question answering."""

from __future__ import annotations

from pathlib import Path

from nlpkit.options import Config, Strings, option, option_like
from nlpkit.tasks.options import AbstainOptions, CoverageOptions, LengthOptions

# BERT's SQuAD script (google-research/bert, run_squad.py): --max_seq_length, --doc_stride, --max_answer_length,
# --n_best_size
MAX_LENGTH = 384
DOC_STRIDE = 128
MAX_ANSWER_LENGTH = 30
N_BEST = 20
ANSWERS_GIVEN = 5  # in files and --json


class PassageColumnOptions(Config):
    """Which columns are the question and its context."""

    question_column: str | None = option(None, "QA: column of the question.", panel="Data", shown_default="guessed")
    context_column: str | None = option(
        None, "QA: column of the text that holds the answer.", panel="Data", shown_default="guessed"
    )


class AnswerColumnOptions(PassageColumnOptions):
    """Which columns of labelled rows are read."""

    answers_column: str | None = option(
        None,
        'QA: column of the answers: {"text", "answer_start"}, a list of these, or a text; none: unanswerable.',
        panel="Data",
        shown_default="guessed",
    )
    answer_start_column: str | None = option(
        None,
        "QA: column of the character where an answer starts.",
        panel="Data",
        shown_default="guessed",
    )
    id_column: str | None = option(None, "QA: column of the question's id.", panel="Data", shown_default="guessed")


class QuestionAnsweringOptions(LengthOptions, AnswerColumnOptions):
    """Options of the task itself: columns, windows, answers."""

    doc_stride: int = option(
        DOC_STRIDE,
        "QA: tokens that windows of a long context share (BERT's SQuAD script).",
        panel="Task",
        ge=0,
    )
    max_answer_length: int = option(
        MAX_ANSWER_LENGTH, "QA: most tokens per answer (BERT's SQuAD script).", panel="Task", ge=1
    )


class WindowOptions(Config):
    """What may differ from training when a model is asked."""

    doc_stride: int | None = option_like(
        QuestionAnsweringOptions,
        "doc_stride",
        None,
        "QA: tokens that windows of a long context share.",
        shown_default="as trained, or 128",
    )
    max_answer_length: int | None = option_like(
        QuestionAnsweringOptions,
        "max_answer_length",
        None,
        "QA: most tokens per answer.",
        shown_default="as trained, or 30",
    )
    null_threshold: float | None = option(
        None,
        "QA: no answer where its score is more than this above the best answer's (a larger value answers more).",
        panel="Task",
        shown_default="as tuned in training; a model from elsewhere always answers",
    )


class QuestionAnsweringAnswerOptions(AbstainOptions, WindowOptions, PassageColumnOptions):
    """Options of `predict`."""

    question: Strings = option([], "Question about --context (repeatable; TEXT is the same).", panel="Input")
    context: str | None = option(None, "Text that holds the answers to the questions.", panel="Input")
    context_file: Path | None = option(None, "The same, from a text file.", panel="Input", metavar="FILE")
    n_best: int | None = option(
        None,
        "QA: answers to each question, best first.",
        panel="Output",
        ge=1,
        shown_default=f"1 shown, {ANSWERS_GIVEN} in files and JSON",
    )


class QuestionAnsweringJudgeOptions(CoverageOptions, WindowOptions, AnswerColumnOptions):
    """Options of `evaluate`."""

    breakdown: bool = option(False, "QA: show F1 by question word and by length of the answer.", panel="Output")
