"""A folder of topics: written, opened again, and used for new texts. No pickle: safetensors, JSON and csv."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.clustering import drawing, map_page, written
from nlpkit.errors import UserError
from nlpkit.runs import plots
from nlpkit.runs.files import ornament, small_text, write_json
from nlpkit.topic_models import names as name_file
from nlpkit.topic_models import plots as pictures
from nlpkit.vectors.made import Made

if TYPE_CHECKING:
    from nlpkit.topic_models.found import Topic, Topics
    from nlpkit.topic_models.times import Over

TENSORS = "topics.safetensors"
TOPICS = "topics.json"
CENTRES, LIMITS = "centres", "limits"


@dataclass(frozen=True)
class Saved:
    """The topics of a folder.

    Attributes:
        names: of the topics, those that people gave first.
        automatic: names that nlpkit gave.
        centres: of length 1, float32 of shape (topics, width).
        limits: cosine from which on a text belongs to each, float32.
        made: what the vectors are made with.
        asked: options of the model and its vectors with which they were made.
    """

    names: Sequence[str]
    automatic: Sequence[str]
    centres: np.ndarray
    limits: np.ndarray
    made: Made
    asked: Mapping[str, Any]

    def given(self) -> name_file.Given:
        """The names that people gave."""
        own = {i: name for i, name in enumerate(self.names) if name != self.automatic[i]}
        return name_file.Given(own, self.centres)


def is_folder(name: str) -> bool:
    """Whether a model is named that is a folder of topics."""
    return (Path(name) / TOPICS).is_file()


def read(folder: Path) -> Saved:
    """Open a folder of topics.

    Raises:
        UserError: it is damaged.
    """
    from safetensors.numpy import load_file

    path = folder / TOPICS
    again = "Find the topics again: nlpkit topics MODEL --input FILE."
    try:
        document = json.loads(small_text(path))
        automatic = [str(topic["automatic_name"]) for topic in document["topics"]]
        tensors = load_file(folder / TENSORS)
        centres, limits = np.asarray(tensors[CENTRES]), np.asarray(tensors[LIMITS])
        made = Made.of(document["vectors"], path)
        asked = dict(document["asked"])
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{folder} is no whole folder of topics: {error}", again) from None
    if centres.shape != (len(automatic), made.width) or limits.shape != (len(automatic),):
        raise UserError(f"{folder / TENSORS} and {path} do not belong together", again)
    own = name_file.read(folder, automatic)
    return Saved([own.get(i, name) for i, name in enumerate(automatic)], automatic, centres, limits, made, asked)


def write(folder: Path, topics: Topics, over: Over | None, head: Mapping[str, Any], *, title: str, about: str) -> None:
    """The files of a folder of topics.

    Args:
        over: counts over time, where there are dates.
        head: figures and how the topics were made, which topics.json begins with.
        title: heading of the map.
        about: how it was made.
    """
    from safetensors.numpy import save_file

    corpus = topics.corpus
    save_file({CENTRES: topics.centres, LIMITS: topics.limits}, folder / TENSORS)
    place = {int(row): i for i, row in enumerate(topics.places)}
    columns = written.free_names(corpus, ["topic", "topic_name", "topic_similarity", "topic_error"])

    def beside(row: int) -> dict[str, Any]:
        i = place.get(row)
        if i is None:
            return dict(zip(columns, (None, None, None, corpus.errors[row]), strict=True))
        number = int(topics.labels[i])
        name = topics.names[number] if number >= 0 else None
        return dict(zip(columns, (number, name, round(float(topics.similarity[i]), 4), None), strict=True))

    rows = folder / f"{written.ROWS}{written.suffix_of(corpus)}"
    written.write_rows(rows, corpus, beside, range(len(corpus.rows)), overwrite=False)
    words = [[word for word, _ in topic.words] for topic in topics.found]
    name_file.write(folder / name_file.FILE, topics.names, words)
    document = {
        **head,
        "topics": [of_topic(topics, topic) for topic in topics.found],
        "tree": [[int(a), int(b), round(float(far), 6), int(size)] for a, b, far, size in topics.links],
    }
    if over is not None:
        document["over_time"] = {"unit": over.unit, "parts": list(over.parts), "counts": over.counts.tolist()}
    write_json(folder / TOPICS, document)
    drawings: dict[str, plots.Plot] = {}
    if topics.points is not None:
        with ornament(written.PAGE):
            rows_of = topics.places.tolist()
            where = [written.place_named(corpus, i) for i in rows_of]
            texts = [corpus.texts[i] for i in rows_of]
            page = folder / written.PAGE
            map_page.write(
                page,
                topics.points,
                topics.labels,
                topics.names,
                texts,
                where,
                title=title,
                about=about,
                outliers="no topic",
            )
        drawings["map"] = drawing.map_of(topics.points, topics.labels, topics.names, title)
    if len(topics.links) > 1:
        drawings["tree"] = pictures.tree(topics.links, topics.names)
    if over is not None and len(over.parts) > 1:
        drawings["over_time"] = pictures.over_time(over, topics.names)
    if drawings:
        plots.draw(drawings, folder / "plots")


def of_topic(topics: Topics, topic: Topic) -> dict[str, Any]:
    """A topic as JSON values."""
    corpus = topics.corpus
    return {
        "topic": topic.number,
        "name": topic.name,
        "automatic_name": topic.automatic,
        "wished": topic.is_wished,
        "rows": len(topic.rows),
        "share": round(len(topic.rows) / len(topics.places), 4),
        "cohesion": None if topic.cohesion is None else round(topic.cohesion, 4),
        "limit": round(float(topics.limits[topic.number]), 4),
        "words": [{"word": word, "weight": round(weight, 6)} for word, weight in topic.words],
        "central": [{"line": corpus.rows[i].line, "text": corpus.texts[i]} for i in topic.central],
    }
