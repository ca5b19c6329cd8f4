"""An index is made, or brought up to date: only what is new is embedded, and it is the old one until it is the new one.

The files that belong together are in a folder of their own inside that of the index, and index.json, which is replaced
at the very end, names it. What was embedded is kept until then, so that an interrupted build goes on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import __version__, interrupts, reporting
from nlpkit.data.inputs import Reading
from nlpkit.errors import Interrupted, UserError
from nlpkit.options.files import NOT_REPEATED, PERMISSIONS, without_permissions
from nlpkit.reporting import Report, counted
from nlpkit.runs.files import writing
from nlpkit.searching import (
    calibration,
    chances,
    documents,
    figures,
    judged,
    passages,
    quick,
    record,
    table,
    tabled,
    unanswered,
)
from nlpkit.searching.dense import Graph, Stored, graph_library
from nlpkit.searching.layout import DOCUMENTS, GRAPH, VECTORS, WORDS
from nlpkit.searching.lexical import Words
from nlpkit.searching.opened import Index
from nlpkit.searching.options import IndexOptions, SideModelOptions
from nlpkit.searching.sides import Sides, open_sides
from nlpkit.searching.unfinished import Unfinished
from nlpkit.vectors import codes
from nlpkit.vectors.made import Made

if TYPE_CHECKING:
    import pyarrow as pa

    from nlpkit.searching.passages import Passage

TRIED, QUESTION = 8, 60  # texts on which the quick way is tried, and characters of them that are as a question
BLOCK = 8_192  # vectors that are written at a time
LEAST_ANSWERED = 0.5  # of judged questions, all of which have an answer, that a threshold lets get one
SAID = {
    "model": "the model",
    "vectors": "what a vector is made of",
    "max_length": "--max-length",
    "passages": "--passage-tokens or --overlap",
    "dtype": "--dtype",
}


def build(config: IndexOptions) -> Report:
    """Make an index, or bring it up to date.

    Raises:
        UserError: the data cannot be read, or the index is of another model or other options.
    """
    assert config.output is not None
    folder, start = config.output, time.monotonic()
    before = _before(folder, overwrite=config.overwrite)
    if before is not None:
        config = config.on_top_of(without_permissions(before.config, folder / record.FILE))
    if not config.data:
        raise UserError("no documents were given", "Name them: --data FILE or FOLDER.")
    Words.of(["bm25s is there"])  # else it is said before hours of work
    sides = open_sides(config, "index")
    most = _passage_tokens(config, sides)
    settings = _settings(config, sides, most)
    if before is not None:
        _require_same(folder, before, settings)
    found = documents.read(
        config.data,
        Reading.of(config),
        documents.Columns(config.text_column, config.title_column, config.id_column),
    )
    texts = [document.text for document in found.documents]
    parts = list(passages.of_texts(texts, sides.documents.tokenizer, most, min(config.overlap, (most or 0) // 2)))
    now = tabled.made(found.documents, parts)
    if len(now) > config.exact_up_to:
        graph_library(len(now))
    old = _Old.of(folder, before) if before is not None else None
    changed = table.changes(old.table if old is not None else None, now)
    questions = None if config.calibrate is None else judged.read(config.calibrate, Reading(), now, judged.FITTING)
    folder.mkdir(parents=True, exist_ok=True)
    with _kept_if_interrupted(folder) as unfinished, unfinished, writing(folder):
        _require_unchanged(folder, before)
        counts = _embed(config, sides, now, old, unfinished, settings, found, parts)
        place = _next_part(folder)
        with _gone_if_broken(place):
            written = _written(config, sides, now, _Vectors.of(now, old, unfinished, config, sides), place)
            entry = _entry(config, sides, found, settings, written)
            entry, settled = _settled(sides, Index(folder, entry, now, place), questions)
        with interrupts.waiting():
            entry.write(folder)
            unfinished.discard()
            _sweep(folder, place)
    seconds = time.monotonic() - start
    return _report(config, entry, changed, counts, written.loss, settled, found.answers, seconds)


@contextlib.contextmanager
def _kept_if_interrupted(folder: Path) -> Iterator[Unfinished]:
    """Say how many texts are kept, where an interrupt ends the block.

    Raises:
        Interrupted: some are.
    """
    unfinished = Unfinished(folder)
    try:
        yield unfinished
    except KeyboardInterrupt:
        if not unfinished.kept:
            raise
        raise Interrupted(
            f"interrupted: the vectors of {counted(unfinished.kept, 'text', 'texts')} are kept in {unfinished.folder}",
            "The same command goes on with them.",
        ) from None


@contextlib.contextmanager
def _gone_if_broken(place: Path) -> Iterator[None]:
    """Delete the folder of files that belong together where the block does not come to its end."""
    try:
        yield
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


@dataclass(frozen=True)
class _Written:
    """What was written to the folder of the files that belong together.

    Attributes:
        place: the folder.
        passages: how many.
        made: what the vectors are made with.
        words: different words of all of them.
        graph: its recall; None: there is none.
        loss: what smaller numbers lose; None: nothing, or it is not known.
        quick: how questions are embedded without torch; None: they are not.
    """

    place: Path
    passages: int
    made: Made
    words: int
    graph: float | None
    loss: codes.Loss | None
    quick: record.QuickSettings | None


def _written(config: IndexOptions, sides: Sides, now: pa.Table, vectors: _Vectors, place: Path) -> _Written:
    """Write passages, vectors, words and, of very many, the graph of neighbours."""
    place.mkdir()
    stored = vectors.write(place / VECTORS)
    table.write(now, place / DOCUMENTS)
    words = Words.of(now.column("text").to_pylist())
    words.save(place / WORDS)
    graph = _graph(config, stored, place)
    made = _made(config, sides, stored)
    return _Written(place, len(now), made, words.different, graph, vectors.loss(), _quick(sides, now))


def _entry(
    config: IndexOptions, sides: Sides, found: documents.Found, settings: Mapping[str, Any], written: _Written
) -> record.IndexRecord:
    """The record of an index of which it is not settled yet how it is searched."""
    tokens, overlap = settings["passages"]
    return record.IndexRecord(
        schema_version=record.SCHEMA,
        version=__version__,
        parts=written.place.name,
        made=written.made.record(),
        measure=sides.measure,
        model=_model(config),
        prompts=sides.prompts,
        documents=len(found.documents),
        passages=written.passages,
        empty=found.empty,
        passage_tokens=tokens,
        overlap=overlap,
        graph=written.graph,
        loss=None if written.loss is None else dataclasses.asdict(written.loss),
        ways=record.Ways(mode="dense", fusion="average", weight=0.5, figures={}, source=""),
        chance={},
        max_false_answers=config.max_false_answers,
        quick=written.quick,
        config=_given(config),
        settled=dict(settings),
        words=written.words,
        shown=found.shown,
    )


def _settled(
    sides: Sides, index: Index, questions: judged.Judged | None
) -> tuple[record.IndexRecord, calibration.Settled | None]:
    """The record with how the index is searched, and when it has no answer."""
    if questions is None:
        return index.entry.model_copy(update={"chance": unanswered.chances(index, sides)}), None
    enough = len(questions.unanswered) >= calibration.FEWEST
    without = sides.asked(questions.unanswered) if enough else None
    settled = calibration.settle(index, questions, sides.asked(questions.questions), without)
    chance = dict(settled.chance)
    if not enough:
        chance = _answering(index, sides, settled)
    return index.entry.model_copy(update={"ways": settled.ways, "chance": chance}), settled


def _answering(index: Index, sides: Sides, settled: calibration.Settled) -> dict[str, record.Chance]:
    """What tells when nothing is found, so that most questions with an answer get one.

    Where all documents are of one subject, those that do not answer a question are as alike to it as those that do, and
    a threshold from judged questions without their documents would refuse nearly everything. Questions of everyday life
    count then, of the scores that they are known for.
    """
    kept, everyday = dict(settled.chance), unanswered.chances(index, sides)
    for name, chance in settled.chance.items():
        value = chances.threshold(chance, index.entry.max_false_answers)
        if value is None or (share := settled.answered(name, value)) >= LEAST_ANSWERED:
            continue
        del kept[name]
        if name in everyday:
            why = f"by {chance.source}, only {share:.1%} of the judged questions, which have an answer, would get one"
            kept[name] = everyday[name].model_copy(update={"source": f"{everyday[name].source}; {why}"})
    return kept


# --- what is there already ---


def _before(folder: Path, *, overwrite: bool) -> record.IndexRecord | None:
    """The record of the index that is brought up to date; None: it is made.

    Raises:
        UserError: the folder holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--output {folder} is a file", "An index is a folder: name another.")
    there = (folder / record.FILE).is_file()
    if (
        folder.is_dir()
        and not there
        and any(path.name != ".unfinished" for path in folder.iterdir() if not _ours(path))
    ):
        raise UserError(f"--output {folder} is no index, and not empty", "Name a folder of its own.")
    return record.read(folder) if there and not overwrite else None


