"""Answer for texts or files with a trained model. Prints the answers; --output
writes them to a file.

Takes texts as arguments, or rows from a file or standard input; a file's columns and order are kept and its memory is
bounded, whatever its size. A row that cannot be read is kept with its error, and the exit code is 1 (--max-errors).

Examples: nlpkit predict runs/reviews "What a film!"
nlpkit predict runs/reviews --input new.csv --output answers.csv
"""

from __future__ import annotations

import glob
import itertools
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from nlpkit import process, reporting
from nlpkit.data import memory, pipes, streams
from nlpkit.data.typed import is_file, is_there, require_texts
from nlpkit.data.writers import FORMATS as WRITTEN
from nlpkit.errors import UserError
from nlpkit.inference.predictor import Predictor, TrainedModelOptions, open_predictor
from nlpkit.options import FolderOptions, ReadingOptions, flag_of, option, option_like
from nlpkit.reporting import Report, Writing
from nlpkit.runs.files import require_writable
from nlpkit.sharding import batch
from nlpkit.sharding.options import ShardedOptions
from nlpkit.tasks import registry
from nlpkit.tasks.abstaining import ABSTAINED
from nlpkit.tasks.contract import Task
from nlpkit.tasks.deferred import DeferredOptions, Kind
from nlpkit.tasks.features import Truncation
from nlpkit.tasks.options import AbstainOptions, AnsweredFileOptions, MarginOptions, MinScoreOptions, TypedOptions

if TYPE_CHECKING:
    from nlpkit.data.inputs import Input
    from nlpkit.data.rows import Row
    from nlpkit.sharding.worker import Answer
    from nlpkit.tasks.reading import Reader

COMMAND = "predict"
ESSENTIAL: tuple[str, ...] = (
    "model",
    "texts",
    "input",
    "output",
    "max_errors",
)
CHUNK = 2_048  # rows in memory at a time, fewer of long texts or with many scores:
CHUNK_CHARACTERS = 2**24
CHUNK_SCORES = 2**20
SHOWN = 3  # places that a warning names


NEEDS = Task  # of the task of the model


class AnswerOptions(DeferredOptions, AnsweredFileOptions, TypedOptions, ReadingOptions, TrainedModelOptions):
    """What is answered by which model, and where the answers go."""

    kind: ClassVar[Kind] = "predict_options"

    output: Path | None = option(
        None,
        "File to write: csv, tsv, jsonl or parquet; of tagged words also conll or html.",
        panel="Output",
        metavar="FILE",
        shown_default="print",
    )
    overwrite: bool = option_like(FolderOptions, "overwrite", help="Replace --output if it exists.")


class Config(AnswerOptions, ShardedOptions):
    """Options of `nlpkit predict`."""

    output: Path | None = option_like(
        AnswerOptions,
        "output",
        help="File to write: csv, tsv, jsonl or parquet; of tagged words also conll or html. Of many files a folder.",
    )


def writes_to_stdout(config: AnswerOptions) -> bool:
    """Whether standard output carries the answers of a file, and nothing else may go there."""
    return config.input is not None and config.output is None and not memory.is_name(config.input)


def run(config: Config) -> Report:
    """Predict; returns the answers for texts, counts and speed for a file."""
    from nlpkit.topic_models import saved

    if saved.is_folder(config.model):
        return _topics(config)
    if batch.is_asked_for(config):
        return _sharded(config)
    return answered(*opened(config))


def answering(options: Mapping[str, Any]) -> Answer:
    """Open the model that options name; what it gives answers a file with it."""
    config = Config(**options)
    predictor = open_predictor(config, NEEDS)
    config = config.for_task(type(predictor.task))
    if config.output_format is not None:
        _require_known_format(config.output_format, predictor.task, f"--output-format {config.output_format}")
    predictor = predictor.configured(config)
    return lambda file, output: answered(predictor, config.changed(input=file, output=output))


