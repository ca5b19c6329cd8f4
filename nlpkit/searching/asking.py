"""The command `search`: questions that are typed, of a file, or asked for; and what is found, told."""

from __future__ import annotations

import dataclasses
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nlpkit import process, reporting
from nlpkit.data import columns as column_names
from nlpkit.data import readers, streams, writers
from nlpkit.data.inputs import Input, Reading
from nlpkit.data.labels import is_missing
from nlpkit.errors import UserError
from nlpkit.reporting import Report, Table, counted
from nlpkit.runs.files import require_writable
from nlpkit.searching import chances, filters, found, table
from nlpkit.searching.found import Found
from nlpkit.searching.lexical import places
from nlpkit.searching.opened import Answer, Asked, Index, Way
from nlpkit.searching.options import SearchOptions, SideModelOptions
from nlpkit.searching.ranked import Ranked

if TYPE_CHECKING:
    from nlpkit.searching.judged import Judged
    from nlpkit.searching.record import Mode
    from nlpkit.searching.rerank import Reranker

SENTENCES = 5  # texts in which the sentence that is most like the question is looked for
MOST = 100  # documents of a question that are put into a new order
NAMED = 3  # rows without a question that a warning names
TOGETHER = 256  # questions that are answered at a time
QUESTIONS = ("question", "query", "text", "sentence", "utterance")
PROMPT = "search> "


@dataclass(frozen=True)
class Outcome:
    """What came of a question.

    Attributes:
        hits: what was found, the best first; none where nothing is likely to answer.
        best: the score of the best document, of the way of searching that decides, with its id; None: there is none.
        threshold: up to which nothing is found; None: not known.
        false_answer: share of questions without an answer whose best document is as good; None: not known.
        reranked: how many documents were put into a new order; None: that was not asked for.
        estimate: whether the threshold is one, see `record.Chance`.
    """

    question: str
    hits: list[Found]
    best: tuple[float, str] | None = None
    threshold: float | None = None
    false_answer: float | None = None
    reranked: int | None = None
    estimate: bool = False

    def line(self) -> str:
        """What is said where nothing was found."""
        if self.best is None or self.threshold is None:
            return f"{self.question}: nothing found"
        score, name = self.best
        return (
            f"{self.question}: nothing found; the best, {name}, has a score of {score:.3f}, and it takes more than "
            f"{self.threshold:.3f} (of questions without an answer {self.false_answer:.1%} have one as good"
            f"{', by an estimate' if self.estimate else ''}; --max-false-answers 1 shows it)"
        )

    def record(self) -> dict[str, Any]:
        """JSON values."""
        told: dict[str, Any] = {"question": self.question, "found": [hit.record() for hit in self.hits]}
        if self.false_answer is not None:
            told["best"] = None if self.best is None else {"id": self.best[1], "score": self.best[0]}
            told["threshold"], told["false_answer"] = self.threshold, self.false_answer
            told["estimate"] = self.estimate
        return told if self.reranked is None else {**told, "reranked": self.reranked}