def _ours(path: Path) -> bool:
    return path.name.startswith(record.PART) or path.name.startswith(".")


@dataclass(frozen=True)
class _Old:
    """The files of the index that is brought up to date."""

    table: pa.Table
    stored: Stored
    made: Made

    @classmethod
    def of(cls, folder: Path, entry: record.IndexRecord) -> _Old:
        index = Index.of(folder, entry)
        return cls(index.passages, index.stored, entry.made_with(folder))


def _settings(config: IndexOptions, sides: Sides, most: int | None) -> dict[str, Any]:
    """All that decides what is stored of a text, as JSON values."""
    return {
        "model": sides.digest,
        "vectors": {**sides.task.vectors.record(), "prompts": sides.prompts},
        "max_length": sides.task.max_length,
        "passages": [most, config.overlap],
        "dtype": config.dtype,
    }


def _require_same(folder: Path, before: record.IndexRecord, settings: Mapping[str, Any]) -> None:
    """Refuse to mix what does not belong together.

    Raises:
        UserError: saying what is different.
    """
    made = before.made_with(folder)
    now = json.loads(json.dumps(settings))
    different = [said for name, said in SAID.items() if before.settled.get(name) != now[name]]
    if different:
        raise UserError(
            f"{folder} is an index of {made.model}, and since it was made {' and '.join(different)} changed",
            "--overwrite makes it anew; or give another --output.",
        )