def _sharded(config: Config) -> Report:
    """Answer many files, each into one of its own."""
    config = config.changed(shards=True)
    if not config.trust_remote_code and (task := Config.task_of(config.given_values())) is not None:
        config.for_task(task).refuse_unread()  # before a process is begun for it

    def suffix_for(format: str | None) -> str:
        return f".{config.output_format or (format if format in WRITTEN else 'jsonl')}"

    return batch.run(config, batch.Command(COMMAND, answering, suffix_for, "answer (column prediction_error)"))


def _topics(config: Config) -> Report:
    """The topics of a folder that `topics` wrote, for the rows of a file.

    Raises:
        UserError: no file is named, or an option is set that topics do not have.
    """
    from nlpkit.data.writers import writer
    from nlpkit.recipes import topics

    values = config.given_values()
    if unread := sorted(values.keys() - topics.Config.model_fields.keys()):
        raise UserError(
            f"{flag_of(unread[0]) if unread[0] != 'texts' else 'TEXT'}: {config.model} holds topics",
            f"Its topics are given to the rows of a file: --input FILE; see `nlpkit {topics.COMMAND} --help`.",
        )
    report = topics.run(topics.Config(**values))
    if config.input is not None and writes_to_stdout(config):
        with writer(None) as write:
            write(report.record.pop("answers"))
    return report


def opened(config: AnswerOptions) -> tuple[Predictor, AnswerOptions]:
    """The predictor that answers as it is asked to, and the options with those of its task.

    Raises:
        UserError: the model cannot be opened, or there is nothing that it could answer, or no place for the answers.
    """
    require_asked(config)
    if config.output is not None:
        require_writable(config.output, overwrite=config.overwrite)
    predictor = open_predictor(config, NEEDS)
    if config.output is not None:
        _require_known_format(config.output.suffix.lstrip("."), predictor.task, f"--output {config.output}")
    config = config.for_task(type(predictor.task))
    config.refuse_unread()
    return predictor.configured(config), config


def require_asked(config: AnswerOptions, command: str = COMMAND) -> None:
    """Stop where there is nothing to answer for, or what was typed is the name of a file.

    Args:
        command: for messages.

    Raises:
        UserError: saying how a text or a file is given.
    """
    typed = _typed(config)
    require_one_input(config.input, config.texts, config.model, command)
    if bool(typed) == bool(config.input):
        raise UserError(
            "give texts or --input FILE, not both" if typed else "give texts, or --input FILE (- for a pipe)"
        )
    for name, value in typed.items():
        require_typed(name, value, config.known_fields(), command)


def rows_read(
    predictor: Predictor, config: AnswerOptions, together: int = 64
) -> Iterator[tuple[Row, str, str, Reader[Any]]]:
    """The rows of the file, one by one: where each stands, what the columns of its answer begin with, what reads it.

    Args:
        together: rows in memory at a time.
    """
    from nlpkit.data import readers
    from nlpkit.data.inputs import unit

    assert config.input is not None
    source = _source(predictor, config, config.input)
    chunks = streams.chunks_of(readers.rows_of(source, needed=False), together, CHUNK_CHARACTERS)
    for chunk, prefix, reader in _bound(chunks, predictor.task, config):
        for row in chunk:
            yield row, f"{unit(source.format)} {row.line}", prefix, reader