@dataclass
class Searcher:
    """An index with the options of a search.

    Attributes:
        rows: places of the passages that fulfil --filter; None: all.
        common: words that are not marked.
        show: columns of the documents that are shown beside the text.
        reranker: puts the best into a new order; None: they stay.
        cut: questions so far with more tokens than the model reads.
    """

    index: Index
    config: SearchOptions
    way: Way
    rows: np.ndarray | None
    common: set[str]
    show: Sequence[str] = ()
    reranker: Reranker | None = None
    cut: int = 0
    _asked: Asked | None = field(default=None, repr=False)

    @classmethod
    def of(cls, config: SearchOptions) -> Searcher:
        """Open the index.

        Raises:
            UserError: there is none, it is damaged, or --filter asks for what there is not.
        """
        index = Index.open(config.index)
        return cls._over(index, config, found.common_words(index))

    def configured(self, config: SearchOptions) -> Searcher:
        """The same index with the same model, searched as another request asks for.

        Raises:
            UserError: the options do not fit, or --filter asks for what there is not.
        """
        made = self._over(self.index, config, self.common)
        made._asked = self._asked
        return made

    @classmethod
    def _over(cls, index: Index, config: SearchOptions, common: set[str]) -> Searcher:
        way = index.way
        if config.mode is not None:
            way = dataclasses.replace(way, mode=config.mode)
        if config.fusion is not None:
            way = dataclasses.replace(way, fusion=config.fusion)
        if config.weight is not None:
            way = dataclasses.replace(way, weight=config.weight)
        if way.mode != "hybrid" and (config.fusion is not None or config.weight is not None):
            flag = "--fusion" if config.fusion is not None else "--weight"
            raise UserError(f"{flag} is for --mode hybrid, and the mode is {way.mode}", "Give both, or leave it out.")
        show = _columns_to_show(index, config.show)
        rows = filters.rows(index.passages, config.filter)
        if rows is not None:
            reporting.current().note(
                f"--filter: {len(rows):,} of {counted(len(index.passages), 'passage', 'passages')} "
                f"{'is' if len(rows) == 1 else 'are'} searched"
            )
        index.map(way)
        reranker = None if config.rerank is None else _open_reranker(config)
        return cls(index, config, way, rows, common, show, reranker)

    @property
    def asked(self) -> Asked:
        """What gives the vectors of questions, opened when it is needed."""
        if self._asked is None:
            self._asked = _open_model(self.index, self.config)
        return self._asked

    def outcomes(self, questions: Sequence[str]) -> list[Outcome]:
        """What comes of each question."""
        if not questions:
            return []
        vectors = self.vectors(questions) if self.way.reads_vectors else None
        depth = self.config.top_k if self.reranker is None else max(self.config.top_k, MOST)
        answers = self.index.answers(questions, vectors, self.way, depth, self.rows)
        return [self._outcome(question, answer) for question, answer in zip(questions, answers, strict=True)]

    def vectors(self, questions: Sequence[str]) -> np.ndarray:
        """Of questions; those that are not read to their end are counted."""
        self.cut += self.asked.cut(questions)
        return self.asked.asked(questions)

    def tell_of_cut(self) -> None:
        """Say how many questions were not read to their end."""
        if self.cut:
            reporting.current().warn(
                f"{counted(self.cut, 'question is', 'questions are')} longer than the model reads: what stands behind "
                "is not searched by meaning"
            )

    def _outcome(self, question: str, answer: Answer) -> Outcome:
        decides: Literal["dense", "bm25"] = "dense" if self.way.reads_vectors else "bm25"
        listed, chance = answer.lists[decides], self.index.entry.chance.get(decides)
        best = None
        if len(listed.rows):
            best = (float(listed.scores[0]), str(self.index.passages.column("id")[int(listed.rows[0])]))
        threshold = false_answer = None
        estimate = chance is not None and chance.estimate
        if chance is not None:
            asked = self.config.max_false_answers
            threshold = chances.threshold(chance, self.index.entry.max_false_answers if asked is None else asked)
            false_answer = 1.0 if best is None else chances.probability(chance, best[0])
            if threshold is not None and (best is None or best[0] <= threshold):
                return Outcome(question, [], best, threshold, false_answer, estimate=estimate)
        answer, reranked = self.reordered(question, answer)
        hits = found.of_answer(self.index, answer, self.config.top_k, decides)
        return Outcome(question, hits, best, threshold, false_answer, reranked, estimate)

    def reordered(self, question: str, answer: Answer) -> tuple[Answer, int | None]:
        """The same documents in the order of the cross-encoder, as many as it has time for; the others behind them."""
        if self.reranker is None:
            return answer, None
        rows = answer.ranked.rows
        best = table.at(self.index.passages.select(["text"]), rows[:MOST].tolist())
        texts = best.column("text").to_pylist()
        order, scores = self.reranker.order(question, texts)
        done = len(order)
        joined = Ranked(np.concatenate([rows[order], rows[done:]]), np.full(len(rows), np.nan, np.float32))
        joined.scores[:done] = scores
        again = {"rerank": Ranked(rows[order], scores)}
        return Answer(joined, {**answer.lists, **again}), done

    def table(self, outcome: Outcome) -> Table:
        """What people see of the answer to a question."""
        words = found.telling(outcome.question, self.common)
        how, config = str(self.way), self.config
        if outcome.reranked is not None:
            how += f", the best {outcome.reranked} reranked"
        best = self._sentences(outcome, words) if self.way.reads_vectors else {}
        return found.tabled(
            outcome.question, outcome.hits, words, how, explain=config.explain, show=self.show, best=best
        )

    def _sentences(self, outcome: Outcome, words: set[str]) -> dict[int, tuple[int, int]]:
        """The sentence that is most like the question, of the texts of several that have none of its words, by rank."""
        best: dict[int, tuple[int, int]] = {}
        (question,) = self.asked.asked([outcome.question])
        for hit in outcome.hits[:SENTENCES]:
            text, spans = " ".join(hit.text.split()), found.sentences(hit.text)
            if len(spans) > 1 and not words & {word for _, _, word in places(text)}:
                vectors = self.asked.asked([text[start:end] for start, end in spans])
                best[hit.rank] = spans[int((vectors @ question).argmax())]
        return best


