"""Rows of questions, contexts and answers, for extractive question answering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from nlpkit import reporting
from nlpkit.data import columns as column_names
from nlpkit.data.findings import Finding
from nlpkit.data.inputs import Input, Reading
from nlpkit.data.layouts import registry as layouts
from nlpkit.data.places import user_columns
from nlpkit.errors import UserError
from nlpkit.options import Config, ReadingOptions
from nlpkit.tasks.question_answering import windows
from nlpkit.tasks.question_answering.options import (
    AnswerColumnOptions,
    PassageColumnOptions,
    QuestionAnsweringAnswerOptions,
)
from nlpkit.tasks.question_answering.question_reader import QuestionReader
from nlpkit.tasks.question_answering.task import ANSWERS_NAMES, CONTEXT_NAMES, QUESTION_NAMES, QuestionAnswering
from nlpkit.tasks.reading import Reader, asked
from nlpkit.tasks.rewording import Rewordable

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.tasks.options import TypedOptions

START_NAMES = ("answer_start", "answer_starts", "start", "answers.answer_start", "answers_start", "start_position")
ID_NAMES = ("id", "qid", "question_id")


@dataclass(frozen=True, eq=False)
class PassageReader(Reader[QuestionAnswering]):
    """See the module's docstring."""

    @classmethod
    def of(
        cls, task: QuestionAnswering, columns: Sequence[str] | None, options: Config | None, *, labelled: bool
    ) -> Self:
        if columns is None:
            return cls(task)
        passage = asked(PassageColumnOptions, options)
        question = _column(columns, passage.question_column, task.question, QUESTION_NAMES, "question")
        context = _column(columns, passage.context_column, task.context, CONTEXT_NAMES, "context")
        task = task.with_(question=question, context=context)
        if not labelled:
            return cls(task)
        given = asked(AnswerColumnOptions, options)
        taken = (question.strip().lower(), context.strip().lower())
        names = [name for name in ANSWERS_NAMES if name not in taken]
        answers = _column(columns, given.answers_column, task.answers, names, "answers")
        others = [name for name in columns if name not in (question, context, answers)]
        start, number = (
            column_names.require(named, columns, what) if named else column_names.guess(others, names)
            for named, names, what in (
                (given.answer_start_column, START_NAMES, "answer start"),
                (given.id_column, ID_NAMES, "id"),
            )
        )
        return cls(task.with_(answers=answers, start=start, id=number))

    @property
    def input_columns(self) -> list[str]:
        return [self.task.question, self.task.context]

    @property
    def group_column(self) -> str | None:
        return self.task.context

    @property
    def rewordable_columns(self) -> list[str]:
        """The question alone: answers stand at characters of the context."""
        return [self.task.question]

    def rewordable(self, rows: Dataset, split: str, origin: LoadedData, findings: list[Finding]) -> Rewordable:
        identity = self.task.id if self.task.id in rows.column_names else None
        return replace(super().rewordable(rows, split, origin, findings), identity=identity)

    def typed(self, options: TypedOptions) -> tuple[list[dict[str, Any]], Self]:
        """A row for each --question and TEXT, all about --context or --context-file."""
        typed = QuestionAnsweringAnswerOptions.of(options)
        questions = [*options.texts, *typed.question]
        if not questions:
            raise UserError("there is no question", 'Ask with --question "..." (repeatable).')
        context, file = typed.context, typed.context_file
        if (context is None) == (file is None):
            both = "not both" if context is not None else "where the answer is to be found"
            raise UserError(f"give --context or --context-file FILE, {both}")
        if file is not None:
            context = _read_text(file, ReadingOptions.of(options).encoding)
        elif not (context or "").strip():
            raise UserError("--context holds no text")
        task = self.task.with_(question="question", context="context")
        return [{"question": question, "context": context} for question in questions], replace(self, task=task)

    def labelled(self, columns: Sequence[str]) -> bool:
        return self.task.answers is None or self.task.answers in columns

    def examples(self, rows: Dataset, split: str, origin: LoadedData, findings: list[Finding] | None = None) -> Dataset:
        """Questions as `QuestionReader.read` gives them."""
        from datasets import Dataset as ArrowDataset
        from datasets import Features, List, Value

        columns = user_columns(rows.column_names)
        if self.task.answers is None:
            raise UserError("the column of the answers is not known", "Name it with --answers-column.")
        question, context, answers = (
            column_names.require(name, columns, what, where=f"{split}: ")
            for name, what in (
                (self.task.question, "question"),
                (self.task.context, "context"),
                (self.task.answers, "answers"),
            )
        )
        for name, what in ((question, "question"), (context, "context")):
            if not isinstance(rows.features[name], Value):
                raise UserError(
                    f"{split}: the {what} column '{name}' holds lists or objects, not text",
                    f"Name a column of text with --{what}-column, or join its parts.",
                )
        reader = QuestionReader(split, nested=not isinstance(rows.features[answers], Value))
        cells = [
            _cells(rows, name) for name in (question, context, answers, self.task.start, self.task.id, "is_impossible")
        ]
        read = [reader.read(*row) for row in zip(origin.places(rows, split), *cells, strict=True)]
        if findings is not None:
            findings += reader.findings()
        text, number = Value("string"), Value("int32")
        types: dict[str, Any] = dict.fromkeys(("id", "question", "context", "where"), text)
        types |= {"answers": List(text), "start": number, "end": number}
        kept = {name: [entry[name] for entry in read if entry is not None] for name in types}
        return ArrowDataset.from_dict(kept, features=Features(types))

    def inputs(self, row: Mapping[str, Any]) -> dict[str, Any]:
        question = column_names.cell(row, self.task.question, QUESTION_NAMES)
        context = column_names.cell(row, self.task.context, CONTEXT_NAMES)
        # a token is hardly ever less than a byte: only long questions are worth counting
        frame = windows.Frame.of(self.task.tokenizer) if self._maybe_long(question) else None
        if frame is not None:
            (ids,) = windows.token_ids(self.task.tokenizer, [question]).values()
            if windows.room_for(len(ids), self.task.max_length, frame) < windows.LEAST_ROOM:
                raise ValueError(f"{windows.QuestionTooLong(0, len(ids), self.task.max_length)}; see --max-length")
        return {"question": question, "context": context}

    def _maybe_long(self, question: str) -> bool:
        return self.task.max_length is not None and 2 * len(question.encode()) > self.task.max_length


def _column(columns: Sequence[str], named: str | None, known: str | None, names: Sequence[str], what: str) -> str:
    """The column that was named, the known one, or the first that is called like one.

    Raises:
        UserError: the column that was named does not exist, or none fits.
    """
    flag = f"--{what}-column"
    if named:
        return column_names.require(named, columns, what)
    if known in columns:
        return str(known)
    column = column_names.guess(columns, names)
    if column is None:
        raise UserError(
            f"no column looks like the {what}; the columns are {', '.join(columns)}",
            f"Name it with {flag}. {layouts.known('questions')}",
        )
    if column != names[0]:
        reporting.current().note(f"{what}: column '{column}' (guessed; {flag})")
    return column


def _cells(rows: Dataset, column: str | None) -> list[Any]:
    return rows[column][:] if column in rows.column_names else [None] * len(rows)


def _read_text(path: Path, encoding: str) -> str:
    """A text file as it is, line ends included, so that characters are counted as in the file."""

    source = Input.of(path, Reading("txt", encoding))
    text = source.whole()
    if not text.strip():
        raise UserError(f"--context-file {path}: the file holds no text")
    return text