def answered(predictor: Predictor, config: AnswerOptions) -> Report:
    """What the predictor answers to the texts, or to the rows of the file."""
    task = predictor.task
    if config.input:
        return _predict_file(predictor, config)
    rows, reader = task.reader().typed(config)
    with reporting.current().writing() as writing:
        predictor = _watched(predictor, reader, rows, writing if config.output is None else None)
        answers = predictor.answers(rows, reader)
    seen = writing is not None and predictor.task is not task and writing.text == answers[0]["prediction"]
    left_out = _LeftOut(config, task)
    left_out.take(answers)
    stopped = _Stopped(task)
    stopped.take(answers)
    stopped.warn()
    _warn_of_cuts(reader.task, predictor.cut, [f"text {i}" for i, answer in enumerate(answers, 1) if answer.get("cut")])
    if config.output is not None:
        entries = [{**row, **answer_columns(answer)} for row, answer in zip(rows, answers, strict=True)]
        from nlpkit.data.writers import writer

        with writer(config.output, task.view.answer_formats(lambda: reader), overwrite=config.overwrite) as write:
            write(entries)
    record = [{**row, **answer_columns(answer), **_cut_of(answer)} for row, answer in zip(rows, answers, strict=True)]
    failed = all(answer.get("error") for answer in answers)
    tables = task.view.watched_tables(answers[0]) if seen else task.view.answer_tables(rows, answers)
    message = f"no text could be answered; {answers[0].get('error')}"
    told = {"model": config.model, "answers": record, **left_out.recorded()}
    return Report(told, tables, left_out.lines(), exit_code=1 if failed else 0, failure=message)


def _watched(
    predictor: Predictor, reader: Reader[Any], rows: Sequence[Mapping[str, Any]], writing: Writing | None
) -> Predictor:
    """What answers so that a text is seen while it is written, where the task writes and somebody looks on."""
    if writing is None or len(rows) != 1:
        return predictor
    try:
        inputs = reader.inputs(rows[0])
    except ValueError:  # which is told with the answer
        return predictor
    task = predictor.task.watched(inputs, writing)
    return predictor if task is None else predictor.asking(task)


def _typed(config: AnswerOptions) -> dict[str, Any]:
    """What was typed to be answered, by option: TEXT, and what a task lets users type beside it on the same panel."""
    fields = config.known_fields()
    others = {
        name: value
        for name, value in config.task_values.items()
        if value and fields[name].json_schema_extra["panel"] == "Input"  # type: ignore[index]
    }
    return {**({"texts": config.texts} if config.texts else {}), **others}


def require_typed(name: str, value: Any, options: Collection[str], command: str = COMMAND) -> None:
    """Refuse the name of a file where a text is typed, and tell how the file is given.

    Args:
        name, value: of the option that holds the texts.
        options: of the command.
        command: for the message.

    Raises:
        UserError: see `require_texts`.
    """
    instead = f"Its rows: --input FILE. The name as a text: echo FILE | nlpkit {command} MODEL --input -"
    if f"{name}_file" in options:
        instead = f"Its text: --{name}-file FILE."
    require_texts([text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)], instead)


def require_one_input(name: str | None, texts: Sequence[str], model: str, command: str = COMMAND) -> None:
    """Refuse several files, which the shell makes of a pattern, where no folder is named for their answers.

    Args:
        name: of the file.
        texts: typed behind it.
        model: as it was given, for the message.
        command: that reads the file.

    Raises:
        UserError: saying how they are answered.
    """
    if name is None:
        return
    listed = ("," in name or glob.has_magic(name)) and not is_there(name)
    if listed or any(map(is_file, texts)):
        raise UserError(
            f"--input {name}: {command} reads one file at a time, or many into a folder",
            f"nlpkit {command} {reporting.typed(model)} --input '*.csv' --output DIR, with the pattern between quotes",
        )


def answer_columns(answer: Mapping[str, Any], prefix: str = "prediction") -> dict[str, Any]:
    """Output columns of an answer: `prediction`, `prediction_score`, ..., `prediction_error`."""
    shown = {name: value for name, value in answer.items() if name not in ("cut", ABSTAINED)}  # which few answers have
    out = {(prefix if name == "prediction" else f"{prefix}_{name}"): value for name, value in shown.items()}
    out.setdefault(f"{prefix}_error", None)
    return out


def _cut_of(answer: Mapping[str, Any]) -> dict[str, int]:
    """How many tokens of a typed text were left out, where some were."""
    return {"prediction_cut": answer["cut"]} if "cut" in answer else {}


def free_prefix(columns: Sequence[str]) -> str:
    """`prediction`, or numbered where the input has such columns already (it may be the output of another model)."""
    taken = [name.strip() for name in columns]
    prefixes = itertools.chain(["prediction"], (f"prediction{number}" for number in itertools.count(2)))
    return next(p for p in prefixes if not any(name == p or name.startswith(f"{p}_") for name in taken))