def _passage_tokens(config: IndexOptions, sides: Sides) -> int | None:
    """Tokens of a passage; None: documents are whole.

    Raises:
        UserError: more than the model reads.
    """
    room = sides.room
    if config.passage_tokens == 0:
        return None
    if config.passage_tokens is not None and room is not None and config.passage_tokens > room:
        raise UserError(
            f"--passage-tokens {config.passage_tokens}: the model reads {room} tokens of a document", f"At most {room}."
        )
    return config.passage_tokens or room


def _require_unchanged(folder: Path, before: record.IndexRecord | None) -> None:
    """Refuse to bring up to date what another process has brought up to date since it was read.

    Raises:
        UserError: it has.
    """
    if before is None:
        return
    now = record.read(folder) if (folder / record.FILE).is_file() else None
    if now is None or now.parts != before.parts:
        raise UserError(f"another process has brought {folder} up to date meanwhile", "Run the command again.")


# --- embedding ---


@dataclass
class _Counts:
    """What was embedded."""

    passages: int
    different: int
    known: int
    embedded: int
    tokens: int = 0
    seconds: float = 0.0
    cut: int = 0
    longest: int = 0


def _embed(
    config: IndexOptions,
    sides: Sides,
    now: pa.Table,
    old: _Old | None,
    unfinished: Unfinished,
    settings: Mapping[str, Any],
    found: documents.Found,
    parts: Sequence[Passage],
) -> _Counts:
    """Give each text that has no vector yet one, which is kept."""
    unfinished.begin(settings, sides.width)
    if unfinished.dropped:
        reporting.current().note(
            f"{counted(unfinished.dropped, 'vector', 'vectors')} of an interrupted build with another model or other "
            "options are dropped"
        )
    known = set(table.digests(old.table)) if old is not None else set()
    first: dict[bytes, int] = {}
    for row, digest in enumerate(table.digests(now)):
        first.setdefault(digest, row)
    new = {digest: row for digest, row in first.items() if digest not in known}
    waiting = len(new.keys() - unfinished.rows.keys())
    if len(new) > waiting:
        gone_on = counted(len(new) - waiting, "text is", "texts are")
        reporting.current().note(f"going on: {gone_on} embedded already")
    counts = _Counts(len(now), len(first), len(first) - waiting, waiting)
    reporting.current().plan("index", _plan(config, sides, found, parts, counts))
    start = time.monotonic()
    with reporting.current().progress("embed", waiting, "texts") as bar:
        for digests, computed in sides.computed(_chunks(sides, now, new, unfinished)):
            vectors = sides.finished(computed)
            unfinished.add(digests, vectors)
            counts.tokens += computed.tokens
            counts.cut += computed.cut.texts
            counts.longest = max(counts.longest, computed.cut.longest)
            counts.seconds = max(time.monotonic() - start, 1e-9)
            bar.advance(len(vectors), tokens=f"{counts.tokens / counts.seconds:,.0f}/s")
    if counts.cut:
        of = f"{counts.cut:,} of {counted(counts.embedded, 'text', 'texts')} {'is' if counts.cut == 1 else 'are'}"
        reporting.current().warn(
            f"{of} longer than the {sides.task.max_length} tokens that the model reads (up to {counts.longest:,}): "
            "what stands behind is not found by meaning; without --passage-tokens 0 they are cut into passages"
        )
    return counts