def _columns_to_show(index: Index, asked: Sequence[str]) -> list[str]:
    """The columns of --show, without those that are shown anyway.

    Raises:
        UserError: there is no such column.
    """
    there = table.user_columns(index.passages)
    names = [column_names.require(name, [*there, *index.entry.shown], "documents'", where="--show: ") for name in asked]
    anyway = [name for name in names if name not in there]
    if anyway:
        reporting.current().note(f"--show {','.join(anyway)}: the text and the id are shown anyway")
    return [name for name in names if name in there]


def _open_model(index: Index, config: SearchOptions) -> Asked:
    """The model of an index, which is the one that it was made with.

    Raises:
        UserError: it is another one, or has gone.
    """
    own = ("device", "precision", "threads", "allow_pickle", "trust_remote_code")
    values = {**index.entry.model, **{name: getattr(config, name) for name in own}}
    if config.model is not None:
        values["model"] = config.model
    elif Path(str(values["model"])).is_absolute() and not Path(values["model"]).is_dir():
        raise UserError(
            f"the model of {config.index} is no longer in {values['model']}",
            "Name where it is now: --model PATH; a search by words, --mode bm25, needs none.",
        )
    made = index.entry.made_with(index.folder)
    if index.entry.quick is not None and config.device in ("auto", "cpu"):
        from nlpkit.models import opening
        from nlpkit.searching import quick

        folder = Path(opening.resolve(values["model"], "--model"))
        if quick.Quick.possible(folder):
            asked = quick.Quick(folder, index.entry.quick, index.entry.measure, config.threads)
            if asked.digest() == made.model_sha256:
                return asked
    from nlpkit.searching.sides import open_sides

    sides = open_sides(SideModelOptions(**values), "search")
    if sides.digest != made.model_sha256:
        raise UserError(
            f"{config.index} is an index of another model than {values['model']}: its vectors cannot be compared",
            f"It was made with {made.model}, which has changed since, or is elsewhere: --model PATH; or make it again.",
        )
    return sides


def _open_reranker(config: SearchOptions) -> Reranker:
    """The model of --rerank."""
    from nlpkit.inference.predictor import TrainedModelOptions
    from nlpkit.searching.rerank import Reranker

    own = ("device", "precision", "threads", "allow_pickle", "trust_remote_code")
    options = TrainedModelOptions(**{"model": config.rerank, **{name: getattr(config, name) for name in own}})
    return Reranker.open(options, config.rerank_ms)


def search(config: SearchOptions) -> Report:
    """Answer questions."""
    ways = [bool(config.questions), config.queries is not None, config.judgements is not None]
    if sum(ways) > 1:
        raise UserError("give questions, --queries FILE or --judgements PATH, one of them")
    if config.output is not None:
        _require_output(config.output, overwrite=config.overwrite)
    interactive = not any(ways) and sys.stdin is not None and sys.stdin.isatty()
    if not any(ways) and not interactive:
        raise UserError("no question was given", f"nlpkit search {reporting.typed(config.index)} 'a question'")
    searcher = Searcher.of(config)
    if config.queries is not None:
        return _file(searcher, config)
    if config.judgements is not None:
        return _measured(searcher, config)
    if interactive:
        return _session(searcher)
    return _typed(searcher, config.questions)


