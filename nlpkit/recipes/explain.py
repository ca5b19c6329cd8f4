"""Tell which words an answer of a model hangs on, and how far that can be believed.
Prints a table for each text; --output writes a file.

Each word gets what it is worth to the answer, by --method. Below stand two figures, measured on this very model and
text: how much less sure it is without the strongest words (comprehensiveness: high is good), and with these alone
(sufficiency: low is good), both beside scores that are drawn at random. A method that is not above them tells nothing.

Examples: nlpkit explain runs/reviews "A lovely film, but far too long."
nlpkit explain runs/reviews --input runs/reviews/errors.jsonl --output why.jsonl
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.explaining.methods import METHODS
from nlpkit.explaining.options import AttributionOptions
from nlpkit.inference.predictor import Predictor, open_predictor
from nlpkit.options import option_like
from nlpkit.recipes import predict
from nlpkit.reporting import Report, Table
from nlpkit.runs.files import require_writable
from nlpkit.tasks.roles import Explainable

if TYPE_CHECKING:
    from nlpkit.explaining.explanation import Explanation
    from nlpkit.tasks.reading import Reader

COMMAND = "explain"
ESSENTIAL: tuple[str, ...] = (
    "model",
    "texts",
    "input",
    "method",
    "target",
    "by",
    "output",
)
NEEDS = Explainable
SHOWN = 40  # words of a table; of longer texts those that are worth most, for or against the answer
WRITTEN = (".jsonl",)
PREFIX = "prediction"


class Config(AttributionOptions, predict.AnswerOptions):
    """Options of `nlpkit explain`."""

    output: Path | None = option_like(
        predict.AnswerOptions, "output", help="File to write: jsonl, a line for each row."
    )


class Asked(NamedTuple):
    """A row that is explained.

    Attributes:
        where: it stands, for messages: `text 1`, `line 7`.
        values: as it was given, by column.
        example: what the task reads of it; None where it cannot.
        error: why not.
        prefix: of the columns of its answer.
        reader: what reads it.
    """

    where: str
    values: Mapping[str, Any]
    example: Mapping[str, Any] | None
    error: str
    prefix: str
    reader: Reader[Any]

    @classmethod
    def of(cls, where: str, values: Mapping[str, Any], prefix: str, reader: Reader[Any], error: str = "") -> Asked:
        """A row as its reader has it."""
        example = None
        if not error:
            try:
                example = reader.inputs(values)
            except ValueError as problem:
                error = str(problem)
        return cls(where, values, example, error, prefix, reader)


def writes_to_stdout(config: Config) -> bool:
    """Whether standard output carries the explanations of a file, and nothing else may go there."""
    return config.input is not None and config.output is None


def run(config: Config) -> Report:
    """Explain; returns the worth of words, method by method."""
    methods = config.methods()
    if config.output is not None:
        if config.output.suffix not in WRITTEN:
            raise UserError(f"--output {config.output}: unknown format", f"Known are: {', '.join(WRITTEN)}.")
        require_writable(config.output, overwrite=config.overwrite)
    predict.require_asked(config, COMMAND)
    predictor = open_predictor(config, NEEDS, COMMAND, exported=False)
    config = config.for_task(type(predictor.task))
    config.refuse_unread()
    predictor = predictor.configured(config)
    return _of_file(predictor, config, methods) if config.input is not None else _of_texts(predictor, config, methods)


def _of_texts(predictor: Predictor[Explainable], config: Config, methods: Sequence[str]) -> Report:
    """Explain what was typed."""
    from nlpkit.data.writers import writer

    typed, reader = predictor.task.reader().typed(config)
    entries, tables, errors = [], [], []
    for number, values in enumerate(typed, 1):
        asked = Asked.of(f"text {number}", values, PREFIX, reader)
        entry, found, error = _explained(predictor, asked, config, methods)
        entries.append(entry)
        if error:
            errors.append(error)
            reporting.current().warn(f"{asked.where} is not explained: {error}")
        for explanation in found:
            tables += _tables(explanation, f"{asked.where}: " if len(typed) > 1 else "")
    if config.output is not None:
        with writer(config.output, overwrite=config.overwrite) as write:
            write(entries)
    failed = len(errors) == len(entries)
    record = {"model": config.model, "methods": list(methods), "answers": entries}
    failure = f"no text could be explained; {errors[0]}" if failed else ""
    return Report(record, tables, _notes(methods), exit_code=1 if failed else 0, failure=failure)


def _of_file(predictor: Predictor[Explainable], config: Config, methods: Sequence[str]) -> Report:
    """Explain the rows of a file; a line for each, and a table of how faithful the methods are on them."""
    from nlpkit.data import streams
    from nlpkit.data.writers import writer
    from nlpkit.explaining.summary import Summary

    assert config.input is not None
    summary, failed, first = Summary(methods), 0, ""
    total = streams.row_count(config.input, named=bool(config.columns))
    with (
        writer(config.output, overwrite=config.overwrite) as write,
        reporting.current().progress("explain", total, "rows") as bar,
    ):
        for row, where, prefix, reader in predict.rows_read(predictor, config):
            asked = Asked.of(where, row.values, prefix, reader, str(row.error or ""))
            entry, found, error = _explained(predictor, asked, config, methods)
            write([entry])
            summary.take(found)
            if error:
                failed += 1
                first = first or f"{asked.where}: {error}"
            bar.advance(1)
    if not summary.rows:
        reporting.current().warn(f"{config.input} holds no rows: there is nothing to explain")
    failure = config.tell_of_failures(failed, summary.rows, f"explanation (column {PREFIX}_error)", first)
    output = str(config.output) if config.output else None
    record = {"model": config.model, "input": config.input, "output": output, "failed": failed, **summary.record()}
    tables = [summary.table()] if summary.explained and config.output else []
    lines = [f"{reporting.counted(summary.rows, 'row', 'rows')} to {config.output}"] if config.output else []
    return Report(record, tables, [*lines, *_notes(methods)], exit_code=1 if failure else 0, failure=failure)


def _explained(
    predictor: Predictor[Explainable], asked: Asked, config: Config, methods: Sequence[str]
) -> tuple[dict[str, Any], list[Explanation], str]:
    """What a file holds of a row, what was found, and why nothing was."""
    from nlpkit.explaining.explanation import explained

    entry = {**asked.values, **predict.answer_columns(predictor.task.no_answer(), asked.prefix)}
    explanations, error = f"{asked.prefix}_explanations", f"{asked.prefix}_error"
    entry |= {explanations: [], error: asked.error or None}
    if asked.example is None:
        return entry, [], asked.error
    asking = predictor.reading(asked.reader)
    ((_, computed),) = asking.computed([(None, {name: [value] for name, value in asked.example.items()})])
    (answer,) = asking.task.decode(computed.outputs, [asked.example])
    entry |= predict.answer_columns(answer, asked.prefix)
    if 0 in computed.lost:
        entry[f"{asked.prefix}_cut"] = computed.lost[0]
        reporting.current().warn(
            f"{asked.where}: {computed.lost[0]:,} tokens are beyond what the model reads: they have no part in this"
        )
    try:
        questions = asking.task.questions(asking.tokenizer, asked.example, computed.outputs, config.target)
        found = [explained(asking, one, methods, by=config.by, seed=config.seed) for one in questions]
    except UserError as problem:
        if config.input is None:
            raise
        entry[error] = str(problem)
        return entry, [], str(problem)
    entry[explanations] = [one.record() for one in found]
    return entry, found, ""


def _tables(found: Explanation, where: str) -> list[Table]:
    """What is shown of an explanation."""
    import numpy as np

    title = f"{where}{found.question.asked} ({found.value:.3f}); hidden words are {found.hidden_as}"
    names = list(found.attributed)
    rows: list[list[Any]] = [
        [word.text, *(found.attributed[name].scores[i] for name in names)] for i, word in enumerate(found.words)
    ]
    shown = rows
    if len(rows) > SHOWN:
        strongest = np.argsort(-np.abs(found.attributed[names[0]].scores), kind="stable")[:SHOWN]
        title += f"; the {SHOWN} of {len(rows)} words that are worth most by {names[0]}"
        shown = [rows[i] for i in sorted(strongest)]
    words = Table(title, ["word", *names], shown, whole=rows if shown is not rows else None)
    figures: list[list[Any]] = [
        [_marked(name), one.faithfulness.comprehensiveness, one.faithfulness.sufficiency, one.seconds, one.asked]
        for name, one in found.attributed.items()
    ]
    figures.append(["(random)", found.chance.comprehensiveness, found.chance.sufficiency, None, None])
    header = ["how faithful", "comprehensiveness", "sufficiency", "seconds", "variants"]
    return [words, Table("", header, figures)]


def _marked(name: str) -> str:
    return f"{name} (weak)" if METHODS[name].weak else name


def _notes(methods: Sequence[str]) -> list[str]:
    weak = [name for name in methods if METHODS[name].weak]
    if not weak:
        return []
    tell = "tells little of a model, and stands here" if len(weak) == 1 else "tell little of a model, and stand here"
    return [f"{', '.join(weak)} {tell} to be compared"]