def _predict_file(predictor: Predictor, config: AnswerOptions) -> Report:
    from nlpkit.data import readers
    from nlpkit.data.inputs import unit
    from nlpkit.data.writers import write_empty, writer

    assert config.input is not None
    task, reader = predictor.task, predictor.task.reader()
    source = _source(predictor, config, config.input)
    done = failed = 0
    left_out, stopped = _LeftOut(config, task), _Stopped(task)
    start = time.monotonic()
    columns: list[str] = []
    first_error, hint, prefix = "", "", "prediction"
    cut_at: list[str] = []
    kept: list[dict[str, Any]] | None = [] if memory.is_name(config.input) and config.output is None else None
    cut = Truncation(0, 0, 0, predictor.task.max_length)
    most = max(min(CHUNK, CHUNK_SCORES // task.answer_size), 1)
    chunks = streams.chunks_of(readers.rows_of(source, needed=False), most, CHUNK_CHARACTERS)
    first = next(chunks, [])
    if not first:
        reporting.current().warn(f"{source.name} holds no rows: there is nothing to answer")
        if config.output is not None:
            named = source.columns or []
            answer = answer_columns(task.no_answer(), free_prefix(named))
            write_empty(config.output, [*named, *answer], source.style, overwrite=config.overwrite)
        none = {"rows": 0, "failed": 0, "seconds": 0.0, "rows_per_second": 0.0}
        return Report({**_written(config, predictor), **none, "columns": source.columns or [], "read_columns": []})
    alike = config.output is not None and config.output.suffix == f".{source.format}"
    total = streams.row_count(config.input, named=bool(config.columns))
    with (
        writer(
            config.output,
            task.view.answer_formats(lambda: reader),
            lambda: source.style if alike else None,
            overwrite=config.overwrite,
        ) as write,
        reporting.current().progress("predict", total, "rows") as bar,
    ):
        asked = (
            ((chunk, prefix, reader), reader, [row.values for row in chunk if row.error is None])
            for chunk, prefix, reader in _bound(itertools.chain([first], chunks), task, config)
        )
        # whoever fills a pipe waits for answers: no more is read of it before what was read is answered
        together = ([one] for one in asked) if pipes.is_passing(config.input) else [asked]
        for (chunk, prefix, bound), answers, read in itertools.chain.from_iterable(map(predictor.answered, together)):
            reader = bound  # the writer asks for it
            columns = columns or next((list(row.values) for row in chunk if row.error is None), [])
            left_out.take(answers)
            stopped.take(answers)
            entries, errors, shortened = _answered(task, chunk, answers, prefix, unit(source.format))
            if kept is None:
                write(entries)
            else:
                kept += entries
            cut += read
            cut_at += shortened[: SHOWN - len(cut_at)]
            done += len(chunk)
            failed += len(errors)
            first_error = first_error or (errors[0] if errors else "")
            hint = hint or next((row.hint for row in chunk if row.hint), "")
            bar.advance(len(chunk))
    seconds = time.monotonic() - start
    _warn_of_cuts(reader.task, cut, cut_at)
    stopped.warn()
    failure = config.tell_of_failures(failed, done, f"answer (column {prefix}_error)", first_error, hint)
    record = {
        **_written(config, predictor),
        "rows": done,
        "failed": failed,
        "seconds": round(seconds, 3),
        "rows_per_second": round(done / seconds, 1),
        "columns": columns,
        "read_columns": list(reader.input_columns),
        **({} if kept is None else {"answers": kept}),
        **left_out.recorded(),
    }
    written = f"{reporting.counted(done, 'row', 'rows')} to {config.output}, {reporting.rate(done / seconds, 'rows')}"
    lines = [written] if config.output else []
    return Report(record, [], [*lines, *left_out.lines()], exit_code=1 if failure else 0, failure=failure)


def _source(predictor: Predictor, config: AnswerOptions, name: str) -> Input:
    """How the rows of a file, or of standard input, are read."""
    from nlpkit.data.as_trained import as_trained
    from nlpkit.data.inputs import FORMATS, Input, Reading, Wanted

    task = predictor.task
    reading = Reading.of(config, {**FORMATS, **task.input_formats}, Wanted(task.content))
    if name == "-":
        return Input.of(process.standard_input(), replace(reading, format=config.format or "txt"), keep=True)
    columns = task.reader().input_columns
    return Input.of(name, as_trained(reading, name, predictor.record, config.given, columns), keep=True)


def first_inputs(predictor: Predictor, config: AnswerOptions, most: int) -> list[dict[str, Any]]:
    """What is read of the first texts that were typed, or rows of the file, those that can be read.

    Args:
        most: how many at most.
    """
    from nlpkit.data import readers

    task = predictor.task
    if config.input is None:
        rows, reader = task.reader().typed(config)
        return [reader.inputs(row) for row in rows[:most]]
    with reporting.silent():  # which columns are read is said when the rows are answered
        rows_of = itertools.islice(readers.rows_of(_source(predictor, config, config.input), needed=False), most)
        ((chunk, _, reader),) = _bound([list(rows_of)], task, config)
    found = []
    for row in chunk:
        try:
            found += [reader.inputs(row.values)] if row.error is None else []
        except ValueError:  # which is told with the answers
            continue
    return found


class _LeftOut:
    """How many answers were not given, as they are below --min-score or --min-margin.

    Args:
        config: with the options of the task.
        task: that answers.
    """

    def __init__(self, config: AnswerOptions, task: Task) -> None:
        self.options, self.listed = config, task.listed
        self.rows = self.of_rows = self.parts = self.of_parts = 0
        self.below_score = self.below_margin = 0

    def take(self, answers: Sequence[Mapping[str, Any]]) -> None:
        """Count some more answers; those with an `error` have none to give."""
        given = [answer for answer in answers if not answer.get("error")]
        counts = [answer.get(ABSTAINED, 0) for answer in given]
        self.of_rows += len(given)
        self.rows += sum(count > 0 for count in counts)
        self.parts += sum(counts)
        if self.margin is not None:
            self.below_score += sum(answer["score"] < (self.least or 0.0) for answer in given)
            self.below_margin += sum(answer["margin"] < self.margin for answer in given)
        if self.listed:
            self.of_parts += sum(counts) + sum(len(answer["prediction"]) for answer in given)

    def recorded(self) -> dict[str, Any]:
        """What the report keeps of it, where it was asked for."""
        if self.margin is not None:
            below = {} if self.least is None else {"rows_below_min_score": self.below_score}
            return {"rows_abstained": self.rows, **below, "rows_below_min_margin": self.below_margin}
        if self.least is None:
            return {}
        parts = {f"{self.listed}_below_min_score": self.parts, self.listed: self.of_parts} if self.listed else {}
        return {"rows_below_min_score": self.rows, **parts}

    def lines(self) -> list[str]:
        """What people are told."""
        if self.least is None and self.margin is None:
            return []
        if self.listed:
            share = f" ({self.parts / self.of_parts:.1%})" if self.of_parts else ""
            left_out = f"{self.parts:,} of {self.of_parts:,} {self.listed}{share} below --min-score {self.least:g}"
            return [f"{left_out} are left out, in {self.rows:,} of {self.of_rows:,} rows"]
        share = f" ({self.rows / self.of_rows:.1%})" if self.of_rows else ""
        instead = self.options.abstain_label if isinstance(self.options, AbstainOptions) else None
        have = f"have {instead} for an answer" if instead is not None else "have no answer"
        if self.margin is None:
            return [f"{self.rows:,} of {self.of_rows:,} rows{share} below --min-score {self.least:g} {have}"]
        if self.least is None:
            return [f"{self.rows:,} of {self.of_rows:,} rows{share} below --min-margin {self.margin:g} {have}"]
        return [
            f"{self.rows:,} of {self.of_rows:,} rows{share} {have}: {self.below_score:,} are below --min-score "
            f"{self.least:g}, {self.below_margin:,} below --min-margin {self.margin:g}"
        ]

    @property
    def least(self) -> float | None:
        """--min-score, where it is asked for."""
        return self.options.min_score if isinstance(self.options, MinScoreOptions) else None

    @property
    def margin(self) -> float | None:
        """--min-margin, where it is asked for."""
        return self.options.min_margin if isinstance(self.options, MarginOptions) else None


class _Stopped:
    """How many of the texts that were written were stopped before their end.

    Args:
        task: that answers.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.texts = 0
        self.by: Counter[str] = Counter()

    def take(self, answers: Sequence[Mapping[str, Any]]) -> None:
        """Count those of some more answers."""
        for answer in answers:
            if not answer.get("error"):
                stopped = self.task.unfinished(answer)
                self.texts += len(stopped)
                self.by.update(why for why in stopped if why)

    def warn(self) -> None:
        """Say how many, and by what."""
        for why, count in self.by.items():
            written = reporting.counted(self.texts, "text", "texts")
            reporting.current().warn(f"{count:,} of {written} written {why}")


def _written(config: AnswerOptions, predictor: Predictor) -> dict[str, Any]:
    """Which model answered what, where it ran, and where the answers are."""
    output = str(config.output) if config.output else None
    device = predictor.device.described
    return {"model": config.model, "input": config.input, "output": output, "device": device}


def _bound(
    chunks: Iterable[list[Row]], task: Task, config: AnswerOptions
) -> Iterator[tuple[list[Row], str, Reader[Any]]]:
    """Chunks of rows, each with what the columns of its answers begin with, and what reads it.

    With the first that has columns is settled which of them are read.
    """
    bound, prefix, reader = False, "prediction", task.reader()
    for chunk in chunks:
        columns = [] if bound else next((list(row.values) for row in chunk if row.error is None), [])
        if columns:
            # a text alone may be for any task
            good = (row.values for row in chunk if row.error is None and len(row.values) > 1)
            with registry.pointing_elsewhere(type(task), good, registry.OTHER_MODEL):
                reader = task.reader(columns, config, labelled=False)
            bound, prefix = True, free_prefix(columns)
            if prefix != "prediction":
                reporting.current().note(
                    f"the rows have columns of predictions: the answers are in {prefix}, {prefix}_score, ..."
                )
        yield chunk, prefix, reader


def _answered(
    task: Task, chunk: list[Row], answers: Sequence[Mapping[str, Any]], prefix: str, unit: str
) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """Rows with their answers; which rows have none; which were not read to their end.

    Args:
        task: words the answer to a row that could not be read.
        chunk: rows.
        answers: to those of them that could be read.
        prefix: of the columns of answers.
        unit: what numbers rows in their file: lines, rows or questions.
    """
    given = iter(answers)
    entries: list[dict[str, Any]] = []
    errors, shortened = [], []
    for row in chunk:
        answer = {**task.no_answer(), "error": row.error} if row.error else next(given)
        if answer.get("error"):
            errors.append(f"{unit} {row.line}: {answer['error']}" if not row.error else str(row.error))
        if answer.get("cut"):
            shortened.append(f"{unit} {row.line}")
        entries.append({**row.values, **answer_columns(answer, prefix)})
    return entries, errors, shortened


def _warn_of_cuts(task: Task, cut: Truncation, places: Sequence[str]) -> None:
    """Say how many texts were not read to their end, and which: the first few."""
    if (finding := cut.finding(task, "input")) is not None:
        finding.examples = list(places[:SHOWN])
        reporting.current().warn(str(finding))


def _require_known_format(name: str, task: Task, given: str) -> None:
    known = [*WRITTEN, *(suffix.lstrip(".") for suffix in task.view.answer_formats(task.reader))]
    if name not in known:
        raise UserError(f"{given}: unknown format", f"Known are: {', '.join(known)}.")