def _typed(searcher: Searcher, questions: Sequence[str]) -> Report:
    blank = [number for number, question in enumerate(questions, start=1) if not question.strip()]
    if blank:
        raise UserError(f"question {blank[0]} is empty", "Give it some words.")
    outcomes = searcher.outcomes(questions)
    searcher.tell_of_cut()
    tables = [searcher.table(outcome) for outcome in outcomes if outcome.hits]
    lines = [outcome.line() for outcome in outcomes if not outcome.hits]
    return Report({**_about(searcher), "answers": [outcome.record() for outcome in outcomes]}, tables, lines)


def _session(searcher: Searcher) -> Report:
    """Ask for questions until there are no more."""
    told: list[dict[str, Any]] = []
    reporter = reporting.current()
    there = counted(searcher.index.entry.documents, "document", "documents")
    reporter.note(f"{there}, {searcher.way}; an empty line ends")
    while question := _next_question():
        start = time.perf_counter()
        (outcome,) = searcher.outcomes([question])
        searcher.tell_of_cut()
        searcher.cut = 0
        seconds = time.perf_counter() - start
        if outcome.hits:
            reporter.table(searcher.table(outcome))
        else:
            reporter.line(outcome.line())
        reporter.note(f"{1_000 * seconds:.0f} ms")
        told.append(outcome.record())
    return Report({**_about(searcher), "answers": told})


def _next_question() -> str:
    try:
        return input(PROMPT).strip()
    except EOFError:
        return ""


def _file(searcher: Searcher, config: SearchOptions) -> Report:
    """Answer the questions of a file: a row for each document that is found."""
    assert config.queries is not None
    source = _Questions(config)
    asked = answered = rows = 0
    start = time.perf_counter()
    with (
        writers.writer(config.output, overwrite=config.overwrite) as write,
        reporting.current().progress("search", streams.row_count(config.queries), "questions") as bar,
    ):
        questions = iter(source)
        while some := list(itertools.islice(questions, TOGETHER)):
            for outcome in searcher.outcomes(some):
                lines = [_line(outcome.question, hit) for hit in outcome.hits] or [_line(outcome.question, None)]
                write(lines)
                answered += bool(outcome.hits)
                rows += len(lines)
            asked += len(some)
            bar.advance(len(some))
        if not asked:  # before the file has its name
            raise UserError(f"{config.queries} holds no question", source.named() or None)
    searcher.tell_of_cut()
    if source.without:
        reporting.current().warn(source.named())
    seconds = time.perf_counter() - start
    said = [
        f"{counted(asked, 'question', 'questions')}, {answered:,} answered, {asked - answered:,} without an answer, in "
        f"{reporting.duration(seconds)}"
        + (f": {counted(rows, 'row', 'rows')} to {config.output}" if config.output else "")
    ]
    record = {
        **_about(searcher),
        "questions": asked,
        "answered": answered,
        "unanswered": asked - answered,
        "rows_without_question": source.without,
        "output": str(config.output) if config.output else None,
        "seconds": round(seconds, 3),
    }
    return Report(record, [], said if config.output else [])


def _measured(searcher: Searcher, config: SearchOptions) -> Report:
    """How well judged questions are answered, by each way of searching."""
    from nlpkit.searching import figures, judged

    assert config.judgements is not None
    if searcher.rows is not None:
        raise UserError("--judgements measures the search among all documents", "Leave out --filter.")
    index = searcher.index
    questions = judged.read(config.judgements, Reading(), index.passages, judged.MEASURING)
    modes: tuple[Mode, ...] = (config.mode,) if config.mode is not None else ("dense", "bm25", "hybrid")
    ways = [dataclasses.replace(searcher.way, mode=mode) for mode in modes]
    vectors = searcher.vectors(questions.questions) if any(way.reads_vectors for way in ways) else None
    searcher.tell_of_cut()
    rows: dict[str, Any] = {}
    for way in ways:
        answers = index.answers(questions.questions, vectors, way, figures.DEPTH)
        rows[str(way)] = figures.record(figures.evidence(figures.documents(index, answers), questions.relevant))
        if way.mode == searcher.way.mode and searcher.reranker is not None:
            rows[f"{way}, reranked"] = _reranked(searcher, questions, answers)
    if index.entry.ways.mode == "hybrid" and index.entry.ways.source == questions.source:
        reporting.current().warn(
            "the weight of hybrid was fitted on these very questions; the figures that `nlpkit index --calibrate` gave "
            "are on questions that it was not fitted on"
        )
    told = {**_about(searcher), "judgements": questions.source, "figures": rows}
    return Report(told, [figures.table(questions.source, rows)])