def _chunks(
    sides: Sides, now: pa.Table, new: Mapping[bytes, int], unfinished: Unfinished
) -> Iterator[tuple[list[bytes], list[str]]]:
    """Texts that are embedded together, with their digests, but for those that are embedded already.

    Where an interrupted build goes on, each text is read beside those that it would have been read beside.

    Args:
        new: digest -> row of the texts that the index had no vector of before.
    """
    column, digests = now.column("text"), list(new)
    rows = np.fromiter(new.values(), np.int64, len(new))
    there = set(unfinished.rows)
    lengths = _lengths(column)[rows]
    for chunk in sides.chunks(lengths):
        wanted = [int(i) for i in chunk if digests[i] not in there]
        if wanted:
            yield [digests[i] for i in wanted], [column[int(rows[i])].as_py() for i in wanted]


def _lengths(texts: pa.ChunkedArray) -> np.ndarray:
    """The characters of each text."""
    import pyarrow.compute as pc

    return np.concatenate(
        [np.empty(0, np.int64), *(np.asarray(pc.utf8_length(chunk), np.int64) for chunk in texts.chunks)]
    )


def _plan(
    config: IndexOptions, sides: Sides, found: documents.Found, parts: Sequence[Passage], counts: _Counts
) -> list[tuple[str, str]]:
    several = len(parts) > len(found.documents)
    cut = f" in {counted(len(parts), 'passage', 'passages')}" if several else ""
    equal = f", {counts.passages - counts.different:,} equal to another" if counts.passages > counts.different else ""
    return [
        ("model", config.model),
        ("vectors", sides.task.vectors.described()),
        ("documents", f"{len(found.documents):,} of {counted(len(found.files), 'file', 'files')}{cut}{equal}"),
        (
            "to embed",
            counted(counts.embedded, "text", "texts")
            + (f", {counted(counts.known, 'is', 'are')} there" if counts.known else ""),
        ),
        *([("graph", f"of all {len(parts):,} vectors, made anew")] if len(parts) > config.exact_up_to else []),
        ("device", sides.documents.device.described),
        ("output", f"{config.output}, {config.dtype}"),
    ]


# --- files ---


