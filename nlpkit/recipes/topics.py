"""Find the topics of the texts of a file, and give them to new texts.
Writes topics, names to edit, the rows with their topics and a map to a folder.

Texts lie on a plane by their vectors; where they lie close together is a topic, named by the words that tell it from
the others. --topics FILE has topics that you wish for, beside those that are found; --merge N joins the nearest ones;
--time-column shows how they come and go. Names are edited in names.csv of the folder, and stay when it is made anew
with --overwrite. With a folder of topics in place of the model new texts get its topics.

Examples: nlpkit topics minilm --input news.csv --output runs/topics
nlpkit topics minilm --input news.csv --topics wishes.txt --time-column date
nlpkit topics runs/topics --input new.csv --output with-topics.csv
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import reporting
from nlpkit.data import memory, streams
from nlpkit.errors import UserError
from nlpkit.metrics.similarity import unit
from nlpkit.reporting import Report, counted
from nlpkit.runs import lock
from nlpkit.runs.folder import RunFolder, human_bytes, versions
from nlpkit.tasks.contract import Task
from nlpkit.topic_models.options import OF_VECTORS, TopicOptions

if TYPE_CHECKING:
    from nlpkit.embedding.corpus import Corpus
    from nlpkit.embedding.opened import Opened
    from nlpkit.topic_models.found import Topics
    from nlpkit.topic_models.times import Over

COMMAND = "topics"
NEEDS = Task  # of the task of the model
ESSENTIAL: tuple[str, ...] = (
    "model",
    "input",
    "text_column",
    "topics",
    "min_size",
    "merge",
    "outliers",
    "time_column",
    "output",
    "overwrite",
)


class Config(TopicOptions):
    """Options of `nlpkit topics`."""


@lock.given_back()
def run(config: Config) -> Report:
    """Find topics and write a folder, or give the topics of a folder to new texts.

    Raises:
        UserError: there are no texts, or they lie nowhere close together.
    """
    started = time.monotonic()
    if config.input is None:
        raise UserError("name the file with the texts: --input FILE (- for a pipe)")
    config.refuse_unread()
    from nlpkit.topic_models import saved

    if saved.is_folder(config.model):
        from nlpkit.topic_models import given

        return given.give(config, saved.read(Path(config.model)), COMMAND)
    return _found(config, started)


# --- topics are found ---


def _found(config: Config, started: float) -> Report:
    from nlpkit.clustering import reduction
    from nlpkit.clustering.clusters import stop_words_of
    from nlpkit.embedding.corpus import open_corpus
    from nlpkit.embedding.opened import open_embedder
    from nlpkit.topic_models import found, saved, told, wished

    assert config.input is not None
    name = "rows" if memory.is_name(config.input) or config.input == "-" else Path(config.input).name.split(".")[0]
    folder = RunFolder(config.output or RunFolder.default_path(name or "rows", COMMAND))
    folder.require_usable(resume=None, overwrite=config.overwrite)
    given = saved.read(folder.path).given() if saved.is_folder(str(folder.path)) else None
    reduction.require(config.map)
    stop_words_of(config.stop_words)
    wishes = wished.read(config.topics) if config.topics else []
    opened = open_embedder(config)
    corpus = open_corpus(opened, config, lambda: reporting.current().plan(COMMAND, _plan(opened, config, folder.path)))
    units = _of_wishes(opened, [wish.text for wish in wishes], corpus)
    given = given if given is not None and given.centres.shape[1] == corpus.vectors.shape[1] else None
    topics = found.find(corpus, config, wishes, units, given)
    over = _over_time(topics, config)
    made = {key: value for key, value in corpus.made.record().items() if key != "broken"}
    head: dict[str, Any] = {
        "figures": dict(topics.figures),
        "vectors": made,
        "asked": {option: getattr(config, option) for option in OF_VECTORS},
    }
    record = {
        "command": COMMAND,
        "config": config.record(),
        "parents": {"model": {"given": config.model, "revision": config.model_revision}},
        "rows": len(corpus.rows),
        "input": {"given": config.input, **corpus.source.read_as()},
        "corpus": dict(corpus.record),
        "metrics": {"rows": {n: topics.figures[n] for n in ("npmi", "npmi_windows", "diversity", "outlier_share")}},
        "topics": dict(topics.figures),
        "seed": config.seed,
        "versions": versions(),
        "wall_seconds": round(time.monotonic() - started, 2),
    }
    title = f"{counted(len(topics.found), 'topic', 'topics')} of {config.input}"
    folder.start({"command": COMMAND, "config": config.record()}, overwrite=config.overwrite, resume=False)
    with folder.staging() as staged:
        saved.write(staged, topics, over, head, title=title, about=told.about(topics, config))
        folder.finish(record, staged, keep_checkpoints=False)
    report = {
        **{key: record[key] for key in ("command", "metrics", "corpus")},
        **topics.figures,
        "output": str(folder.path),
        "topics_found": [saved.of_topic(topics, topic) for topic in topics.found],
    }
    following = f"nlpkit topics {reporting.typed(folder.path)} --input NEW"
    return Report(report, [told.table(topics)], told.lines(topics, over, folder.path), next_command=following)


def _plan(opened: Opened, config: Config, output: Path) -> list[tuple[str, str]]:
    """What is about to be done; memory where the number of rows is known."""
    from nlpkit.embedding.opened import width_of

    total = streams.row_count(config.input)
    rows = [
        ("model", config.model),
        ("vectors", str(config.vectors) if config.vectors else opened.how),
        ("rows", f"{total:,} lines of {config.input}" if total else str(config.input)),
        ("topics", f"dense places of a map{', beside those of ' + config.topics if config.topics else ''}"),
        ("device", opened.predictor.device.described),
    ]
    if total and (width := width_of(opened)):
        rows.append(("memory", f"about {human_bytes(3 * 4 * width * total)} for vectors, beside model and texts"))
    return [*rows, ("output", str(output))]


def _of_wishes(opened: Opened, texts: list[str], corpus: Corpus) -> np.ndarray:
    """The vectors of wishes, of length 1."""
    if not texts:
        return np.empty((0, corpus.vectors.shape[1]), np.float32)
    reader = opened.task.reader(["text"], None, labelled=False)
    ((_, embedded),) = opened.embedder.embedded([(None, reader, [{"text": text} for text in texts])])
    if embedded.vectors is None or embedded.errors:
        raise UserError(f"--topics: {next(iter(embedded.errors.values()), 'no wish has a vector')}")
    return unit(np.asarray(embedded.vectors, np.float32))


def _over_time(topics: Topics, config: Config) -> Over | None:
    from nlpkit.data import columns as column_names
    from nlpkit.topic_models import times

    if config.time_column is None:
        return None
    rows = [topics.corpus.rows[i] for i in topics.places]
    column = column_names.require(config.time_column, dict.fromkeys(n for row in rows for n in row.values), "time")
    values = [row.values.get(column) for row in rows]
    over = times.over([times.read(value) for value in values], topics.labels, len(topics.found), config.time_unit)
    if over is None:
        raise UserError(
            f"no cell of the column '{column}' is a date (the first: {values[0]!r})", "Write dates as 2024-03-31."
        )
    if over.without:
        reporting.current().warn(
            f"{counted(over.without, 'row has', 'rows have')} no date that can be read in '{column}'"
        )
    return over
