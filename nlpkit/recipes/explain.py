"""Tell which words an answer of a model hangs on, and how far that can be believed.
Prints a table for each text; --output writes a file.

Each word gets what it is worth to the answer, by --method. Below stand two figures, measured on this very model and
text: how much less sure it is without the strongest words (comprehensiveness: high is good), and with these alone
(sufficiency: low is good), both beside scores that are drawn at random. A method that is not above them tells nothing.

Examples: nlpkit explain runs/reviews "A lovely film, but far too long."
nlpkit explain runs/a --input runs/a/errors.jsonl --output why.jsonl
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.explaining.attention.options import AttentionOptions
from nlpkit.explaining.methods import METHODS
from nlpkit.explaining.options import AttributionOptions
from nlpkit.inference.predictor import Predictor, open_predictor
from nlpkit.options import flag_of, option_like
from nlpkit.recipes import predict
from nlpkit.reporting import Marked, Report, Table
from nlpkit.runs.files import require_writable
from nlpkit.tasks.contract import Task
from nlpkit.tasks.deferred import Kind
from nlpkit.tasks.roles import Explainable

if TYPE_CHECKING:
    from nlpkit.data.writers import Format
    from nlpkit.explaining.counterfactual import Sought
    from nlpkit.explaining.edits import Proposes
    from nlpkit.explaining.explanation import Explanation
    from nlpkit.tasks.reading import Reader

COMMAND = "explain"
ESSENTIAL: tuple[str, ...] = (
    "model",
    "texts",
    "input",
    "method",
    "target",
    "counterfactual",
    "show",
    "output",
)
NEEDS = Explainable
SHOWN = 40  # words of a table; of longer texts those that are worth most, for or against the answer
WRITTEN = (".jsonl", ".html")
PREFIX = "prediction"
LONG = 300  # words, from which on an explanation takes many seconds
LEAST = 3  # words of a text by which methods are judged


class Config(AttentionOptions, AttributionOptions, predict.AnswerOptions):
    """Options of `nlpkit explain`."""

    kind: ClassVar[Kind] = "explain_options"

    output: Path | None = option_like(
        predict.AnswerOptions,
        "output",
        help="File to write: jsonl, html (a page); of attention html, png.",
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
    return config.input is not None and config.output is None and config.show == "words"


def run(config: Config) -> Report:
    """Explain; returns the worth of words, method by method, or what was written of attention."""
    if config.show == "attention":
        return _attention(config)
    config.methods()
    config.require_counterfactual()
    if config.evaluate:
        config = _of_data(config)
    if config.output is not None:
        written = (".json",) if config.evaluate else WRITTEN
        if config.output.suffix not in written:
            raise UserError(f"--output {config.output}: unknown format", f"Known are: {', '.join(written)}.")
        require_writable(config.output, overwrite=config.overwrite)
    predict.require_asked(config, COMMAND)
    predictor = open_predictor(config, NEEDS, COMMAND, exported=False)
    config = config.for_task(type(predictor.task))
    config.refuse_unread()
    predictor = predictor.configured(config)
    if config.evaluate:
        return _judged(predictor, config)
    return _of_file(predictor, config) if config.input is not None else _of_texts(predictor, config)


def _attention(config: Config) -> Report:
    """Write which tokens each head attends to, for any task: nothing is asked of its answer.

    Raises:
        UserError: an option is set that is of the worth of words; see `attention_view` and `look`.
    """
    from nlpkit.explaining.attention import view
    from nlpkit.explaining.attention.seen import Row

    if unread := sorted(AttributionOptions.model_fields.keys() & config.given):
        raise UserError(f"{flag_of(unread[0])} is for what words are worth, not for --show attention", "Leave it out.")
    view.named(config.output, overwrite=config.overwrite)
    predict.require_asked(config, COMMAND)
    if "precision" not in config.given:
        config = config.changed(precision="fp32")  # a GPU computes in less, in which shares have three digits
    predictor = open_predictor(config, Task, COMMAND, exported=False)
    config = config.for_task(type(predictor.task))
    config.refuse_unread()
    predictor = predictor.configured(config)
    if config.input is None:
        typed, reader = predictor.task.reader().typed(config)
        rows = [Row(f"text {number}", values, reader) for number, values in enumerate(typed, 1)]
    else:
        rows = []
        for row, where, _, reader in itertools.islice(predict.rows_read(predictor, config), view.MOST_TEXTS + 1):
            if row.error is not None:
                raise UserError(f"{where}: {row.error}")
            rows.append(Row(where, row.values, reader))
        if not rows:
            raise UserError(f"{config.input} holds no rows: there is nothing to look at")
    return view.attention_view(predictor, config.model, rows, config, config.output, overwrite=config.overwrite)


class Told(NamedTuple):
    """What came of a row.

    Attributes:
        entry: what a file holds of it: its columns, the answer, why.
        explanations: of the answer.
        other: what the search for the fewest words came to; None where it was not asked for.
        error: why nothing is explained.
    """

    entry: dict[str, Any]
    explanations: Sequence[Explanation] = ()
    other: Sought | None = None
    error: str = ""


class _Explainer:
    """Explains row by row.

    Args:
        predictor: of the model.
        config: what is explained, by what.

    Raises:
        UserError: what is asked for does not go with the model.
    """

    def __init__(self, predictor: Predictor[Explainable], config: Config) -> None:
        self.predictor, self.config, self.methods = predictor, config, config.methods()
        self._told = False
        self.proposes = None if config.counterfactual is None else _proposing(predictor, config)

    def told(self, asked: Asked) -> Told:
        """What a row is answered, and why.

        Raises:
            UserError: what was typed cannot be explained; of a row of a file it is told with it.
        """
        entry = {**asked.values, **predict.answer_columns(self.predictor.task.no_answer(), asked.prefix)}
        explanations, error = f"{asked.prefix}_explanations", f"{asked.prefix}_error"
        entry |= {explanations: [], error: asked.error or None}
        if asked.example is None:
            return Told(entry, error=asked.error)
        asking = self.predictor.reading(asked.reader)
        ((_, computed),) = asking.computed([(None, {name: [value] for name, value in asked.example.items()})])
        (answer,) = asking.task.decode(computed.outputs, [asked.example])
        entry |= predict.answer_columns(answer, asked.prefix)
        if 0 in computed.lost:
            entry[f"{asked.prefix}_cut"] = computed.lost[0]
            reporting.current().warn(
                f"{asked.where}: {computed.lost[0]:,} tokens are beyond what the model reads: they have no part in this"
            )
        self._tell_of_size(asked)
        try:
            found, other = self._why(asking, asked, computed.outputs, answer)
        except UserError as problem:
            if self.config.input is None:
                raise
            return Told({**entry, error: str(problem)}, error=str(problem))
        entry[explanations] = [one.record() for one in found]
        if other is not None:
            entry[f"{asked.prefix}_counterfactual"] = other.record()
        return Told(entry, found, other)

    def _tell_of_size(self, asked: Asked) -> None:
        """Say of a long text that it takes long, once, and what takes less."""
        words = sum(len(value.split()) for value in (asked.example or {}).values() if isinstance(value, str))
        slow = [name for name in self.methods if METHODS[name].rests_on == "answers"]
        if words > LONG and slow and not self._told:
            self._told = True
            quick = " (weighted-rollout asks once)" if self.methods == slow else ""
            reporting.current().note(
                f"{asked.where} has {words:,} words: {', '.join(slow)} asks the model about as many variants of it at "
                f"least{quick}"
            )

    def bounds(self, asked: Asked, found: Explanation) -> tuple[float, float]:
        """The lowest and the highest comprehensiveness of the words of an explanation of one reading."""
        from nlpkit.explaining import judging
        from nlpkit.explaining.variants import Variants

        (reading,) = found.question.readings
        variants = Variants(self.predictor.reading(asked.reader), found.question, reading, self.config.by)
        return judging.bound(variants, upper=False), judging.bound(variants, upper=True)

    def _why(
        self, asking: Predictor[Explainable], asked: Asked, outputs: Any, answer: Mapping[str, Any]
    ) -> tuple[list[Explanation], Sought | None]:
        from nlpkit.explaining import counterfactual
        from nlpkit.explaining.explanation import explained

        assert asked.example is not None
        config = self.config
        questions = asking.task.questions(asking.tokenizer, asked.example, outputs, config.target)
        found = [explained(asking, one, self.methods, by=config.by, seed=config.seed) for one in questions]
        if self.proposes is None or not found:
            return found, None
        return found, counterfactual.sought(asking, asked.reader, asked.values, answer, found, self.proposes)


def _proposing(predictor: Predictor[Explainable], config: Config) -> Proposes:
    """What stands in the place of words, as --counterfactual says.

    Raises:
        UserError: there is no such thing, or answers of the model are not the same or others.
    """
    from nlpkit.explaining import counterfactual, edits

    counterfactual.require_flipping(predictor.task)
    if config.counterfactual == "mask":
        return edits.Masked(predictor.tokenizer)
    if config.counterfactual == "replace":
        assert config.filler is not None
        return edits.filled(config.filler, config)
    if config.counterfactual == "synonyms":
        assert config.synonyms is not None
        return edits.Synonyms.read(config.synonyms)
    return edits.left_out


def _formats(predictor: Predictor[Explainable], config: Config) -> dict[str, Format]:
    """The files that only explanations are written to."""
    from nlpkit.explaining.rows_page import page

    return {".html": functools.partial(page.format, model=config.model, labels=predictor.task.scored_labels)}


def _of_texts(predictor: Predictor[Explainable], config: Config) -> Report:
    """Explain what was typed."""
    from nlpkit.data.writers import writer

    typed, reader = predictor.task.reader().typed(config)
    explainer, told, tables = _Explainer(predictor, config), [], []
    for number, values in enumerate(typed, 1):
        asked = Asked.of(f"text {number}", values, PREFIX, reader)
        told.append(explainer.told(asked))
        where = f"{asked.where}: " if len(typed) > 1 else ""
        if told[-1].error:
            reporting.current().warn(f"{asked.where} is not explained: {told[-1].error}")
        elif not told[-1].explanations:
            reporting.current().note(f"{asked.where}: the answer is empty; --target names what to explain instead")
        for explanation in told[-1].explanations:
            tables += _tables(explanation, where)
        if told[-1].other is not None:
            tables.append(_table_of(told[-1].other, told[-1].explanations[0], where))
    entries = [one.entry for one in told]
    if config.output is not None:
        with writer(config.output, _formats(predictor, config), overwrite=config.overwrite) as write:
            write(entries)
    failed = all(one.error for one in told)
    record = {"model": config.model, "methods": explainer.methods, "answers": entries}
    failure = f"no text could be explained; {told[0].error}" if failed else ""
    return Report(record, tables, _notes(explainer.methods), exit_code=1 if failed else 0, failure=failure)


def _of_file(predictor: Predictor[Explainable], config: Config) -> Report:
    """Explain the rows of a file; a line for each, and a table of how faithful the methods are on them."""
    from nlpkit.data import streams
    from nlpkit.data.writers import writer
    from nlpkit.explaining.summary import Summary

    assert config.input is not None
    explainer = _Explainer(predictor, config)
    summary, failed, first = Summary(explainer.methods), 0, ""
    total = streams.row_count(config.input, named=bool(config.columns))
    with (
        writer(config.output, _formats(predictor, config), overwrite=config.overwrite) as write,
        reporting.current().progress("explain", total, "rows") as bar,
    ):
        for row, where, prefix, reader in predict.rows_read(predictor, config):
            told = explainer.told(Asked.of(where, row.values, prefix, reader, str(row.error or "")))
            write([told.entry])
            summary.take(told.explanations, told.other)
            if told.error:
                failed += 1
                first = first or f"{where}: {told.error}"
            bar.advance(1)
    if not summary.rows:
        reporting.current().warn(f"{config.input} holds no rows: there is nothing to explain")
    failure = config.tell_of_failures(failed, summary.rows, f"explanation (column {PREFIX}_error)", first)
    output = str(config.output) if config.output else None
    record = {"model": config.model, "input": config.input, "output": output, "failed": failed, **summary.record()}
    tables = [summary.table()] if summary.explained and config.output else []
    lines = [f"{reporting.counted(summary.rows, 'row', 'rows')} to {config.output}"] if config.output else []
    lines += [*summary.lines(), *_notes(explainer.methods)]
    return Report(record, tables, lines, exit_code=1 if failure else 0, failure=failure)


def _of_data(config: Config) -> Config:
    """With the rows that methods are judged on.

    Raises:
        UserError: there are none, or something is asked for that one row is explained by.
    """
    if config.texts or (config.data is None) == (config.input is None):
        raise UserError("--evaluate judges methods on many rows", "Name their file, and no TEXT: --data FILE.")
    if config.counterfactual is not None:
        raise UserError("--counterfactual: --evaluate judges what words are worth", "Leave one of them out.")
    return config.changed(input=config.data or config.input)


def _judged(predictor: Predictor[Explainable], config: Config) -> Report:
    """How faithful the methods are on rows that are drawn."""
    from nlpkit.explaining import judging, pictures
    from nlpkit.runs.files import write_json

    rows, drawn = _drawn(predictor, config)
    explainer = _Explainer(predictor, config)
    judged, left_out = judging.Judging(explainer.methods, config.seed), Counter[str]()
    with reporting.current().progress("explain", len(drawn), "rows") as bar:
        for asked in drawn:
            told = explainer.told(asked)
            if told.error or not told.explanations:
                left_out[told.error or "nothing in the answer to explain"] += 1
            for found in told.explanations:
                if len(found.words) < LEAST:
                    left_out[f"fewer than {LEAST} words"] += 1
                    continue
                few = len(found.words) <= judging.LONGEST and len(found.question.readings) == 1
                judged.take(found, explainer.bounds(asked, found) if few and judged.bounded < config.bounds else None)
            bar.advance(1)
    if not judged.texts:
        why = "; ".join(f"{count:,}: {why}" for why, count in left_out.items())
        raise UserError(f"{config.input}: there is no row to judge methods on" + (f" ({why})" if why else ""))
    lines = [f"{len(drawn):,} of {rows:,} rows, drawn (seed {config.seed})"] if len(drawn) < rows else []
    lines += [f"left out: {reporting.counted(count, 'row', 'rows')}: {why}" for why, count in left_out.most_common()]
    lines += judged.lines()
    record: dict[str, Any] = {"model": config.model, "input": config.input, "rows": rows, "drawn": len(drawn)}
    record |= {"by": config.by, "seed": config.seed, "left_out": dict(left_out), **judged.record()}
    if config.output is not None:
        write_json(config.output, record, overwrite=config.overwrite)
        if len(explainer.methods) > 1:
            drawing = pictures.agreement(explainer.methods, judged.agreement())
            drawing(config.output.with_suffix(".png"))
            lines.append(f"figures in {config.output}, a picture of the agreement beside them")
    return Report(record, judged.tables(), [*lines, *_notes(explainer.methods)])


def _drawn(predictor: Predictor[Explainable], config: Config) -> tuple[int, list[Asked]]:
    """How many rows the file has, and those that are drawn, in their order."""
    generator, rows = np.random.default_rng(config.seed), 0
    kept: list[tuple[int, Asked]] = []
    for rows, (row, where, prefix, reader) in enumerate(predict.rows_read(predictor, config), 1):
        asked = (rows, Asked.of(where, row.values, prefix, reader, str(row.error or "")))
        if len(kept) < config.max_rows:
            kept.append(asked)
        elif (place := int(generator.integers(rows))) < config.max_rows:
            kept[place] = asked
    return rows, [asked for _, asked in sorted(kept, key=lambda one: one[0])]


def _table_of(other: Sought, explanation: Explanation, where: str) -> Table:
    """The fewest words that change the answer, marked in the text."""
    variants = reporting.counted(other.asked, "variant", "variants")
    title = f"{where}the fewest words found to change the answer, in {variants}"
    found = other.found
    if found is None:
        return Table(f"{where}no words were found that change the answer, in {variants}", [], [])
    rows: list[list[Any]] = []
    for column, text in explanation.question.texts.items():
        edits = [edit for edit in found.edits if edit.word.column == column]
        spans = [(edit.word.start, edit.word.end, edit.instead) for edit in edits]
        if spans:
            labels = sorted({edit.instead for edit in edits})
            rows.append([Marked(text, spans, labels), str(found.prediction), found.score])
    return Table(title, ["changed words in brackets", "answer", "score"], rows)


def _tables(found: Explanation, where: str) -> list[Table]:
    """What is shown of an explanation."""
    title = f"{where}{found.question.asked} ({found.value:.3f})"
    names = list(found.attributed)
    several = len({word.column for word in found.words}) > 1  # texts, whose words are told apart
    rows: list[list[Any]] = [
        [word.text, *(found.attributed[name].scores[i] for name in names), *([word.column] if several else [])]
        for i, word in enumerate(found.words)
    ]
    shown = rows
    if len(rows) > SHOWN:
        strongest = np.argsort(-np.abs(found.attributed[names[0]].scores), kind="stable")[:SHOWN]
        title += f"; the {SHOWN} of {len(rows)} words that are worth most by {names[0]}"
        shown = [rows[i] for i in sorted(strongest)]
    words = Table(
        title, ["word", *names, *(["of"] if several else [])], shown, whole=rows if shown is not rows else None
    )
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