@dataclass
class _Vectors:
    """The vectors of all passages: of each from the old index, or from what was embedded now.

    Attributes:
        fresh: float32, of the texts that were embedded.
        new: of each passage the place in `fresh`; -1 where it is in `old`.
        kept: of each passage the place in the old index; -1 where it is new.
        scale: of int8.
    """

    fresh: np.ndarray
    new: np.ndarray
    kept: np.ndarray
    old: Stored | None
    config: IndexOptions
    width: int
    largest: float
    scale: float | None
    measure: Any

    @classmethod
    def of(
        cls, now: pa.Table, old: _Old | None, unfinished: Unfinished, config: IndexOptions, sides: Sides
    ) -> _Vectors:
        fresh = unfinished.vectors()
        there: dict[bytes, int] = {}
        if old is not None:
            for row, digest in enumerate(table.digests(old.table)):
                there.setdefault(digest, row)
        new, kept = np.full(len(now), -1), np.full(len(now), -1)
        for row, digest in enumerate(table.digests(now)):
            if digest in unfinished.rows:
                new[row] = unfinished.rows[digest]
            else:
                kept[row] = there[digest]
        largest = float(np.abs(fresh).max(initial=0.0))
        before = old.made.scale if old is not None else None
        scale = None
        if config.dtype == "int8":
            scale = codes.scale_of(largest)
            if before is not None and (not len(fresh) or before >= scale):
                scale = before
            elif before is not None and bool((kept >= 0).any()):
                reporting.current().note(
                    "the numbers of the new vectors are larger than those of before: the int8 codes of all are made "
                    "anew, those of before from their codes"
                )
        width = fresh.shape[1]
        return cls(
            fresh, new, kept, old.stored if old is not None else None, config, width, largest, scale, sides.measure
        )

    def floats(self, rows: np.ndarray) -> np.ndarray:
        """Some rows in float32; those of before as they were stored."""
        out = np.empty((len(rows), self.width), np.float32)
        fresh = self.new[rows] >= 0
        out[fresh] = self.fresh[self.new[rows[fresh]]]
        if self.old is not None and not fresh.all():
            out[~fresh] = self.old.floats(self.kept[rows[~fresh]])
        return out

    def write(self, path: Path) -> Stored:
        """Write them as they are stored."""
        dtype = self.config.dtype
        shape = (len(self.new), codes.stored_width(self.width, dtype))
        out = np.lib.format.open_memmap(path, "w+", codes.STORED[dtype], shape)
        for start in range(0, len(self.new), BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(self.new)))
            out[rows] = codes.encode(self.floats(rows), dtype, self.scale)
        out.flush()
        return Stored(out, dtype, self.width, self.scale, self.measure)

    def loss(self) -> codes.Loss | None:
        """What smaller numbers lose, measured on some of the vectors that were embedded now."""
        if self.config.dtype == "fp32" or not len(self.fresh):
            return None
        return codes.loss(np.asarray(self.fresh[codes.sample(len(self.fresh))]), self.config.dtype, self.scale)


def _graph(config: IndexOptions, stored: Stored, place: Path) -> float | None:
    """Build the graph of very many vectors, and measure it; None of fewer."""
    if len(stored) <= config.exact_up_to:
        return None
    with reporting.current().progress("connect", len(stored), "vectors") as bar:
        graph = Graph.built(stored, config.threads or 0)
        bar.advance(len(stored))
    graph.save(place / GRAPH)
    return graph.recall(stored)


def _next_part(folder: Path) -> Path:
    """A folder that is not there yet."""
    numbers = [
        int(path.name.removeprefix(record.PART))
        for path in folder.glob(f"{record.PART}*")
        if path.name[len(record.PART) :].isdigit()
    ]
    return folder / f"{record.PART}{max(numbers, default=0) + 1}"


def _sweep(folder: Path, keep: Path) -> None:
    """Delete the files of what the index was before, and of builds that were interrupted."""
    for path in folder.glob(f"{record.PART}*"):
        if path.name != keep.name:
            shutil.rmtree(path, ignore_errors=True)


def _made(config: IndexOptions, sides: Sides, stored: Stored) -> Made:
    task = sides.task
    return Made(
        model=config.model,
        model_sha256=sides.digest,
        pooling=",".join(task.vectors.pooling),
        layers=task.vectors.layers,
        normalized=sides.measure == "cosine",
        prompt=task.vectors.prompt,
        width=stored.width,
        dtype=config.dtype,
        scale=stored.scale,
        max_length=task.max_length,
        long_text="truncate",
        similarity=task.vectors.similarity,
        version=__version__,
        rows=len(stored),
    )


def _model(config: IndexOptions) -> dict[str, Any]:
    """The options that the model is opened with again, but for where it runs."""
    names = SideModelOptions.model_fields.keys() - {"device", "threads", "precision", "batch_size", "batch_tokens"}
    # a search may be asked for in another folder
    model = str(Path(config.model).resolve()) if Path(config.model).is_dir() else config.model
    given = {**_given(config), "model": model}
    return {name: value for name, value in given.items() if name in names}


def _given(config: IndexOptions) -> dict[str, Any]:
    """The options that were given, as JSON values, without permissions, which are asked for anew each time."""
    left_out = {*NOT_REPEATED, *PERMISSIONS}
    return config.model_dump(mode="json", include=set(config.given - left_out))