def _reranked(searcher: Searcher, questions: Judged, answers: Sequence[Answer]) -> dict[str, Any]:
    """The figures of the same answers in the order of the cross-encoder, and how many documents it had time for."""
    from nlpkit.searching import figures

    again: list[Answer] = []
    counts: list[int] = []
    with reporting.current().progress("rerank", len(answers), "questions") as bar:
        for question, answer in zip(questions.questions, answers, strict=True):
            reordered, done = searcher.reordered(question, answer)
            again.append(reordered)
            counts.append(done or 0)
            bar.advance(1)
    evidence = figures.evidence(figures.documents(searcher.index, again), questions.relevant)
    return {**figures.record(evidence), "reranked": float(np.mean(counts))}


class _Questions:
    """The questions of a file, one by one; rows without one are counted, and the first of them named.

    Attributes:
        without: rows that hold no question, or cannot be read.
    """

    def __init__(self, config: SearchOptions) -> None:
        assert config.queries is not None
        self.config, self.without = config, 0
        reading = Reading.of(config)
        given: Any = config.queries
        if config.queries == "-":
            reading = dataclasses.replace(reading, format=config.format or "txt")
            given = process.standard_input()
        self._source = Input.of(given, reading, keep=True)
        self._places: list[str] = []

    def __iter__(self) -> Iterator[str]:
        """The questions.

        Raises:
            UserError: the file cannot be read, or no column is known to be the question.
        """
        column: str | None = None
        for row in readers.rows_of(self._source):
            if row.error is None and column is None:
                column = _question_column(list(row.values), self.config.text_column, self._source.name)
            if row.error is not None or column is None or is_missing(row.values.get(column)):
                self._leave_out(row.error or self._source.at(row.line))
                continue
            try:
                question = column_names.as_text(row.values[column], column)
            except ValueError as error:
                self._leave_out(f"{self._source.at(row.line)} ({error})")
                continue
            yield question

    def _leave_out(self, where: str) -> None:
        self.without += 1
        if len(self._places) < NAMED:
            self._places.append(where)

    def named(self) -> str:
        """Which rows have no question, in a line; empty: all have."""
        if not self.without:
            return ""
        more = ", ..." if self.without > len(self._places) else ""
        left_out = counted(self.without, "row has no question and is", "rows have no question and are")
        return f"{left_out} left out: {', '.join(self._places)}{more}"


def _question_column(names: Sequence[str], asked: str | None, where: str) -> str:
    if asked is not None:
        return column_names.require(asked, names, "text", where=f"{where}: ")
    guessed = names[0] if len(names) == 1 else column_names.guess(names, QUESTIONS)
    if guessed is None:
        raise UserError(f"{where}: which column is the question? There are {', '.join(names)}", "--text-column NAME")
    if len(names) > 1:
        reporting.current().note(f"{where}: question {guessed!r} (guessed; --text-column)")
    return guessed


def _line(question: str, hit: Found | None) -> dict[str, Any]:
    """A row of the file of answers; without a document where nothing was found."""
    names = ("rank", "id", "score", "false_answer", "passage", "start", "end", "text")
    return {"question": question, **{name: None if hit is None else getattr(hit, name) for name in names}}


def _about(searcher: Searcher) -> dict[str, Any]:
    way, config = searcher.way, searcher.config
    return {
        "index": str(config.index),
        "mode": way.mode,
        **({"fusion": way.fusion, "weight": way.weight} if way.mode == "hybrid" else {}),
        "filter": list(config.filter),
        "searched": len(searcher.index.passages) if searcher.rows is None else len(searcher.rows),
    }


def _require_output(path: Path, *, overwrite: bool) -> None:
    if path.suffix not in tuple(f".{kind}" for kind in writers.FORMATS):
        raise UserError(
            f"--output {path}: {path.suffix or 'no suffix'} is no format of answers", ", ".join(writers.FORMATS)
        )
    require_writable(path, overwrite=overwrite)