def _quick(sides: Sides, now: pa.Table) -> record.QuickSettings | None:
    """How questions are embedded without torch; None where that does not give the same vectors."""
    task = sides.questions.task
    vectors = task.vectors
    settings = record.QuickSettings(prompt=vectors.prompt, max_length=task.max_length, lower_case=vectors.lower_case)
    if not quick.Quick.possible(sides.questions.folder):
        return None
    rows = np.unique(np.linspace(0, len(now) - 1, min(TRIED, len(now))).astype(np.int64))
    texts = now.column("text").take(rows).to_pylist()
    texts += [text[:QUESTION] for text in texts]
    wanted = np.concatenate([sides.asked([text]) for text in texts])
    same = quick.tried(sides.questions.folder, settings, sides.measure, texts, wanted)
    return settings if same else None


def _thresholds(entry: record.IndexRecord) -> dict[str, Any]:
    return {
        "no_answer": {
            name: {
                "source": chance.source,
                "estimate": chance.estimate,
                "questions": len(chance.best),
                "threshold": chances.threshold(chance, entry.max_false_answers),
            }
            for name, chance in entry.chance.items()
        }
    }


def _threshold_lines(entry: record.IndexRecord, settled: calibration.Settled | None) -> list[str]:
    """What is said of when nothing is found, of the scores that decide it."""
    name = "bm25" if entry.ways.mode == "bm25" else "dense"
    if name not in entry.chance:
        return [f"{entry.ways.mode}: every question is answered, as nothing tells how alike a wrong document is"]
    chance = entry.chance[name]
    value = chances.threshold(chance, entry.max_false_answers)
    if value is None:
        return ["every question is answered: --max-false-answers 1"]
    promised = max(entry.max_false_answers, 1 / (len(chance.best) + 1))
    bound = f"nothing is found up to a {name} score of {value:.3f}"
    if chance.estimate:
        lines = [
            f"{bound}, an estimate by {chance.source}: that at most {promised:.1%} of questions without an answer "
            "exceed it can be promised only with judged ones (--calibrate)"
        ]
    else:
        lines = [
            f"{bound}: of new questions without an answer, like those that were judged, at most {promised:.1%} exceed "
            f"it, by {chance.source}"
        ]
    if settled is not None:
        lines.append(f"above it are {settled.answered(name, value):.1%} of the judged questions, which have an answer")
    if promised > entry.max_false_answers:
        lines.append(
            f"--max-false-answers {entry.max_false_answers:g} cannot be told from {len(chance.best):,} questions: it "
            "takes more judged ones"
        )
    return lines


def _report(
    config: IndexOptions,
    entry: record.IndexRecord,
    changed: table.Changes,
    counts: _Counts,
    loss: codes.Loss | None,
    settled: calibration.Settled | None,
    answers: str | None,
    seconds: float,
) -> Report:
    assert config.output is not None
    lines = [
        f"documents: {changed.new:,} new, {changed.changed:,} changed, {changed.removed:,} removed, "
        f"{changed.same:,} as before"
    ]
    if loss is not None:
        bits = {"fp16": 16, "int8": 8, "binary": 1}[config.dtype]
        lines.append(f"{config.dtype}, {bits} of 32 bits a number: {loss}")
    if entry.graph is not None:
        lines.append(f"graph of neighbours: recall@10 {entry.graph:.1%} against an exact search")
    lines.append(
        f"{counted(entry.documents, 'document', 'documents')}, {counted(entry.passages, 'passage', 'passages')} to "
        f"{config.output} in {reporting.duration(seconds)}"
    )
    told = {
        "model": config.model,
        "output": str(config.output),
        "documents": entry.documents,
        "passages": entry.passages,
        "empty": entry.empty,
        "changes": dataclasses.asdict(changed),
        "embedded": counts.embedded,
        "longer_than_read": counts.cut,
        "vectors": {name: value for name, value in entry.made.items() if name != "broken"},
        "loss": entry.loss,
        "graph_recall@10": entry.graph,
        "mode": entry.ways.mode,
        **_thresholds(entry),
        **({} if settled is None else settled.record()),
        "seconds": round(seconds, 3),
    }
    lines += [*([] if settled is None else settled.lines()), *_threshold_lines(entry, settled)]
    tables = [] if settled is None else [figures.table(f"searched for {settled.ways.source}", settled.ways.figures)]
    show = "" if answers is None else f" --show {reporting.typed(answers)}"
    next_command = f"nlpkit search {reporting.typed(config.output)} 'a question'{show}"
    return Report(told, tables, lines, next_command=next_command)
